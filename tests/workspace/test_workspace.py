"""The workspace contract: all or nothing, equal records for equal runs, nothing edited is lost, one stage at a time."""

from __future__ import annotations

import errno
import itertools
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from helpers import fill, snapshot, stamps

from nertool.errors import InvalidOption, Locked, MissingInput, NertoolError, StaleInput
from nertool.stages import download, labels, preprocess
from nertool.stages import train as training
from nertool.workspace.names import join_names
from nertool.workspace.stage import Result, Stage, StageRun
from nertool.workspace.stage_options import StageOptions
from nertool.workspace.workspace import Workspace

CHANGES = ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link")
"""Events of the interpreter before each change of a directory; opening a file for writing is one more."""

HOLDER = """
import sys
from nertool.workspace.workspace import Workspace
with Workspace(sys.argv[1]).locked("train"):
    print("ready", flush=True)
    sys.stdin.read()
"""


@dataclass(frozen=True)
class Options(StageOptions):
    text: str = "old"
    force: bool = False


def train(workspace: Workspace, text: str = "old", force: bool = False) -> Result:
    """A stand-in for a stage with a directory and files, of which each text has some of its own."""
    planned = StageRun(
        "train",
        Options(text, force),
        reads=["train.txt.tmp"],
        writes=["model/config.json", "notes.txt"],
        force=force,
    )

    def work(stage: Stage) -> None:
        folder = stage.directory("model")
        for name in ("config.json", f"{text}.json"):
            (folder / name).write_text(text)
        stage.file("notes.txt").write_text(text)
        stage.file(f"{text}/{text}.txt").write_text(text)
        stage.facts["text"] = text

    return workspace.run(planned, work)


def hidden(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name.startswith(".") and path.name != ".lock")


def states(workspace: Workspace) -> dict[str, str]:
    return {state.stage: state.name for state in workspace.status()}


def runs(workspace: Workspace) -> list[dict[str, str]]:
    return [json.loads(line) for line in (workspace / "runs.jsonl").read_text().splitlines()]


def killed(point: int, action: Callable[[], object]) -> bool:
    """Run it in a process that is killed before its n-th change on the disk; False where it made fewer."""
    count = itertools.count(1)

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if (writes or event in CHANGES) and next(count) == point:
            os.kill(os.getpid(), signal.SIGKILL)

    def child() -> None:
        sys.addaudithook(hook)
        action()

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode != 0


# -- all or nothing --------------------------------------------------------------------------------


def test_an_error_in_a_stage_leaves_everything_as_it_was(workspace: Workspace) -> None:
    train(workspace)
    before = snapshot(workspace.path)

    def work(stage: Stage) -> None:
        (stage.directory("model") / "config.json").write_text("new")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        workspace.run(StageRun("train", Options("new"), reads=[], writes=["model/config.json"]), work)
    assert snapshot(workspace.path) == before
    assert hidden(workspace.path) == []
    assert [(run["stage"], run["outcome"]) for run in runs(workspace)] == [("train", "done"), ("train", "failed")]


def test_what_a_stage_no_longer_writes_is_gone(workspace: Workspace) -> None:
    train(workspace)
    train(workspace, "new")
    assert [name for name in snapshot(workspace.path) if "old" in name] == []
    assert (workspace / "new/new.txt").read_text() == (workspace / "model/new.json").read_text() == "new"


@pytest.mark.slow
def test_a_kill_at_any_change_on_the_disk_leaves_the_old_state_or_the_new(workspace: Workspace, tmp_path: Path) -> None:
    train(workspace)
    old, seen = snapshot(workspace.path), []
    done = Workspace(shutil.copytree(workspace.path, tmp_path / "done" / "workspace"))
    train(done, "new")
    new = snapshot(done.path)
    for point in itertools.count(1):
        copy = Workspace(shutil.copytree(workspace.path, tmp_path / str(point) / "workspace"))
        if not killed(point, lambda copy=copy: train(copy, "new")):  # type: ignore[misc]
            break
        assert states(Workspace(copy.path))["train"] == "fresh"
        seen.append(snapshot(copy.path))
        assert seen[-1] in (old, new), f"killed at change {point}"
        train(copy, "new")
        assert snapshot(copy.path) == new and hidden(copy.path) == [], f"killed at change {point}"
    turn = seen.index(new)
    assert turn > 5 and len(seen) - turn > 5
    assert seen == [old] * turn + [new] * (len(seen) - turn), "there is one point of no return"


