"""Tables of results and their formats: Markdown, CSV, LaTeX."""
