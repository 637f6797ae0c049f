"""What `--work unihpe` of `equipose train` and `equipose tables` does."""
