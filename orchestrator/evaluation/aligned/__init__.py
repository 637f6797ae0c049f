"""Evaluation of aligned models: `routes` from one view of a pose to another, `retrieval`, and both as files
(`evaluation`)."""
