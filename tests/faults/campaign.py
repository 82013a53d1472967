"""Long, seeded versions of the tests of faults, and a table of what they found.

    python tests/faults/campaign.py [--seed 0] [--part 0.1] [KIND ...]

`--part` tries only so much of each kind. Each failure is told on standard error as it happens. Exits with 1 if there
was one. What needs a package that is not installed, or the right to mount, is left out and not counted.
"""

from __future__ import annotations

import argparse
import itertools
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE.parent)]

import conftest  # noqa: E402
import pytest  # noqa: E402
from faults import mutations, test_damaged_files, test_publishing, test_streams  # noqa: E402
from faults.bench import Bench, check_file_limit, check_full  # noqa: E402
from faults.forks import QUANTIZING, TRAINING, Forks  # noqa: E402
from faults.kills import FOLLOWED, check_kill, run_through  # noqa: E402
from faults.tag_columns import check_tag_column  # noqa: E402
from helpers import fill, write_corpus  # noqa: E402

from nertool.workspace.workspace import Workspace  # noqa: E402

KILLED = {
    **dict.fromkeys(("download", "preprocess", "labels", "predict", "evaluate", "train", "quantize with ONNX"), 1),
    "quantize": 4,
}
"""Call -> every which moment is tried."""
FULL = ("train", "train with TensorBoard", "quantize with ONNX", "quantize with ONNX to static", "quantize", "predict")
SIZES = (0, 4_200, 9_000, 20_000, 45_000, 80_000, 120_000, 180_000, 260_000, 400_000)
"""Bytes that are free, or that a file may have: too few for records, examples, weights, optimizers, graphs."""
MUTATED, COLUMNS, READS = 1_000, 300, 2_000

Attempt = tuple[str, Callable[[], object]]
"""What is tried, and what raises an AssertionError if it ends otherwise than it must."""


@dataclass
class Row:
    """A line of the table."""

    kind: str
    tried: int = 0
    wrong: int = 0
    tracebacks: int = 0

    def add(self, what: str, tried: int, wrong: int, errors: str) -> None:
        """Count; tell what went wrong."""
        self.tried += tried
        self.wrong += wrong
        self.tracebacks += wrong if "Traceback" in errors else 0
        if wrong:
            print(f"-- {self.kind}, {what}: {errors[-3000:]}", file=sys.stderr, flush=True)

    def attempt(self, what: str, work: Callable[[], object]) -> None:
        """Try one thing; what cannot be tried here is not counted."""
        try:
            work()
        except pytest.skip.Exception:
            return
        except Exception as error:  # the campaign goes on
            self.add(what, 1, 1, f"{type(error).__name__}: {error}")
        else:
            self.add(what, 1, 0, "")


