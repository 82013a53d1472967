"""Which file is written from which, and what a folder that is there already may hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from nertool.documents.folders import RECORD, begin, find_jobs
from nertool.errors import InvalidOption, MissingInput


def make(folder: Path, *names: str) -> None:
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("anna\n" * (len(names) - number))


def test_outputs_lie_as_their_inputs_do_the_largest_first(tmp_path: Path) -> None:
    make(tmp_path / "in", "b/x.txt", "a/x.txt", "x.jsonl.gz", "x.jsonl", "p.parquet", "_SUCCESS", ".x.txt", ".d/x.txt")
    make(tmp_path, "alone.ndjson")
    jobs = find_jobs([str(tmp_path / "in"), str(tmp_path / "alone.ndjson")], "auto", tmp_path / "out")
    assert [(str(job.target.relative_to(tmp_path / "out")), job.form) for job in jobs] == [
        ("b/x.txt.parquet", "text"),
        ("a/x.txt.parquet", "text"),
        ("x.jsonl.gz.parquet", "jsonl"),
        ("x.jsonl.parquet", "jsonl"),
        ("p.parquet", "parquet"),
        ("alone.ndjson.parquet", "jsonl"),
    ]


def test_names_that_tell_no_form(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    make(tmp_path / "in", "part-0", "part-1", "x.txt")
    assert len(find_jobs([str(tmp_path / "in")], "auto", tmp_path / "out")) == 1
    assert "2 files are left out" in caplog.text
    assert {job.form for job in find_jobs([str(tmp_path / "in")], "jsonl", tmp_path / "out")} == {"jsonl"}
    with pytest.raises(InvalidOption, match="part-0: its name tells no form"):
        find_jobs([str(tmp_path / "in" / "part-0")], "auto", tmp_path / "out")
    (tmp_path / "in" / "x.txt").unlink()
    with pytest.raises(MissingInput, match="no file to tag"):
        find_jobs([str(tmp_path / "in")], "auto", tmp_path / "out")
    with pytest.raises(MissingInput, match="nowhere: no such file"):
        find_jobs([str(tmp_path / "nowhere")], "auto", tmp_path / "out")


def test_two_files_are_never_written_to_one(tmp_path: Path) -> None:
    make(tmp_path, "a/x.txt", "b/x.txt")
    with pytest.raises(InvalidOption, match="a/x.txt and .*b/x.txt would both be written to"):
        find_jobs([str(tmp_path / "a"), str(tmp_path / "b")], "auto", tmp_path / "out")
    assert len(find_jobs([str(tmp_path)], "auto", tmp_path / "out")) == 2
    assert len(find_jobs([str(tmp_path / "a"), str(tmp_path / "a" / "x.txt")], "auto", tmp_path / "out")) == 1


def test_the_output_is_no_input_and_nothing_is_written_beside_it(tmp_path: Path) -> None:
    make(tmp_path, "in/x.txt", "in/out/y.txt")
    assert [job.source.name for job in find_jobs([str(tmp_path / "in")], "auto", tmp_path / "in/out")] == ["x.txt"]
    for name in ("in", "in/out", "in/out/y.txt"):
        with pytest.raises(InvalidOption, match="lies in the folder that is written"):
            find_jobs([str(tmp_path / name)], "auto", tmp_path / "in" if name == "in" else tmp_path / "in/out")
    make(tmp_path, "other/z.txt", "src/link/x.txt")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "link").symlink_to(tmp_path / "other")
    jobs = find_jobs([str(tmp_path / "src")], "auto", tmp_path / "out")
    with pytest.raises(InvalidOption, match="leads out of"):
        begin(tmp_path / "out", jobs, {}, resume=False, force=True)
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["z.txt"]


def test_a_folder_is_gone_on_with_or_replaced_when_somebody_says_so(tmp_path: Path) -> None:
    make(tmp_path / "in", "x.txt", "y.txt")
    out = tmp_path / "out"
    jobs = find_jobs([str(tmp_path / "in")], "auto", out)
    assert begin(out, jobs, {"model": 1}, resume=True, force=False) == jobs
    jobs[0].target.write_text("done")
    jobs[1].parts()[0].write_text("cut short")
    with pytest.raises(InvalidOption, match="is there already"):
        begin(out, jobs, {"model": 1}, resume=False, force=False)
    assert begin(out, jobs, {"model": 1}, resume=True, force=False) == jobs[1:]
    assert not jobs[1].parts()[0].exists()
    with pytest.raises(InvalidOption, match="was begun with other model"):
        begin(out, jobs, {"model": 2}, resume=True, force=False)
    assert begin(out, jobs, {"model": 2}, resume=False, force=True) == jobs
    (out / RECORD).unlink()
    with pytest.raises(InvalidOption, match="was not begun by nertool"):
        make(out, "x.parquet")
        begin(out, jobs, {"model": 2}, resume=True, force=False)
    with pytest.raises(InvalidOption, match="is there already"):
        begin(tmp_path / "in" / "x.txt", jobs, {}, resume=False, force=False)
