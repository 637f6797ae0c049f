"""Evaluation of aligned models and of baselines: `routes` from one view of a pose to another, `retrieval`
where there are embeddings, and both as files (`evaluation`); `picture_poses` goes the route from image to
pose for pictures that are no store's."""
