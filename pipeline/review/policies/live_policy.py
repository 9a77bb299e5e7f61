"""Tells which rules judges are to use, whether the files differ, and what each judge uses. It changes nothing."""

from msgspec import Struct

from pipeline.judge.judge_stage import JudgeConfig, check
from pipeline.judge.release import JudgeReport, rules_of
from pipeline.judge.rules import read_texts
from pipeline.review import database
from pipeline.review.policies import versions, workers
from pipeline.review.policies.versions import PublishedPolicy
from pipeline.settings import Settings


class PolicyStatus(Struct, frozen=True):
    """The live version beside the files and the running judges."""

    live: PublishedPolicy
    edition: int
    """The edition of the newest release."""
    same_files: bool
    """Whether the files of the settings have the same texts."""
    judges: tuple[JudgeReport, ...]

    @property
    def behind(self) -> tuple[JudgeReport, ...]:
        """The judges that do not use the newest release yet."""
        return tuple(each for each in self.judges if each.edition != self.edition)


def policy_status(settings: Settings, now: float) -> PolicyStatus | None:
    """Look at the store at `now` (UTC seconds). None if nothing was published, or if there is no store yet.

    Raises ConfigError for wrong files, and DependencyError.
    """
    if not _can_be_read(settings.database_url):
        return None
    with database.visit(settings.database_url) as connection:
        live, edition = versions.live_version(connection), versions.edition(connection)
        judges = tuple(workers.running_judges(connection, now))
    if live is None:
        return None
    files = read_texts(settings.judge.policy, settings.judge.lexicons)
    return PolicyStatus(live, edition, files.sha256 == live.sha256, judges)


def rules_in_use(settings: Settings) -> JudgeConfig:
    """Return the rules of the newest release. Those of the files, if nothing was published or there is no store yet.

    Raises ConfigError for wrong rules, and DependencyError.
    """
    files = check(settings.judge)
    if not _can_be_read(settings.database_url):
        return files
    with database.visit(settings.database_url) as connection:
        release = versions.newest_release(connection)
    return rules_of(files, release) if release else files


def _can_be_read(url: str) -> bool:
    """Whether there is a store, with the tables of this version."""
    if not database.exists(url):
        return False
    current, newest, _ = database.revisions(url)
    return current is not None and current == newest