def test_finishing_a_commit_may_be_killed_again_and_again(workspace: Workspace, tmp_path: Path) -> None:
    train(workspace)
    done = Workspace(shutil.copytree(workspace.path, tmp_path / "done" / "workspace"))
    train(done, "new")
    point = itertools.count(1)
    while not (workspace / ".commit").exists():
        assert killed(next(point), lambda: train(Workspace(workspace.path), "new"))
    steps = []
    kills = itertools.count(1)
    while killed(next(kills), Workspace(workspace.path).status):  # every time a little further
        steps.append(sorted(str(path) for path in workspace.path.rglob("*")))
    assert len(set(map(tuple, steps))) > 5
    assert states(workspace)["train"] == "fresh"
    assert snapshot(workspace.path) == snapshot(done.path)
    assert hidden(workspace.path) == []


def test_a_full_disk_changes_nothing_and_is_told(workspace: Workspace) -> None:
    train(workspace)
    before = snapshot(workspace.path)

    def work(stage: Stage) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(NertoolError, match="No space left on device; nothing was changed"):
        workspace.run(StageRun("train", Options("new"), reads=[], writes=[]), work)
    assert snapshot(workspace.path) == before
    assert hidden(workspace.path) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of half a megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("only root may mount a small file system, and not everywhere")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_is_really_full_changes_nothing(small_disk: Path) -> None:
    workspace = Workspace(small_disk / "workspace")
    workspace.path.mkdir()
    (workspace / "train.txt.tmp").write_text("a O\n")
    train(workspace)
    before = snapshot(workspace.path)

    def work(stage: Stage) -> None:
        (stage.directory("model") / "config.json").write_bytes(bytes(1 << 20))

    with pytest.raises(NertoolError, match="nothing was changed"):
        workspace.run(StageRun("train", Options("new"), reads=[], writes=["model/config.json"]), work)
    assert snapshot(workspace.path) == before
    assert train(workspace).fresh


# -- records ---------------------------------------------------------------------------------------


def test_equal_runs_in_two_places_give_the_same_bytes_without_clock_or_path(tmp_path: Path, tiny_model: str) -> None:
    records = []
    for name in ("one", "other/place"):
        workspace = Workspace(tmp_path / name, invocation=f"nertool in {name}")
        download.run(workspace, download.Options("sample"))
        records.append((fill(workspace, tiny_model, "labels") / "workspace.json").read_bytes())
        for run in runs(workspace):
            assert abs(time.mktime(time.strptime(run["started"], "%Y-%m-%dT%H:%M:%SZ")) - time.time()) < 2 * 86400
            assert float(run["seconds"]) >= 0 and run["command"] == workspace.invocation
        assert [run["stage"] for run in runs(workspace)] == ["download", "preprocess", "labels"]
    assert records[0] == records[1]
    text = records[0].decode()
    assert str(tmp_path) not in text and str(Path(tiny_model).parent) not in text
    assert time.strftime("%Y-%m-%d") not in text
    assert list(json.loads(text)["stages"]) == ["download", "preprocess", "labels"]


def test_a_record_holds_digests_that_sha256sum_agrees_with(workspace: Workspace) -> None:
    train(workspace)
    record = workspace.records()["train"]
    known = {**record["reads"], **record["writes"]}
    assert set(known) == {"train.txt.tmp", "model/config.json", "model/old.json", "notes.txt", "old/old.txt"}
    sums = "".join(f"{digest['sha256']}  {workspace / name}\n" for name, digest in known.items())
    subprocess.run(["sha256sum", "--check", "--quiet"], input=sums, text=True, check=True)
    assert all(digest["size"] == (workspace / name).stat().st_size for name, digest in known.items())


