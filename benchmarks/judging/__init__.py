"""The parts of `benchmarks/judge.py`: systems, data and measures."""
