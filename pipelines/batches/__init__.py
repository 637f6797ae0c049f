"""Batches from a store: sampling, gathering of frames, sharding over ranks."""
