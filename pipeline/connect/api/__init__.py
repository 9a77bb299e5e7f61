"""The HTTP API for programs. docs/api.md is the manual."""
