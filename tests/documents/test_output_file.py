"""The file of `predict -o`: what is there already, what was begun, and what another process writes meanwhile."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from nertool.documents import output_file
from nertool.documents.output_file import OutputFile
from nertool.errors import InvalidOption, Unwritable
from nertool.stages.predict import Options


def hint_of(path: Path, resume: bool = False, resumable: bool = True) -> str:
    with pytest.raises(InvalidOption) as refused:
        OutputFile(str(path), resume, resumable=resumable)
    return refused.value.hint


def cut_short() -> Iterator[str]:
    yield "one\n"
    yield "two\n"
    raise Unwritable("killed", "here")


@pytest.mark.parametrize("resumable", [True, False])
def test_a_whole_file_is_replaced_or_left(tmp_path: Path, resumable: bool) -> None:
    (tmp_path / "out").write_text("whole")
    assert hint_of(tmp_path / "out", resumable=resumable) == "Name another file, or replace this one: --force"
    if resumable:
        assert hint_of(tmp_path / "out", resume=True).endswith("begin again: --force in place of --resume")


def test_a_file_that_was_begun_is_gone_on_with_where_that_can_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output_file, "DOCUMENTS_BETWEEN", 1)
    out = tmp_path / "out"
    with pytest.raises(Unwritable):
        OutputFile(str(out)).write("", cut_short())
    assert hint_of(out) == "Go on with it: --resume; or begin again: --force"
    assert hint_of(out, resumable=False) == "Begin again: --force"
    (tmp_path / "out.progress").write_text("{")
    assert hint_of(out, resume=True) == "Begin again: --force in place of --resume"


def test_what_nothing_can_go_on_with_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output_file, "DOCUMENTS_BETWEEN", 1)
    with pytest.raises(Unwritable):
        OutputFile(str(tmp_path / "out"), resumable=False).write("", cut_short())
    assert list(tmp_path.iterdir()) == []


TEXTS = [f"document {number}\n" for number in range(4)]


def write(out: Path, before: Mapping[int, Callable[[], Any]]) -> None:
    """Write the texts, as another process; something happens before some of them."""

    def texts() -> Iterator[str]:
        for number, text in enumerate(TEXTS):
            before.get(number, lambda: None)()
            yield text

    OutputFile(str(out)).write("", texts())


def kill() -> None:
    raise Unwritable("killed", "here")


@pytest.mark.parametrize(("resume", "begins_at"), [(False, 0), (True, 2)])
def test_a_file_that_another_process_ends_meanwhile_is_left_as_it_is(
    resume: bool, begins_at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second process looks at the file, loads its model, and the first one has ended when it begins to write."""
    monkeypatch.setattr(output_file, "DOCUMENTS_BETWEEN", 1)
    out, second = tmp_path / "out", []
    write(out, {begins_at: lambda: second.append(OutputFile(str(out), resume))})
    with pytest.raises(InvalidOption, match="is whole" if resume else "is there already"):
        second[0].write("", TEXTS[second[0].documents :])
    assert out.read_text() == "".join(TEXTS) and list(tmp_path.iterdir()) == [out]


def test_a_file_that_another_process_took_further_before_a_kill_is_gone_on_with_from_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output_file, "DOCUMENTS_BETWEEN", 1)
    out, second = tmp_path / "out", []
    with pytest.raises(Unwritable):
        write(out, {2: lambda: second.append(OutputFile(str(out), resume=True)), 3: kill})
    with pytest.raises(InvalidOption, match="was written by another process meanwhile"):
        second[0].write("", TEXTS[second[0].documents :])
    again = OutputFile(str(out), resume=True)
    assert (second[0].documents, again.documents) == (1, 2)
    again.write("", TEXTS[2:])
    assert out.read_text() == "".join(TEXTS)


def test_a_file_that_gets_its_name_before_it_is_locked_is_left_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    (tmp_path / "out.partial").write_text("whole")

    def open_late(path: str, flags: int) -> int:
        descriptor = os.open(path, flags)
        os.replace(path, out)
        return descriptor

    second = OutputFile(str(out), force=True)
    monkeypatch.setattr(output_file, "_open_no_link", open_late)
    with pytest.raises(InvalidOption, match="is being written by another process"):
        second.write("", TEXTS)
    assert out.read_text() == "whole"


@pytest.mark.parametrize("engine", ["local", "ray"])
def test_resume_and_force_are_two_wishes(engine: str) -> None:
    with pytest.raises(InvalidOption, match=r"--resume goes on with a file, and --force replaces it"):
        Options(files=["in"], output="out", resume=True, force=True, engine=engine)  # type: ignore[arg-type]


def test_an_order_cannot_be_gone_on_with() -> None:
    with pytest.raises(InvalidOption) as refused:
        Options(files=["in"], output="out", resume=True, order="uncertain")
    assert refused.value.hint == "Leave out --order, or begin again: --force in place of --resume"
