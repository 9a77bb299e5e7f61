"""Training of the shipped text classifier: `voxwarden train --data DIR --out DIR`."""
