"""The AWC paper's tables and figures: the runs they need, estimates, results and the report."""
