import os
from pathlib import Path

import pytest

from pipeline.speech.asr import ctranslate2_engine

ISA = "CT2_FORCE_CPU_ISA"


@pytest.fixture
def flags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that replaces /proc/cpuinfo."""
    monkeypatch.delenv(ISA, raising=False)
    monkeypatch.setattr(ctranslate2_engine, "CPUINFO", tmp_path / "cpuinfo")
    return tmp_path / "cpuinfo"


def test_avx512_is_requested_on_cpus_that_run_it_at_full_clock_speed(flags: Path) -> None:
    flags.write_text("flags\t\t: fpu avx2 avx512f avx512_bf16 amx_tile\n")
    ctranslate2_engine.prepare_cpu()
    assert os.environ.pop(ISA) == "AVX512"


@pytest.mark.parametrize("text", [None, "flags\t\t: fpu avx2 avx512f avx512bw\n"])
def test_ctranslate2_decides_for_other_cpus(flags: Path, text: str | None) -> None:
    if text:
        flags.write_text(text)
    ctranslate2_engine.prepare_cpu()
    assert ISA not in os.environ


def test_a_variable_of_the_user_is_not_changed(flags: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flags.write_text("avx512_bf16")
    monkeypatch.setenv(ISA, "GENERIC")
    ctranslate2_engine.prepare_cpu()
    assert os.environ[ISA] == "GENERIC"
