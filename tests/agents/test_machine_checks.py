"""The doctor looks at real things, and says what to do about each that is missing."""

import os
import re
import socket
from pathlib import Path
from typing import NoReturn

import pytest
import torch

from agents.machine_checks import CHECKS, DoctorResult, examine, reach
from pipeline.base import open_files
from pipeline.base.errors import DependencyError
from pipeline.settings import (
    Asr,
    EvidenceSettings,
    GatewaySettings,
    JudgeSettings,
    Kafka,
    ListenSettings,
    Settings,
    Store,
)
from pipeline.speech.asr import openai_whisper_engine, recogniser
from tests.pipeline.judge.reader.model import said, settings_of
from tests.pipeline.review.delivery.receiver import Reply, receiving
from tests.pipeline.sound import yamnet_networks
from tests.ports import free_port


def findings(settings: Settings) -> dict[str, DoctorResult]:
    return {finding.what: finding for finding in examine(settings)}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    nobody = Kafka(bootstrap=f"127.0.0.1:{free_port()}", connect_seconds=0.5)
    return Settings(data_dir=tmp_path, kafka=nobody, asr=Asr(model="tiny.en"))


@pytest.mark.weights
def test_a_whole_machine_lacks_at_most_the_broker(settings: Settings) -> None:
    found = findings(settings)
    states = {what: finding.state for what, finding in found.items()}
    broker = next(what for what in states if what.startswith("Kafka"))
    assert states.pop(broker) == "optional"
    assert set(states.values()) == {"ok"}
    assert settings.kafka.bootstrap in found[broker].detail
    assert re.fullmatch(r"ctranslate2/tiny\.en@\w+ on cpu: 1 s of audio in \S+ s", found["recogniser"].detail)


