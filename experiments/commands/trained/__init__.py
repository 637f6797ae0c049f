"""Verbs for a trained model: its errors, its poses, and which of its sensors are worth having."""
