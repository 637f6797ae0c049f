"""Methods that keep a few rows of earlier tasks: numbers of rows of the store, not their content."""
