"""Flags delivered again after a crash make no second case, and no second clip."""

import os
import sys
from pathlib import Path

import pytest

from pipeline.audio.decode import read_file
from pipeline.audio.encode import encode_flac
from pipeline.messages import Flag, Utterance
from pipeline.review.cases import Filters
from pipeline.review.store import open_store
from pipeline.settings import Settings
from pipeline.topology import DELIVER, FLAGS, UTTERANCES
from tests.broker import ROOT
from tests.stream.kafka_io import committed, flag, put
from tests.stream.processes import Process, environment

pytestmark = pytest.mark.broker

COUNT = 12


def flags(settings: Settings) -> list[Flag]:
    """With their audio in the log."""
    samples = next(read_file(ROOT / "tests" / "data" / "tt-weasels.flac"))
    said = [
        Utterance(
            room=f"room-{n % 3}",
            speaker="alice",
            start=10.0 * n,
            end=10.0 * n + 1,
            id=f"utterance-{n}",
            data=encode_flac(samples),
        )
        for n in range(COUNT)
    ]
    written = put(settings, UTTERANCES, said)
    made = [flag(n, "review", room=f"room-{n % 3}") for n in range(COUNT)]
    return [
        Flag(
            **{name: getattr(each, name) for name in each.__struct_fields__}
            | {"address": f"{at.topic}/{at.partition}/{at.offset}"}
        )
        for each, at in zip(made, written, strict=True)
    ]


def test_redelivered_flags_make_no_second_case(settings: Settings, tmp_path: Path) -> None:
    made = flags(settings)
    put(settings, FLAGS, made)
    put(settings, FLAGS, made[::-1])
    command = [sys.executable, "-m", "agents", "worker", "deliver"]
    process = Process(command, os.environ | environment(settings), tmp_path / "log")
    try:
        while sum(committed(settings, DELIVER).values()) < COUNT // 2:
            process.running()
        process.kill()
        put(settings, FLAGS, made)
        process.start()
        while sum(committed(settings, DELIVER).values()) < 3 * COUNT:
            process.running()
        assert process.stop() == 0
    finally:
        process.close()
    store = open_store(settings)
    cases = store.cases(Filters(), limit=1_000)
    store.close()
    assert sorted((case.room, case.start) for case in cases) == sorted((each.room, each.start) for each in made)
    assert len(list((settings.data_dir / "evidence").rglob("*.ogg"))) == COUNT
