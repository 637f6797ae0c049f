"""Figures of streams of tasks: errors after every task, what is forgotten, and how noise is found."""
