"""The device that runs the models: the CPU, or a GPU of NVIDIA under PyTorch."""

import ctypes
import logging
import warnings
from functools import cache

from pipeline.base.errors import ConfigError
from pipeline.base.libraries import require

CPU = "cpu"
ON_GPU = ("openai-whisper", "transformers", "onnx")
"""The libraries that a GPU needs. The first two run models under PyTorch."""
DRIVER = "libcuda.so.1"
NO_GPU = 100  # CUDA_ERROR_NO_DEVICE of cuda.h

log = logging.getLogger(__name__)


@cache  # so that a process warns once
def find_device(name: str) -> str:
    """The device for the setting `asr.device`, as PyTorch writes it. `auto` is the first GPU that PyTorch can use.

    If there is a GPU that PyTorch cannot use, `auto` is the CPU, with a warning that says why. For a GPU that `name`
    asks for, this raises ConfigError instead.
    """
    if name == CPU or (name == "auto" and not driver_finds_gpu()):
        return CPU
    device = "cuda" if name == "auto" else name
    fault = fault_of(device)
    if not fault:
        return device
    if name != "auto":
        raise ConfigError(f"asr.device: {name!r} cannot be used: {fault}", "Set cpu, cuda, cuda:1 or auto.")
    log.warning(
        "The CPU runs the models, not the GPU: %s. CUDA_VISIBLE_DEVICES= hides the GPU.",
        fault,
    )
    return CPU


def driver_finds_gpu() -> bool:
    """Whether NVIDIA's driver finds a GPU, or fails. PyTorch, which says why, takes seconds to import."""
    try:
        driver = ctypes.CDLL(DRIVER)
    except OSError:
        return False
    return bool(driver.cuInit(0) != NO_GPU)


def fault_of(device: str) -> str:
    """Why PyTorch cannot run models on `device`. Empty if it can."""
    try:
        for library in ON_GPU:
            require(library, "it")
    except ConfigError as error:
        return str(error).removesuffix(".")
    import torch

    try:
        # PyTorch warns of an old driver, and then raises an error with the same text.
        with warnings.catch_warnings(action="ignore"):
            # Products and convolutions, because each loads a library of its own.
            ones = torch.ones(1, 16, 16, dtype=torch.float16, device=device)
            torch.nn.functional.conv1d(ones @ ones, ones).sum().item()
    except (RuntimeError, AssertionError, OSError) as error:  # AssertionError: PyTorch's build for the CPU
        return str(error).strip().partition("\n")[0].removesuffix(".") or type(error).__name__
    return ""
