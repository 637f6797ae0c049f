"""`equipose controlled` as a script, for `ray submit`: does joint training starve a weak sensor?"""

from equipose.experiments.cli import run_script

if __name__ == "__main__":
    run_script("controlled")
