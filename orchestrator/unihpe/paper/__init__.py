"""UniHPE's tables and figures, ours beside the published numbers: `equipose tables --work unihpe`.

`plan` (which number of which run stands where), `cost` (the time of a batch), `results` (the tables), `order`
(whether the paper's order comes out), `figures`, `report`, `job`.
"""
