"""Tagging by a Ray cluster of two workers on this machine; what needs no Ray is tested without it."""

from __future__ import annotations

import gzip
import json
import logging
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

import nertool
from nertool.documents.folders import ATTEMPTS, Job, begin, find_jobs
from nertool.documents.ray_workers import FileTagger, FolderRun, Settings, _claim_part
from nertool.documents.redaction import Redaction
from nertool.errors import InvalidOption, NertoolError
from nertool.progress import logger
from nertool.stages import predict, predict_files
from nertool.workspace.atomic import move_into_place
from nertool.workspace.workspace import Workspace

pytestmark = pytest.mark.ray

TEXTS = ["anna visited  oslo.", "bruno left new lisbon!\nclara saw it", "", "nobody came", "oslo " * 300, "ånna @x"]


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """The address of a cluster of two processors."""
    ray = pytest.importorskip("ray", reason="needs Ray, which is not installed: pip install 'nertool[ray]'")
    before = dict(os.environ)
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112  (Ray spells it so) else workers wait for all other processes
    ray.init(
        "local",
        num_cpus=2,
        object_store_memory=100_000_000,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )
    yield ray.get_runtime_context().gcs_address
    ray.shutdown()
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six texts as Parquet, JSON Lines and plain text, packed and not, and a file that nobody asked for."""
    folder = tmp_path_factory.mktemp("corpus")
    (folder / "deep" / "er").mkdir(parents=True)
    rows = [{"id": number, "text": text, "source": {"page": number}} for number, text in enumerate(TEXTS)]
    parquet.write_table(pa.Table.from_pylist(rows), folder / "a.parquet")
    with gzip.open(folder / "deep" / "a.jsonl.gz", "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in [*rows, {"tokens": ["anna", "left"], "id": 0.5}])
    with gzip.open(folder / "deep" / "er" / "a.txt.gz", "wt", encoding="utf-8") as file:
        file.writelines(text.replace("\n", " ") + "\n" for text in TEXTS)
    (folder / "deep" / "a.txt").write_text("nobody\nhere\n")  # a word a line is text all the same
    (folder / "notes.md").write_text("anna\n")
    return folder


def tag(trained: Path, names: list[Path], output: Path, **options: Any) -> None:
    files = [str(name) for name in names]
    predict_files.tag_folder(
        Workspace(trained), predict.Options(files=files, output=str(output), engine="ray", workers=2, **options)
    )


def locally(trained: Path, name: Path) -> list[dict[str, Any]]:
    form = "text" if ".txt" in name.name else "auto"
    options = predict.Options(files=[str(name)], format="jsonl", input=form)  # type: ignore[arg-type]
    return [json.loads(text) for text in predict_files.tag_files(Workspace(trained), options, None, progress=False)]


def files_of(folder: Path) -> dict[str, int]:
    """Every file below a folder and when it was written."""
    return {
        str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*.parquet") if path.is_file()
    }


def settings_of(trained: Path, **changed: Any) -> Settings:
    values = {
        "text_column": "text",
        "tokens_column": "tokens",
        "on_error": "stop",
        "language": "",
        "tagging": {},
        **changed,
    }
    return Settings(trained / "model", **values)


@pytest.mark.slow
def test_a_cluster_tags_as_one_process_does_and_goes_on_file_by_file(
    cluster: str, trained: Path, corpus: Path, tmp_path: Path, caplog: Any, capfd: Any
) -> None:
    out = tmp_path / "out"
    with caplog.at_level(logging.INFO, logger="nertool"):
        tag(trained, [corpus], out)
    sources = ["a.parquet", "deep/a.jsonl.gz", "deep/er/a.txt.gz", "deep/a.txt"]
    targets = [name if name.endswith(".parquet") else f"{name}.parquet" for name in sources]
    assert sorted(files_of(out)) == sorted(targets)
    assert capfd.readouterr().out == ""
    for source, target in zip(sources, targets, strict=True):
        rows, wanted = parquet.read_table(out / target).to_pylist(), locally(trained, corpus / source)
        assert len(rows) == len(wanted)
        for row, right in zip(rows, wanted, strict=True):
            if "jsonl" in source:
                row["source"] = row["source"] and json.loads(row["source"])
            scores = [[entity.pop("score") for entity in one["entities"]] for one in (row, right)]
            assert scores[0] == pytest.approx(scores[1], abs=2e-4)
            assert {name: value for name, value in row.items() if value is not None} == right
    assert "1 files are left out" in caplog.text and "(4 of 4 files)" in caplog.text
    assert "3 sentences over the model's length: tagged in overlapping windows" in caplog.text

    with pytest.raises(InvalidOption, match="is there already"):
        tag(trained, [corpus], out)
    before = files_of(out)
    (out / "deep/a.txt.parquet").unlink()
    tag(trained, [corpus], out, resume=True)
    after = files_of(out)
    assert after.keys() == before.keys()
    assert [name for name in after if after[name] != before[name]] == ["deep/a.txt.parquet"]
    with pytest.raises(InvalidOption, match="was begun with other on_error"):
        tag(trained, [corpus], out, resume=True, on_error="skip")


def test_a_record_that_cannot_be_read_is_named(cluster: str, trained: Path, tmp_path: Path) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / "out"
    source.write_text('{"text": "anna"}\n{"text": 1}\n')
    with pytest.raises(NertoolError, match=r"in\.jsonl:2: 'text' holds no text: 1"):
        tag(trained, [source], out)
    assert [path.name for path in out.iterdir()] == [".nertool.json"]


@pytest.mark.slow
def test_a_run_that_is_killed_goes_on(cluster: str, trained: Path, tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    for number in range(16):
        (source / f"{number:02}.txt").write_text("anna visited new lisbon .\n" * 800)
    command = [sys.executable, "-m", "nertool", "predict", str(source), "-w", str(trained), "-o", str(out)]
    command += ["--engine", "ray", "--workers", "2"]
    environment = {**os.environ, "RAY_ADDRESS": cluster}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while not files_of(out) and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    before = files_of(out)
    done = subprocess.run([*command, "--resume"], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    there = re.search(r"(\d+) of 16 files are there already", done.stderr)
    assert there and len(before) <= int(there[1]) < 16  # the workers end a moment later, and may end a file
    after = files_of(out)
    assert len(after) == 16 and {name: after[name] for name in before} == before
    assert all(path.suffix == ".parquet" or path.name == ".nertool.json" for path in out.iterdir())
    assert {parquet.read_metadata(out / name).num_rows for name in after} == {800}


def test_workers_import_nothing_of_the_current_directory(cluster: str, trained: Path, tmp_path: Path) -> None:
    """It may be a stranger's."""
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs/nertool.py").write_text(f"open({str(tmp_path / 'proof')!r}, 'w').close()")
    (tmp_path / "theirs/in.txt").write_text("anna left\n")
    (tmp_path / "run.py").write_text("from nertool.cli.main import main\nmain()\n")
    command = [sys.executable, str(tmp_path / "run.py"), "predict", "in.txt", "--engine", "ray", "-o", "out"]
    environment = {**os.environ, "RAY_ADDRESS": cluster, "PYTHONPATH": str(Path(nertool.__file__).parents[1])}
    with subprocess.Popen([*command, "-w", str(trained)], env=environment, cwd=tmp_path / "theirs") as process:
        while process.poll() is None and not (tmp_path / "proof").exists():
            time.sleep(0.1)
        process.kill()
    assert not (tmp_path / "proof").exists()
    assert process.returncode == 0 and parquet.read_metadata(tmp_path / "theirs/out/in.txt.parquet").num_rows == 1


