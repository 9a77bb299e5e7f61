import os
from pathlib import Path

import pytest

from pipeline.asr import cpu

ISA = "CT2_FORCE_CPU_ISA"


@pytest.fixture
def flags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The /proc/cpuinfo of another machine."""
    monkeypatch.delenv(ISA, raising=False)
    monkeypatch.setattr(cpu, "CPUINFO", tmp_path / "cpuinfo")
    return tmp_path / "cpuinfo"


def test_avx512_is_asked_for_where_it_runs_at_full_clock(flags: Path) -> None:
    flags.write_text("flags\t\t: fpu avx2 avx512f avx512_bf16 amx_tile\n")
    cpu.prepare()
    assert os.environ.pop(ISA) == "AVX512"


@pytest.mark.parametrize("text", [None, "flags\t\t: fpu avx2 avx512f avx512bw\n"])
def test_other_cpus_are_left_to_ctranslate2(flags: Path, text: str | None) -> None:
    if text:
        flags.write_text(text)
    cpu.prepare()
    assert ISA not in os.environ


def test_what_the_user_has_set_stands(flags: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flags.write_text("avx512_bf16")
    monkeypatch.setenv(ISA, "GENERIC")
    cpu.prepare()
    assert os.environ[ISA] == "GENERIC"
