"""Batches from a store.

`source` (the class to use), `config` (its settings), `sharding` (which rows a rank loads), `sampling` (which
points of a cloud), `mirror` (which rows are mirrored), `gather` (copies the numbers),
`labels` (who does what where).
"""
