"""Runs commands of nertool in forks of one process that has loaded what is heavy, each with a fault of its own.

Run as `python tests/faults/forks.py ADDRESS MODULE...` it is that process: it listens at a socket for calls of
`fork_client.py`, as long as its standard input is open. `Forks` starts it.
"""

from __future__ import annotations

import json
import os
import resource
import select
import shlex
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Callable
from contextlib import ExitStack, suppress
from importlib import import_module
from mmap import mmap
from pathlib import Path
from typing import Any, NamedTuple

from faults.fork_client import call

from nertool.models.names import quiet_transformers

LOADED = [
    *("nertool.chain", "nertool.cli.main", "nertool.cli.tables", "nertool.cli.commands", "nertool.stages.check"),
    *("nertool.scoring.score_files", "nertool.scoring.bootstrap", "nertool.documents.writers"),
    "nertool.models.load_tagger",
    *("transformers.models.bert.modeling_bert", "rich.table", "filelock", "pydantic.main"),
]
"""What every command takes."""
TRAINING = [
    *(
        "nertool.training.trainer",
        "nertool.training.callbacks",
        "nertool.training.publish",
        "nertool.training.fast_dropout",
        "nertool.report.report",
    ),
    *("datasets", "matplotlib.backends.backend_svg", "torch._dynamo", "sympy"),
]
QUANTIZING = [
    *(
        "nertool.int8.search",
        "nertool.int8.quantizer",
        "nertool.int8.judge",
        "nertool.int8.row_ranges",
        "optimum.intel",
    ),
    *("neural_compressor.training", "neural_compressor.quantization", "onnxruntime.quantization", "networkx"),
]
WRITES = ("os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.link", "os.truncate", "os.symlink")
"""What the interpreter calls the moments at which a file system changes; `open` only where it may write."""
HERE = Path(__file__).parent
STREAMS = ("open", "open", "open")
"""Standard input, output and error; each may be `full` or `closed` too."""


class End(NamedTuple):
    """How a command ended.

    Attributes:
        code: exit status; negative for the signal that ended it.
        out, err: what it wrote.
        moments: how often it changed something in its file system.
    """

    code: int
    out: str
    err: str
    moments: int


