"""Print the newest of some interpreters; with --torch, of those for which pip would install a PyTorch without CUDA.

    python .ci/pythons.py [--torch REQUIREMENT] INTERPRETER ...

The CUDA build is gigabytes larger, and of no use to the tests. Some systems and package indexes offer the small build
for some versions of Python only; where they offer it for none, the interpreter named first is printed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path


def version_of(interpreter: str) -> tuple[int, int]:
    """Ask an interpreter for its major and minor version."""
    command = [interpreter, "-c", "import sys; print(*sys.version_info[:2])"]
    major, minor = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return int(major), int(minor)


def needs_cuda(requirement: str, version: tuple[int, int]) -> bool:
    """Ask pip what it would install, without downloading it; true also where it finds no build at all."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [sys.executable, "-m", "pip", "install", "--dry-run", "--quiet", "--no-deps", "--ignore-installed"]
        command += ["--only-binary", ":all:", "--target", folder, "--python-version", f"{version[0]}.{version[1]}"]
        if subprocess.run([*command, "--report", str(report), requirement], capture_output=True).returncode != 0:
            return True
        (torch,) = json.loads(report.read_text())["install"]
    needs = torch["metadata"].get("requires_dist", [])
    return sys.platform == "linux" and any(need.startswith("nvidia-") for need in needs)


def main() -> None:
    """Try the newest version first."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--torch", metavar="REQUIREMENT")
    parser.add_argument("interpreters", nargs="+", metavar="INTERPRETER")
    options = parser.parse_args()
    interpreters = {version_of(interpreter): interpreter for interpreter in options.interpreters}
    for version in sorted(interpreters, reverse=True):
        if options.torch is None or not needs_cuda(options.torch, version):
            print(interpreters[version])
            return
    print(options.interpreters[0])


if __name__ == "__main__":
    main()
