"""Simulated people: bodies, actions, key poses, kinematics and motion."""
