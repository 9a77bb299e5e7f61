"""The user's configuration file."""

from typing import Any

from pipeline.base import yaml_reading
from pipeline.base.errors import ConfigError
from pipeline.base.user_files import config_file


def in_file() -> dict[str, Any]:
    """The content of the configuration file. Raises ConfigError if it cannot be read."""
    found = yaml_reading.read_yaml(config_file(), "Name one with --config or VOXWARDEN_CONFIG.")
    if found is None:
        return {}
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
        raise ConfigError(f"{config_file()} is not a mapping of sections", "Take the shipped file as an example.")
    return found
