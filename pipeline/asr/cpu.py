"""What CTranslate2 leaves undone on a CPU, and gains a sixth by."""

import ctypes
import os
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")

COOL = "avx512_bf16"
"""CPUs with this run AVX-512 at full clock. CTranslate2 4.8 takes AVX2 all the same (seen on an EPYC of 2024)."""

MALLOPT = {-3: 32 << 20, -1: 1 << 30, -2: 64 << 20}
"""M_MMAP_THRESHOLD, M_TRIM_THRESHOLD and M_TOP_PAD of glibc's malloc.h, in bytes. A decoder takes and gives back tens
of megabytes a token; by default the kernel has to clear them each time."""


def prepare() -> None:
    """Before the first model is loaded: CTranslate2 looks once."""
    if CPUINFO.exists() and COOL in CPUINFO.read_text():
        os.environ.setdefault("CT2_FORCE_CPU_ISA", "AVX512")
    keep_memory()


def keep_memory() -> None:
    """Where the C library is glibc; up to a gigabyte that is free stays with the process."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        for option, value in MALLOPT.items():
            mallopt(option, value)
