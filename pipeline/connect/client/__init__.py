"""Clients for apps: send the audio of a speaker to the gateway. docs/python.md is the manual."""
