"""A workspace of a stranger is data: nothing in it makes a command write or remove anything elsewhere."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from helpers import refused, snapshot, write_records

from nertool.documents.output_file import OutputFile
from nertool.errors import InvalidOption, Locked, NertoolError, Unwritable
from nertool.exporting.directory import check_target
from nertool.stages import labels
from nertool.workspace import commit
from nertool.workspace.digests import changed, digest, read_json
from nertool.workspace.names import is_inside, is_model_name, is_output
from nertool.workspace.seals import identity
from nertool.workspace.workspace import Workspace

RECORD: dict[str, Any] = {"options": {}, "versions": {}, "reads": {}, "sources": None, "writes": {}, "facts": {}}
DIGEST = {"sha256": "0" * 64, "size": 0}
EMPTY = {"sha256": sha256(b"").hexdigest(), "size": 0}
"""The digest of an empty file."""


@pytest.fixture(autouse=True)
def data(workspace: Workspace) -> None:
    """The splits as preprocess leaves them, so that every stage has something to do."""
    for split in ("train", "dev", "test"):
        shutil.copy(workspace / f"{split}.txt.tmp", workspace / f"{split}.txt")


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A folder beside the workspace, with a file that must stay."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "precious").write_text("mine")
    return folder


def begin_commit(workspace: Workspace, plan: dict[str, object], marked: bool = True) -> Path:
    """A `.commit` as somebody who knows the format writes it; `marked`: with a marker of this very place."""
    folder = workspace / ".commit"
    (folder / "files").mkdir(parents=True)
    (folder / "begun").touch()
    (folder / "workspace.json").write_text('{"format": 2, "stages": {}}')
    begun = identity(folder / "begun") if marked else [1, 2]
    (folder / "commit.json").write_text(json.dumps({"begun": begun, **plan}))
    return folder


# -- commits ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "plan",
    [
        {"stage": "labels", "entries": ["../elsewhere/precious"], "remove": []},
        {"stage": "train", "entries": ["model/../../elsewhere/precious"], "remove": []},
        {"stage": "labels", "entries": [], "remove": ["../elsewhere/precious"]},
        {"stage": "download", "entries": [], "remove": ["raw/../../elsewhere/precious"]},
        {"stage": "labels", "entries": [], "remove": ["train.txt.tmp"]},
        {"stage": "labels", "entries": [], "remove": [".git/config"]},
        {"stage": "download", "entries": [], "remove": ["raw"]},
        {"stage": "train", "entries": ["workspace.json"], "remove": []},
        {"stage": "labels", "entries": "labels.txt", "remove": []},
        {"stage": "labels", "entries": [["labels.txt"]], "remove": []},
        {"stage": "labels", "entries": ["labels.txt\0"], "remove": []},
        {"stage": 3, "entries": [], "remove": []},
        {"stage": "labels"},
    ],
)
def test_a_commit_names_files_of_its_stage_alone(
    plan: dict[str, object], workspace: Workspace, elsewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (workspace / "raw").mkdir()
    folder = begin_commit(workspace, plan)
    for entry in plan.get("entries", []):  # type: ignore[attr-defined]
        with_name = folder / "files" / str(entry).replace("\0", "")
        with_name.parent.mkdir(parents=True, exist_ok=True)
        with_name.write_text("theirs") if not with_name.exists() else None
    before = snapshot(workspace.path.parent)
    for stage in ("status", "labels"):
        error, hint = refused(capsys, stage, "-w", str(workspace.path))
        assert ".commit is no commit of this workspace" in error
        assert f"rm -r {folder}" in hint
    assert snapshot(workspace.path.parent) == before
    assert (elsewhere / "precious").read_text() == "mine" and (workspace / "raw").is_dir()
    shutil.rmtree(folder)
    assert workspace.status()


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '"text"', "[" * 100_000, "\xff"])
def test_a_plan_that_is_none_is_refused(content: str, workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    folder = begin_commit(workspace, {})
    (folder / "commit.json").write_text(content, encoding="latin-1")
    error, _ = refused(capsys, "status", "-w", str(workspace.path))
    assert ".commit is no commit of this workspace" in error


GOOD_PLAN: dict[str, object] = {"stage": "labels", "entries": ["labels.txt"], "remove": []}


def test_only_a_commit_that_was_begun_here_is_finished(workspace: Workspace, tmp_path: Path) -> None:
    folder = begin_commit(workspace, GOOD_PLAN)
    (folder / "files/labels.txt").write_text("O\n")
    copy = Workspace(shutil.copytree(workspace.path, tmp_path / "copy"))
    with pytest.raises(NertoolError, match="begun in another place, or copied"):
        copy.status()
    assert not (copy / "labels.txt").exists()
    workspace.status()
    assert (workspace / "labels.txt").read_text() == "O\n"
    assert not folder.exists()


def test_a_command_in_a_hint_is_quoted(workspace: Workspace, tmp_path: Path) -> None:
    folder = begin_commit(Workspace(workspace.path.rename(tmp_path / "a; reboot")), GOOD_PLAN, marked=False)
    with pytest.raises(NertoolError, match=f"rm -r '{folder}'$"):
        Workspace(folder.parent).status()


def test_a_commit_with_a_made_up_marker_is_refused(workspace: Workspace) -> None:
    begin_commit(workspace, GOOD_PLAN, marked=False)
    with pytest.raises(NertoolError, match="begun in another place, or copied"):
        workspace.status()


def test_a_commit_through_a_link_that_leads_out_is_refused(workspace: Workspace, elsewhere: Path) -> None:
    (workspace / "raw").symlink_to(elsewhere)
    begin_commit(workspace, {"stage": "download", "entries": [], "remove": ["raw/precious"]})
    with pytest.raises(NertoolError, match="raw leads out of the workspace"):
        workspace.status()
    assert (elsewhere / "precious").read_text() == "mine"


# -- records ---------------------------------------------------------------------------------------

HOSTILE_WRITES = ["../elsewhere/precious", "raw/../../elsewhere/precious", "{elsewhere}/precious", "train.txt.tmp", "."]


@pytest.mark.parametrize("name", HOSTILE_WRITES)
def test_written_files_that_a_record_makes_up_are_not_removed(
    name: str, workspace: Workspace, elsewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_records(workspace, labels={**RECORD, "writes": {name.format(elsewhere=elsewhere): DIGEST}})
    before = snapshot(workspace.path.parent)
    for command in (["status"], ["labels"], ["labels", "--force"], ["train"], ["evaluate"]):
        error, hint = refused(capsys, *command, "-w", str(workspace.path))
        assert "workspace.json is damaged: " in error and "names no file that it writes" in error
        assert hint.startswith("Remove it")
    assert snapshot(workspace.path.parent) == before


def test_a_folder_of_written_files_that_leads_out_is_left_alone(workspace: Workspace, elsewhere: Path) -> None:
    (workspace / "raw").symlink_to(elsewhere)
    staging = workspace / ".partial-download"
    (staging / "files").mkdir(parents=True)
    with pytest.raises(NertoolError, match="raw leads out of the workspace"):
        commit.publish(
            workspace.path,
            staging,
            {"stage": "download", "entries": [], "remove": ["raw/precious"]},
            {"format": 2, "stages": {}},
        )
    assert (elsewhere / "precious").read_text() == "mine"


@pytest.mark.parametrize("name", ["../elsewhere", "/etc", "..", "", ".git", "raw", 3, None, ["model"], "a/b"])
def test_a_model_is_not_looked_for_elsewhere(
    name: object, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    write_records(workspace, train={**RECORD, "facts": {"output_dir": name}})
    for command in (["predict", "-"], ["evaluate"], ["quantize", "--backend", "onnx"], ["status"]):
        error, _ = refused(capsys, *command, "-w", str(workspace.path))
        assert "the output_dir of train is no name of a model" in error


DAMAGED = {
    "read elsewhere": {"reads": {"../elsewhere/precious": DIGEST}},
    "a digest of numbers": {"reads": {"train.txt": {"sha256": 3, "size": 4}}},
    "sizes in words": {"reads": {"train.txt": {"sha256": "", "size": "four"}}},
    "sources in a list": {"sources": [1]},
    "sources without digests": {"sources": {"a": 1}},
    "versions in a list": {"versions": ["nertool"]},
    "a recipe in a list": {"facts": {"recipe": ["germeval2014"]}},
    "tags in a list": {"facts": {"tags": ["iob2"]}},
    "facts of no kind": {"facts": 3},
    "a history in words": {"facts": {"history": "long"}},
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_records_of_wrong_types_are_two_lines(
    kind: str, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    write_records(workspace, download={**RECORD, **DAMAGED[kind]})
    for command in (["status"], ["check"], ["download", "sample"], ["train"]):
        error, _ = refused(capsys, *command, "-w", str(workspace.path))
        assert "workspace.json is damaged: " in error


@pytest.mark.parametrize("facts", [{"labels": [], "tags": 3}, {"labels": {"a": 1}}, {"other": 3}])
def test_facts_that_cannot_be_shown_are_two_lines(
    facts: dict[str, object], workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    write_records(workspace, train={**RECORD, "facts": {"epochs": facts}}, labels={**RECORD, "facts": facts})
    error, hint = refused(capsys, "status", "-w", str(workspace.path))
    assert "workspace.json: the facts of " in error and hint.endswith("--force")


@pytest.mark.parametrize("content", ["[" * 100_000, '{"format": 2, "stages": ' + '{"a":' * 50_000])
def test_records_nested_without_end_are_two_lines(
    content: str, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    (workspace / "workspace.json").write_text(content)
    assert "workspace.json is damaged: not JSON" in refused(capsys, "status", "-w", str(workspace.path))[0]


def test_records_that_go_round_in_a_circle_have_a_state(workspace: Workspace) -> None:
    for name in ("evaluation/a", "evaluation/b"):
        (workspace / name).parent.mkdir(exist_ok=True)
        (workspace / name).touch()
    write_records(
        workspace,
        **{
            "evaluate:dev": {**RECORD, "reads": {"evaluation/a": EMPTY}, "writes": {"evaluation/b": EMPTY}},
            "evaluate:test": {**RECORD, "reads": {"evaluation/b": EMPTY}, "writes": {"evaluation/a": EMPTY}},
            "made up": {**RECORD},
        },
    )
    assert {state.name for state in workspace.status() if state.stage.startswith("evaluate")} == {"fresh"}


@pytest.mark.timeout(30)
def test_records_that_all_read_each_other_have_a_state_at_once(workspace: Workspace) -> None:
    """There are as many ways through such records as orders of them."""
    names = [f"evaluation/{number}" for number in range(200)]
    (workspace / "evaluation").mkdir()
    for name in (*names, "labels.txt"):
        (workspace / name).touch()
    reads = dict.fromkeys(names, EMPTY)
    records = {f"evaluate:{name}": {**RECORD, "reads": reads, "writes": {name: EMPTY}} for name in names}
    for last, state in ({}, "fresh"), ({"labels.txt": EMPTY}, "stale"):
        stale = {**RECORD, "reads": {"dev.txt": EMPTY}, "writes": {"labels.txt": EMPTY}}
        write_records(
            workspace,
            labels=stale,
            **records,
            **{"evaluate:last": {**RECORD, "reads": last | reads, "writes": {names[0]: EMPTY}}},
        )
        assert {one.name for one in workspace.status() if one.stage.startswith("evaluate")} == {state}


@pytest.mark.parametrize("line", ["[" * 100_000, '{"stage": "labels", "outcome": "done", "command": ["rm", "-r"]}'])
def test_a_log_line_of_wrong_types_is_passed_over(line: str, workspace: Workspace) -> None:
    (workspace / "runs.jsonl").write_text(f"{line}\n")
    assert workspace.last_command("labels") == f"nertool labels -w {workspace.path}"


@pytest.mark.parametrize("flag", ["--trust-remote-code", "--trust_remote_code"])
def test_a_hint_repeats_no_trust_of_a_stranger(flag: str, workspace: Workspace) -> None:
    """Nor another command, as the one to go on with."""
    (workspace / ".training").mkdir()
    (workspace / ".training/identity.json").write_text('{"options": {}}')
    for command, shown in (
        (f"nertool train --model theirs {flag} --seed 3", f"nertool train --model theirs --seed 3 -w {workspace.path}"),
        (f"nertool run {flag} wnut17", f"nertool run wnut17 -w {workspace.path}"),
        ("nertool predict - -o /home/me/.profile", ""),
        ("rm -r /", ""),
    ):
        (workspace / "runs.jsonl").write_text(json.dumps({"stage": "train", "outcome": "done", "command": command}))
        (workspace / ".training/command.json").write_text(json.dumps({"command": command}))
        plain = f"nertool train -w {workspace.path}"
        assert workspace.last_command("train") == f"{shown or plain} --overwrite-output-dir"
        assert [state.command for state in workspace.status() if state.stage == "train"] == [shown]


@pytest.mark.parametrize("owner", ["[]", "3", "null", "[" * 100_000, '{"pid": []}'])
def test_an_owner_of_wrong_types_is_somebody(owner: str, workspace: Workspace) -> None:
    with Workspace(workspace.path).locked("labels"):
        (workspace / ".lock-owner.json").write_text(owner)
        with pytest.raises(Locked, match="in use by another process"), workspace.locked("train"):
            pass


# -- links -----------------------------------------------------------------------------------------

LINKS = [
    *(".lock-owner.json", ".lock", "runs.jsonl", "workspace.json", ".training", ".examples", ".download", ".commit"),
    *(".partial-labels", ".training/checkpoint-1", ".examples/a/rows", ".quantizing", ".checking", ".checking/fold-1"),
]


@pytest.mark.parametrize("name", LINKS)
def test_nothing_is_written_through_a_link(
    name: str, workspace: Workspace, elsewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = workspace / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(elsewhere if "." not in name[1:] else elsewhere / "precious")
    before = snapshot(workspace.path.parent)
    error, hint = refused(capsys, "labels", "-w", str(workspace.path))
    assert f"{path} is a link" in error and hint.startswith("Remove it")
    assert snapshot(workspace.path.parent) == before
    path.unlink()
    assert not labels.run(workspace, labels.Options()).fresh


def test_another_name_of_a_file_elsewhere_is_no_lock(
    workspace: Workspace, elsewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """To take a lock empties its file."""
    os.link(elsewhere / "precious", workspace / ".lock")
    for command in ("labels", "status"):
        assert ".lock is no lock of nertool" in refused(capsys, command, "-w", str(workspace.path))[0]
    assert (elsewhere / "precious").read_text() == "mine"


def test_a_log_with_another_name_elsewhere_is_copied(workspace: Workspace, elsewhere: Path) -> None:
    """As cp -al gives each file."""
    os.link(elsewhere / "precious", workspace / "runs.jsonl")
    labels.run(workspace, labels.Options())
    assert (elsewhere / "precious").read_text() == "mine"
    assert (workspace / "runs.jsonl").read_text().startswith('mine{"stage": "labels"')


@pytest.mark.parametrize("name", ["workspace.json.partial", ".lock-owner.json.partial"])
def test_a_file_that_is_being_written_is_a_new_one(name: str, workspace: Workspace, elsewhere: Path) -> None:
    (workspace / name).symlink_to(elsewhere / "precious")
    labels.run(workspace, labels.Options())
    assert (elsewhere / "precious").read_text() == "mine"


@pytest.mark.parametrize("name", ["workspace.json", "train.txt.tmp", "dev.txt", "labels.txt"])
def test_a_pipe_in_the_place_of_a_file_makes_nobody_wait(
    name: str, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    (workspace / name).unlink(missing_ok=True)
    os.mkfifo(workspace / name)
    for command in ("check", "labels"):
        assert f"{name} is neither a file nor a folder" in refused(capsys, command, "-w", str(workspace.path))[0]


@pytest.mark.parametrize("name", [".lock", ".lock-owner.json", "runs.jsonl", "workspace.json"])
def test_a_folder_in_the_place_of_a_file_is_named(
    name: str, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    (workspace / name).mkdir()
    before = snapshot(workspace.path)
    for command in ("labels", "status"):
        error, hint = refused(capsys, command, "-w", str(workspace.path))
        assert f"{workspace / name} is a folder" in error and hint == "Move it to another place."
    assert snapshot(workspace.path) == before


def test_a_pipe_in_a_folder_of_nertool_makes_nobody_wait(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    (workspace / ".checking").mkdir()
    os.mkfifo(workspace / ".checking/fold-1.npz")
    assert "neither a file nor a folder" in refused(capsys, "labels", "-w", str(workspace.path))[0]


def test_data_may_be_linked_but_not_to_a_device(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.move(workspace / "train.txt", workspace.path.with_name("elsewhere.txt"))
    (workspace / "train.txt").symlink_to("../elsewhere.txt")
    (workspace / "dev.txt").unlink()
    (workspace / "dev.txt").symlink_to("nowhere")
    assert workspace.status()
    (workspace / "test.txt").unlink()
    (workspace / "test.txt").symlink_to("/dev/tty")
    assert "test.txt is neither a file nor a folder" in refused(capsys, "status", "-w", str(workspace.path))[0]


@pytest.mark.parametrize("name", ["../elsewhere/precious", "{elsewhere}/precious"])
def test_digests_tell_nothing_of_files_elsewhere(name: str, elsewhere: Path, workspace: Workspace) -> None:
    """Those of an INT8 model name files beside them; whether another file has a digest is nobody's business."""
    mine = digest(elsewhere / "precious")
    named = name.format(elsewhere=elsewhere)
    assert changed(workspace.path, {named: mine}) == [named]
    shutil.copy(elsewhere / "precious", workspace / "inside")
    assert changed(workspace.path, {"inside": mine}) == []


