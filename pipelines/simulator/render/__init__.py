"""The rendered person: `pinhole` cameras, a `zbuffer` of the body's capsules, the `room` behind it."""
