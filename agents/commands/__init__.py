"""The commands of `voxwarden`: one file for each group."""
