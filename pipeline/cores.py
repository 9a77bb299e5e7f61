"""How much of the machine is ours, and what it can."""

import os


def cores() -> int:
    """Those that this process may run on: a container may have fewer than the machine."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def multiplies_bfloat16() -> bool:
    """Whether the CPU does so itself: about twice as fast as float32. One that does not loses a third with it."""
    import torch  # takes seconds, and most who ask for cores do without

    told = torch.cpu.get_capabilities()
    return any(told.get(name) for name in ("amx_bf16", "avx512_bf16"))
