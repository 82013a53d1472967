"""Kills at every moment at which a stage changes something in its file system, and what must be true after each."""

from __future__ import annotations

import shutil
import signal
from dataclasses import dataclass
from pathlib import Path

from faults.bench import Bench, is_two_lines
from faults.forks import End
from helpers import snapshot

from nertool.workspace.workspace import Workspace

COSTS = ("quantization.json", "workspace.json")
"""Files of `quantize` that hold seconds."""
FOLLOWED = ("labels", "preprocess", "evaluate", "predict")
"""Stages that may come next."""
ENDS = {signal.SIGKILL: -signal.SIGKILL, signal.SIGTERM: -signal.SIGTERM, signal.SIGINT: 130}
"""Signal -> exit status."""


@dataclass
class Run:
    """A call of a stage, as it is where nothing goes wrong.

    Attributes:
        before, after: what the workspace holds.
        moments: how often the call changes something in its file system.
    """

    call: str
    before: dict[str, bytes]
    after: dict[str, bytes]
    moments: int


def run_through(bench: Bench, call: str, place: str = "") -> Run:
    """Run a stage to its end; count the moments at files whose paths hold `place`."""
    workspace = prepared(bench, call)
    before = snapshot(workspace)
    end = bench.run(call, workspace, place=place)
    assert end.code == 0, end.err
    run = Run(call, before, snapshot(workspace), end.moments)
    shutil.rmtree(workspace.parent)
    return run


def prepared(bench: Bench, call: str) -> Path:
    """A copy of the workspace in which the stage has something to do."""
    workspace = bench.copy()
    if call == "labels":
        with (workspace / "train.txt").open("a") as file:
            file.write("clara B-NEW\n\n")
    return workspace


def check_kill(bench: Bench, run: Run, at: int, number: int = signal.SIGKILL, place: str = "", then: str = "") -> None:
    """Let a call be ended by a signal at a moment: the old files are there whole, or the new ones.

    Args:
        then: the stage that comes next: the same call must end as where nothing went wrong, another one must be done,
            or refuse in two lines; empty for none.
    """
    workspace = prepared(bench, run.call)
    end = bench.run(run.call, workspace, number=int(number), at=at, place=place)
    assert end.code in (ENDS[signal.Signals(number)], 0), end
    assert "Traceback" not in end.err, end.err
    if then and then != run.call:
        assert_done_or_told(bench.run(then, workspace, "--allow-stale" if then == "train" else "--force"))
    else:
        assert Workspace(workspace).status()
        now = snapshot(workspace)
        assert same(now, run.before) or same(now, run.after) or is_between(now, run), differences(now, run)
    if then == run.call:
        assert bench.run(run.call, workspace).code == 0
        assert same(snapshot(workspace), run.after), differences(snapshot(workspace), run)
        left = {path.name for path in workspace.glob(".*")} - {".examples", ".lock", ".training"}
        assert not left, left
    shutil.rmtree(workspace.parent)


def is_between(now: dict[str, bytes], run: Run) -> bool:
    """`evaluate` publishes the scores of each split, then the report: some may be new, and the others old."""
    changed = now.keys() - {"workspace.json"} if run.call == "evaluate" else set()
    return bool(changed) and all(now[name] in (run.before.get(name), run.after.get(name)) for name in changed)


def assert_done_or_told(end: End) -> None:
    assert end.code == 0 or is_two_lines(end), end.err


def same(one: dict[str, bytes], other: dict[str, bytes]) -> bool:
    return without_logs(one) == without_logs(other)


def without_logs(files: dict[str, bytes]) -> dict[str, bytes]:
    """Files by name, those that hold seconds or paths without their content, and without the logs of trainings."""
    quantized = "quantized/quantization.json" in files
    return {
        name: b"" if name.endswith("training_args.bin") or (quantized and name.endswith(COSTS)) else content
        for name, content in files.items()
        if not name.startswith("logs/")
    }


def differences(now: dict[str, bytes], run: Run) -> str:
    """Names of files that differ from those before, and from those after."""
    told = []
    for what, other in (("before", run.before), ("after", run.after)):
        one, two = without_logs(now), without_logs(other)
        told.append(f"{what}: {sorted(name for name in one.keys() | two.keys() if one.get(name) != two.get(name))}")
    return f"{run.call}: other than {'; '.join(told)}"
