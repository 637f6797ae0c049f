"""Evaluation of aligned models and of baselines: `routes` from one view of a pose to another, `retrieval`
where there are embeddings, and both as files (`evaluation`)."""
