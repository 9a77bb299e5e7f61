"""Notices that another voice speaks on an account."""
