"""Do in an empty environment what the Dockerfile does in a container, and let the server that results tag a sentence.

python .ci/slim.py FOLDER        with an interpreter that has what tests need; FOLDER is made anew

Each stage of the Dockerfile has a folder and an environment of its own, in which its paths lie. pip needs its registry.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import venv
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

ROOT = Path(__file__).resolve().parents[1]
NOBODY = 65534


class Stage:
    """What one FROM of a Dockerfile begins."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.environment = folder, folder / "usr"
        venv.create(self.environment, with_pip=True)

    def path(self, inside: str) -> Path:
        """Where a path of the container lies."""
        return self.folder / inside.lstrip("/")

    def command(self, words: list[str]) -> list[str]:
        """A command of the container, with the programs and paths of this stage."""
        program = self.environment / "bin" / words[0]
        return [str(program), *(str(self.path(word)) if word.startswith("/") else word for word in words[1:])]

    def copy(self, source: Path, target: str) -> None:
        """Copy a file, or what is in a folder."""
        if source.is_dir():
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, self.path(target), dirs_exist_ok=True, ignore=ignore)
            return
        self.path(target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, self.path(target))


def read_dockerfile() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile, and what stands behind them."""
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line.partition(" ") for line in text.splitlines() if line and not line.startswith("#")]
    return [(name, rest) for name, _, rest in lines]


def context(folder: Path) -> Path:
    """What .dockerignore lets into the image."""
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        if line.startswith("!"):
            target = folder / line[1:]
            target.parent.mkdir(parents=True, exist_ok=True)
            (shutil.copytree if (ROOT / line[1:]).is_dir() else shutil.copy2)(ROOT / line[1:], target)
    return folder


def build(folder: Path) -> tuple[Stage, dict[str, str]]:
    """Follow the instructions; give the last stage, and what the instructions that run nothing say."""
    stages: list[Stage] = []
    names: dict[str, int] = {}
    said: dict[str, str] = {}
    source = context(folder / "context")
    for name, rest in read_dockerfile():
        if name == "FROM":
            names[rest.rpartition(" ")[2]] = len(stages)
            stages.append(Stage(folder / f"stage-{len(stages)}"))
        elif name == "COPY":
            *flags, origin, target = rest.split()
            origins = [stages[names[flag.partition("=")[2]]].path(origin) for flag in flags] or [source / origin]
            stages[-1].copy(origins[0], target)
        elif name == "RUN":
            command = stages[-1].command(shlex.split(rest))
            subprocess.run([*command, "--quiet"], check=True)  # all of them are pip's
        else:
            said[name] = rest
    return stages[-1], said


def tag(address: str) -> Any:
    """What the server finds in a sentence."""
    body = json.dumps({"texts": ["Anna Keller flew to Bern ."]}).encode()
    with urlopen(Request(f"{address}/tag", body), timeout=30) as response:
        return [entity["text"] for entity in json.load(response)["results"][0]["entities"]]


def as_nobody(stage: Stage) -> dict[str, Any]:
    """Options of a process of another user, where this one may choose it and it may run Python."""
    options: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
    try:
        subprocess.run(stage.command(["python", "-c", ""]), check=True, **options)
    except (OSError, subprocess.SubprocessError) as error:
        print(f"slim: the server runs as this user, since another one cannot: {error}")
        return {}
    return options


def serve(stage: Stage, said: dict[str, str]) -> None:
    """Run the server of an image on a workspace that is read-only; check its health; let it tag, and end it."""
    sys.path.insert(0, str(ROOT / "tests"))
    from helpers import snapshot, write_graph

    workspace = stage.path("/model")
    write_graph(workspace / "quantized")
    for path in [*workspace.rglob("*"), workspace]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    before, started = snapshot(workspace), time.monotonic()
    command = stage.command(json.loads(said["ENTRYPOINT"]))
    server = subprocess.Popen([*command, "--port", "0"], stdout=subprocess.PIPE, text=True, **as_nobody(stage))
    assert server.stdout
    address = server.stdout.readline().strip().replace("0.0.0.0", "127.0.0.1")
    print(f"slim: {address} answers after {time.monotonic() - started:.2f} s")
    health = re.sub(r":8000\b", address[address.rindex(":") :], said["HEALTHCHECK"].partition("CMD ")[2])
    subprocess.run(stage.command(json.loads(health)), check=True)
    assert tag(address) == ["Anna", "Keller", "Bern"], tag(address)
    server.send_signal(signal.SIGTERM)
    assert server.wait(30) == 0, server.returncode
    assert snapshot(workspace) == before, "the server has changed the workspace"


def main() -> None:
    """Build, serve, and say how large it is."""
    folder = Path(sys.argv[1]).absolute()
    os.environ.pop("PYTHONPATH", None)  # what is installed there, and nothing else
    os.chdir(folder.parent)
    shutil.rmtree(folder, ignore_errors=True)
    stage, said = build(folder)
    site = next(stage.environment.glob("lib/python*/site-packages"))
    size = sum(path.lstat().st_size for path in site.rglob("*") if path.is_file())
    print(f"slim: {size / 1e6:.0f} MB in {os.path.relpath(site)}")
    serve(stage, said)


if __name__ == "__main__":
    main()
