"""Numbers and lines of text, as all text formats read and write them."""
