"""Which classes of YAMNet are which kind of sound, and from which score on."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pipeline.contract.messages import YamnetKind

CLASSES: Mapping[str, int] = {
    "Screaming": 11,
    "Crying, sobbing": 19,
    "Baby cry, infant cry": 20,
    "Whimper": 21,
    "Wail, moan": 22,
    "Groan": 33,
    "Explosion": 420,
    "Gunshot, gunfire": 421,
    "Machine gun": 422,
    "Fusillade": 423,
    "Artillery fire": 424,
    "Cap gun": 425,
}
"""Places of classes among the scores, as `yamnet_class_map.csv` of the repository tensorflow/models has them."""
CRIES = ("Crying, sobbing", "Baby cry, infant cry", "Whimper")
MOANS = ("Whimper", "Wail, moan", "Groan")
SHOTS = ("Explosion", "Gunshot, gunfire", "Machine gun", "Fusillade", "Artillery fire", "Cap gun")


class Rule(NamedTuple):
    """How a kind of sound is heard: `least` of `of` windows hold it.

    A window holds it if one of its `classes` has at least the score `limit`.
    """

    classes: Sequence[str]
    limit: float
    least: int
    of: int

    @property
    def places(self) -> list[int]:
        """Where its classes are among the scores of the network."""
        return [CLASSES[name] for name in self.classes]


RULES: Mapping[YamnetKind, Rule] = {
    "scream": Rule(("Screaming",), 0.1, 1, 1),
    "moan": Rule(MOANS, 0.3, 1, 1),
    "crying": Rule(CRIES, 0.05, 2, 3),
    "gunshot": Rule(SHOTS, 0.1, 1, 1),
}
