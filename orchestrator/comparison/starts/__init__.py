"""With what weights the runs of a comparison start: `alignment` (encoders aligned with the skeletons
first) and `table` (what that changes)."""
