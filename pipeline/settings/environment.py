"""A check of the environment for misspelt variables, which pydantic-settings would ignore."""

import logging
import os
import re

from pipeline.base.errors import ConfigError
from pipeline.base.user_files import PREFIX
from pipeline.settings.origin import keys, nearest, variable
from pipeline.settings.tree import Settings

log = logging.getLogger(__package__)

OF_KUBERNETES = re.compile(
    r"\w+_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?)=|\w+_PORT=(tcp|udp|sctp)://"
)
"""Matches the variables that Kubernetes sets for a service named voxwarden or voxwarden-gateway, as NAME=VALUE."""


def check_environment() -> None:
    """Refuse an unknown section, which pydantic-settings would ignore. Warn of a misspelt setting."""
    for name, value in os.environ.items():
        if not name.upper().startswith(PREFIX) or name.upper() == PREFIX + "CONFIG":
            continue
        section, nested, _ = name[len(PREFIX) :].partition("__")
        if nested and section.lower() not in Settings.model_fields:
            near = _nearest_variable(name)
            raise ConfigError(
                f"{name}: there is no section {section.lower()}",
                f"Did you mean {near}?" if near else "`voxwarden config show` lists every key.",
            )
        known = nested or section.lower() in Settings.model_fields or OF_KUBERNETES.match(f"{name}={value}")
        if not known and (near := _nearest_variable(name)):
            log.warning("%s is not a setting and is ignored. Did you mean %s?", name, near)


def _nearest_variable(name: str) -> str | None:
    """The variable of the most similar setting. Missing or additional underscores do not count."""
    known = {re.sub("_+", "_", key.replace(".", "_")): variable(key.split(".")) for key in keys()}
    found = nearest(re.sub("_+", "_", name[len(PREFIX) :].lower()), known)
    return known[found] if found else None