def test_a_pipe_of_records_is_no_json(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "quantization.json")
    with pytest.raises(ValueError, match="a pipe"):
        read_json(tmp_path / "quantization.json")


def test_output_is_not_written_through_a_link_in_the_place_of_its_beginning(elsewhere: Path) -> None:
    (elsewhere / "out.partial").symlink_to("precious")
    with pytest.raises(Unwritable):
        OutputFile(str(elsewhere / "out")).write("", ["theirs"])
    assert (elsewhere / "precious").read_text() == "mine"


def test_a_pipe_of_digests_makes_no_export(elsewhere: Path, workspace: Workspace) -> None:
    os.mkfifo(elsewhere / "SHA256SUMS")
    with pytest.raises(InvalidOption, match="no part of an export"):
        check_target(elsewhere, force=False, protected=workspace.path)


# -- names -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["", ".", "..", "/etc/passwd", "a/../b", "../a", "a//b", "a/", "./a", ".git/a", "a\0b", 3, None, ["a"]]
)
def test_names_that_lead_nowhere_or_out(name: object) -> None:
    assert not is_inside(name) and not is_model_name(name)
    assert not any(is_output(stage, name) for stage in ("download", "train", "evaluate:dev", "quantize"))


@pytest.mark.parametrize(
    ("check", "names"),
    {
        lambda name: is_output("download", name): ["train.txt.tmp", "raw/GermEval a.tsv"],
        lambda name: is_output("preprocess", name): ["dev.txt"],
        lambda name: is_output("labels", name): ["labels.txt"],
        lambda name: is_output("train", name): ["model", "model/config.json", "my model/.gitattributes"],
        lambda name: is_output("evaluate:quantized:dev", name): ["evaluation/quantized/dev_errors.jsonl"],
        lambda name: is_output("evaluate:thresholds", name): ["my model/thresholds.json", "quantized/thresholds.json"],
        lambda name: is_output("quantize", name): ["quantized"],
        lambda name: is_output("predict:test", name): ["predictions/test.conll"],
    }.items(),
)
def test_names_that_stages_publish(check: Callable[[str], bool], names: list[str]) -> None:
    for name in names:
        assert check(name), name
    assert not check("workspace.json") and not check("runs.jsonl") and not check("logs/a")
