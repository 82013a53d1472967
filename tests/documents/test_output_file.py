"""The file of `predict -o`: a message about one that is there names only options that go with the others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

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


@pytest.mark.parametrize("engine", ["local", "ray"])
def test_resume_and_force_are_two_wishes(engine: str) -> None:
    with pytest.raises(InvalidOption, match=r"--resume goes on with a file, and --force replaces it"):
        Options(files=["in"], output="out", resume=True, force=True, engine=engine)  # type: ignore[arg-type]


def test_an_order_cannot_be_gone_on_with() -> None:
    with pytest.raises(InvalidOption) as refused:
        Options(files=["in"], output="out", resume=True, order="uncertain")
    assert refused.value.hint == "Leave out --order, or begin again: --force in place of --resume"
