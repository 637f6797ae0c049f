"""What all jobs share: where they lie, the session they run in, and progress on the terminal."""
