"""Sounds that are not words."""