DAMAGED = {
    "": "not JSON: Expecting value: line 1 column 1 (char 0)",
    "{": "not JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
    "[]": "not a JSON object",
    "\xff": "not JSON: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte",
    '{"format": 2}': "it holds no object `stages`",
    '{"format": 2, "stages": []}': "it holds no object `stages`",
    '{"format": 2, "stages": {"labels": 3}}': "the record of labels is no object",
    '{"format": 2, "stages": {"labels": {}}}': "the record of labels lacks its options",
    '{"format": 2, "stages": {"labels": {"options": {}, "reads": {}, "writes": {}}}}': "the record of labels lacks its "
    "facts",
    '{"format": 2, "stages": {"labels": {"options": {}, "reads": {}, "writes": {"a": 1}, "facts": {}}}}': "the writes "
    "of labels are not all digests",
}
"""Content of workspace.json -> the reason that the error gives."""


@pytest.mark.parametrize("content", DAMAGED)
def test_a_damaged_record_file_is_reported_with_the_reason(workspace: Workspace, content: str) -> None:
    path = workspace / "workspace.json"
    path.write_text(content, encoding="latin-1")
    for ask in (workspace.status, lambda: train(workspace)):
        with pytest.raises(NertoolError) as error:
            ask()
        assert error.value.message == f"{path} is damaged: {DAMAGED[content]}"
    path.unlink()
    assert not train(workspace).fresh


@pytest.mark.parametrize(("content", "number"), [('{"stages": {}}', "'none'"), ('{"format": 1, "stages": {}}', "1")])
def test_records_of_another_format_are_refused(workspace: Workspace, content: str, number: str) -> None:
    path = workspace / "workspace.json"
    path.write_text(content)
    with pytest.raises(NertoolError) as error:
        workspace.status()
    assert error.value.message == f"{path} has format {number}; this nertool reads and writes format 2"
    assert error.value.hint == "Move the workspace to another place, or start a new one: -w DIR"


# -- what runs again, and what is kept -------------------------------------------------------------


def test_a_fresh_run_touches_nothing(workspace: Workspace, tiny_model: str) -> None:
    fill(workspace, tiny_model, "labels")
    before = stamps(workspace.path)
    assert preprocess.run(workspace, preprocess.Options(model=tiny_model)).fresh
    assert labels.run(Workspace(workspace.path), labels.Options()).fresh
    assert stamps(workspace.path) == before
    assert hidden(workspace.path) == []


def test_touching_a_file_changes_nothing_as_only_content_counts(workspace: Workspace) -> None:
    train(workspace)
    content = (workspace / "train.txt.tmp").read_bytes()
    (workspace / "train.txt.tmp").unlink()
    (workspace / "train.txt.tmp").write_bytes(content)
    os.utime(workspace / "notes.txt", (1, 1))
    assert states(workspace)["train"] == "fresh"
    assert train(workspace).fresh


def test_an_edited_file_of_the_same_size_is_edited_and_kept(workspace: Workspace) -> None:
    train(workspace)
    (workspace / "notes.txt").write_text("OLD")
    state = next(state for state in workspace.status() if state.stage == "train")
    assert (state.name, state.why) == ("edited", "notes.txt changed by hand")
    stage = train(workspace)
    assert stage.fresh and "kept" in stage.why and "--force" in stage.why
    assert (workspace / "notes.txt").read_text() == "OLD"
    assert stage.facts == {"text": "old"}


def test_an_edited_file_whose_inputs_changed_too_needs_force(workspace: Workspace) -> None:
    train(workspace)
    (workspace / "notes.txt").write_text("mine")
    (workspace / "train.txt.tmp").write_text("a O\n")
    with pytest.raises(NertoolError, match=r"notes\.txt changed by hand.*train\.txt\.tmp changed") as error:
        train(workspace)
    assert f"nertool train --force -w {workspace.path}" in error.value.hint
    with pytest.raises(NertoolError, match="text is another"):
        train(workspace, "new")
    assert (workspace / "notes.txt").read_text() == "mine"
    assert not train(workspace, force=True).fresh
    assert (workspace / "notes.txt").read_text() == "old"
    assert states(workspace)["train"] == "fresh"


