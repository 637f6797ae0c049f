"""Grids of kept runs: each run is described by a spec, trained once, and found again by its content key."""
