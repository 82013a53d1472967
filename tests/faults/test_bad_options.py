"""Every option of every command with values that it cannot have: a few lines on stderr, and nothing else happens."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer
from helpers import PermissionsBind, commands, snapshot, write_corpus

from nertool.cli import main as command_line
from nertool.cli.commands import Common
from nertool.cli.main import Nertool
from nertool.cli.values import COMMON
from nertool.workspace.option_values import Declared, declared

LINES = 5
"""Lines on stderr at most: Typer repeats the usage."""
LONG_NAME = "x" * 300
"""Longer than a file system takes."""
WHOLE = ("many", "1.5", "nan", "inf", "1e300", "9" * 30, "9" * 400, "", "-1", "0x10", "1 2")
NUMBERS = ("many", "nan", "inf", "-inf", "1e300", "-1", "", "1,5")
FILE = ("missing", "folder", "file/below", "unreadable", "garbage", LONG_NAME)
"""In place of a file to read, by what `places` makes."""
FOLDER = ("missing", "file", "file/below", "bare", LONG_NAME)
BAD_JSON: tuple[Any, ...] = (float("nan"), float("inf"), {}, {"a": [1]}, [[1]], [None], "a\0b", "\udcff")
"""Values of a configuration file that no option has."""
TARGET = ("folder", "file/below", f"folder/{LONG_NAME}", "closed/file")
"""In place of a file to write."""
LEAST = ("x", "2", "nan", "-1", "PER=", "PER=2")
PLACES: dict[str, tuple[str, ...]] = {
    "config": FILE,
    **{f"{name} workspace": ("file", "closed/below", LONG_NAME) for name in Nertool.entries if name != "score"},
    "download train_file": FILE,
    "download validation_file": FILE,
    "download test_file": FILE,
    "download tag_names": FILE,
    "download type_map": FILE,
    "download decisions": FILE,
    "download source": (*FOLDER, "closed"),
    "preprocess model": FOLDER,
    "train model": FOLDER,
    "train config_name": FOLDER,
    "train tokenizer_name": FOLDER,
    "train teachers": (*FOLDER, "closed"),
    "train unlabelled": FILE,
    "evaluate compare": ("missing", "bare", "file/below", "garbage", LONG_NAME),
    "evaluate inner": ("missing", "bare", "file/below", "garbage", LONG_NAME),
    "evaluate columns": FILE,
    "predict files": FILE,
    "predict output": TARGET,
    "predict thresholds": FILE,
    "serve thresholds": FILE,
    "serve api_key_file": FILE,
    "export output": ("file", "file/below", f"folder/{LONG_NAME}", "closed/below", "workspace/export"),
    "score file": FILE,
    "score predicted": FILE,
    "score compare": FILE,
    "score report": ("file", "file/below", f"folder/{LONG_NAME}", "closed/below"),
}
"""Options that name places, by command and field."""
TEXTS: dict[str, tuple[str, ...]] = {
    "download recipe": ("nonsense", "Sample"),
    "download source": ("ftp://host/x", "http://", "http://["),
    "download token_column": ("99", "nonsense", "0", "-99"),
    "download tag_column": ("99", "nonsense", "0"),
    "download encoding": ("nonsense", "rot13", "hex", "undefined"),
    "download tokenizer": ("nonsense", "spacy:"),
    "download keep_types": ("NONSENSE",),
    "train output_dir": ("..", "a/b", "raw", ".x", "/x", "labels.txt"),
    "train layers": ("0", "x", "1,", "2,1", "9", "9" * 5000),
    "train seeds": ("x", "1,,2", "-1", "1.5", str(2**32), "9" * 5000),
    "train curve": ("x", "0.5,,1", "0,1", "-1,1", "0.5,2", "1,0.5", "0.5,0.5", "1", "nan", "9" * 5000, "0.0001,1"),
    "train settings": ("x", "=", "nonsense=1", "max_grad_norm=NaN", "seed=1", "logging_steps=x", "adam_beta1=2"),
    "train report_to": ("nonsense",),
    "evaluate split": ("validation", "DEV"),
    "evaluate precision": LEAST,
    "evaluate recall": LEAST,
    "predict split": ("validation", "DEV"),
    "predict min_score": LEAST,
    "predict tokenizer": ("nonsense", "spacy:"),
    "predict language": ("zz",),
    "predict tokens_column": (),
    "serve host": ("203.0.113.7", "1.2.3.4.5.6"),
    "serve min_score": LEAST,
    "serve tokenizer": ("nonsense", "spacy:"),
    "serve cors": ("*", "example.org", "https://a.example/path"),
}
"""Other texts that an option cannot be."""
BASE: dict[str, tuple[str, ...]] = {
    "download": ("sample", "--force"),
    "preprocess": ("--model", "tiny", "--force"),
    "train": ("--model", "tiny", "--force"),
    "predict": ("text",),
    "serve": ("--port", "0"),
    "export": ("--output", "out"),
    "score": ("columns",),
    "run": ("sample", "--until", "download"),
}
"""Arguments with which a command has nothing to complain about."""
OWN = ("--train-file", "own", "--force")
INSTEAD: dict[str, tuple[str, ...]] = {
    **{
        f"download {name}": OWN
        for name in ("token_column", "encoding", "tag_names", "type_map", "keep_types", "decisions")
    },
    **{
        f"download {name}": ("--force",) for name in ("recipe", "train_file", "validation_file", "test_file", "dataset")
    },
    **{f"predict {name}": () for name in ("files", "split")},
    "train unlabelled": ("--model", "tiny", "--force", "--teacher", "workspace"),
    "predict language": ("text", "--split-sentences"),
    "predict workers": ("text", "--engine", "ray", "--output", "out"),
    "quantize workspace": ("--backend", "onnx"),
    "quantize percentile": ("--observer", "percentile", "--backend", "onnx", "--approach", "static"),
    "score file": (),
    "run recipe": (),
}
"""Arguments in place of the base, for options that need others, by command and field."""


class BadOption(NamedTuple):
    """A command line that has to be refused.

    Attributes:
        command: its name.
        option: the option as it is spelled, or the argument's name.
        arguments: behind the command's name.
    """

    command: str
    option: str
    arguments: list[str]


def bad_options() -> list[BadOption]:
    """Every option of every command with values that it cannot have."""
    return [bad for name in commands() for bad in of_command(name)]


def of_command(name: str) -> Iterator[BadOption]:
    """The bad command lines of one command."""
    module = Nertool.entries[name].module
    options = getattr(__import__(module, fromlist=["Options"]), "Options", None)
    kinds = {**(declared(options) if options else {}), **declared(Common)}
    for parameter in commands()[name].params:
        if parameter.name == "help":
            continue
        base = list(INSTEAD.get(f"{name} {parameter.name}", BASE.get(name, ())))
        if parameter.param_type_name == "argument":
            for value in values(name, parameter.name, kinds[parameter.name]):
                yield BadOption(name, parameter.name, [*base, value])
            continue
        spelling = parameter.opts[0]
        if parameter.is_flag:
            yield BadOption(name, spelling, [*base, f"{spelling}=maybe"])
            continue
        yield BadOption(name, spelling, [*base, spelling])
        for value in values(name, parameter.name, kinds[parameter.name]):
            yield BadOption(name, spelling, [*base, f"{spelling}={value}"])


def values(command: str, name: str, option: Declared) -> Iterator[str]:
    """Values that an option cannot have."""
    if option.choices:
        yield from ("nonsense", " ", f"{option.choices[-1]} ", str(option.choices[-1]).upper(), "\udcff")
    elif float in option.kinds:
        yield from NUMBERS
    elif int in option.kinds:
        yield from WHOLE
    else:
        yield from ("\udcff", "a\0b", *([""] if option.default != "" else []))
        yield from PLACES.get(name, PLACES.get(f"{command} {name}", ()))
        yield from TEXTS.get(f"{command} {name}", ())


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current directory, with a workspace and all that the values name; permissions bind."""
    write_corpus(tmp_path / "workspace", sentences=6)
    write_corpus(tmp_path / "workspace", ".txt", sentences=6)
    for name in ("folder", "bare", "closed"):
        (tmp_path / name).mkdir()
    for name, text in {"file": "x\n", "text": "anna left oslo\n", "unreadable": "a b\n"}.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "own").write_text("anna B-PER\nleft O\noslo B-LOC\n\n" * 3)
    (tmp_path / "columns").write_text("anna B-PER B-PER\nleft O O\noslo B-LOC B-LOC\n\n" * 3)
    (tmp_path / "garbage").write_bytes(bytes(range(255, 0, -1)))
    (tmp_path / "unreadable").chmod(0)
    monkeypatch.chdir(tmp_path)
    with PermissionsBind():
        (tmp_path / "closed").chmod(0)
        yield tmp_path
        (tmp_path / "closed").chmod(0o755)
    (tmp_path / "unreadable").chmod(0o644)


