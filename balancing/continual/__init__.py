"""Methods for a stream of tasks: learn the new one, keep what the earlier ones taught, and leave noise out.

`docs/continual-methods.md` and `docs/continual-noise.md` are the guides.
"""
