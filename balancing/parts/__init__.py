"""What several methods share: gradients, unimodal scores, resampling, passes over the data."""
