"""Pages of the security assessment."""
