"""Sizes and times of models, of contrastive losses, and of encoders of pictures."""
