"""deploy/compose.yaml with its variables filled in, as `docker compose` reads it."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.deploy.files import DEPLOY, parsed

PATH = DEPLOY / "compose.yaml"
SECRETS = {
    "VOXWARDEN_TOKEN": "token0for0tests0token0for0tests0",
    "POSTGRES_PASSWORD": "secret0for0tests",
    "GRAFANA_PASSWORD": "secret0for0tests",
    "KAFKA_CLUSTER_ID": "MkU3OEVBNTcwNTJENDM2Qg",
}
VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?:(?P<operator>:[-?])(?P<rest>[^}]*))?\}")


def interpolated(text: str, variables: Mapping[str, str]) -> str:
    """Replace `${NAME}`, `${NAME:-default}` and `${NAME:?message}`.

    The last raises KeyError with its message if unset.
    """

    def value(found: re.Match[str]) -> str:
        if given := variables.get(found["name"]):
            return given
        if found["operator"] == ":-":
            return found["rest"]
        raise KeyError(found["rest"])

    return VARIABLE.sub(value, text)


def stack(variables: Mapping[str, str] = SECRETS, path: Path = PATH) -> Any:
    return parsed(interpolated(path.read_text("utf-8"), variables))


def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = stack()["services"]
    return found


def ours() -> dict[str, dict[str, Any]]:
    """Return the services that run the voxwarden image."""
    return {name: service for name, service in services().items() if service["image"].startswith("voxwarden:")}
