"""`equipose train --work unihpe` as a script, for `ray submit`: image, 2D and 3D pose in one space."""

from equipose.experiments.cli import run_script

if __name__ == "__main__":
    run_script("train", "--work", "unihpe")
