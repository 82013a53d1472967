"""Runs commands of nertool in forks of one process that has loaded what is heavy, each with a fault of its own.

Run as `python tests/faults/forks.py FOLDER MODULE...` it is that process: it takes a call a line and gives an end a
line, both JSON. `Forks` starts it.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from mmap import mmap
from pathlib import Path
from typing import Any, NamedTuple

from nertool.models.names import quiet_transformers

LOADED = [
    *("nertool.chain", "nertool.cli.tables", "nertool.cli.commands", "nertool.models.tagger", "nertool.stages.check"),
    *("nertool.scoring.score_files", "nertool.scoring.bootstrap", "nertool.documents.writers", "nertool.cli.main"),
    *("transformers.models.bert.modeling_bert", "rich.table", "filelock", "pydantic.main"),
]
"""What every command takes."""
TRAINING = [
    *("nertool.training.trainer", "nertool.training.publish", "nertool.training.fast_dropout", "nertool.report.report"),
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
WRITES = ("open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.link", "os.truncate", "os.symlink")
"""What the interpreter calls the moments at which a file system changes; `open` only where it may write."""
MOMENTS = mmap(-1, 8)
"""How many of them a command has seen; shared with the process that it was forked from."""
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
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
        command = [sys.executable, __file__, str(folder), *LOADED, *modules]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def __enter__(self) -> Forks:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.communicate()

    def run(self, *arguments: str, streams: tuple[str, ...] = STREAMS, **fault: Any) -> End:
        """Run a command.

        Args:
            arguments: behind `nertool`.
            streams: standard input, output and error.
            fault: see `set_fault`.
        """
        assert self.process.stdin and self.process.stdout
        call = {"arguments": arguments, "streams": streams, "fault": fault}
        self.process.stdin.write(json.dumps(call) + "\n")
        self.process.stdin.flush()
        return End(*json.loads(self.process.stdout.readline()))


# -- the process -----------------------------------------------------------------------------------


def serve(folder: Path, answers: int) -> None:
    """Run the calls that come on standard input, and write how they end to a descriptor."""
    for line in sys.stdin:
        call = json.loads(line)
        for name in ("0", "1", "2"):
            (folder / name).write_text("")
        MOMENTS[:] = bytes(8)
        if (child := os.fork()) == 0:
            run_call(folder, **call)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        out, err = ((folder / name).read_text(errors="replace") for name in ("1", "2"))
        os.write(answers, (json.dumps([code, out, err, int.from_bytes(MOMENTS, "little")]) + "\n").encode())


def run_call(folder: Path, arguments: list[str], streams: list[str], fault: dict[str, Any]) -> None:
    """Run one command and end the process."""
    from nertool.cli.main import main

    code: Any = 1
    try:
        set_fault(**fault)
        set_streams(folder, streams)
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


def set_streams(folder: Path, streams: list[str]) -> None:
    for descriptor, kind in enumerate(streams):
        opened = os.open("/dev/full" if kind == "full" else folder / str(descriptor), os.O_RDWR)
        os.dup2(opened, descriptor)
        os.close(opened)
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        if streams[descriptor] == "closed":  # as Python finds it at its start
            os.close(descriptor)
            setattr(sys, name, None)


def set_fault(number: int = 0, at: int = 0, place: str = "", largest: int = 0, here: bool = True) -> None:
    """Let something go wrong in this process.

    Args:
        number: of a signal; 0 for none.
        at: 1-based number of the moment at which it comes, just before something is changed.
        place: count only the moments at files whose paths hold this.
        largest: bytes of the largest file that may be written; 0 for no limit.
        here: measure models in this process, as another one would load PyTorch anew.
    """
    if largest:
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, resource.RLIM_INFINITY))
    if here:
        from nertool.int8 import measure

        measure.measure = measure.measure_here
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.addaudithook(watcher(number, at, place))


def watcher(number: int, at: int, place: str) -> Callable[[str, tuple[Any, ...]], None]:
    """A hook that counts moments, and sends this process a signal at one of them."""
    process, seen = os.getpid(), 0

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal seen
        if event not in WRITES or os.getpid() != process:
            return
        if event == "open" and not (isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)):
            return
        if place in " ".join(map(str, arguments)):
            seen += 1
            MOMENTS[:] = seen.to_bytes(8, "little")
            if seen == at:
                os.kill(process, number)

    return hook


if __name__ == "__main__":
    own_answers = os.dup(1)
    os.dup2(2, 1)  # what modules print while they load is no answer
    for module in sys.argv[2:]:
        with suppress(ImportError):
            import_module(module)
    quiet_transformers()
    serve(Path(sys.argv[1]), own_answers)
