"""What the commands that start jobs share: records on disk, start and resume, plans, checks, summaries."""
