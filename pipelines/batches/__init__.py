"""Batches from a store.

`source` (the class to use), `config` (its settings), `sharding` (which rows a rank loads), `sampling` (which
points of a cloud), `gather` (copies the numbers).
"""
