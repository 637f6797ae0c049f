"""Shapley values of modalities: coalitions, value functions, exact and sampled values, reports."""
