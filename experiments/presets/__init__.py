"""Sizes and settings by name (`smoke`, `quick`, `paper`), data sources, and overrides of single settings."""
