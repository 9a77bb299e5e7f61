"""Where the configuration is: the shipped `configs/` folder, and the user's configuration file."""

import os
from pathlib import Path

PREFIX = "VOXWARDEN_"
"""Every environment variable of Voxwarden starts with it."""


def configs_folder() -> Path:
    """The shipped `configs/`: inside the package when installed, at the top of a checkout otherwise."""
    packaged = Path(__file__).parents[1] / "configs"
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "configs"


def config_file() -> Path:
    """`VOXWARDEN_CONFIG`, or the shipped `configs/voxwarden.yaml`."""
    return Path(os.environ.get(PREFIX + "CONFIG") or shipped_file())


def shipped_file() -> Path:
    """The settings file with the defaults."""
    return configs_folder() / "voxwarden.yaml"
