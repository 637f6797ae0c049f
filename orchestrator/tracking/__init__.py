"""MLflow: the server, its runs, and the outbox that holds what could not be delivered yet."""
