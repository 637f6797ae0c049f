"""What all jobs share: their folders, the session they run in, and progress on the terminal."""