class Campaign:
    """Everything that is tried.

    Args:
        bench: runs stages in copies of a workspace.
        folder: for other files.
        seed: of all choices.
        part: fraction of each kind that is tried.
    """

    def __init__(self, bench: Bench, folder: Path, seed: int, part: float) -> None:
        self.bench, self.folder, self.seed, self.part = bench, folder, seed, part
        self.chance = random.Random(seed)

    def some(self, attempts: Iterable[Attempt]) -> list[Attempt]:
        """The part that is tried."""
        found = list(attempts)
        return self.chance.sample(found, max(1, round(len(found) * self.part)))

    def kills(self, call: str) -> Iterator[Attempt]:
        """A kill at each moment of a stage, followed by the same stage, another one, or none."""
        run = run_through(self.bench, call)
        for at in range(1, run.moments + 1, KILLED[call]):
            then = [call, "", self.chance.choice(FOLLOWED)][at % 3]
            what = f"moment {at} of {run.moments}, then {then or 'nothing'}"
            yield what, lambda at=at, then=then: check_kill(self.bench, run, at, then=then)

    def interrupts(self) -> Iterator[Attempt]:
        """SIGINT and SIGTERM while files are published."""
        for call in ("download", "preprocess", "labels", "predict", "train"):
            run = run_through(self.bench, call, "/.commit")
            for at, number in itertools.product(range(1, run.moments + 1), (signal.SIGINT, signal.SIGTERM)):
                what = f"{call}, moment {at}, {number.name}"
                yield what, lambda run=run, at=at, number=number: check_kill(self.bench, run, at, number, "/.commit")

    def full_disks(self) -> Iterator[Attempt]:
        """Disks with little room, and limits of the size of a file."""
        for check, call, size in itertools.product((check_full, check_file_limit), possible(FULL), SIZES):
            if check is check_full or size:
                yield f"{call}, {size} bytes", lambda check=check, call=call, size=size: check(self.bench, call, size)

    def streams(self) -> Iterator[Attempt]:
        """Every command with every kind of stream."""
        for name, call in test_streams.calls_in(self.bench).items():
            usual = test_streams.usual_output(self.bench, call)
            for kind in test_streams.STREAMS:
                yield (
                    f"{name} {kind}",
                    lambda call=call, kind=kind, usual=usual: test_streams.check_stream(self.bench, call, kind, usual),
                )

    def tag_columns(self) -> Iterator[Attempt]:
        """Random columns of tags."""
        for seed in range(self.seed, self.seed + COLUMNS):
            yield f"seed {seed}", lambda seed=seed: check_tag_column(self.folder / "tags", seed)

    def readers(self) -> Iterator[Attempt]:
        """Somebody reads a model again and again while others are published."""
        for number in range(READS // 100):
            yield f"round {number}", self.read_a_hundred_times

    def read_a_hundred_times(self) -> None:
        """Read a model while others are published."""
        workspace = Workspace(self.bench.copy())
        shutil.rmtree(workspace / "model")
        with test_publishing.models_published(workspace):
            test_publishing.read_while_published(workspace, 100)

    def rows(self, kinds: list[str]) -> Iterator[Row]:
        """Try what is asked for, kind by kind."""
        ways = {
            **{f"kills, {call}": partial(self.kills, call) for call in possible(KILLED)},
            "interrupts": self.interrupts,
            "full disks": self.full_disks,
            "streams": self.streams,
            "tag columns": self.tag_columns,
            "readers while a model is published": self.readers,
        }
        for kind, way in ways.items():
            if is_asked_for(kind, kinds):
                row = Row(kind)
                for what, work in self.some(way()):
                    row.attempt(what, work)
                yield row
        for form in mutations.FORMS:
            if is_asked_for(f"mutated files, {form}", kinds):
                yield self.mutated(form)
        for kind, (modules, count) in MODULES.items():
            if is_asked_for(kind, kinds):
                yield self.module_tests(kind, modules, count)

    def mutated(self, form: str) -> Row:
        """Damaged files of one form."""
        row, count = Row(f"mutated files, {form}"), max(1, int(MUTATED * self.part))
        if subprocess.run([sys.executable, "-c", f"import {NEEDED.get(form, 'pyarrow')}"]).returncode == 0:
            read, wrong, errors = test_damaged_files.damage(form, self.folder / form, count, self.seed)
            row.add(form, read, wrong, errors)
        return row

    def module_tests(self, kind: str, modules: tuple[str, ...], count: Callable[[int], int]) -> Row:
        """Tests that try one thing each, as they are."""
        report = self.folder / "report.xml"
        files = [str(HERE / f"test_{module}.py") for module in modules]
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", *files]
        subprocess.run(command, cwd=HERE.parents[1], stdout=subprocess.DEVNULL)
        row = Row(kind)
        cases = [case for case in ElementTree.parse(report).iter("testcase") if case.find("skipped") is None]
        for case in cases:
            faults = [fault.text or "" for fault in case if fault.tag in ("failure", "error")]
            row.add(case.get("name", ""), 1, len(faults), "\n".join(faults))
        row.tried = count(row.tried)
        return row


def possible(calls: Iterable[str]) -> list[str]:
    """The calls that can be made with the packages that are installed."""
    return [call for call in calls if call != "quantize" or find_spec("optimum")]


def is_asked_for(kind: str, kinds: list[str]) -> bool:
    """Whether a kind, or what stands before its comma, was named; all are where none was."""
    return not kinds or kind in kinds or kind.partition(",")[0] in kinds


def options_tried(tests: int) -> int:
    """How many options the tests of bad options try."""
    from faults.test_bad_options import bad_options

    return len(bad_options()) if tests else 0


MODULES: dict[str, tuple[tuple[str, ...], Callable[[int], int]]] = {
    "bad options": (("bad_options",), options_tried),
    "hostile models": (("hostile_models", "hostile_graphs", "code_of_a_model"), int),
    "hostile workspaces": (("hostile_workspace", "hostile_text", "leftovers"), int),
}
"""Kind -> modules of tests, and how many things so many of their tests try."""
NEEDED = {"dataset": "datasets", "spacy": "spacy"}


def prepare(folder: Path) -> tuple[Path, str]:
    """A workspace filled up to `train`, and the model that it was trained from."""
    model, workspace = folder / "tiny-model", folder / "trained"
    model.mkdir()
    conftest.build_tiny_model(model)
    write_corpus(workspace)
    fill(Workspace(workspace), str(model), "train")
    return workspace, str(model)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--part", type=float, default=1.0)
    parser.add_argument("kinds", nargs="*")
    arguments = parser.parse_args()
    wrong = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        trained, model = prepare(folder)
        with Forks(folder / "forks", *TRAINING, *QUANTIZING) as forks:
            campaign = Campaign(Bench(forks, trained, model, folder / "bench"), folder, arguments.seed, arguments.part)
            print(f"{'kind':<36}{'tried':>8}{'wrong':>8}{'tracebacks':>12}", flush=True)
            for row in campaign.rows(arguments.kinds):
                print(f"{row.kind:<36}{row.tried:>8}{row.wrong:>8}{row.tracebacks:>12}", flush=True)
                wrong += row.wrong
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
