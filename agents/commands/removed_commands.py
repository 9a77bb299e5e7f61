"""The commands that were removed, and where their work is done now."""

from typing import Any

from typer.core import TyperGroup

from pipeline.base.errors import ConfigError

# What to use instead, by command. A group stands for every command in it.
REMEDIES = {
    "accounts list": "Use the console's page Accounts.",
    "accounts role": "Use the console's page Accounts.",
    "accounts disable": "Use the console's page Accounts.",
    "accounts enable": "Use the console's page Accounts.",
    "assess open": "Use the console's page Assessment, Reports.",
    "assess list": "Use the console's page Assessment, Reports.",
    "assess status": "Use the console's page Assessment, Reports.",
    "assess answer": "Use the console's page Assessment, Form of article 5.",
    "assess hazard": "Use the console's page Assessment, Hazards.",
    "assess register": "Use the console's page Assessment, Register.",
    "assess trigger": "Use the console's page Assessment, Triggers.",
    "assess drill list": "Use the console's page Assessment, Drills.",
    "assess drill show": "Use the console's page Assessment, Drills.",
    "assess drill stop": "Use the console's page Assessment, Drills.",
    "coverage": "Use the metric voxwarden_coverage_utterances_total; the operations dashboard shows it.",
    "fingerprints list": "Use the console's page Policies, Banned recordings.",
    "fingerprints remove": "Use the console's page Policies, Banned recordings.",
    "lexicon": "Use `voxwarden config check`, which also checks all lexicons.",
    "retention hold": "Use the console's page Retention.",
    "retention release": "Use the console's page Retention.",
    "retention holds": "Use the console's page Retention.",
    "tokens list": "Use the console's page Accounts, Tokens.",
    "tokens revoke": "Use the console's page Accounts, Tokens.",
}


class CommandGroup(TyperGroup):
    """A group of commands that knows the removed ones."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Raises ConfigError for a removed command. Other unknown commands are errors of click."""
        names = [args[0]]
        at = ctx
        while at.parent is not None:
            names.insert(0, str(at.info_name))
            at = at.parent
        if remedy := REMEDIES.get(" ".join(names)):
            raise ConfigError(f"There is no command `voxwarden {' '.join(names)}` any more", remedy)
        return super().resolve_command(ctx, args)
