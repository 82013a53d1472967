"""Text of strangers does nothing to the terminal, and text that is not UTF-8 reaches no file."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from faults.forks import Forks
from helpers import commands, stamps, write_records

from nertool.cli.main import main
from nertool.report import plots
from nertool.stages import evaluate
from nertool.workspace.workspace import Workspace

HOSTILE = "[red]x[/][/]:bomb:\x1b]0;t\x07\x9b1m\u202e\u2066\x08"
"""rich's markup, and what renames, paints and mirrors a terminal."""
SHOWN = r"[red]x[/][/]:bomb:\x1b]0;t\x07\x9b1m\u202e\u2066\x08"
RECORD: dict[str, Any] = {"options": {}, "versions": {}, "reads": {}, "sources": None, "writes": {}, "facts": {}}
COUNTS = {"sentences": 1, "tokens": 1}


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit status, standard output and standard error of a command."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        main(list(arguments))
    out, err = capsys.readouterr()
    assert not set(out + err) & set("\x1b\x07\x9b\u202e\u2066\x08")
    return end.value.code, out, err  # type: ignore[return-value]


# -- what a terminal would obey --------------------------------------------------------------------


@pytest.fixture
def hostile(workspace: Workspace) -> Workspace:
    """A workspace with hostile tokens and tags."""
    for split in ("train", "dev", "test"):
        (workspace / f"{split}.txt").write_text(f"{HOSTILE} B-{HOSTILE}\n{HOSTILE} {HOSTILE}\n\n")
    return workspace


