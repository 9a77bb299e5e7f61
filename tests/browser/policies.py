"""Changes the shipped policy. Its limits change whenever the classifier does, so no test repeats them."""

import re


def limit(policy: str, label: str) -> str:
    """Return the review limit of a label in the policy's text."""
    found: list[str] = re.findall(rf"^  {label}: {{review: ([\d.]+)", policy, re.MULTILINE)
    return found[0]


def with_limit(policy: str, label: str, review: float) -> str:
    """Return the policy's text with another review limit of a label."""
    start = f"  {label}: {{review: "
    return policy.replace(start + limit(policy, label), f"{start}{review}")
