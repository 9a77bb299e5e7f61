"""The loop of a worker: records in, one stage, records out, commits."""
