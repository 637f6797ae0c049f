"""Rates of what makes and loads data: the simulator, its renderer, and loaders."""
