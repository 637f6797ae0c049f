"""The machine and the Ray cluster: capacity, sessions, a local Ray, parallel preparation of data."""