def test_force_runs_what_is_fresh(workspace: Workspace) -> None:
    train(workspace)
    before = stamps(workspace.path)
    assert not train(workspace, force=True).fresh
    assert stamps(workspace.path)[workspace / "notes.txt"] != before[workspace / "notes.txt"]


def test_another_option_or_input_runs_the_stage_again_and_says_which(workspace: Workspace) -> None:
    train(workspace)
    assert train(workspace, "new").why == "again: text is another"
    (workspace / "train.txt.tmp").write_text("a O\n")
    assert states(workspace)["train"] == "stale"
    assert train(workspace, "new").why == "again: train.txt.tmp changed"


def test_a_missing_output_is_made_again(workspace: Workspace) -> None:
    train(workspace)
    (workspace / "model/config.json").unlink()
    assert states(workspace)["train"] == "missing"
    stage = train(workspace)
    assert not stage.fresh and stage.why == "again: model/config.json gone"
    assert (workspace / "model/config.json").exists()


def test_staleness_reaches_later_stages_one_after_the_other(workspace: Workspace, tiny_model: str) -> None:
    fill(workspace, tiny_model, "labels")
    assert {states(workspace)[stage] for stage in ("preprocess", "labels")} == {"fresh"}
    with (workspace / "train.txt.tmp").open("a") as file:
        file.write("clara B-NEW\n\n")
    later = next(state for state in workspace.status() if state.stage == "labels")
    assert states(workspace)["preprocess"] == "stale"
    assert (later.name, later.why) == ("stale", "preprocess before it is stale")
    preprocess.run(workspace, preprocess.Options(model=tiny_model))
    assert (states(workspace)["preprocess"], states(workspace)["labels"]) == ("fresh", "stale")
    result = labels.run(workspace, labels.Options())
    assert result.why == "again: train.txt changed" and "B-NEW" in result.facts["tags"]
    assert {states(workspace)[stage] for stage in ("preprocess", "labels")} == {"fresh"}


def test_files_made_by_hand_count_and_are_kept(workspace: Workspace) -> None:
    for split in ("train", "dev", "test"):
        (workspace / f"{split}.txt").write_text("mine O\n")
    assert states(workspace)["preprocess"] == "edited"
    before = snapshot(workspace.path)
    result = preprocess.run(workspace, preprocess.Options(model="there is no such model, and none is needed"))
    assert result.fresh and "not written by nertool" in result.why
    assert snapshot(workspace.path) == before
    assert labels.run(workspace, labels.Options()).facts["tags"] == ["O"]


def test_files_made_by_hand_in_part_are_neither_kept_nor_replaced(workspace: Workspace, tiny_model: str) -> None:
    (workspace / "dev.txt").write_text("mine O\n")
    with pytest.raises(NertoolError, match=r"dev\.txt not written by nertool.*\n.*nertool preprocess --force"):
        preprocess.run(workspace, preprocess.Options(model=tiny_model))
    assert (workspace / "dev.txt").read_text() == "mine O\n"
    preprocess.run(workspace, preprocess.Options(model=tiny_model, force=True))
    assert (workspace / "dev.txt").read_text() != "mine O\n"


# -- models ----------------------------------------------------------------------------------------


def test_hints_repeat_the_options_of_this_run(workspace: Workspace) -> None:
    """Without them the command that replaces a model would train another one."""
    train(workspace)
    (workspace / "model/old.json").write_text("edited")
    (workspace / "train.txt.tmp").write_text("a O\n")
    for line, again in (
        ("nertool train --text 'a b'", f"nertool train --text 'a b' -w {workspace.path} --force"),
        ("nertool run --text 'a b'", f"nertool train --force -w {workspace.path}"),
    ):
        with pytest.raises(NertoolError) as error:
            train(Workspace(workspace.path, invocation=line), "new")
        assert error.value.hint.endswith(f": {again}")


