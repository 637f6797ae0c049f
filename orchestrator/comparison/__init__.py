"""Comparison of balancing methods: its runs, results, tables, figures and MLflow record."""
