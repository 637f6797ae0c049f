"""Safe file I/O: atomic writes, bounded reads, checked paths, locks, and errors that name the cause."""
