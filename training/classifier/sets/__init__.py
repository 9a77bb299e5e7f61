"""The training sets. Each has a reader from the set's own files and labels to `Row`.

A reader takes the folder that holds all sets and yields every row with information about our labels. `Row.labels` has
no entry for a label that the set does not annotate. The licence of each set in `SETS` lets you publish a model that is
trained on it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from pipeline.base.errors import ConfigError
from pipeline.learning.training_rows import Row
from training.classifier.files import plain
from training.classifier.sets import authored, hate, offence, prompts, talk, trade

Reader = Callable[[Path], Iterator[Row]]

SETS: Mapping[str, Reader] = {
    "authored": authored.spoken,
    "cold": offence.cold,
    "davidson": offence.davidson,
    "jigsaw": offence.jigsaw,
    "toxic_spans": offence.toxic_spans,
    "convabuse": offence.convabuse,
    "diasafety": offence.diasafety,
    "surge_toxicity": offence.surge,
    "sms_spam": trade.sms_spam,
    "youtube_spam": trade.youtube_spam,
    "teleantifraud": trade.teleantifraud,
    "presidio_pii": trade.presidio,
    "swsr": hate.swsr,
    "edos": hate.edos,
    "stormfront": hate.stormfront,
    "implicit_hate": hate.implicit_hate,
    "hatexplain": hate.hatexplain,
    "toxigen_seeds": hate.toxigen,
    "identity_templates": hate.identity_templates,
    "jade": prompts.jade,
    "multijail": prompts.multijail,
    "catqa": prompts.catqa,
    "simple_safety_tests": prompts.simple_safety,
    "ailuminate": prompts.ailuminate,
    "deccp": prompts.deccp,
    "cssrs_reddit": talk.cssrs,
    "kdconv": talk.kdconv,
    "crosswoz": talk.crosswoz,
    "medical_zh": talk.medical,
    "topical_chat": talk.topical_chat,
    "ami": talk.ami,
    "vcsum": talk.vcsum,
    "tencent_chat": talk.tencent_chat,
    "goemotions": talk.goemotions,
    "tatoeba": talk.tatoeba,
}

TALK = ("kdconv", "crosswoz", "medical_zh", "topical_chat", "ami", "vcsum", "teleantifraud")
"""Sets of ordinary talk. Their clean rows set the thresholds."""


def read(folder: Path, names: Iterable[str] = tuple(SETS)) -> Iterator[Row]:
    """All rows of the sets `names` under `folder`, without markup, each with its source. Empty rows are dropped."""
    for name, reader in _readers(names).items():
        for row in reader(folder):
            if text := plain(row.text):
                yield replace(row, text=text, own=plain(row.own), room=plain(row.room), source=name)


def check(folder: Path, names: Iterable[str]) -> None:
    """Raise ConfigError for an unknown set, or one whose first row cannot be read under `folder`."""
    for reader in _readers(names).values():
        next(reader(folder), None)


def known(names: Iterable[str]) -> list[str]:
    """`names`; raises ConfigError for an unknown set."""
    names = [*names]
    if strange := set(names) - set(SETS):
        raise ConfigError(f"No such set: {', '.join(sorted(strange))}", f"There are: {', '.join(SETS)}.")
    return names


def _readers(names: Iterable[str]) -> Mapping[str, Reader]:
    return {name: SETS[name] for name in known(names)}
