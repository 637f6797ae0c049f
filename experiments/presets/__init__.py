"""What jobs can be asked for: options, sizes by name (`smoke`, `quick`, `paper`), data sources, overrides."""
