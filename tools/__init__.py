"""``python -m tools`` generates the parts of the documentation that come from the program."""
