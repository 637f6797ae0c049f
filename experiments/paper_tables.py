"""`equipose tables` as a script, for `ray submit`: the paper's tables and figures."""

from equipose.experiments.cli import run_script

if __name__ == "__main__":
    run_script("tables")
