"""What makes the parts of the documentation that come from the program: ``python -m tools``."""
