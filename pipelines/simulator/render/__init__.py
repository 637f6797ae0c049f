"""The rendered person, for the depth camera and for `pictures`.

`pinhole` cameras stand at `viewpoints`; `zbuffer` finds what they see of the body's capsules; `room` is what
depth sees behind it; `appearance` and `scenery` colour the pictures.
"""
