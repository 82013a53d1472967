"""Take into the data what is decided on gold tags: give places new tags, remove sentences, leave all other bytes."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from nertool.corpus.decisions import APPLY, KEEP, SUFFIX, Decision, read_decisions
from nertool.corpus.files import numbered_lines, open_text, translate_read_errors
from nertool.corpus.recognise import recognise_tags
from nertool.errors import InvalidData
from nertool.progress import logger
from nertool.sources.facts import SplitCounts
from nertool.sources.write_splits import errors_name
from nertool.spelling import Reading, Spelling
from nertool.tags import OUTSIDE, broken, pairs, split_tag
from nertool.workspace.atomic import replacing
from nertool.workspace.stage import Stage

OTHER_DATA = (
    "The list was made from other data, other files of decisions come before it, or a spreadsheet has changed "
    "the cell: check --labels anew."
)
Lines = list[tuple[int, str]]
"""Lines of a file with their 1-based numbers."""


class Word(NamedTuple):
    """A word that a decision is about: what its line holds, and its new tag."""

    decision: Decision
    token: str
    gold: str
    new: str

    @property
    def applies(self) -> bool:
        """Whether it gets the new tag; otherwise its sentence is dropped."""
        return self.decision.decision == APPLY


def apply_decisions(
    stage: Stage, counts: Mapping[str, SplitCounts], files: Iterable[Path], new_types: bool = False
) -> dict[str, SplitCounts]:
    """Apply files of decisions one after the other; each is about the data as the ones before it left them.

    Args:
        counts: of the splits that are written.
        new_types: take types that the data do not have.

    Returns:
        The counts with what has changed.

    Raises:
        InvalidData: a decision is about other data, has a type that these lack, or its new tags break the scheme (names
            file and line).
    """
    paths = [stage.staged(split + SUFFIX) for split in counts]
    tags = set() if new_types else _tags(paths)
    changed = {split: SplitCounts(**row, places_corrected=0, sentences_dropped=0) for split, row in counts.items()}
    for file in files:
        reading = recognise_tags(paths)
        decided = list(read_decisions(file))
        if not new_types:
            _check_types(decided, {_type(tag, reading.spelling) for tag in tags}, reading.spelling)
        undecided = sum(one.decision == KEEP for one in decided)
        logger.info("%s: %s of %s places are kept as they are", file, f"{undecided:,}", f"{len(decided):,}")
        for split, words in _by_split(decided, counts).items():
            path = stage.staged(split + SUFFIX)
            with errors_name(path, path.name):
                _apply(path, words, reading, changed[split])
    return changed


def _tags(paths: Iterable[Path]) -> set[str]:
    """All tags of some files."""
    tags = set()
    for path in paths:
        for _, line in numbered_lines(path):
            tags.add(_token_and_tag(line.rstrip())[1])
    return tags - {""}


def _type(tag: str, spelling: Spelling) -> str:
    """The type of a tag; the tag itself where it is spelled otherwise than those of the data, and O."""
    canonical = spelling.canonical(tag)
    return split_tag(canonical)[1] or canonical if spelling.order != "plain" else tag


def _check_types(decided: Iterable[Decision], types: Collection[str], spelling: Spelling) -> None:
    """Refuse new tags whose types the data do not have: most are slips of the pen.

    Raises:
        InvalidData: there is one (names file and line).
    """
    folded = {label.casefold(): label for label in sorted({*types, OUTSIDE})}
    for one in decided:
        for tag in one.new if one.decision == APPLY else ():
            label = _type(tag, spelling)
            if label in (*types, OUTSIDE):
                continue
            near = difflib.get_close_matches(label.casefold(), folded, n=1)
            mend = f"Did you mean {folded[near[0]]}?" if near else f"Types: {', '.join(sorted({*types} - {OUTSIDE}))}."
            raise InvalidData(
                f"{one.place}: the data have no type {label!r} ({tag})",
                f"{mend} A new type is taken by --accept-as-is.",
            )


def _by_split(decided: Iterable[Decision], splits: Iterable[str]) -> dict[str, dict[int, Word]]:
    """The words of each split that something happens to, by their lines.

    Raises:
        InvalidData: a split is not there, or a word is decided on twice (names file and line).
    """
    found: dict[str, dict[int, Word]] = {}
    for one in decided:
        if one.decision == KEEP:
            continue
        if one.split not in splits:
            raise InvalidData(f"{one.place}: the data have no {one.file}", OTHER_DATA)
        words = found.setdefault(one.split, {})
        for line, word in enumerate(zip(one.tokens, one.gold, one.new, strict=True), start=one.line):
            if line in words:
                first = words[line].decision.place
                raise InvalidData(
                    f"{one.place}: {one.file}:{line} is decided on in {first} too",
                    "Decide once; the other place may follow in a file of its own.",
                )
            words[line] = Word(one, *word)
    return found


def _apply(path: Path, words: dict[int, Word], reading: Reading, counts: SplitCounts) -> None:
    """Rewrite a file; `words` is empty at the end.

    Raises:
        InvalidData: a word is not there, or no sentence is left.
    """
    dropped = False
    with replacing(path) as new, new.open("w", encoding="utf-8", newline="") as target:
        for lines in _blocks(path):
            decided = {number: words.pop(number) for number, _ in lines if number in words}
            if decided:
                lines = _changed(path.name, lines, decided, reading, counts)
            elif dropped:  # the blank line behind it
                lines = []
            dropped = bool(decided) and not lines
            target.writelines(line for _, line in lines)
    for word in words.values():
        raise _other_data(word.decision, path.name, min(words), "no line")
    if not counts["sentences"]:
        raise InvalidData(f"no sentence of {path.name} is left", "Keep some, or leave the split out.")


def _blocks(path: Path) -> Iterator[Lines]:
    """The lines of each sentence, and by themselves those between sentences, with the ends that they have."""
    block: Lines = []
    with open_text(path, newline="") as file, translate_read_errors(path):
        for number, line in enumerate(file, start=1):
            if not line.strip():
                if block:
                    yield block
                    block = []
                yield [(number, line)]
            else:
                block.append((number, line))
    if block:
        yield block


def _changed(name: str, lines: Lines, decided: Mapping[int, Word], reading: Reading, counts: SplitCounts) -> Lines:
    """A sentence with its new tags; without lines where it is dropped.

    Args:
        name: of the file.
        decided: at least one word of the sentence, by its line.

    Raises:
        InvalidData: a word is another, or the new tags break the scheme.
    """
    contents = {number: line.rstrip() for number, line in lines}
    for number, word in decided.items():
        if _token_and_tag(contents[number]) != (word.token, word.gold):
            raise _other_data(word.decision, name, number, repr(contents[number]))
    if not all(word.applies for word in decided.values()):
        counts["sentences"] -= 1
        counts["sentences_dropped"] += 1
        counts["tokens"] -= len(lines)
        return []
    counts["places_corrected"] += len({word.decision.place for word in decided.values()})
    changed: Lines = []
    for number, line in lines:
        if number in decided:
            tagged = contents[number]
            line = tagged.removesuffix(decided[number].gold) + decided[number].new + line[len(tagged) :]
        changed.append((number, line))
    _check_scheme(lines, changed, reading, next(iter(decided.values())).decision)
    return changed


def _check_scheme(before: Lines, after: Lines, reading: Reading, decision: Decision) -> None:
    """Refuse tags that break the scheme where the old ones did not.

    Raises:
        InvalidData: they do.
    """
    breaks = []
    for lines in (before, after):
        tags = [_token_and_tag(line.rstrip())[1] for _, line in lines]
        breaks.append(broken(pairs(reading.spelling.read(tags)), reading.scheme))
    for first, second in sorted(breaks[1] - breaks[0]):
        raise InvalidData(
            f"{decision.place}: the new tags break {reading.scheme}: {second} behind {first}",
            "Write tags that go together with those of the other words of the sentence.",
        )


def _token_and_tag(line: str) -> tuple[str, str]:
    token, _, rest = line.partition(" ")
    return token, rest.rpartition(" ")[2]


def _other_data(decision: Decision, name: str, line: int, what: str) -> InvalidData:
    return InvalidData(f"{decision.place}: {name}:{line} holds {what}, not what is decided on", OTHER_DATA)
