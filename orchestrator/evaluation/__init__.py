"""Evaluation on the test part: features once, every coalition on a pool of actors, errors per frame."""
