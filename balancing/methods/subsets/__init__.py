"""Methods that train on subsets of the sensors, so that a model keeps working when some are missing."""
