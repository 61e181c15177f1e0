"""Arrow columns and chunks, as all formats that hold or become Arrow use them."""
