"""Noise identification and separation: which readings of which sensor do not fit the rest of the evidence.

The first versions of the AWC paper (arXiv 2501.05264v1 to v3) name the idea in their abstract: watch
contributions, find noisy data, separate it. Detector, thresholds and what happens to separated data are not
public, so all of it is ours: `residuals` (channel a), `head_errors` (b), `row_games` (c), `robust` (one scale
for all), `mixture` and `decision` (what is separated), `bulk` (what is only reported), `evidence` and
`scoring` (the pass that measures), `hiding` (sets of readings), `separation` (the method).
"""
