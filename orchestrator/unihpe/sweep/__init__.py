"""`equipose sweep --work unihpe`: settings of the alignment searched, the best one tested beside the default.

`dials` (what is turned), `config` (the runs of a trial), `results`, `tables`, `job`.
"""
