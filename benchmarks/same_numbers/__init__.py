"""Whether two checkouts compute the same numbers, bit for bit: `python -m benchmarks.same_numbers`."""
