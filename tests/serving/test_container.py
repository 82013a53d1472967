"""The Dockerfile and the packages in its image. `make slim` follows its steps in an empty environment."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import commands, snapshot, write_graph

from nertool.stages.serve import Options

ROOT = Path(__file__).resolve().parents[2]
SERVED = """
import sys
from importlib.metadata import packages_distributions
from nertool.cli.main import main

try:
    main(sys.argv[1:])
finally:
    places = packages_distributions()
    names = {name.partition(".")[0] for name in sys.modules}
    print(*sorted({distribution for name in names for distribution in places.get(name, ())}), file=sys.stderr)
"""
"""Runs nertool, and prints whose modules it has imported."""


def pins(name: str) -> dict[str, str]:
    """The version of each package of a lock file."""
    lines = [line for line in (ROOT / name).read_text().splitlines() if not line.startswith("#")]
    return {package: version for package, _, version in (line.partition("==") for line in lines)}


def instruction(name: str) -> str:
    """What stands behind the last instruction of a name."""
    return re.findall(rf"^{name} (.*)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)[-1]


def test_versions_are_those_of_the_large_lock_file() -> None:
    large, slim = pins("requirements-latest.lock"), pins("requirements-slim.lock")
    assert slim and slim.items() <= large.items()
    assert not {"torch", "transformers", "datasets", "huggingface-hub"} & slim.keys()


def test_the_image_serves_at_the_port_that_it_names_and_not_as_root() -> None:
    port = str(Options().port)
    assert instruction("EXPOSE") == port and f"127.0.0.1:{port}/health" in instruction("HEALTHCHECK")
    assert instruction("USER").partition(":")[0] not in ("0", "root")
    program, command, *words = json.loads(instruction("ENTRYPOINT"))
    options = {name for parameter in commands()[command].params for name in parameter.opts}
    assert program == "nertool" and {word for word in words if word.startswith("--")} <= options


def test_what_is_copied_exists() -> None:
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    assert all((ROOT / name).exists() for name in kept) and "requirements-slim.lock" in kept


def test_serving_imports_only_what_is_in_the_image(tmp_path: Path) -> None:
    """From a workspace that nobody may write to."""
    for package in ("onnx", "onnxruntime", "tokenizers", "uvicorn"):
        pytest.importorskip(package)
    write_graph(tmp_path / "quantized")
    before = snapshot(tmp_path)
    command = [
        sys.executable,
        "-c",
        SERVED,
        "serve",
        "-w",
        str(tmp_path),
        "--quantized",
        "--port",
        "0",
        "--label-studio",
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout and process.stdout.readline().startswith("http://")
    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=60)
    assert process.returncode == 0
    imported = {name.lower().replace("_", "-") for name in log.splitlines()[-1].split()}
    assert imported - pins("requirements-slim.lock").keys() <= {"nertool", "setuptools"}
    assert snapshot(tmp_path) == before
