"""The AWC paper's published numbers and the tables that set ours beside them."""
