"""The recordings that measure sound events, and the models of others that the listener uses."""
