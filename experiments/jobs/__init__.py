"""Shared by the commands that start jobs: records on disk, start and resume, plans, checks, summaries."""