class Forks:
    """The process that has loaded what is heavy.

    Args:
        folder: for what commands write to their streams.
        modules: to be loaded once for all commands.
    """

    def __init__(self, folder: Path, *modules: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.address = folder, str(folder / "socket")
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
        places = [str(HERE.parent), *filter(None, [environment.get("PYTHONPATH")])]
        environment["PYTHONPATH"] = os.pathsep.join(places)
        command = [sys.executable, __file__, self.address, *LOADED, *modules]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
        assert self.process.stdout
        assert self.process.stdout.readline() == b"ready\n"

    def __enter__(self) -> Forks:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.communicate()

    def run(self, *arguments: str, streams: tuple[str, ...] = STREAMS, text: str = "", **fault: Any) -> End:
        """Run a command.

        Args:
            arguments: behind `nertool`.
            streams: standard input, output and error.
            text: what is read from standard input.
            fault: see `set_fault`.
        """
        for name in ("0", "1", "2"):
            (self.folder / name).write_text("" if name != "0" else text)
        with ExitStack() as files:
            descriptors = {}
            for number, kind in enumerate(streams):
                path = Path("/dev/full") if kind == "full" else self.folder / str(number)
                if kind != "closed":
                    descriptors[number] = files.enter_context(path.open("r+b", buffering=0)).fileno()
            code, moments = call(self.address, list(arguments), descriptors, fault)
        out, err = ((self.folder / name).read_text(errors="replace") for name in ("1", "2"))
        return End(code, out, err, moments)

    def command(self, *arguments: str, **fault: Any) -> list[str]:
        """What stands for a command in a shell or for a launcher: a process with streams of its own."""
        return [sys.executable, "-IS", str(HERE / "fork_client.py"), self.address, json.dumps(fault), *arguments]

    def in_shell(self, *arguments: str, **fault: Any) -> str:
        """The same as a word of a shell."""
        return shlex.join(self.command(*arguments, **fault))


# -- the process -----------------------------------------------------------------------------------


def serve(listener: socket.socket) -> None:
    """Answer calls until standard input ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the processes that answer
    while listener in select.select([listener, 0], [], [])[0]:
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            answer(connection)
            os._exit(0)
        connection.close()


def answer(connection: socket.socket) -> None:
    """Run the command of one call, and tell how it ended."""
    data, received, _, _ = socket.recv_fds(connection, 1 << 20, 64)
    while not data.endswith(b"\n"):
        data += connection.recv(1 << 20)
    request = json.loads(data)
    numbers, moments = request.pop("numbers"), mmap(-1, 8)  # shared with the fork
    ended, alive = os.pipe()
    if (child := os.fork()) == 0:
        connection.close()
        set_streams(dict(zip(numbers, received, strict=True)))
        run_call(moments, **request)
    for descriptor in (*received, alive):
        os.close(descriptor)
    if connection in select.select([connection, ended], [], [])[0]:  # whoever called was killed
        os.kill(child, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with suppress(OSError):  # of whoever was killed
        connection.sendall(json.dumps([code, int.from_bytes(moments, "little")]).encode())


def run_call(
    moments: mmap, arguments: list[str], fault: dict[str, Any], folder: str, environment: dict[str, str]
) -> None:
    """Run one command and end the process; see `fork_client.call`."""
    from nertool.cli.main import main

    code: Any = 1
    try:
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        set_fault(moments, **fault)
        sys.argv = ["nertool", *arguments]
        main()
    except SystemExit as ending:
        code = ending.code
    except KeyboardInterrupt:
        code = 130
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)  # to tear down the interpreter takes longer than most commands


def set_streams(descriptors: dict[int, int]) -> None:
    """Let these descriptors have these numbers; of the standard streams, close those that are not among them."""
    for number, descriptor in descriptors.items():
        os.dup2(descriptor, number)
        os.close(descriptor)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if number not in descriptors:  # as Python finds it at its start
            os.close(number)
            setattr(sys, name, None)


def set_fault(
    moments: mmap,
    number: int = 0,
    at: int = 0,
    place: str = "",
    event: str = "",
    rank: str = "",
    largest: int = 0,
    here: bool = True,
) -> None:
    """Let something go wrong in this process.

    Args:
        moments: gets how many moments have been seen.
        number: of a signal; 0 for none.
        at: 1-based number of the moment at which it comes, just before something is changed.
        place: count only the moments at files whose paths hold this.
        event: count every event of this name, even an `open` to read, in place of changes.
        rank: of the one process of a training that gets the signal; empty for every process.
        largest: bytes of the largest file that may be written; 0 for no limit.
        here: measure models in this process, as another one would load PyTorch anew.
    """
    if largest:
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, resource.RLIM_INFINITY))
    if here:
        from nertool.int8 import measure

        measure.measure = measure.measure_here
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if rank in ("", os.environ.get("RANK")):
        sys.addaudithook(watcher(moments, number, at, place, event))


def is_change(event: str, arguments: tuple[Any, ...]) -> bool:
    """Whether something in a file system changes."""
    if event == "open":
        return isinstance(arguments[2], int) and bool(arguments[2] & (os.O_WRONLY | os.O_RDWR))
    return event in WRITES


def watcher(moments: mmap, number: int, at: int, place: str, only: str) -> Callable[[str, tuple[Any, ...]], None]:
    """A hook that counts moments, and sends this process a signal at one of them."""
    process, seen = os.getpid(), 0

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal seen
        if not (event == only if only else is_change(event, arguments)) or os.getpid() != process:
            return
        if place in " ".join(map(str, arguments)):
            seen += 1
            moments[:] = seen.to_bytes(8, "little")
            if seen == at:
                os.kill(process, number)

    return hook


def load(modules: list[str]) -> None:
    """Import what there is of these modules."""
    quiet_transformers()
    for module in modules:
        with suppress(ImportError):
            import_module(module)


if __name__ == "__main__":
    own_output = os.dup(1)
    os.dup2(2, 1)  # what modules print while they load is no answer
    load(sys.argv[2:])
    with socket.socket(socket.AF_UNIX) as own_listener:
        own_listener.bind(sys.argv[1])
        own_listener.listen()
        os.write(own_output, b"ready\n")
        os.close(own_output)
        serve(own_listener)
