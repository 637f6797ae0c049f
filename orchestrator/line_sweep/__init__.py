"""Sweeps whose trials are lines of kept runs, each from the end of the one before: streams, UniHPE's stages.

`dials`, `config` (what a sweep says of itself), `search`, `trial`, `run` (on Ray Tune), `results`, `record`,
`job`.
"""
