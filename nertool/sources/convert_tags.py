"""What `download` makes of the tags: their spelling is recognised and said; on request, scheme and types change."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from operator import ne
from pathlib import Path

from nertool.corpus.column_files import Sentence, read_sentences
from nertool.corpus.recognise import count_first_pairs
from nertool.errors import InvalidData, InvalidOption
from nertool.progress import logger
from nertool.sources.facts import SplitCounts
from nertool.sources.readers.tally import Tally
from nertool.sources.write_splits import errors_name, rewrite_split
from nertool.spelling import ALWAYS_OUTSIDE, Reading, Tags, count_tags, find_spelling, read_corpus, words_for_outside
from nertool.tags import OUTSIDE, Pair, Span, broken, mark, pairs, spans, split_tag
from nertool.workspace.stage import Stage

LONGEST_MAP = 1 << 20
"""Characters of a --type-map file, at most."""


@dataclass(frozen=True)
class TagOptions:
    """What is asked for.

    Attributes:
        scheme: to bring the tags into; `keep` leaves them as they are.
        tags: what they stand for.
        type_map: new name of a type; `O` drops its entities.
        keep_types: types to keep, by their new names; empty for all.
    """

    scheme: str = "keep"
    tags: Tags = "auto"
    type_map: Mapping[str, str] = field(default_factory=dict)
    keep_types: tuple[str, ...] = ()

    @property
    def keeps_all(self) -> bool:
        """Say whether the tags stay as they are."""
        return self.scheme == "keep" and not self.type_map and not self.keep_types


def read_type_map(path: Path) -> dict[str, str]:
    """Read the new names of types: `OLD NEW` a line, or one JSON object; without NEW, or with O, the type is dropped.

    Raises:
        InvalidOption: the file cannot be read, or it is neither.
    """
    hint = "A line holds OLD NEW; OLD alone drops the type. Or write one JSON object of texts."
    try:
        with path.open(encoding="utf-8-sig") as file:
            text = file.read(LONGEST_MAP + 1)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise InvalidOption(f"--type-map {path}: {reason}", hint) from error
    if len(text) > LONGEST_MAP:
        raise InvalidOption(f"--type-map {path}: more than {LONGEST_MAP:,} characters", hint)
    try:
        names = json.loads(text) if text.lstrip().startswith("{") else _read_lines(text)
        if not all(isinstance(new, str) and new.split() in ([], [new]) for new in names.values()):
            raise ValueError("a new name is no text or holds white space")
    except (ValueError, RecursionError) as error:
        raise InvalidOption(f"--type-map {path}: {error}", hint) from error
    return {old: new or OUTSIDE for old, new in names.items()}


def _read_lines(text: str) -> dict[str, str]:
    names: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        old, *new = line.split() or [""]
        if len(new) > 1 or old in names:
            raise ValueError(f"line {number}: {'more than two names' if new[1:] else f'{old} stands there twice'}")
        if old:
            names[old] = new[0] if new else OUTSIDE
    return names


def convert_splits(
    stage: Stage, counts: Mapping[str, SplitCounts], options: TagOptions
) -> tuple[Reading, dict[str, SplitCounts]]:
    """Say how the tags of the splits that are written are read, and change them as asked.

    Args:
        counts: of these splits.

    Returns:
        How the tags were read, and the counts with what the change adds.

    Raises:
        InvalidOption: the tags have no prefixes, or no entity is left.
        InvalidData: a line has no tag (names file and line).
    """
    paths = {split: stage.staged(f"{split}.txt.tmp") for split in counts}
    tag_pairs: Counter[Pair] = Counter()
    sentences = 0
    spelled: dict[str, str] = {}
    for split, path in paths.items():
        of_split, number = _count_pairs(path, options.keeps_all)
        spelled[split] = _spelled(count_tags(of_split, number), options.tags)
        tag_pairs, sentences = tag_pairs + of_split, sentences + number
    _refuse_unlike(spelled)
    reading = read_corpus(tag_pairs, sentences, options.tags)
    _refuse_doubtful_outside(reading, count_tags(tag_pairs, sentences), options)
    if reading.scheme == "plain" and options.scheme != "keep":
        raise InvalidOption(
            f"--scheme {options.scheme}: the tags have no prefixes such as B- and I-",
            "Leave --scheme out; or take the tags for types of entities: --tags entities",
        )
    _tell(reading, _is_doubtful(tag_pairs), options)
    if reading.spelling.order == "plain" and all(tag.isdecimal() for tag in count_tags(tag_pairs, sentences)):
        logger.warning("all tags are numbers, and are kept as tags; --tag-names FILE gives them names")
    if options.keeps_all:
        return reading, dict(counts)
    change = _Change(reading, options, tag_pairs)
    changed: dict[str, SplitCounts] = {}
    for split, path in paths.items():
        now = rewrite_split(split, stage, partial(change.read, path))
        changes = {**counts[split].get("changes", {}), **now.pop("changes", {})}
        changed[split] = {**counts[split], **now}
        if changes:
            changed[split]["changes"] = changes
    change.check()
    return reading, changed


# -- how they are read -----------------------------------------------------------------------------


def _count_pairs(path: Path, keeps_all: bool) -> tuple[Counter[Pair], int]:
    """Count the pairs of neighbouring tags, and the sentences; a file that stays as it is need not be sound."""
    if keeps_all:
        return count_first_pairs([path])
    counts: Counter[Pair] = Counter()
    sentences = 0
    with errors_name(path, path.name):
        for sentence in read_sentences(path):
            counts.update(pairs(sentence.tags))
            sentences += 1
    return counts, sentences


def _spelled(counts: Mapping[str, int], tags: Tags) -> str:
    """How a split spells entities and O, letters in lower case aside; empty where it holds none of both."""
    spelling = find_spelling(counts, tags)
    outside = tuple(tag for tag in spelling.outside if tag not in ALWAYS_OUTSIDE)
    none = OUTSIDE not in counts and not spelling.outside
    return (
        ""
        if none or spelling.order not in ("prefix", "suffix")
        else str(spelling._replace(lower=False, outside=outside))
    )


def _refuse_unlike(spelled: Mapping[str, str]) -> None:
    """Refuse splits that spell their tags otherwise, which cannot be read together.

    Raises:
        InvalidData: these do.
    """
    recognised = {split: spelling for split, spelling in spelled.items() if spelling}
    if len({*recognised.values()}) > 1:
        shown = "; ".join(f"{split} as {spelling}" for split, spelling in recognised.items())
        raise InvalidData(
            f"the splits spell their tags otherwise: {shown}", "Convert each file alone first: --scheme iob2"
        )


def _refuse_doubtful_outside(reading: Reading, counts: Mapping[str, int], options: TagOptions) -> None:
    """Refuse tags without prefixes of which the most frequent may stand for O.

    Raises:
        InvalidData: these are such.
    """
    if reading.scheme != "plain" or options.tags != "auto":
        return
    found = words_for_outside(counts) if len(counts) > 1 else ()
    if found:
        raise InvalidData(
            f"the most frequent tag is {found[0]}, and there is no O",
            f"If {found[0]} stands for O: --tags entities --scheme iob2; if it is a tag as others are: --tags plain.",
        )


def _is_doubtful(counts: Mapping[Pair, int]) -> bool:
    """Say whether O stands next to O as often as other tags to each other: few plain tags are so."""
    of_outside = counts.get((OUTSIDE, OUTSIDE), 0)
    return 0 < sum(count for pair, count in counts.items() if OUTSIDE not in pair) <= of_outside


def _tell(reading: Reading, doubtful: bool, options: TagOptions) -> None:
    """Say how the tags are read where that is not plain to see, and the options that change it."""
    spelling = reading.spelling
    if spelling.order == "plain":
        if doubtful and options.tags == "auto":
            logger.warning("tags are read as parts of speech or the like; --tags entities reads types of entities")
        return
    if spelling.is_canonical:
        return
    advice = ["they are kept so, and --scheme iob2 converts them"] if options.keeps_all else []
    if spelling.order == "types" and options.tags == "auto":
        advice.append("--tags plain takes them for parts of speech or the like")
    logger.warning("%s", "; ".join([f"tags are spelled {spelling}, and read as {reading.scheme}", *advice]))


# -- what is made of them --------------------------------------------------------------------------


class _Change:
    """Changes the tags of sentences.

    Args:
        reading: how the tags are read.
        options: what to change.
        counts: of the pairs of neighbouring tags.
    """

    def __init__(self, reading: Reading, options: TagOptions, counts: Mapping[Pair, int]) -> None:
        self.reading, self.options, self.spelling = reading, options, reading.spelling.with_strays()
        self.scheme = reading.scheme if options.scheme == "keep" else options.scheme
        canonical = {(self.spelling.canonical(before), self.spelling.canonical(tag)) for before, tag in counts}
        self._broken = broken(canonical, reading.scheme)
        self._types: set[str] = set()
        self._left = 0

    def read(self, path: Path, tally: Tally) -> Iterator[Sentence]:
        """Give the sentences of a file with their new tags."""
        new_tags = self._renamed_tags if self.reading.scheme == "plain" else self._tags
        for sentence in read_sentences(path):
            yield sentence._replace(tags=new_tags(sentence.tags, tally))

    def _tags(self, tags: list[str], tally: Tally) -> list[str]:
        canonical = self.spelling.read(tags)
        for _ in range(sum(map(ne, canonical, tags)) if self.reading.spelling.is_canonical else 0):
            tally.add("tags spelled otherwise than most")
        for _ in range(sum(tag != OUTSIDE and not split_tag(tag)[1] for tag in canonical)):
            tally.add("tags without a type kept")
        for _ in range(sum(pair in self._broken for pair in pairs(canonical)) if self._broken else 0):
            tally.add(f"breaks of {self.reading.scheme} mended")
        found = list(self._renamed(spans(canonical), tally))
        marked = mark(found, canonical, self.scheme)
        if self.scheme == "io":
            for _ in range(len(found) - len(list(spans(marked)))):
                tally.add("entities merged with the one before")
        return marked

    def _renamed(self, entities: Iterable[Span], tally: Tally) -> Iterator[Span]:
        """Give the entities that are kept, with their new types."""
        for entity in entities:
            label = self._new_name(entity.label, tally, "entities of")
            if label != OUTSIDE:
                self._left += 1
                yield entity._replace(label=label)

    def _renamed_tags(self, tags: list[str], tally: Tally) -> list[str]:
        """Rename tags that are no entities."""
        self._left += len(tags)
        return [tag if tag == OUTSIDE else self._new_name(tag, tally, "tags") for tag in tags]

    def _new_name(self, label: str, tally: Tally, what: str) -> str:
        """Give a type its new name, O where it is dropped."""
        if not label:
            return label
        self._types.add(label)
        new = self.options.type_map.get(label, label)
        if self.options.keep_types and new not in self.options.keep_types:
            new = OUTSIDE
        if new != label:
            tally.add(f"{what} {label} dropped" if new == OUTSIDE else f"{what} {label} renamed {new}")
        return new

    def check(self) -> None:
        """Name the types that were asked for and are not there.

        Raises:
            InvalidOption: no entity is left.
        """
        names = {self.options.type_map.get(label, label) for label in self._types}
        for option, asked, there in (
            ("--type-map", self.options.type_map, self._types),
            ("--keep-types", self.options.keep_types, names),
        ):
            absent = sorted(set(asked) - there)
            if absent:
                logger.warning("%s: no entity of %s", option, ", ".join(absent))
        if self._types and not self._left:
            raise InvalidOption("no entity is left", f"Types of the data: {', '.join(sorted(self._types))}")
