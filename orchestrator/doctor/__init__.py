"""Checks before anything starts: what would hang, fail or run out."""
