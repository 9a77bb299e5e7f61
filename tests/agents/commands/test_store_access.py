"""The person who runs a command has a name in the audit log."""

import os

import pytest

from agents.commands import store_access


def test_the_actor_is_the_user_of_the_system() -> None:
    assert store_access.actor().startswith("cli:")


def test_a_user_without_a_name_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 4_711_000)
    assert store_access.actor() == "cli:4711000"