@pytest.mark.full
@pytest.mark.weights
def test_the_doctor_transcribes_a_second_on_the_gpu(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fake GPU is the CPU under PyTorch. Then its memory is full."""
    check = [each for each in CHECKS if each.what == "recogniser"]
    monkeypatch.setattr(recogniser, "find_device", lambda name: "cpu:0")
    [good] = examine(settings, check)
    assert good.state == "ok"
    assert re.fullmatch(r"openai-whisper/tiny\.en@\w+ on cpu:0: 1 s of audio in \S+ s", good.detail)

    def full(*_: object) -> NoReturn:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")

    monkeypatch.setattr(openai_whisper_engine, "encode_clips", full)
    [bad] = examine(settings, check)
    assert (bad.state, bad.detail.partition(".")[0]) == ("fault", "The device is out of memory")


@pytest.mark.weights
def test_looking_creates_nothing(settings: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "not" / "there"
    found = findings(settings.model_copy(update={"data_dir": folder}))
    assert found["review store"].state == "ok"
    assert str(folder) in found["review store"].detail
    assert list(tmp_path.iterdir()) == []


def test_the_second_reader_is_asked_if_it_is_set(settings: Settings) -> None:
    check = [each for each in CHECKS if each.what == "second reader"]
    [off] = examine(settings, check)
    assert (off.state, off.detail) == ("ok", "off: reader.url is not set")
    with receiving() as server:
        server.answer = lambda got: said({"abuse": 0.02})
        on = settings.model_copy(update={"reader": settings_of(server.url)})
        [good] = examine(on, check)
        server.answer = lambda got: said({"abuse": 0.9})
        [wild] = examine(on, check)
        server.answer = lambda got: Reply(401)
        [bad] = examine(on, check)
    assert wild.state == "fault"
    assert "'Good evening, the weather is nice today.' 0.90 for abuse. Use another model" in wild.detail
    assert good.state == "ok"
    assert good.detail.startswith("small-llm answers in ")
    assert good.detail.endswith("harmless sentence 0.02")
    assert bad.state == "fault"
    assert bad.detail.endswith("/hook: HTTP status 401. Check reader.url, reader.model and reader.api_key.")


def test_the_file_of_yamnet_is_looked_for_if_one_of_its_sounds_is_on(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "yamnet.tflite"
    check = [each for each in CHECKS if each.what == "YAMNet"]
    on = settings.model_copy(update={"listen": ListenSettings(sounds=("scream",), yamnet=path)})
    [missing] = examine(on, check)
    yamnet_networks.write(path)
    [good] = examine(on, check)
    [off] = examine(settings, check)
    assert missing.state == "fault"
    assert f"listen.yamnet: there is no file {path}" in missing.detail
    assert (good.state, good.detail) == ("ok", str(path))
    assert (off.state, off.detail) == ("ok", "off: listen.sounds has no sound that it hears")


def test_a_broken_second_ear_is_a_fault(settings: Settings, tmp_path: Path) -> None:
    check = [each for each in CHECKS if each.what == "second ear"]
    [broken] = examine(settings.model_copy(update={"listen": ListenSettings(ear=str(tmp_path))}), check)
    [off] = examine(settings, check)
    assert (broken.state, off.state) == ("fault", "ok")


def test_the_gateway_needs_half_of_the_open_files(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_files, "limit", lambda: 4_000)
    check = [each for each in CHECKS if each.what == "open files"]
    [enough] = examine(settings, check)
    more = settings.model_copy(update={"gateway": GatewaySettings(max_connections=2_001)})
    [few] = examine(more, check)
    assert (enough.state, enough.detail) == ("ok", "4000 for each process")
    assert few.state == "optional"
    assert "may open 4000 files, but gateway.max_connections needs 4002. Raise the hard limit" in few.detail


def test_looking_downloads_nothing(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def refuse(self: socket.socket, address: tuple[str, int]) -> None:
        asked.append(address)
        raise ConnectionRefusedError("refused")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    for update in ({"asr": Asr(model="large-v3")}, {"judge": JudgeSettings(model=f"owner/name@{'0' * 40}")}):
        found = findings(settings.model_copy(update=update))
        assert [finding.state for finding in found.values()].count("fault") == 1
    assert {f"{host}:{port}" for host, port in asked} == {settings.kafka.bootstrap}


def test_a_folder_that_cannot_be_written_is_named(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # whoever runs the tests may be root
    finding = findings(settings)["review store"]
    assert finding.state == "fault"
    assert f"{settings.data_dir} cannot be written" in finding.detail


def test_a_damaged_store_is_found(settings: Settings, own_store: str) -> None:
    file = Path(own_store.removeprefix("sqlite:///"))
    os.truncate(file, file.stat().st_size // 2)
    finding = findings(settings.model_copy(update={"data_dir": file.parent}))["review store"]
    assert finding.state == "fault"
    assert "Restore it from a backup" in finding.detail


def test_missing_weights_come_with_their_remedies(settings: Settings) -> None:
    lacking = settings.model_copy(update={"asr": Asr(model="large-v3", download=False)})
    finding = findings(lacking)["recogniser"]
    assert finding.state == "fault"
    for remedy in ("asr.folder", "pip install", "asr.download"):
        assert remedy in finding.detail


def test_a_database_that_does_not_answer_is_named_without_its_password(settings: Settings) -> None:
    url = f"postgresql://voxwarden:s3cret@127.0.0.1:{free_port()}/reviews"
    away = settings.model_copy(update={"store": Store.model_validate({"url": url})})
    finding = findings(away)["review store"]
    assert finding.state == "fault"
    assert "127.0.0.1" in finding.detail
    assert "s3cret" not in finding.detail


def test_a_storage_of_clips_that_does_not_answer_is_named_without_its_secret(settings: Settings) -> None:
    server = {
        "bucket": "clips",
        "endpoint": f"http://127.0.0.1:{free_port()}",
        "access_key": "a",
        "secret_key": "s3cret",
    }
    chosen = EvidenceSettings.model_validate({"store": "s3", "s3": server})
    finding = findings(settings.model_copy(update={"evidence": chosen}))["evidence"]
    assert finding.state == "fault"
    assert "S3 bucket clips" in finding.detail
    assert "s3cret" not in finding.detail


@pytest.mark.parametrize(
    ("written", "meant"), [("kafka.example", ("kafka.example", 9092)), ("[::1]:19092", ("::1", 19092))]
)
def test_the_broker_is_knocked_at_where_the_clients_look(
    written: str, meant: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    knocked = []

    def refuse(address: tuple[str, int], timeout: float) -> None:
        del timeout
        knocked.append(address)
        raise ConnectionRefusedError("refused")

    monkeypatch.setattr(socket, "create_connection", refuse)
    with pytest.raises(DependencyError, match=r"No broker at .*: refused"):
        reach(written)
    assert knocked == [meant]
