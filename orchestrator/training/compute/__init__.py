"""How a run computes: what its precision goes with, and how it takes its gradients."""
