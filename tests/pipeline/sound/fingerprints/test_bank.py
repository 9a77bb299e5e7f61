"""The bank keeps recordings in files that appear and disappear as a whole, for their owner only."""

from pathlib import Path

import pytest

from pipeline.errors import DependencyError, InputError
from pipeline.sound.fingerprints import bank as module
from pipeline.sound.fingerprints.bank import Bank
from tests.pipeline.sound.fingerprints.music import banned


@pytest.fixture
def bank(tmp_path: Path) -> Bank:
    return Bank(tmp_path / "bank")


def test_recordings_are_added_read_and_removed(bank: Bank) -> None:
    assert bank.ids() == []
    one, two = sorted([banned(1), banned(2)])
    bank.add(one)
    bank.add(two)
    assert bank.ids() == [one.id, two.id]
    assert bank.describe(one.id) == one.recording
    assert [each.id for each in bank.all() if not isinstance(each, Exception)] == [one.id, two.id]
    bank.remove(one.id)
    assert bank.ids() == [two.id]
    with pytest.raises(InputError, match=f"has no recording {one.id}. See `voxwarden fingerprints list`"):
        bank.remove(one.id)


def test_a_recording_is_added_once(bank: Bank) -> None:
    bank.add(banned(1))
    with pytest.raises(InputError, match=f"A song is in the bank already, as {banned(1).id}"):
        bank.add(banned(1))


def test_a_full_bank_takes_no_more(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_RECORDINGS", 1)
    bank.add(banned(1))
    with pytest.raises(InputError, match=r"has 1 recordings\. Remove some first"):
        bank.add(banned(2))


def test_a_damaged_file_does_not_hide_the_others(bank: Bank) -> None:
    bank.add(banned(1))
    bank.add(banned(2))
    (bank.folder / f"{banned(1).id}.print").write_bytes(b"VWPRINT1 but not really")
    found = {type(each).__name__ for each in bank.all()}
    assert found == {"Fingerprint", "InputError"}
    bank.remove(banned(1).id)
    assert len([*bank.all()]) == 1


def test_other_files_are_left_alone(bank: Bank) -> None:
    bank.add(banned(1))
    (bank.folder / "notes.print").write_text("mine")
    (bank.folder / f".{banned(2).id}.part").write_text("half of a file")
    assert bank.ids() == [banned(1).id]


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "notes", "0123456789ABCDEF"])
def test_an_id_names_no_other_file(bank: Bank, name: str) -> None:
    for use in (bank.remove, bank.describe, bank.read):
        with pytest.raises(InputError, match="has no recording"):
            use(name)


def test_files_are_private(bank: Bank) -> None:
    bank.add(banned(1))
    assert [path for path in (bank.folder, *bank.folder.iterdir()) if path.stat().st_mode & 0o077] == []


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "bank").write_text("a file")
    with pytest.raises(DependencyError, match=r"bank cannot be used: .*set data_dir"):
        Bank(tmp_path / "bank").add(banned(1))
