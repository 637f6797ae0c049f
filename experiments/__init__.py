"""The `equipose` command, and scripts for `ray submit`."""