@pytest.mark.parametrize(("on_error", "wanted"), [("skip", [1, 3]), ("null", [1, None, 3])])
def test_bad_records_are_left_out_or_stand_as_gaps(
    on_error: str, wanted: list[int | None], trained: Path, tmp_path: Path
) -> None:
    job = Job(tmp_path / "in.jsonl", "jsonl", tmp_path / "out.parquet")
    job.source.write_text('{"text": "anna left", "id": 1}\n{"text": 1, "id": 2}\n{"text": "oslo", "id": 3}\n')
    (outcome,) = map(
        json.loads, FileTagger([job], settings_of(trained, on_error=on_error), {})({"job": [0]})["outcome"]
    )
    assert (outcome["broken"], outcome["documents"], outcome["tokens"]) == (1, len(wanted), 3)
    rows = parquet.read_table(job.target).to_pylist()
    assert [row["id"] for row in rows] == wanted
    assert [row["tags"] is None for row in rows] == [number is None for number in wanted]


def test_a_worker_redacts_as_one_process_does(trained: Path, tmp_path: Path) -> None:
    job = Job(tmp_path / "in.txt", "text", tmp_path / "out.parquet")
    job.source.write_text("anna left oslo .\n\nbruno left .\n")
    redaction = Redaction(types=["PER"], recall_first=True)
    settings = settings_of(trained, redaction=redaction, tagging={"min_score": ["1"]})
    (outcome,) = map(json.loads, FileTagger([job], settings, {})({"job": [0]})["outcome"])
    assert (outcome["documents"], outcome["below"]) == (3, 0)
    rows = parquet.read_table(job.target).to_pylist()
    options = predict.Options(files=[str(job.source)], format="redacted", input="text", types="PER")
    local = list(predict_files.tag_files(Workspace(trained), options, None, progress=False))
    assert [row["text"] + "\n" for row in rows] == local == ["[PER] left oslo .\n", "\n", "[PER] left .\n"]
    made_from = FolderRun([], tmp_path, settings, "auto", {}, on_gpus=False).made_from()
    assert json.loads(json.dumps(made_from)) == made_from


