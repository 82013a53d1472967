"""Folders of files in, a folder of Parquet files out: which file is written from which, and what is there already."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from glob import escape
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

from nertool.corpus.files import PACKED
from nertool.documents.output_file import ANEW
from nertool.documents.reader import FORMS
from nertool.errors import ODD, InvalidOption, MissingInput
from nertool.progress import logger
from nertool.workspace.digests import read_json, write_json

RECORD = ".nertool.json"
"""In the output folder: what its files are made from, so that `--resume` adds only files that are like them."""
NAMES = {**FORMS, ".txt": "text"}
"""Forms that the end of a name tells; a text file is not looked into, so that all of a folder are read alike."""
ATTEMPTS = 3
"""Times that a file is tried whose workers die over it."""


class Job(NamedTuple):
    """A file to be tagged, and the file that its tags are written to; both paths are absolute.

    Attributes:
        run: tells the parts of this run from those that workers of a killed one may still write.
    """

    source: Path
    form: str
    target: Path
    run: str = ""

    def parts(self) -> list[Path]:
        """Names that an attempt may write to before the target has its own; hidden, so that nobody reads them."""
        return [self.target.with_name(f".{self.target.name}.{self.run}-{number}.part") for number in range(ATTEMPTS)]

    def parts_of_all_runs(self) -> Iterator[Path]:
        """Those that there are."""
        return self.target.parent.glob(f".{escape(self.target.name)}.*.part")


def find_jobs(names: Sequence[str], form: str, folder: Path) -> list[Job]:
    """Every file that is named or lies below a folder that is, the largest first.

    An output file has the path that its input has below the folder that was named. Without a `form` (`auto`), names
    tell it, and files of a folder whose names tell none are left out, with a count; so are hidden files.

    Raises:
        MissingInput: no such file, or none that is to be tagged.
        InvalidOption: a name that tells no form, two files with one output, an output among the input.
    """
    found: dict[Path, Job] = {}
    left_out, run = 0, uuid4().hex[:8]
    for name in names:
        for source, below in _files(Path(name).absolute(), folder):
            told = _form(source) if form == "auto" else form
            if told != "auto":
                _add(found, Job(source, told, folder / _output(below), run))
            elif source == Path(name).absolute():
                raise InvalidOption(f"{name}: its name tells no form", "Say it: --input text, jsonl or parquet.")
            else:
                left_out += 1
    if left_out:
        logger.warning("%s files are left out: their names tell no form (--input FORM takes all)", left_out)
    if not found:
        raise MissingInput(
            f"{', '.join(names) or 'no name'}: no file to tag", f"Names end in {', '.join(NAMES)}; or give --input."
        )
    return sorted(found.values(), key=lambda job: -job.source.stat().st_size)


def _files(path: Path, output: Path) -> Iterator[tuple[Path, Path]]:
    """Files, each with its path below the folder that was named."""
    if path.resolve().is_relative_to(output.resolve()):
        raise InvalidOption(f"{path} lies in the folder that is written, {output}", "Name another one: -o FOLDER")
    if path.is_file():
        yield path, Path(path.name)
        return
    if not path.is_dir():
        raise MissingInput(f"{path}: no such file or folder", "Name files or folders that exist.")
    for place, folders, files in os.walk(path):
        here = Path(place)
        folders[:] = [name for name in sorted(folders) if not _is_hidden(name) and here / name != output]
        yield from ((here / name, (here / name).relative_to(path)) for name in sorted(files) if not _is_hidden(name))


def _is_hidden(name: str) -> bool:
    """Programs that write folders of files keep notes for themselves under such names."""
    return name.startswith((".", "_"))


def _form(path: Path) -> str:
    return NAMES.get(Path(path.stem if path.suffix in PACKED else path.name).suffix.lower(), "auto")


def _output(below: Path) -> Path:
    """The whole name is kept: `a.txt` and `a.jsonl` may lie side by side."""
    return below if below.suffix == ".parquet" else below.with_name(f"{below.name}.parquet")


def _add(found: dict[Path, Job], job: Job) -> None:
    other = found.setdefault(job.target, job).source
    if other != job.source:
        raise InvalidOption(
            f"{other} and {job.source} would both be written to {job.target}", "Name the folder above both of them."
        )


def begin(folder: Path, jobs: Sequence[Job], made_from: Mapping[str, Any], resume: bool, force: bool) -> list[Job]:
    """Make the output folder ready, and give the jobs that are still to be done.

    Args:
        made_from: what decides the content of the files, as JSON holds it.
        resume: files that are there are whole, and stay.
        force: they are removed first.

    Raises:
        InvalidOption: files are there that nobody said what to do with, or that were made from something else.
    """
    there = folder.is_file() or (folder.is_dir() and any(folder.iterdir()))
    if there and not (resume or force):
        way_on = "go on with this one: --resume, " if (folder / RECORD).is_file() else ""
        raise InvalidOption(
            f"--output {folder} is there already", f"Name another folder, {way_on}or replace its files: --force"
        )
    if there and not force:
        _check(folder, made_from)
    for job in jobs:
        _make_ready(folder, job, force)
    write_json(folder / RECORD, made_from)
    waiting = [job for job in jobs if not job.target.exists()]
    if len(waiting) < len(jobs):
        logger.info("%s of %s files are there already", len(jobs) - len(waiting), len(jobs))
    return waiting


def _check(folder: Path, made_from: Mapping[str, Any]) -> None:
    try:
        before = dict(read_json(folder / RECORD))
    except ODD + (OSError,) as error:
        raise InvalidOption(
            f"--resume: {folder} was not begun by nertool", f"Name another folder, or {ANEW}"
        ) from error
    if other := [name for name, value in made_from.items() if before.get(name) != value]:
        raise InvalidOption(
            f"--resume: {folder} was begun with other {', '.join(other)}",
            f"Give the same as then, name another folder, or {ANEW}",
        )


def _make_ready(folder: Path, job: Job, force: bool) -> None:
    if not job.target.resolve().is_relative_to(folder.resolve()):
        raise InvalidOption(f"{job.target} leads out of {folder}", "Remove that link.")
    try:
        job.target.parent.mkdir(parents=True, exist_ok=True)
        for path in (*job.parts_of_all_runs(), *([job.target] if force else ())):
            path.unlink(missing_ok=True)
    except OSError as error:
        raise InvalidOption(f"{job.target} cannot be written: {error.strerror}", "Name another folder.") from error
