"""The store of the settings, and what is said when a library or the server is missing."""

import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.base.errors import ConfigError, DependencyError
from pipeline.base.metrics import Metrics
from pipeline.review.delivery import deliver_stage
from pipeline.review.evidence.lookback import open_lookback
from pipeline.review.evidence.opening import evidence_checks, open_evidence
from pipeline.settings import EvidenceSettings, Settings
from tests.builders import NOON
from tests.ports import free_port
from tests.s3 import S3Server

KEY = {"id": "k", "key": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}


def settings(folder: Path, **evidence: Any) -> Settings:
    return Settings(data_dir=folder, evidence=EvidenceSettings.model_validate(evidence))


def away() -> dict[str, Any]:
    endpoint = f"http://127.0.0.1:{free_port()}"
    return {"store": "s3", "s3": {"bucket": "clips", "endpoint": endpoint, "access_key": "a", "secret_key": "b"}}


def test_clips_are_plain_files_by_default(tmp_path: Path) -> None:
    path = open_evidence(settings(tmp_path)).put("ab", NOON, b"OggS sound")
    assert (tmp_path / "evidence" / path).read_bytes() == b"OggS sound"


def test_two_hosts_with_one_bucket_and_one_key_share_clips(s3_server: S3Server, bucket: str, tmp_path: Path) -> None:
    chosen = {"store": "s3", "s3": s3_server.settings(bucket), "encryption": {"keys": [KEY]}}
    one, two = (settings(tmp_path / name, **chosen) for name in ("one", "two"))
    path = open_evidence(one).put("ab", NOON, b"OggS sound")
    assert open_evidence(two).get(path) == b"OggS sound"
    assert b"sound" not in s3_server.client().get_object(Bucket=bucket, Key=path)["Body"].read()
    assert list(evidence_checks(two)) == ["evidence"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("missing", "chosen", "setting"),
    [
        ("botocore", away(), "evidence.store=s3"),
        ("cryptography.hazmat.primitives.ciphers.aead", {"encryption": {"keys": [KEY]}}, "evidence.encryption"),
    ],
)
def test_a_missing_library_comes_with_its_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str, chosen: dict[str, Any], setting: str
) -> None:
    for name in [name for name in sys.modules if name.startswith(("botocore", "pipeline.review.evidence.s3"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ConfigError, match=rf"{setting} needs {missing}.*voxwarden\[s3\]"):
        open_evidence(settings(tmp_path, **chosen))


def test_deliver_waits_for_the_server_before_it_takes_flags(tmp_path: Path) -> None:
    chosen = settings(tmp_path, **away())
    log = open_lookback(chosen)
    with pytest.raises(DependencyError, match="S3 bucket clips"):
        deliver_stage.build(chosen, Metrics(), log)
    log.close()