def test_a_stale_model_is_refused_with_the_command_that_made_it(workspace: Workspace) -> None:
    command = f"nertool train --text 'a b' -w {workspace.path}"
    train(Workspace(workspace.path, invocation="nertool train --of-an-earlier-run"))
    train(Workspace(workspace.path, invocation=command), "new")
    assert Workspace(workspace.path).model().files == ["model/config.json", "model/new.json"]
    (workspace / "train.txt.tmp").write_text("a O\n")
    with pytest.raises(StaleInput, match=r"model is stale: train\.txt\.tmp changed") as error:
        workspace.model()
    assert error.value.hint == f"Run: {command} --overwrite-output-dir (or use it as it is: --allow-stale)"
    assert workspace.model(allow_stale=True).files


def test_a_model_that_was_swapped_is_told(workspace: Workspace, caplog: pytest.LogCaptureFixture) -> None:
    train(workspace, "new")
    assert workspace.model().files and not caplog.messages
    (workspace / "model/new.json").write_text("{}")
    assert workspace.model().files == ["model/config.json", "model/new.json"]
    assert "model/new.json changed by hand" in caplog.text


def test_a_model_that_is_missing_names_the_stage_that_makes_it(workspace: Workspace) -> None:
    with pytest.raises(MissingInput, match=r"model/config\.json is missing\nRun: nertool train -w "):
        workspace.model()
    with pytest.raises(MissingInput, match="nertool quantize"):
        workspace.model(quantized=True)


# -- place and lock --------------------------------------------------------------------------------


def test_opening_and_asking_creates_nothing(tmp_path: Path) -> None:
    assert set(states(Workspace(tmp_path / "none"))) == {
        "download",
        "preprocess",
        "labels",
        "train",
        "evaluate",
        "quantize",
        "predict",
    }
    with pytest.raises(MissingInput):
        labels.run(Workspace(tmp_path / "none"), labels.Options())
    assert not (tmp_path / "none").exists()


def test_a_path_that_cannot_be_a_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(InvalidOption, match="cannot be a workspace"):
            download.run(Workspace(place), download.Options("sample"))
    assert (tmp_path / "file").read_text() == "mine"


