"""Simulated people.

`person` (who), `actions` as `keyposes` (what they do), `motion` through `kinematics` (joints over time),
`body` (the surface that sensors see).
"""
