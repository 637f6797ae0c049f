"""Objectives: what is minimised, before a balancing method shapes it.

`objective` (the contract), `pose` (the error of the fusion model), `align` (contrastive losses of UniHPE, and
decoders beside them), `baseline` (the published losses of what UniHPE is compared with), `model_kinds` (which
model each reads), `registry`.
"""
