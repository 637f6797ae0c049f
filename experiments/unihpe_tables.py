"""`equipose tables --work unihpe` as a script, for `ray submit`: UniHPE's tables and figures."""

from equipose.experiments.cli import run_script

if __name__ == "__main__":
    run_script("tables", "--work", "unihpe")
