"""What the processor can do."""

from __future__ import annotations

import os
import platform
import re
from contextlib import suppress
from functools import cache
from pathlib import Path

OF_INTEREST = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8", "amx_bf16", "asimddp", "i8mm")


@cache
def _told(name: str) -> str:
    """What Linux tells of the first processor; empty where it tells nothing."""
    with suppress(OSError):
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
        if found := re.search(rf"^(?:{name})\s*:(.*)$", text, re.MULTILINE):
            return found[1].strip()
    return ""


def flags() -> frozenset[str]:
    """The processor's flags as Linux names them; empty elsewhere."""
    return frozenset(_told("flags|Features").split())


def threads() -> int:
    """As many as OMP_NUM_THREADS says, which PyTorch obeys too; else the processors that this process may use."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    if wanted.isdecimal() and int(wanted):
        return int(wanted)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def mkl_is_slow_here() -> bool:
    """PyTorch's FP32 products are MKL's, which leaves out the widest instructions of processors other than Intel's.

    Measured on one with AVX-512: oneDNN, which asks the processor alone, was 2.4 times as fast.
    """
    return _told("vendor_id") not in ("", "GenuineIntel")


def has_vnni() -> bool:
    """Products of bytes are added up in 32 bits; without it sums of two of them may saturate 16 bits.

    Where nobody can tell, they are taken to.
    """
    return bool(flags() & {"avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm"})


def describe() -> dict[str, object]:
    """Kind, name and flags that matter here, for records."""
    return {
        "machine": platform.machine(),
        "name": _told("model name"),
        "flags": [flag for flag in OF_INTEREST if flag in flags()],
    }
