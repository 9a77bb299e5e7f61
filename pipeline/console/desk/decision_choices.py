"""The choices of the decision form: labels and reasons, with the words by which a person finds them."""

from msgspec import Struct

from pipeline.console.services import Services

REASONS = ("confirmed", "wrong_label", "misheard", "quote", "joke", "context", "not_speech", "unsure", "legal", "other")


class PickChoice(Struct, frozen=True):
    """One choice. `words` has its names in every language of the console, `means` its definition."""

    value: str
    text: str
    words: str
    means: str = ""
    hint: str = ""


def picks(services: Services, language: str, label: str) -> dict[str, list[PickChoice]]:
    """Return the choices of each field in `language`. `label` is the case's own; an empty value keeps it."""
    say = services.texts.say
    own = _label(services, language, label)
    others = [_label(services, language, name) for name in services.labels.labels if name != label]
    kept = PickChoice("", own.text, own.words, own.means, say(language, "desk.as_flagged"))
    return {"label": [kept, *others], "reason": [_reason(services, language, name) for name in ("none", *REASONS)]}


def _label(services: Services, language: str, name: str) -> PickChoice:
    known = services.labels.labels.get(name)
    if known is None:
        return PickChoice(name, name, name)
    say = services.texts.say
    means = say(language, "desk.means", text=known.means.say(language))
    not_meant = say(language, "desk.not_meant", text=known.not_meant.say(language))
    words = [name, *(known.name(other) for other in services.texts.names)]
    return PickChoice(name, known.name(language), " ".join(words).lower(), f"{means} {not_meant}")


def _reason(services: Services, language: str, name: str) -> PickChoice:
    words = " ".join(services.texts.say(other, f"reason.{name}") for other in services.texts.names)
    return PickChoice("" if name == "none" else name, services.texts.say(language, f"reason.{name}"), words.lower())
