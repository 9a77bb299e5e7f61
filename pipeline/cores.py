"""The CPU cores that this process may use, and a capability of the CPU."""

import os


def cores() -> int:
    """Number of CPU cores that this process may use. A container may have fewer than the machine."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def multiplies_bfloat16() -> bool:
    """Whether the CPU multiplies bfloat16 in hardware.

    If it does, bfloat16 is about twice as fast as float32. If not, bfloat16 is a third slower.
    """
    import torch  # here, because the import takes seconds and most callers of this module do not need it

    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name) for name in ("amx_bf16", "avx512_bf16"))
