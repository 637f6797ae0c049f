"""HTML reports: the grid of figures and tables, the overview and its verdicts."""
