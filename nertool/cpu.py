"""What the processor can do with bytes."""

from __future__ import annotations

import platform
import re
from functools import cache
from pathlib import Path

OF_INTEREST = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8", "amx_bf16", "asimddp", "i8mm")


@cache
def flags() -> frozenset[str]:
    """The processor's flags as Linux names them; empty elsewhere."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return frozenset()
    found = re.search(r"^(?:flags|Features)\s*:(.*)$", text, re.MULTILINE)
    return frozenset(found[1].split()) if found else frozenset()


def has_vnni() -> bool:
    """Products of bytes are added up in 32 bits; without it sums of two of them may saturate 16 bits.

    Where nobody can tell, they are taken to.
    """
    return bool(flags() & {"avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm"})


def describe() -> dict[str, object]:
    """Kind and flags that matter here, for records."""
    return {"machine": platform.machine(), "flags": [flag for flag in OF_INTEREST if flag in flags()]}