@pytest.mark.model  # it counts sub-words
def test_check_shows_tags_and_tokens_as_they_are(hostile: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    place = ["-w", str(hostile.path)]
    run(capsys, "check", *place)
    run(capsys, "check", "--json", *place)


def test_tags_and_tokens_are_shown_as_they_are(hostile: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    place = ["-w", str(hostile.path)]
    assert f"B-{SHOWN}" in run(capsys, "labels", *place)[1]
    _, out, _ = run(capsys, "labels", "--json", *place)
    assert json.loads(out)["facts"]["tags"][0] == f"B-{HOSTILE}"
    (hostile / "columns").write_text(f"a B-{HOSTILE} B-{HOSTILE}\nb B-{HOSTILE} O\n")
    _, out, _ = run(capsys, "score", str(hostile / "columns"))
    assert SHOWN in out


def test_facts_of_a_stranger_are_shown_as_they_are(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    facts = {"labels": 1, "tags": [HOSTILE], HOSTILE: HOSTILE}
    write_records(
        workspace,
        labels={**RECORD, "facts": facts},
        preprocess={**RECORD, "facts": {HOSTILE: COUNTS, "findings": [{HOSTILE: HOSTILE}]}},
        predict={**RECORD, "facts": {**COUNTS, "model": HOSTILE}},
        **{f"evaluate:{HOSTILE}": {**RECORD, "facts": {"other": HOSTILE, HOSTILE: {"difference": 0.5, "p": 0.5}}}},
    )
    _, out, _ = run(capsys, "status", "-w", str(workspace.path))
    assert "[red]x[/][/]:bomb:" in out and r"\x1b]0;t\x07" in out
    _, out, _ = run(capsys, "status", "--json", "-w", str(workspace.path))
    assert json.loads(out)["labels"]["facts"] == facts


def test_labels_of_a_model_are_shown_as_they_are(
    copy: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = json.loads((copy / "model/config.json").read_text())
    odd = "[red]x[/][/]:bomb:"  # a label with a control character is refused
    config["id2label"] = {number: label.replace("PER", odd) for number, label in config["id2label"].items()}
    config["label2id"] = {label: int(number) for number, label in config["id2label"].items()}
    (copy / "model/config.json").write_text(json.dumps(config))
    (copy / "model/calibration.json").unlink()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"anna visited oslo .\n")))
    _, out, _ = run(capsys, "predict", "--interactive", "--allow-stale", "-w", str(copy.path))
    assert f"({odd})" in out


def test_a_command_line_is_shown_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # a table breaks the lines of long paths
    for arguments in (
        [f"--{HOSTILE}"],
        [HOSTILE],
        ["status", HOSTILE],
        ["status", f"--{HOSTILE}"],
        ["train", f"-{HOSTILE}"],
    ):
        assert run(capsys, *arguments)[0] == 2
    place = ["-w", HOSTILE]
    for command in (["labels"], ["train"], ["check"], ["predict"], ["evaluate", "--split", HOSTILE], ["run"]):
        code, out, err = run(capsys, *command, *place)
        assert (code, out) == (1, "") and len(err.splitlines()) == 2
    assert f"{SHOWN}/" in run(capsys, "score", f"{HOSTILE}/a")[2]
    printed = run(capsys, "train", "--print-config", *place)[1]
    assert "\\U0000001b]0;t\\U00000007" in printed  # as TOML escapes it


def test_the_number_of_a_line_is_shown_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """rich takes :100: and :1234: for emoji."""
    (tmp_path / "a").write_text("a O O\n" * 99 + "a\n")
    assert f"{tmp_path}/a:100: 1 columns" in run(capsys, "score", str(tmp_path / "a"))[2]


# -- what is not UTF-8 -----------------------------------------------------------------------------

NEEDED = {"score": ["file"], "export": ["--output", "directory"]}
"""What a command asks for."""
TEXT_OPTIONS = [
    (name, parameter)
    for name, command in commands().items()
    for parameter in command.params
    if parameter.name not in ("config", "help") and "str" in str(parameter.type_descriptor.annotation)
]


@pytest.mark.parametrize("name", commands())
def test_an_option_that_is_not_utf8_is_refused(
    name: str, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [parameter for command, parameter in TEXT_OPTIONS if command == name]
    assert "workspace" in {parameter.name for parameter in options}
    before = stamps(workspace.path)
    for parameter in options:
        spelled = parameter.opts[0]
        given = ["x\udcff"] if parameter.param_type_name == "argument" else [f"{spelled}=x\udcff"]
        needed = [] if parameter.required else NEEDED.get(name, [])
        place = [] if parameter.name == "workspace" else ["-w", str(workspace.path)]
        code, out, err = run(capsys, name, *needed, *given, *place)
        if code == 2 and "is not one of" in err:
            continue  # a choice
        assert (code, out) == (1, "") and len(err.splitlines()) == 2, err
        assert err.startswith(f"error: {spelled} x\\udcff: not UTF-8\n")
    assert stamps(workspace.path) == before


def test_a_file_in_a_folder_that_is_not_utf8_is_read_and_recorded(tmp_path: Path, forks: Forks) -> None:
    """By a shell, which gives the folder its bytes; nothing names the folder but the working directory."""
    folder = os.fsencode(tmp_path) + b"/x\xff"
    os.mkdir(folder)
    with open(folder + b"/a.txt", "w") as file:
        file.write("anna B-PER\nleft O\n\n")
    with open(folder + b"/y\xff.txt", "w") as file:
        file.write("anna B-PER\nleft O\n\n")
    for shell, code in {
        "download --train-file a.txt -w .": 0,
        "labels -w .": 1,
        "status --json -w .": 0,
        r"download --train-file $'y\xff.txt' -w w": 1,
        r"status -w $'\xff'": 1,
    }.items():
        done = subprocess.run(["bash", "-c", f"{forks.in_shell()} {shell}"], cwd=folder, capture_output=True)
        assert done.returncode == code, (shell, done.stderr)
        assert b"Traceback" not in done.stderr
        assert b"\xff" not in done.stdout + done.stderr
    for name in ("workspace.json", "runs.jsonl"):
        with open(folder + f"/{name}".encode(), encoding="utf-8") as file:
            assert json.loads(file.read().splitlines()[0] if name == "runs.jsonl" else file.read())


def test_a_record_keeps_a_name_that_is_not_utf8(workspace: Workspace) -> None:
    from nertool.workspace.digests import json_text

    text = json_text({"name": "x\udcff ü"})
    assert text.encode() and json.loads(text) == {"name": "x\udcff ü"}


# -- files of results of wrong types ---------------------------------------------------------------

ODD_RESULTS = [
    "null",
    "[]",
    "{",
    "3",
    '{"metric": []}',
    '{"types": {"PER": 3}}',
    '{"types": []}',
    "\udcff",
    "[" * 100_000,
]


def test_results_of_wrong_types_are_two_lines(
    copy: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluate.run(copy, evaluate.Options(split=["dev"]))
    results, table = copy / "evaluation/dev_results.json", copy / "quantized/quantization.json"
    table.parent.mkdir()
    good = json.loads(results.read_text())

    def shown(path: Path, content: str) -> int:
        path.write_text(content, errors="surrogateescape")
        code, _, err = run(capsys, "evaluate", "--split", "test", "-w", str(copy.path))
        assert code == 0 or err.splitlines()[-2].startswith("error: "), content[:80]
        return code

    assert shown(results, json.dumps({**good, "types": {"LOC": 3}})) == 1, "by the plots"
    monkeypatch.setattr(plots, "available", lambda: False)  # they take a second each
    for key, value in zip(good, cycle((None, [HOSTILE], 10**400)), strict=False):
        shown(results, json.dumps({**good, key: value}))
    assert [shown(results, content) for content in ODD_RESULTS] == [1] * len(ODD_RESULTS)
    shown(results, json.dumps(good))
    kept = copy / "model/thresholds.json"
    for points in (3, [3], [{"type": HOSTILE, "wanted": HOSTILE, "threshold": None, "dev": {}}]):
        assert shown(kept, json.dumps({"measure": HOSTILE, "points": points})) == 1
    kept.unlink()
    assert [shown(table, content) for content in ('{"fp32": 3}', '{"fp32": {}, "trials": []}', "{")] == [1, 1, 1]
