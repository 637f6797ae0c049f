"""Checkpoints: what is in one, how its folder is written, sealed and read, and the model it holds."""
