"""Write the lock files: every package, with its version, that pip chooses for pyproject.toml.

    python .ci/lock.py             keep the versions that the lock files hold, and add what is missing
    python .ci/lock.py --upgrade   choose the newest versions

Needs Python 3.10 and 3.11, on the PATH or built by pyenv; downloads descriptions of packages, but installs nothing.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LEFT_OUT = re.compile(r"nvidia-|cuda-|triton$|sentence-transformers$")
"""What the CUDA build of torch needs, which `make` adds where it is that build; and what the package of the embedded
model asks for, of which nertool takes nothing but the files."""


@dataclass(frozen=True)
class Lock:
    """A lock file.

    Attributes:
        packages: what it installs, as pip takes it, with all that they need.
        pythons: versions of Python it is resolved for, oldest first.
        versions_of: the lock file whose versions it has; empty where it has its own.
        alone: packages that it installs without what they need.
    """

    name: str
    packages: tuple[str, ...]
    pythons: tuple[str, ...]
    versions_of: str = ""
    alone: tuple[str, ...] = ()


SLIM = ("numpy", "onnxruntime", "typer", "rich", "regex", "filelock", "starlette", "uvicorn")
"""What `predict --quantized` and `serve` need for a graph of ONNX."""
LOCKS = [
    Lock("requirements.lock", (f"{ROOT}[inc,minilm,dev]",), ("3.10", "3.11")),
    Lock("requirements-latest.lock", (f"{ROOT}[minilm,test]",), ("3.11",)),
    Lock("requirements-slim.lock", SLIM, ("3.11",), "requirements-latest.lock", alone=("tokenizers",)),
]


def find_python(version: str) -> str:
    """Find an interpreter that runs: one that pyenv built, or one on the PATH."""
    built = Path("~/.pyenv/versions").expanduser().glob(f"{version}.*/bin/python")
    for interpreter in [*map(str, built), f"python{version}"]:
        if shutil.which(interpreter) and subprocess.run([interpreter, "-c", ""], capture_output=True).returncode == 0:
            return interpreter
    sys.exit(f"lock: python{version} is missing")


def resolve(python: str, packages: Sequence[str], pins: Path | None, *flags: str) -> dict[str, str]:
    """Ask the pip of one Python for the version of every package.

    Args:
        pins: Lock file whose versions are kept; none for the newest versions.
    """
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [find_python(python), "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet"]
        command += ["--report", str(report)]
        command += ["--constraint", str(pins)] if pins else []
        subprocess.run([*command, *flags, *packages], check=True)
        metadata = [entry["metadata"] for entry in json.loads(report.read_text())["install"]]
    versions = {}
    for package in metadata:
        name = re.sub(r"[-_.]+", "-", package["name"]).lower()
        if name != "nertool" and not LEFT_OUT.match(name):
            versions[name] = package["version"].partition("+")[0]  # torch 2.13.0+cpu is 2.13.0 elsewhere
    return versions


def merge(pythons: tuple[str, ...], versions: list[dict[str, str]]) -> list[str]:
    """Write one line a package, or one a version of Python where the versions differ."""
    if len(pythons) == 1:
        return sorted(f"{name}=={version}" for name, version in versions[0].items())
    older, newer = versions
    lines = []
    for name in sorted(older.keys() | newer.keys()):
        if older.get(name) == newer.get(name):
            lines.append(f"{name}=={newer[name]}")
            continue
        if name in older:
            lines.append(f'{name}=={older[name]}; python_version < "{pythons[1]}"')
        if name in newer:
            lines.append(f'{name}=={newer[name]}; python_version >= "{pythons[1]}"')
    return lines


def write(lock: Lock, upgrade: bool) -> None:
    """Replace one lock file; the comment at its head stays."""
    path = ROOT / lock.name
    head = [line for line in path.read_text().splitlines() if line.startswith("#")]
    pins = ROOT / lock.versions_of if lock.versions_of else None if upgrade else path
    versions = [resolve(python, lock.packages, pins) for python in lock.pythons]
    if lock.alone:
        for own, python in zip(versions, lock.pythons, strict=True):
            own |= resolve(python, lock.alone, pins, "--no-deps")
    lines = merge(lock.pythons, versions)
    path.write_text("".join(f"{line}\n" for line in [*head, *lines]))
    print(f"{lock.name}: {len(lines)} lines")


if __name__ == "__main__":
    for each in LOCKS:
        write(each, upgrade="--upgrade" in sys.argv[1:])
