"""One run without Ray: config, data, model, the training loop, validation and logged epochs."""
