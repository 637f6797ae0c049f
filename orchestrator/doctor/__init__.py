"""Checks before a job starts: what would hang, fail or run out."""
