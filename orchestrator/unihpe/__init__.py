"""`equipose train --work unihpe`: image, 2D and 3D pose aligned in one space, in stages.

`stages` (a variant's runs, each of which starts at another's end), `results`, `tables`, `record`, `job`.
"""
