"""Numbers, exactly: what a column holds, exact sums, correct rounding, double-doubles."""
