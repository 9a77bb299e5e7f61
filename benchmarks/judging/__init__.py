"""The parts of `benchmarks/judge.py`: what is compared, on what, and by which figures."""
