"""The settings that were removed, and what to do about each. Loading names the remedy in its error."""

REASON = "the setting was removed"

REMEDIES = {
    "stages": "Delete it: pipeline/contract/topology.py has the batches of the stages.",
}
"""What to do, by key. A key of a section stands for every key in it."""


def remedy_of(key: str) -> str | None:
    """What to do about a key that was removed, e.g. `stages.judge.batch`; None if it never was a setting."""
    parts = key.split(".")
    prefixes = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((REMEDIES[prefix] for prefix in prefixes if prefix in REMEDIES), None)
