"""Measurements behind every performance claim; `python -m benchmarks [name ...]` prints them."""
