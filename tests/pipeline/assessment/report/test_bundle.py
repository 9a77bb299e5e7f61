"""The bundle has everything that an inspector needs, in the same bytes each time."""

import io
import json
import zipfile
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import UpdateBase, delete, update

from pipeline.assessment.report import bundle
from pipeline.assessment.report.assessments import Assessment
from pipeline.base import canonical_json
from pipeline.base.errors import InputError, Missing
from pipeline.review.cases.case_values import Evidence, Filters
from pipeline.review.database import Database
from pipeline.review.evidence.evidence_store import EvidenceFolder, checksum
from pipeline.review.review_store import SqlReviewStore
from pipeline.review.tables.assessment_tables import ATTACHMENTS
from tests.builders import NOON
from tests.pipeline.assessment.report import stored

KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)


def built(database: Database, assessment: Assessment, clips: dict[str, bytes] | None = None) -> bytes:
    with database.read() as connection:
        return bundle.build(connection, assessment, KEY, clips, with_pdf=False)


def test_a_bundle_has_the_same_bytes_each_time(frozen: Assessment, database: Database) -> None:
    assert built(database, frozen) == built(database, frozen)


def test_the_manifest_lists_every_file(frozen: Assessment, database: Database) -> None:
    files = bundle.unpack(built(database, frozen, {"c": b"opus"}), "it")
    manifest = json.loads(files["manifest.json"])
    assert {*manifest["files"], "manifest.json", "manifest.sig", "key.pem"} == set(files)
    assert all(canonical_json.digest(files[name]) == digest for name, digest in manifest["files"].items())
    assert manifest["sha256"] == frozen.sha256
    assert files["report.json"].decode() == frozen.content
    assert files["clips/c.ogg"] == b"opus"
    wanted = {"report.zh.html", "report.en.html", "figures.csv", "figures.json", "tallies.csv", "answers.json"}
    wanted |= {"triggers.json", "hazards.json", "drills.json", "audit.json", "rules/policy.yaml", "rules/labels.yaml"}
    assert files[f"attachments/{stored.CHART}"] == b"%PDF-1.7"
    wanted |= {"rules/lexicons/en.yaml", "rules/lexicons/zh.yaml"}
    assert wanted <= set(files)


@pytest.mark.parametrize("change", [delete(ATTACHMENTS), update(ATTACHMENTS).values(content=b"%PDF-2.0")])
def test_changed_attachments_are_not_signed(frozen: Assessment, database: Database, change: UpdateBase) -> None:
    with database.write() as connection:
        connection.execute(change)
    with pytest.raises(InputError, match="were changed"):
        built(database, frozen)


def test_a_draft_has_no_bundle(database: Database) -> None:
    made = stored.opened(database)
    with pytest.raises(InputError, match="no final report"):
        built(database, made)


@pytest.fixture
def clip(filled: Database, tmp_path: Path) -> tuple[EvidenceFolder, str]:
    """A folder with the clip of the case, and the id of the case."""
    store, folder = SqlReviewStore(filled), EvidenceFolder(tmp_path / "evidence")
    [case] = store.cases(Filters())
    sound = b"opus"
    path = folder.put(case.id, NOON, sound)
    store.attach(
        Evidence(
            path=path,
            case=case.id,
            codec="opus",
            start=NOON,
            end=NOON + 1,
            seconds=1.0,
            bytes=len(sound),
            sha256=checksum(sound),
            timeline=(),
        )
    )
    return folder, case.id


def test_clips_are_found_and_checked(filled: Database, clip: tuple[EvidenceFolder, str]) -> None:
    folder, case = clip
    with filled.read() as connection:
        assert bundle.clips_of(connection, folder, [case]) == {case: b"opus"}
        with pytest.raises(Missing, match="Case other has no clip"):
            bundle.clips_of(connection, folder, ["other"])
        folder.put(case, NOON, b"forged")
        with pytest.raises(InputError, match="was changed"):
            bundle.clips_of(connection, folder, [case])


FILES = {"b.txt": b"two", "a/c.txt": "一".encode()}


def test_the_order_does_not_matter() -> None:
    assert bundle.pack(FILES) == bundle.pack(dict(reversed(FILES.items())))
    assert bundle.unpack(bundle.pack(FILES), "it") == FILES


@given(st.data())
def test_a_flipped_bit_is_refused_or_changes_a_file(data: st.DataObject) -> None:
    packed = bytearray(bundle.pack(FILES))
    place = data.draw(st.integers(0, len(packed) - 1))
    packed[place] ^= 1 << data.draw(st.integers(0, 7))
    with suppress(InputError):
        assert bundle.unpack(bytes(packed), "it") != FILES


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_compressed_zip_is_refused_before_it_is_unpacked(method: int) -> None:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", method) as archive:
        archive.writestr("a.txt", bytes(range(256)) * 4)
    broken = bytearray(written.getvalue())
    broken[35:60] = bytes(25)  # no decoder reads it
    with pytest.raises(InputError, match="canonical"):
        bundle.unpack(bytes(broken), "it")


def test_files_larger_than_the_zip_are_refused_before_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    written = bytearray(bundle.pack(dict.fromkeys("ab", b"x" * 1_000)))
    second = written.rindex(b"PK\x01\x02")
    written[second + 42 : second + 46] = bytes(4)  # the second entry of the list names the bytes of the first one
    listed = written.index(b"PK\x01\x02")
    data = written[: listed // 2] + written[listed:]
    end = len(data) - 6
    data[end : end + 4] = (listed // 2).to_bytes(4, "little")
    monkeypatch.setattr(zipfile.ZipFile, "read", None)
    with pytest.raises(InputError, match="canonical"):
        bundle.unpack(bytes(data), "it")


@pytest.mark.parametrize("read", [bundle.read_anchor, partial(bundle.read_manifest, name="it")])
def test_deeply_nested_json_is_refused(read: Callable[[bytes], object]) -> None:
    with pytest.raises(InputError, match="read"):
        read(b'{"x":' + b"[" * 100_000)


def test_other_bytes_are_no_zip() -> None:
    with pytest.raises(InputError, match="it is damaged"):
        bundle.unpack(b"PK", "it")
