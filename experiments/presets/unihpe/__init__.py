"""How large UniHPE's jobs are: `stages` (one variant), `baselines`, `tables` (the paper's)."""
