"""Collect the tags of all splits: `cat train.txt dev.txt test.txt | cut -d " " -f 2 | grep -v "^$" | sort | uniq`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from nertool.errors import InvalidData, MissingInput
from nertool.lines import REMEMBERED_LINES, Block, read_blocks
from nertool.options import ForceOption
from nertool.workspace import LABELS, Result, StageOptions, Workspace


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
    sources = [f"{split}.txt" for split in workspace.splits(".txt")]
    if not sources:
        raise MissingInput(f"{workspace / 'train.txt'} is missing", f"Run: {workspace.command('preprocess')}")
    with workspace.open_stage("labels", options, reads=sources, writes=[LABELS], force=options.force) as stage:
        if not stage.fresh:
            tags = distinct_tags(workspace / name for name in sources)
            stage.file(LABELS).write_text("".join(f"{tag}\n" for tag in tags), encoding="utf-8", newline="\n")
            stage.facts = {"labels": len(tags), "tags": tags}
    return stage.result()


def distinct_tags(paths: Iterable[Path]) -> list[str]:
    """Second space-separated field of every line that is not blank, each once, in the order of its UTF-8 bytes."""
    tags: set[str] = set()
    for path in paths:
        seen: set[str] = set()
        for block in read_blocks(path):
            new = set(block.lines) - seen
            seen = new if len(seen) > REMEMBERED_LINES else seen | new
            tags.update(map(_second_field, new))
            if any(line.strip() and not _second_field(line) for line in new):
                raise _no_tag(block, path)
    return sorted(tags - {""}, key=lambda tag: tag.encode())


def _second_field(line: str) -> str:
    return line.rstrip("\n").partition(" ")[2].partition(" ")[0]


def _no_tag(block: Block, path: Path) -> InvalidData:
    number, line = next((n, line) for n, line in enumerate(block.lines) if line.strip() and not _second_field(line))
    return InvalidData(
        f"{path}:{block.first + number}: no tag behind the token: {line.rstrip(chr(10))!r}",
        "A line holds a token, one space and a tag.",
    )
