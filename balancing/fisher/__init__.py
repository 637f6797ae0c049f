"""Fisher information of a model's parameters: its diagonal, exact per-sample gradients, layer rules."""
