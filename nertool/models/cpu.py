"""What the processor can do."""

from __future__ import annotations

import math
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
    return math.ceil(min(_processors(), time_limit()))


def obey_time_limit() -> None:
    """Let PyTorch start no more threads than the time limit of a container is worth; call it before its import.

    By itself it counts the processors of the machine. Once they have used up the limit, all threads stand still until
    the next period, and those that wait for each other wait the longer.
    """
    if time_limit() < _processors():
        os.environ.setdefault("OMP_NUM_THREADS", str(threads()))


def time_limit(root: Path = Path("/")) -> float:
    """How many processors' time the control groups of Linux leave this process, as in containers; else infinity.

    A group's limit holds for the groups inside, so the least one counts. A container may see its own group as the root.

    Args:
        root: where `proc` and `sys` are.
    """
    limits = [math.inf]
    with suppress(OSError):
        for line in (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines():
            _, controllers, group = line.split(":", 2)
            if controllers and "cpu" not in controllers.split(","):
                continue
            top = root / "sys/fs/cgroup" / ("cpu" if controllers else "")
            inside = top / group.lstrip("/")
            limits += [_limit_of(folder) for folder in (inside, *inside.parents) if folder.is_relative_to(top)]
    return min(limits)


def _limit_of(group: Path) -> float:
    """Time that a control group may use in each period, divided by the period: of version 2, or of version 1."""
    for names in (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us")):
        with suppress(OSError, ValueError, ZeroDivisionError):
            quota, period = " ".join((group / name).read_text(encoding="ascii") for name in names).split()
            if int(quota) > 0:  # "max", or -1, for none
                return int(quota) / int(period)
    return math.inf


def _processors() -> int:
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