@pytest.fixture
def commands_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands that are built once: that takes longer than all else."""
    commands()
    monkeypatch.setattr(command_line, "app", typer.main.get_command(command_line.app))


def fault(bad: BadOption, capsys: pytest.CaptureFixture[str]) -> str:
    """What is wrong with the end of a command; empty if nothing is."""
    try:
        command_line.main([bad.command, *bad.arguments])
        code: Any = "none"
    except SystemExit as end:
        code = end.code
    except BaseException as error:
        capsys.readouterr()
        return f"{type(error).__name__}: {error}"
    out, err = capsys.readouterr()
    if code not in (1, 2):
        return f"it ends with {code}: {err}"
    if out:
        return f"stdout: {out}"
    if len(err.splitlines()) > LINES:
        return f"{len(err.splitlines())} lines: {err}"
    return "" if names(err, bad) else f"it names neither the option nor the value: {err}"


def names(text: str, bad: BadOption) -> bool:
    """Whether an error names the option, or its value."""
    value = bad.arguments[-1].partition("=")[2] or bad.arguments[-1]
    return bad.option.replace("_", "-") in text.lower().replace("_", "-") or value in text


def changed(before: dict[str, bytes]) -> list[str]:
    """Files that are not as they were."""
    after = read_all()
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))


def read_all() -> dict[str, bytes]:
    """What the workspace holds, and the names of the files beside it."""
    beside = {path.name: b"" for path in Path().iterdir()}
    return snapshot(Path("workspace")) | beside


def check(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Try all bad options of a command."""
    faults = []
    before = read_all()
    for bad in of_command(name):
        if wrong := fault(bad, capsys) or ", ".join(changed(before)):
            faults.append(f"{bad.command} {bad.arguments}: {wrong}")
            before = read_all()
    if faults:
        pytest.fail("\n".join(faults), pytrace=False)


