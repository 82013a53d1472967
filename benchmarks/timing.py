"""What the benchmarks share: timing by turns, processes with their peak memory, and a file of results.

A result file holds `machine`, `versions`, `date`, `command` and `figures`, a list of rows. `tables.py` makes the tables
of docs/benchmarks.md out of these files.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8")
PACKAGES = ("nertool", "torch", "transformers", "numpy", "onnxruntime", "seqeval", "ray")


def seconds_of(work: Callable[[], object]) -> float:
    """Wall time of a call, in seconds."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def by_turns(works: Mapping[str, Callable[[], object]], runs: int) -> dict[str, list[float]]:
    """Seconds of each work in each run; every run does all works in order, so that all see the same machine."""
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(runs):
        for name, work in works.items():
            seconds[name].append(seconds_of(work))
    return seconds


def spread(seconds: Sequence[float]) -> dict[str, float]:
    """Median, smallest and largest of several runs."""
    return {"median": statistics.median(seconds), "min": min(seconds), "max": max(seconds), "runs": len(seconds)}


def run_process(command: Sequence[str], **streams: Any) -> tuple[float, float]:
    """Seconds and peak resident memory (MiB) of a process; its output is thrown away unless `stdout` says otherwise.

    Raises:
        SystemExit: the process failed.
    """
    started = time.perf_counter()
    process = subprocess.Popen(command, **{"stdout": subprocess.DEVNULL, **streams})
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"failed: {shlex.join(command)}")
    return time.perf_counter() - started, usage.ru_maxrss / 1024


# -- results ---------------------------------------------------------------------------------------


def model_parser(doc: str | None) -> argparse.ArgumentParser:
    """Options of a benchmark that measures a workspace's model by turns: `-w`, `--rounds` and `--json`."""
    parser = argparse.ArgumentParser(description=(doc or "").splitlines()[0])
    parser.add_argument("-w", "--workspace", type=Path, required=True, help="a workspace with a trained model")
    parser.add_argument("--rounds", type=int, default=3)
    add_json_option(parser)
    return parser


def add_json_option(parser: argparse.ArgumentParser) -> None:
    """Add `--json FILE` to the options of a benchmark."""
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures with machine and date to FILE")


def write_json(path: Path | None, figures: Sequence[Mapping[str, Any]]) -> None:
    """Write a result file, where the command line asked for one."""
    if path is None:
        return
    result = {
        "machine": describe_machine(),
        "versions": installed_versions(),
        "date": datetime.date.today().isoformat(),
        "command": f"python {shlex.join(sys.argv)}",
        "figures": list(figures),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def describe_machine() -> dict[str, Any]:
    """Model, vector instructions and number of processors."""
    facts: dict[str, str] = {}
    if Path("/proc/cpuinfo").exists():
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            name, _, value = line.partition(":")
            facts.setdefault(name.strip(), value.strip())
    flags = set(facts.get("flags", "").split())
    return {
        "processor": facts.get("model name", platform.processor() or platform.machine()),
        "instructions": [flag for flag in FLAGS if flag in flags],
        "cores": os.cpu_count(),
        "system": platform.system(),
    }


def installed_versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide the speed."""
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions
