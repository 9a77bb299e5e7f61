"""Commands that need a broker."""
