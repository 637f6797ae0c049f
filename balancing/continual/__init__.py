"""Methods for a stream of tasks: learn the new one without losing what the earlier ones taught.

`docs/continual-methods.md` is the guide.
"""
