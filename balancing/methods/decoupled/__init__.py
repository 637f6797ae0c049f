"""Methods in which encoders learn from heads of their own, and the pose loss trains fusion and pose head."""
