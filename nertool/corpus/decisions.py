"""What a person decides on gold tags that are perhaps wrong: `check --labels` writes the places, `download` reads them.

A file holds a place a line, in columns with tabs between. Its decision is `keep` until somebody writes another one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from nertool.corpus.files import numbered_lines
from nertool.errors import InvalidData
from nertool.workspace.names import SPLITS

KEEP, APPLY, DROP = DECISIONS = ("keep", "apply", "drop")
"""Leave gold as it is, give it the new tags, or remove the sentence."""
COLUMNS = ("decision", "file", "line", "tokens", "gold", "new", "score", "sentence")
"""First line of a file. The last two are for people, and may be missing."""
NEEDED = COLUMNS.index("score")
SUFFIX = ".txt.tmp"
"""Of the files that decisions are about."""
LARGEST_LINE = 2**31 - 1


class Decision(NamedTuple):
    """A place, and what is decided on it.

    Attributes:
        decision: one of DECISIONS.
        file: name of the file.
        line: 1-based line of the first token.
        tokens, gold, new: the tokens with their tags, and the tags proposed for them; equal lengths.
        place: where the decision itself stands, as `FILE:LINE`.
    """

    decision: str
    file: str
    line: int
    tokens: Sequence[str]
    gold: Sequence[str]
    new: Sequence[str]
    place: str = ""

    @property
    def split(self) -> str:
        """The split whose file this is."""
        return self.file.removesuffix(SUFFIX)


def write_decisions(path: Path, places: Iterable[tuple[Decision, float, str]]) -> None:
    """Write places to decide on.

    Args:
        places: each with its score and its sentence.
    """
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write("\t".join(COLUMNS) + "\n")
        for one, score, sentence in places:
            words = (" ".join(part) for part in (one.tokens, one.gold, one.new))
            file.write("\t".join((one.decision, one.file, str(one.line), *words, f"{score:.4f}", sentence)) + "\n")


def read_decisions(path: Path) -> Iterator[Decision]:
    """Read the places of a file with what is decided on them; columns behind the needed ones may hold anything.

    Raises:
        InvalidData: a line is not as `write_decisions` writes it (names file and line).
    """
    for number, line in numbered_lines(path):
        fields = line.removeprefix("\ufeff").rstrip("\n").split("\t")
        if fields == [""] or fields[:NEEDED] == list(COLUMNS[:NEEDED]):
            continue
        yield _read_line(fields, f"{path}:{number}")


def _read_line(fields: Sequence[str], place: str) -> Decision:
    if len(fields) < NEEDED:
        raise InvalidData(f"{place}: {len(fields)} columns", f"With tabs between: {', '.join(COLUMNS[:NEEDED])}.")
    decision, file, line = fields[:3]
    tokens, gold, new = (field.split(" ") for field in fields[3:NEEDED])
    if decision not in DECISIONS:
        raise InvalidData(f"{place}: no decision: {decision!r}", f"The first column holds {', '.join(DECISIONS)}.")
    if file not in [split + SUFFIX for split in SPLITS]:
        raise InvalidData(f"{place}: no file of download: {file!r}", f"Such as {SPLITS[0]}{SUFFIX}.")
    if not line.isascii() or not line.isdecimal() or len(line) > len(str(LARGEST_LINE)):
        raise InvalidData(f"{place}: {line!r} is no number of a line", "Write the line of the first token.")
    if not len(tokens) == len(gold) == len(new) or not all((*tokens, *gold, *new)):
        counts = f"{len(tokens)} tokens, {len(gold)} gold tags, {len(new)} new ones"
        raise InvalidData(f"{place}: {counts}", "Write as many tags as tokens, with one space between.")
    return Decision(decision, file, int(line), tokens, gold, new, place)
