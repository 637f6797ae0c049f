"""MLflow: the server, its runs, and the outbox through which everything logged reaches the server."""
