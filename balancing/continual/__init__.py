"""Learning task after task: what keeps a model from forgetting, and noise out of it."""
