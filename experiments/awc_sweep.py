"""`equipose sweep` as a script, for `ray submit`: AWC strength, critical-window length and fusion."""

from equipose.experiments.cli import run_script

if __name__ == "__main__":
    run_script("sweep")
