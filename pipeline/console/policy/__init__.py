"""The policy studio, and the bank of banned recordings."""
