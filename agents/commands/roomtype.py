"""Warn about a room type that the policy does not name. It is allowed, but may be a typing error."""

from rich.markup import escape

from agents.commands.app import stderr
from pipeline.settings import Settings


def warn_unknown(settings: Settings, room_type: str) -> None:
    """Warn on stderr if the policy has no own rules for `room_type`. Raises ConfigError for a broken policy."""
    from pipeline.judge import labels, moderation_policy
    from pipeline.judge.rule_warnings import unknown_room_type

    book = moderation_policy.load_policy(settings.judge.policy, labels.load_labels(settings.judge.labels))
    if warning := unknown_room_type(book.policy, room_type):
        stderr.print(f"[yellow]warning:[/] {escape(warning)}", highlight=False, soft_wrap=True)
