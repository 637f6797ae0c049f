"""Learning task after task: strategies compared over streams, from the matrix of errors after every task."""
