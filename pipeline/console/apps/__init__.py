"""Endpoints for apps: appeals, confirmations, Coop, tokens."""
