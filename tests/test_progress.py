"""What is shown while others work, and what is not."""

from __future__ import annotations

import logging
import warnings

import pytest
from rich.progress import Task

from nertool.progress import NOISY, bar, console, logger, silenced


def test_only_the_noisy_packages_are_silenced(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with silenced():
        for name in (*NOISY, "torch.onnx.made.just.now"):
            logging.getLogger(name).error("noise")
        logging.warning("noise of onnxruntime")
        warnings.warn("noise", stacklevel=1)
        logger.warning("ours")
        logging.getLogger("application").info("theirs")
    assert [record.getMessage() for record in caplog.records] == ["ours", "theirs"]


def test_after_an_error_all_is_heard_again(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ZeroDivisionError), silenced():
        raise ZeroDivisionError
    for name in ("", *NOISY):
        logging.getLogger(name).error("heard")
    assert len(caplog.records) == len(NOISY) + 1


def test_a_package_that_sets_its_level_as_it_is_imported_stays_silent(caplog: pytest.LogCaptureFixture) -> None:
    with silenced():
        logging.getLogger("neural_compressor").setLevel(logging.INFO)
        logging.getLogger("neural_compressor").info("noise")
    assert caplog.records == []


def test_a_kill_while_a_bar_is_shown_leaves_the_cursor(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    console.cache_clear()
    with bar("tag", total=1):
        pass
    console.cache_clear()
    shown = capsys.readouterr().err
    assert "tag" in shown and "\x1b[?25l" not in shown


@pytest.mark.parametrize("columns", [24, 40, 60, 80, 110, 200])
@pytest.mark.parametrize("total", [None, 3_000_000])
def test_a_bar_is_one_line_however_narrow_the_terminal_is(
    columns: int, total: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", str(columns))
    console.cache_clear()
    try:
        with bar("train, seed 3 loss 0.2610 F1 0.8541", total=total, unit="sentences") as (progress, task):
            progress.update(task, completed=1_000_000)
            monkeypatch.setattr(Task, "speed", 123_456.7)  # the widest that is likely
            lines = console().render_lines(progress.get_renderable(), pad=False)
    finally:
        console.cache_clear()
    assert len(lines) == 1
    shown = "".join(segment.text for segment in lines[0])
    assert "train" in shown and ("left" in shown) == (total is not None)


def test_a_bar_is_silent_about_the_time_left_until_there_is_a_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    console.cache_clear()
    try:
        with bar("train", total=100) as (progress, task):
            unknown = "".join(str(column.render(progress.tasks[0])) for column in progress.columns)
            progress.update(task, completed=1)
            progress.update(task, completed=2)
            known = "".join(str(column.render(progress.tasks[0])) for column in progress.columns)
    finally:
        console.cache_clear()
    assert "left" not in unknown and "--" not in unknown
    assert known.endswith(" left")
