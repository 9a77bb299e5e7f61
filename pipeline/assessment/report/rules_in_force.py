"""The rules in force: policy, lexicons and labels with their texts, and the versions of the software."""

from importlib import metadata

from sqlalchemy import Connection, select

from pipeline.assessment.report.content import File, Names, Versions
from pipeline.base.canonical_json import digest
from pipeline.base.errors import ConfigError
from pipeline.base.user_files import configs_folder
from pipeline.judge import labels
from pipeline.judge.labels import Labels
from pipeline.review.policies import versions as policy_versions
from pipeline.review.quality.figure import Window, hours
from pipeline.review.tables.assessment_tables import TALLIES
from pipeline.settings import Settings


def in_force(connection: Connection, settings: Settings) -> tuple[File, ...]:
    """Return policy and lexicons, as published or else from the files of the settings, and the label file.

    Raises ConfigError for a file that cannot be read.
    """
    rules = policy_versions.texts_now(connection, settings)
    lexicons = (_file(f"lexicons/{each.name}.yaml", each.text.encode()) for each in rules.lexicons)
    return _file("policy.yaml", rules.policy.encode()), *lexicons, _file("labels.yaml", _labels(settings))


def versions(connection: Connection, window: Window, settings: Settings) -> Versions:
    """Return the policies and models that judged speech of the window, and the recogniser of the settings."""
    return Versions(
        voxwarden=metadata.version("voxwarden"),
        policies=_used(connection, window, "policy"),
        models=_used(connection, window, "model"),
        recogniser=recogniser(settings),
    )


def recogniser(settings: Settings) -> str:
    """Return the model of the recogniser."""
    return f"Whisper {settings.asr.model}"


def label_names(known: Labels) -> dict[str, Names]:
    """Return the names of all labels."""
    return {name: Names(zh=label.name("zh"), en=label.en) for name, label in known.labels.items()}


def known_labels(settings: Settings) -> Labels:
    return labels.load_labels(settings.judge.labels)


def _file(name: str, content: bytes) -> File:
    return File(name, digest(content), content.decode())


def _labels(settings: Settings) -> bytes:
    path = settings.judge.labels or configs_folder() / "labels.yaml"
    try:
        content = path.read_bytes()  # bytes, because the hash covers the line ends, too
        content.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path} cannot be read: {error}",
            "Check judge.labels.",
            text="rules_unreadable",
            path=path,
            why=error,
        ) from error
    return content


def _used(connection: Connection, window: Window, column: str) -> tuple[str, ...]:
    within = hours(window)
    kept = (TALLIES.c.measure == "judged", TALLIES.c.hour >= within.start, TALLIES.c.hour < within.stop)
    return tuple(sorted(connection.scalars(select(TALLIES.c[column]).distinct().where(*kept))))
