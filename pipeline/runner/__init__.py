"""The pipeline in one process, for one machine, files and tests."""
