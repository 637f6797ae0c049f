"""`equipose continual` as a script, for `ray submit`: rooms, people or actions learnt one after the other."""

from equipose.experiments.cli import run_script

if __name__ == "__main__":
    run_script("continual")
