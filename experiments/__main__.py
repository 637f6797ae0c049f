"""`python -m equipose.experiments` is `equipose`."""

from equipose.experiments.cli import main

if __name__ == "__main__":
    main()
