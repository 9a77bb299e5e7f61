"""The software bill of materials: valid, complete, and the same each time."""

import json
import subprocess
import sys
from importlib.resources import files
from typing import Any

import pytest
from jsonschema import Draft7Validator
from referencing import Registry, Resource

from deploy.sbom import EXTRAS
from deploy.slim import ROOT, slim


@pytest.fixture(scope="module")
def text() -> str:
    command = [sys.executable, "-m", "deploy.sbom"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def bill(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text)
    return found


def test_it_is_valid_cyclonedx(bill: dict[str, Any]) -> None:
    place = "http://cyclonedx.org/schema/"
    schemas = {
        file.name: json.loads(file.read_text("utf-8"))
        for file in files("cyclonedx.schema._res").iterdir()
        if file.name.endswith(".schema.json")
    }
    resources = ((place + name, Resource.from_contents(schema)) for name, schema in schemas.items())
    registry: Registry[Any] = Registry().with_resources(resources)
    schema = {"$ref": f"{place}bom-1.6.SNAPSHOT.schema.json"}
    Draft7Validator(schema, registry=registry).validate(bill)


def test_it_lists_what_the_image_has(bill: dict[str, Any]) -> None:
    listed = {each["name"]: each.get("version") for each in bill["components"] if "purl" in each}
    assert listed == slim(EXTRAS)
    assert {"botocore", "psycopg", "faust-streaming"} <= listed.keys()
    assert bill["metadata"]["component"]["name"] == "voxwarden"


def test_every_component_has_a_licence(bill: dict[str, Any]) -> None:
    assert [each["name"] for each in bill["components"] if not each.get("licenses")] == []


def test_every_package_is_reached_from_the_root(bill: dict[str, Any]) -> None:
    needs = {each["ref"]: each.get("dependsOn", []) for each in bill["dependencies"]}
    reached, waiting = set[str](), ["voxwarden"]
    while waiting:
        each = waiting.pop()
        if each not in reached:
            reached.add(each)
            waiting += needs[each]
    assert {each["bom-ref"] for each in bill["components"]} <= reached


def test_the_same_packages_give_the_same_text(text: str) -> None:
    command = [sys.executable, "-m", "deploy.sbom"]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout == text
