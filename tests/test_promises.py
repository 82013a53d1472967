"""What the README and the help promise and no other module tests: make targets, benchmarks, colours, the sdist."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from nertool.cli.main import main

ROOT = Path(__file__).resolve().parents[1]
BENCHMARKS = sorted({path.name for path in (ROOT / "benchmarks").glob("*.py")} - {"timing.py"})
COLOUR = re.compile(r"\x1b\[[\d;]*3[0-7]")


def make(*words: str, folder: Path = ROOT) -> str:
    """Print the commands of a target without running them."""
    done = subprocess.run(["make", "--dry-run", "--always-make", *words], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_make_demo_sets_up_and_runs_the_whole_chain() -> None:
    commands = make("demo")
    steps = ["-m venv .venv", "pip install --quiet --no-deps -r requirements.lock", "nertool run sample -w demo"]
    places = [commands.index(step) for step in [*steps, "nertool predict -w demo --quantized"]]
    assert places == sorted(places)


def test_make_test_sets_up_and_runs_every_test() -> None:
    commands = make("test")
    assert commands.index("-m venv .venv") < commands.index(".venv/bin/pytest")
    assert " -m model" not in commands and "--ignore" not in commands


def test_make_e2e_runs_every_stage_in_order() -> None:
    commands = make("e2e", "RECIPE=wnut17", "SOURCE=published")
    stages = ["download", "preprocess", "labels", "train", "evaluate", "quantize", "predict", "status"]
    places = [commands.index(f"nertool {stage} ") for stage in stages]
    assert places == sorted(places)
    assert "download wnut17 --source 'published'" in commands


@pytest.mark.parametrize("wrong", ["MODEL=minilm", "EPOCHS=3", "WORKSPACE=my ws", "OUTPUT_DIR=a b"])
def test_make_refuses_a_variable_that_would_do_nothing_or_harm(wrong: str) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}  # of `make test`
    command = ["make", "--dry-run", "e2e", wrong]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 2 and wrong.partition("=")[0] in done.stderr.splitlines()[0] and done.stdout == ""


def test_make_help_names_targets_that_there_are() -> None:
    targets = re.findall(r"make ([a-z][\w-]*)", subprocess.check_output(["make", "help"], cwd=ROOT, text=True))
    assert {"demo", "test", "test-latest", "e2e"} <= set(targets)
    make(*sorted(set(targets)))


@pytest.mark.parametrize("script", BENCHMARKS)
def test_every_benchmark_has_a_help(script: str) -> None:
    """The scripts import what they need at their top, so this imports what the package offers them, too."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(ROOT / "benchmarks" / script), "--help"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if "No module named" in done.stderr and re.search(r"'(nncf|ray|torch|seqeval)", done.stderr):
        pytest.skip(done.stderr.splitlines()[-1])
    assert done.returncode == 0 and "usage: " in done.stdout, done.stderr


def test_results_of_benchmarks_become_a_table_a_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    from tables import make_tables
    from timing import by_turns, describe_machine, installed_versions, spread

    seconds = by_turns({"one": lambda: None, "two": lambda: None}, runs=3)
    assert spread(seconds["one"])["runs"] == len(seconds["two"]) == 3
    result = {
        "machine": describe_machine(),
        "versions": installed_versions(),
        "date": "2026-11-26",
        "command": "python benchmarks/x.py",
        "figures": [{"work": "a", "words_per_second": 1234.5}, {"work": "b", "equal": 0.5}],
    }
    other = {**result, "machine": {**describe_machine(), "cores": 64}}
    tables = make_tables({"x": result, "y": other})
    assert tables.count("## ") - tables.count("### ") == 2
    assert "| work | words per second | equal |" in tables
    assert "| a | 1,234 |  |" in tables and "| b |  | 0.5000 |" in tables


@pytest.mark.parametrize("settings", [{}, {"NO_COLOR": "1"}])
def test_no_color_takes_the_red_from_errors(settings: dict[str, str], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "nertool", "preprocess", "-w", str(tmp_path / "none")]
    environment = {**os.environ, "FORCE_COLOR": "1", **settings}
    error = subprocess.run(command, env=environment, capture_output=True, text=True).stderr
    assert "train.txt.tmp is missing" in error
    assert bool(COLOUR.search(error)) != bool(settings)


def test_split_sentences_on_the_command_line(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("pysbd")
    (tmp_path / "in.txt").write_text("Anna visited Oslo. Clara left Vienna.\n")
    command = ["predict", str(tmp_path / "in.txt"), "--input", "text", "-w", str(trained)]
    sentences = []
    for more in ([], ["--split-sentences"]):
        with pytest.raises(SystemExit) as end:
            main([*command, *more])
        assert end.value.code == 0
        sentences.append(capsys.readouterr().out.strip().split("\n\n"))
    assert [len(part) for part in sentences] == [1, 2]
    assert sentences[1][1].split()[0] == "Clara"


def test_the_source_distribution_can_be_tested(tmp_path: Path) -> None:
    """It holds tests with their data, benchmarks, the Makefile and the lock files."""
    pytest.importorskip("setuptools", minversion="77")
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    for name in listed.stdout.splitlines():
        target = tmp_path / "copy" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((ROOT / name).read_bytes())
    build = f"from setuptools import build_meta; build_meta.build_sdist({str(tmp_path)!r})"
    subprocess.run([sys.executable, "-c", build], cwd=tmp_path / "copy", check=True, capture_output=True)
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as files:
        names = {name.partition("/")[2] for name in files.getnames()}
    left_out = {name for name in listed.stdout.splitlines() if name not in names}
    assert {name for name in left_out if not name.startswith(".")} == set()
