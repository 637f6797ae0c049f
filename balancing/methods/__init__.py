"""Balancing methods, a file each. `equipose.balancing.registry` lists them by name."""
