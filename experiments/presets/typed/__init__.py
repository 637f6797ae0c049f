"""What is typed on the command line, as settings: overrides, the simulator, sensors, costs, works."""
