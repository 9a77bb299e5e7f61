"""A GPU is used if it works. If not, the CPU is used, and one warning says why."""

import ctypes
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from pipeline.base import compute_device
from pipeline.base.compute_device import driver_finds_gpu, find_device
from pipeline.base.errors import ConfigError
from pipeline.settings import Asr
from pipeline.speech.asr.recogniser import placed


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    find_device.cache_clear()
    yield
    find_device.cache_clear()


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compute_device, "driver_finds_gpu", lambda: True)


@pytest.fixture
def gpu(driver: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU that computes. The CPU does its work."""
    ones = torch.ones

    def anywhere(*sizes: int, device: str, **options: Any) -> torch.Tensor:
        return ones(*sizes, **options)

    monkeypatch.setattr(torch, "ones", anywhere)


def test_without_a_gpu_the_cpu_is_used_without_a_word(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(compute_device, "driver_finds_gpu", lambda: False)
    assert find_device("auto") == "cpu"
    assert caplog.messages == []


@pytest.mark.parametrize("name", ["auto", "cuda"])
def test_a_gpu_that_works_is_used(gpu: None, name: str) -> None:
    assert find_device(name) == "cuda"


@pytest.mark.parametrize(
    "error",
    [
        AssertionError("Torch not compiled with CUDA enabled"),
        RuntimeError("The NVIDIA driver on your system is too old (found version 11040). Please update it."),
        RuntimeError("CUDA error: no kernel image is available for execution on the device\nSearch for it\n"),
        OSError("libcublas.so.13: cannot open shared object file"),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 MiB."),
    ],
)
def test_a_gpu_that_does_not_work_is_named_once(
    driver: None, error: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*sizes: int, **options: Any) -> torch.Tensor:
        raise error

    monkeypatch.setattr(torch, "ones", broken)
    assert [find_device("auto"), find_device("auto")] == ["cpu", "cpu"]
    (message,) = caplog.messages
    assert str(error).partition("\n")[0].removesuffix(".") in message
    assert "CUDA_VISIBLE_DEVICES=" in message
    with pytest.raises(ConfigError, match=r"asr\.device: 'cuda:1' cannot be used"):
        find_device("cuda:1")


def test_a_gpu_without_pytorch_is_named_with_the_install_command(
    driver: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def missing(library: str, setting: str) -> None:
        raise ConfigError(f"{setting} needs torch, which this install does not have", "Install with `pip`.")

    monkeypatch.setattr(compute_device, "require", missing)
    assert find_device("auto") == "cpu"
    assert "not the GPU: it needs torch, which this install does not have. Install with `pip`." in caplog.text


def test_an_unknown_device_is_refused() -> None:
    with pytest.raises(ConfigError, match="'cuda:99'"):
        find_device("cuda:99")


@pytest.mark.parametrize(("status", "found"), [(0, True), (100, False), (804, True)])
def test_the_driver_says_whether_there_is_a_gpu(status: int, found: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace(cuInit=lambda flags: status))
    assert driver_finds_gpu() is found


def test_without_a_driver_there_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compute_device, "DRIVER", "libcuda.so.none")
    assert not driver_finds_gpu()


def test_the_device_decides_the_engine(gpu: None) -> None:
    assert (placed(Asr()).engine, placed(Asr()).device) == ("openai-whisper", "cuda")
    assert placed(Asr(device="cpu")).engine == "ctranslate2"
    assert placed(Asr(device="cpu", engine="openai-whisper")).engine == "openai-whisper"
    assert placed(Asr(engine="ctranslate2")).device == "cpu"
    with pytest.raises(ConfigError, match=r"ctranslate2 runs on the CPU, not on cuda\. Set asr\.engine=auto"):
        placed(Asr(engine="ctranslate2", device="cuda"))
