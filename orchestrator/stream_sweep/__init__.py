"""Dials of strategies for streams of tasks, searched with Ray Tune and Optuna: a trial is a stream."""
