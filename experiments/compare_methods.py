"""`equipose compare` as a script, for `ray submit`: balancing methods compared fairly."""

from equipose.experiments.cli import run_script

if __name__ == "__main__":
    run_script("compare")
