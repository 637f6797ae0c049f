"""Streams of tasks: the matrix of errors and its metrics, tests between strategies, what finds noise."""
