"""The controlled experiment on modality imbalance: its runs, claims and results."""
