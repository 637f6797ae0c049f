"""One run on Ray Train: sizing, workers, resuming, and the `train` job."""
