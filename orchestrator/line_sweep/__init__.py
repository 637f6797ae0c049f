"""Sweeps whose trials are lines of kept runs, one from the end of the other: streams of tasks, stages of UniHPE."""
