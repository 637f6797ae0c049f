"""How large UniHPE's jobs are: `sizes`, `variants`, `baselines`, `overrides`; `stages` (one variant) and
`tables` (the paper's)."""
