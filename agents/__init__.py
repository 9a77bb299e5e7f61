"""Voxwarden's processes: the Faust agents, the gateway, the one-machine runner and their commands."""
