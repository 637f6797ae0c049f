"""Statistics of results: paired tests, comparisons, errors per sensor subset, claims."""
