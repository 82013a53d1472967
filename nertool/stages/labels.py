"""Collect the tags of all splits: `cat train.txt dev.txt test.txt | cut -d " " -f 2 | grep -v "^$" | sort | uniq`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from nertool.corpus.facts import LabelsFacts
from nertool.corpus.files import numbered_lines, translate_read_errors
from nertool.corpus.line_cache import REMEMBERED_LINES
from nertool.errors import InvalidData, MissingInput
from nertool.progress import logger
from nertool.sources.shell_filters import blocks_of_lines
from nertool.stages.options import ForceOption
from nertool.workspace.names import LABELS
from nertool.workspace.stage import Result, Stage, StageRun
from nertool.workspace.stage_options import StageOptions
from nertool.workspace.workspace import Workspace

SECOND_FIELD = "the second field is taken, but train reads the last one"


@dataclass(frozen=True)
class Options(StageOptions):
    """Options of `labels`."""

    force: ForceOption = False


def run(workspace: Workspace, options: Options) -> Result:
    """Write `labels.txt`: every tag that occurs in any split, one a line, in byte order.

    The same bytes as the README's pipeline writes under `LC_ALL=C`.

    Raises:
        MissingInput: preprocess has not been run.
        InvalidData: a line has no tag (names file and line).
    """
    with workspace.locked("labels", creates=False):
        return _collect(workspace, options)


def _collect(workspace: Workspace, options: Options) -> Result:
    sources = [f"{split}.txt" for split in workspace.splits(".txt")]
    if not sources:
        raise MissingInput(f"{workspace / 'train.txt'} is missing", f"Run: {workspace.command('preprocess')}")
    planned = StageRun("labels", options, reads=sources, writes=[LABELS], force=options.force)

    def work(stage: Stage) -> None:
        tags = distinct_tags(workspace / name for name in sources)
        content = "".join(f"{tag}\n" for tag in tags)
        stage.file(LABELS).write_text(content, encoding="utf-8", newline="\n")
        facts: LabelsFacts = {"labels": len(tags), "tags": tags}
        stage.facts = {**facts}

    return workspace.run(planned, work)


def distinct_tags(paths: Iterable[Path]) -> list[str]:
    """Second space-separated field of every line that is not blank, each once, in the order of its UTF-8 bytes.

    Lines with more fields are told, as `train` reads the last one.

    Raises:
        InvalidData: a line has no tag, or bytes are not UTF-8 (names file and line).
    """
    tags: set[bytes] = set()
    for path in paths:
        more = b""
        for lines in _distinct_lines(path):
            lines.discard(b"")
            behind = {line.partition(b" ")[2] for line in lines}  # much fewer than lines, so that each is split once
            of_lines = {rest.partition(b" ")[0] for rest in behind}
            more = next((rest for rest in sorted(behind) if b" " in rest.strip()), more)
            may_lack_a_tag = b"" in of_lines and any(map(_is_untagged, lines))
            if may_lack_a_tag or not _are_utf8(lines):
                _check(path)
            tags |= of_lines
        if more:
            shown = more.decode("utf-8", "replace").strip()[:60]
            logger.warning("%s: lines with more than a token and a tag, such as %r: %s", path.name, shown, SECOND_FIELD)
    tags.discard(b"")
    return [tag.decode() for tag in sorted(tags)]


def _distinct_lines(path: Path) -> Iterator[set[bytes]]:
    """The distinct lines of a file, in one set or, where they are very many, in several."""
    lines: set[bytes] = set()
    with translate_read_errors(path), path.open("rb") as file:
        for block in blocks_of_lines(file):
            lines.update(re.split(rb"\r\n|\r|\n", block) if b"\r" in block else block.split(b"\n"))
            if len(lines) > REMEMBERED_LINES:
                yield lines
                lines = set()
    yield lines


def _is_untagged(line: bytes) -> bool:
    return bool(line.strip()) and not line.partition(b" ")[2].partition(b" ")[0]


def _are_utf8(lines: Iterable[bytes]) -> bool:
    try:
        b"\n".join(lines).decode()
    except UnicodeDecodeError:
        return False
    return True


def _check(path: Path) -> None:
    """Look for the first line that has a token and no tag, or is not UTF-8.

    Raises:
        InvalidData: there is one (names file and line).
    """
    for number, line in numbered_lines(path):
        if line.strip() and not line.rstrip("\n").partition(" ")[2].partition(" ")[0]:
            raise InvalidData(
                f"{path}:{number}: no tag behind the token: {line.rstrip(chr(10))!r}",
                "A line holds a token, one space and a tag.",
            )
