"""Who does the work: ordered maps, and the fragments that are worked on elsewhere."""
