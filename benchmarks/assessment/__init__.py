"""Checks of the security assessment: simulated weeks with known truth, and a store of a large app."""