def test_a_second_process_fails_at_once_and_names_the_first(workspace: Workspace) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(workspace.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdin and holder.stdout and holder.stdout.readline() == b"ready\n"
        with pytest.raises(Locked, match=rf"in use by process {holder.pid} \(train\)"):
            train(workspace)
        assert states(workspace)["train"] == "missing", "to look is allowed meanwhile"
        holder.stdin.close()
    assert not train(workspace).fresh


def test_a_killed_process_leaves_no_lock_behind(workspace: Workspace) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(workspace.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout and holder.stdout.readline() == b"ready\n"
        holder.kill()
    assert not train(workspace).fresh
    assert hidden(workspace.path) == []


def test_names_in_a_sentence() -> None:
    assert [join_names(list("abcde"[:count])) for count in range(5)] == [
        "",
        "a",
        "a and b",
        "a, b and c",
        "a, b and 2 more",
    ]


# -- what must never be lost -----------------------------------------------------------------------


@pytest.mark.parametrize("force", [False, True])
def test_a_directory_of_the_users_own_is_never_replaced(force: bool, trained: Path, tmp_path: Path) -> None:
    workspace = Workspace(shutil.copytree(trained, tmp_path / "copy"))
    (workspace / "src").mkdir()
    (workspace / "src/code.py").write_text("mine")
    with pytest.raises(NertoolError, match=r"src holds code.py, not written by the last train"):
        training.run(workspace, training.Options(model=str(trained / "model"), output_dir="src", force=force))
    assert (workspace / "src/code.py").read_text() == "mine"


def test_a_file_of_the_users_own_in_the_model_stops_a_new_training(trained: Path, tmp_path: Path) -> None:
    workspace = Workspace(shutil.copytree(trained, tmp_path / "copy"))
    (workspace / "model/notes.md").write_text("mine")
    with pytest.raises(NertoolError, match=r"model holds notes.md"):
        training.run(workspace, training.Options(model=str(trained / "model"), seed=2))
    assert (workspace / "model/notes.md").exists()


def test_a_file_in_the_way_is_told_before_anything_is_changed(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    (tmp_path / "raw").write_text("mine")
    with pytest.raises(NertoolError, match="raw is in the way of raw/sample-train.tsv"):
        download.run(workspace, download.Options(recipe="sample"))
    assert [path.name for path in tmp_path.iterdir() if not path.name.startswith(".")] == ["raw", "runs.jsonl"]
    assert Workspace(tmp_path).status()[0].name == "missing"


def test_another_output_directory_leaves_the_old_one(trained: Path, tmp_path: Path) -> None:
    workspace = Workspace(shutil.copytree(trained, tmp_path / "copy"))
    options = training.Options(model=str(trained / "model"), num_epochs=1.0, output_dir="other", learning_rate=0.0)
    training.run(workspace, options)
    assert (workspace / "other/config.json").exists()
    assert (workspace / "model/config.json").exists()


RUNS = [
    {"stage": "train", "outcome": "done", "command": "nertool train -w old --seed 7"},
    {"stage": "train", "outcome": "failed", "command": "nertool train -m nowhere"},
]


def log_runs(folder: Path, *runs: object) -> Workspace:
    """A workspace with these lines in its log, the last of which a full disk has cut short."""
    (folder / "runs.jsonl").write_text("".join(json.dumps(run) + "\n" for run in runs) + '{"sta')
    return Workspace(folder)


def test_the_command_that_mends_is_the_last_one_that_worked(tmp_path: Path) -> None:
    workspace = log_runs(tmp_path, *RUNS)
    assert workspace.last_command("train") == f"nertool train --seed 7 -w {tmp_path} --overwrite-output-dir"


@pytest.mark.parametrize("run", [{}, {"stage": "train", "outcome": "done"}, [], 3, None, "train"])
def test_a_log_line_without_its_keys_is_passed_over(run: object, tmp_path: Path) -> None:
    workspace = log_runs(tmp_path, *RUNS, run)
    assert workspace.last_command("train") == f"nertool train --seed 7 -w {tmp_path} --overwrite-output-dir"


@pytest.mark.parametrize("named", ["-w old", "-wold", "--workspace old", "--workspace=old", "-w a -w b"])
def test_the_workspace_of_a_logged_command_is_the_one_that_holds_the_log(named: str, tmp_path: Path) -> None:
    workspace = log_runs(tmp_path, {"stage": "labels", "outcome": "done", "command": f"nertool labels {named} --json"})
    assert workspace.last_command("labels") == f"nertool labels --json -w {tmp_path}"


@pytest.mark.parametrize("line", ["", "nertool", "nertool labels 'open"])
def test_a_logged_command_that_cannot_be_repeated_gives_a_plain_one(line: str, tmp_path: Path) -> None:
    workspace = log_runs(tmp_path, {"stage": "labels", "outcome": "done", "command": line})
    assert workspace.last_command("labels") == f"nertool labels -w {tmp_path}"


def test_hints_are_quoted_for_the_shell() -> None:
    assert Workspace("my dir").command("labels") == "nertool labels -w 'my dir'"


def test_a_record_from_before_an_option_existed_means_its_default(workspace: Workspace, tiny_model: str) -> None:
    fill(workspace, tiny_model, "preprocess")
    path = workspace / "workspace.json"
    records = json.loads(path.read_text())
    del records["stages"]["preprocess"]["options"]["max_length"]
    path.write_text(json.dumps(records))
    assert preprocess.run(workspace, preprocess.Options(model=tiny_model)).fresh
    assert not preprocess.run(workspace, preprocess.Options(model=tiny_model, max_length=20)).fresh
