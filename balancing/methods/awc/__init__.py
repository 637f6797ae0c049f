"""Adaptive Weight Constraint (arXiv 2501.05264) and its continuous and adaptive variants."""