def test_what_a_worker_logs_is_handed_on(trained: Path, tmp_path: Path) -> None:
    job = Job(tmp_path / "in.txt", "text", tmp_path / "out.parquet")
    job.source.write_bytes(b"\xef\xbb\xbfanna\n")
    handlers = list(logger.handlers)
    (outcome,) = map(json.loads, FileTagger([job], settings_of(trained), {})({"job": [0]})["outcome"])
    assert outcome["notes"] == [[logging.INFO, f"{job.source}: a byte order mark at its beginning is left out"]]
    assert logger.handlers == handlers


def test_a_file_whose_workers_die_is_given_up(trained: Path, tmp_path: Path) -> None:
    job = Job(tmp_path / "in.txt", "text", tmp_path / "out.parquet")
    job.source.write_text("anna\n")
    for part in job.parts():
        part.touch()
    (outcome,) = map(json.loads, FileTagger([job], settings_of(trained), {})({"job": [0]})["outcome"])
    assert outcome["error"][0] == f"{job.source}: {ATTEMPTS} workers died over it"


def test_a_worker_of_a_killed_run_ends_no_file_of_the_next_run(tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("anna\n")
    out = tmp_path / "out"

    def claimed(resume: bool) -> tuple[Job, Path]:
        (job,) = begin(out, find_jobs([str(tmp_path / "in.txt")], "auto", out), {}, resume, force=False)
        part = _claim_part(job)
        part.write_text("begun")
        return job, part

    (job, old), (_, new) = claimed(resume=False), claimed(resume=True)
    with pytest.raises(FileNotFoundError):
        move_into_place(old, job.target)
    assert new.read_text() == "begun" and not job.target.exists()


@pytest.mark.parametrize("gone", ["model", "input", "output"])
def test_what_a_machine_does_not_see_is_named(gone: str, trained: Path, tmp_path: Path) -> None:
    job = Job(tmp_path / "in.txt", "text", tmp_path / "out" / "in.txt.parquet")
    job.source.write_text("anna\n")
    job.target.parent.mkdir()
    settings = settings_of(tmp_path / "nowhere" if gone == "model" else trained)
    if gone != "model":
        (job.source.unlink if gone == "input" else job.target.parent.rmdir)()
    (outcome,) = map(json.loads, FileTagger([job], settings, {})({"job": [0]})["outcome"])
    assert {"model": "no such folder", "input": "cannot be read", "output": "No such file"}[gone] in outcome["error"][0]


def test_without_ray_two_lines_say_how_to_install_it(trained: Path, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("anna\n")
    arguments = [
        "predict",
        str(tmp_path / "in.txt"),
        "-w",
        str(trained),
        "-o",
        str(tmp_path / "out"),
        "--engine",
        "ray",
    ]
    code = f"import sys; sys.modules['ray'] = None; from nertool.cli.main import main; main({arguments})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: --engine ray: ray is not installed\nInstall it: pip install 'nertool[ray]'\n"
    assert not (tmp_path / "out").exists()


def test_an_address_without_a_cluster_is_named(trained: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="needs Ray, which is not installed: pip install 'nertool[ray]'")
    (tmp_path / "in.txt").write_text("anna\n")
    command = [sys.executable, "-m", "nertool", "predict", str(tmp_path / "in.txt"), "-w", str(trained)]
    command += ["-o", str(tmp_path / "out"), "--engine", "ray"]
    environment = {**os.environ, "RAY_ADDRESS": "127.0.0.1:1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert "error: no Ray cluster at 127.0.0.1:1: Connection refused\n" in done.stderr
    assert "Traceback" not in done.stderr


def test_ray_is_imported_by_nothing_else() -> None:
    modules = "nertool.cli.main, nertool.documents.ray_workers, nertool.documents.parquet"
    code = f"import sys, {modules}; sys.exit('ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize(
    "options", [{"files": None}, {"files": ["-"]}, {"split": "dev"}, {"interactive": True}, {"format": "html"}]
)
def test_what_only_one_process_does_is_refused(options: dict[str, Any], trained: Path, tmp_path: Path) -> None:
    given = {"files": ["in.txt"], "output": str(tmp_path / "out"), "engine": "ray", **options}
    with pytest.raises(InvalidOption, match="is for --engine local"):
        predict_files.tag_folder(Workspace(trained), predict.Options(**given))
    with pytest.raises(InvalidOption, match="writes a folder"):
        predict_files.tag_folder(Workspace(trained), predict.Options(files=["in.txt"], engine="ray"))