@pytest.mark.parametrize("name", ["download", "labels", "check", "score", "status", "run"])
def test_a_bad_option_of_a_light_command_is_refused(
    name: str, places: Path, commands_once: None, capsys: pytest.CaptureFixture[str]
) -> None:
    check(name, capsys)


@pytest.mark.parametrize("name", ["download", "labels", "check", "status", "run"])
def test_a_bad_value_in_a_configuration_file_is_refused(
    name: str, places: Path, commands_once: None, capsys: pytest.CaptureFixture[str]
) -> None:
    faults = []
    for parameter in commands()[name].params:
        for value in () if parameter.name in COMMON else BAD_JSON:
            Path("config.json").write_text(json.dumps({parameter.name: value}))
            base = INSTEAD.get(f"{name} {parameter.name}", BASE.get(name, ()))
            flag = parameter.opts[0].lstrip("-")  # which the key of the file contains
            bad = BadOption(name, flag, [*base, "--config", "config.json"])
            if wrong := fault(bad, capsys):
                faults.append(f"{name} {parameter.name} {value!r:.40}: {wrong}")
    if faults:
        pytest.fail("\n".join(faults), pytrace=False)


@pytest.mark.model
@pytest.mark.parametrize("name", ["preprocess", "train", "evaluate", "quantize", "predict", "serve", "export"])
def test_a_bad_option_of_a_command_with_a_model_is_refused(
    name: str, places: Path, tiny_model: str, trained: Path, commands_once: None, capsys: pytest.CaptureFixture[str]
) -> None:
    os.symlink(tiny_model, "tiny")
    shutil.rmtree("workspace")
    shutil.copytree(trained, "workspace")
    check(name, capsys)


def test_there_are_enough() -> None:
    assert len(bad_options()) >= 350
    assert {bad.command for bad in bad_options()} == set(commands())
