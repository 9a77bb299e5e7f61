"""Clients for apps: send the audio of a speaker to the gateway. docs/api.md is the manual."""
