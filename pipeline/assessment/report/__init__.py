"""The report of the security assessment: its content, its pages, its tables, the signed bundle, and their check."""
