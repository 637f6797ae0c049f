"""`python -m benchmarks.gpu [--cpu] [--no-compile | --compile-only]`."""

from benchmarks.gpu import main

print(main())
