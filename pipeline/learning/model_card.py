"""The card of a model that was trained on decisions, and the list of the cases that it was trained on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from pipeline.learning.case_split import CaseSplit
from pipeline.learning.model_comparison import RATE, ComparedFigure

CARD = "README.md"
BASE_CARD = "BASE.md"
CASES = "cases.txt"
DIGITS = 16
"""Hexadecimal digits of the SHA-256 of a case's id."""


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What the card says."""

    base: str
    """Name and version of the model that the training continued from."""
    name: str
    day: str
    seed: int
    lessons: CaseSplit
    held: Sequence[ComparedFigure]
    golden: Sequence[ComparedFigure]


def write_card(card: ModelCard, base: Path, out: Path) -> None:
    """Write the card, the list of cases, and a copy of the base model's card. None of them has a text of a case."""
    (out / CASES).write_text("".join(f"{line}\n" for line in sorted(map(hashed, _used(card.lessons)))))
    # The card may lie beside the folders `onnx` and `transformers` of a training.
    theirs = next((path for path in (base / CARD, base.parent / CARD) if path.is_file()), None)
    if theirs:
        (out / BASE_CARD).write_text(theirs.read_text("utf-8"), "utf-8")
    (out / CARD).write_text("\n".join(_lines(card, theirs is not None)) + "\n", "utf-8")


def hashed(case: str) -> str:
    return sha256(case.encode()).hexdigest()[:DIGITS]


def _used(lessons: CaseSplit) -> set[str]:
    """The ids of the cases whose words the training has read, also as the context of others."""
    decided = {each.group for each in (*lessons.taught, *lessons.held)}
    return decided.union(*(heard.cases for heard in lessons.heard.values()))


def _lines(card: ModelCard, has_base_card: bool) -> Iterator[str]:
    lessons = card.lessons
    origin = f"[{BASE_CARD}]({BASE_CARD}) is its card." if has_base_card else "It has no card."
    yield from (
        f"# Model card: {card.name}",
        "",
        f"`voxwarden train --decisions` made this model on {card.day} (seed {card.seed}).",
        f"It continues from {card.base}.",
        "",
        "## Data",
        "",
        f"- **Decisions**: {len(lessons.taught)} cases taught it, and {len(lessons.held)} held-out cases set its",
        f"  temperatures. They share no {lessons.apart}. {len(lessons.golden)} golden cases are only a test.",
        f"  {len(lessons.heard)} cases also taught it in their context: with the stored speech before them.",
        "- **It carries traces of people's private speech.** Protect it like the store, and do not publish it.",
        f"- `{CASES}` has the first {DIGITS} digits of the SHA-256 of each case's id. If one of these cases is",
        "  erased later, train again without it, and delete this model.",
        "- **Licence**: it inherits the licences of the model that it continues from, with all restrictions.",
        f"  {origin}",
        "",
        "## Figures",
        "",
        f"Recall where {RATE:.0%} of the dismissed cases are flagged, and the calibration error of `risk`. Brackets",
        "are 95% intervals of the bootstrap. Decided cases are harder than ordinary talk: most were flagged once.",
    )
    for title, figures in (("Held-out cases", card.held), ("Golden cases", card.golden)):
        yield from ("", f"### {title}", "")
        yield from _table(figures) if figures else ["There are too few."]


def _table(figures: Sequence[ComparedFigure]) -> Iterator[str]:
    yield "| what | label | language | risky / clean | present | new | change |"
    yield "|---|---|---|---|---|---|---|"
    for each in figures:
        numbers = " | ".join(shown_figure(each))
        yield f"| {each.what} | {each.label} | {each.language} | {each.risky} / {each.clean} | {numbers} |"


def shown_figure(figure: ComparedFigure) -> tuple[str, str, str]:
    """The present figure, the new one and the change, each with its interval."""
    (low, high), (worse, better) = figure.new.interval, figure.change.interval
    return (
        f"{figure.present.value:.2f}",
        f"{figure.new.value:.2f} ({low:.2f}–{high:.2f})",
        f"{figure.change.value:+.2f} ({worse:+.2f} to {better:+.2f})",
    )
