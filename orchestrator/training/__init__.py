"""One run without Ray: config, data, model, the training loop, validation and logged epochs.

Where a run is trained, in one process or on Ray Train, and why: `equipose.orchestrator.grid.launch`.
"""
