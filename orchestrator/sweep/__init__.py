"""Hyper-parameter sweeps with Ray Tune and Optuna: search, ASHA, trials, results and figures."""
