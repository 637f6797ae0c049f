"""What people run: the `equipose` command and the scripts that `ray submit` takes."""
