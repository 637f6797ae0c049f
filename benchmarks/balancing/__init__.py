"""What balancing costs: contributions, Fisher information, AWC, and every method beside plain training."""
