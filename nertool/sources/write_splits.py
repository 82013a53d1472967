"""Write the sentences of any source to `{split}.txt.tmp`, and convert the tags of splits that are written."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import cast

from nertool.corpus.column_files import Sentence, read_sentences, write_columns
from nertool.corpus.repair import recognise_scheme
from nertool.errors import InvalidData, InvalidOption
from nertool.progress import logger, track
from nertool.sources.facts import SplitCounts
from nertool.sources.readers.tally import Tally
from nertool.tags import convert, spans
from nertool.workspace.atomic import replacing
from nertool.workspace.workspace import Stage

BLANK = re.compile(r"[ \t\r\n\v\f]+")
"""What a token or a tag cannot hold in a column file."""
ASCII_BLANKS = " \t\r\n\v\f"

ReadSplit = Callable[[Tally], Iterable[Sentence]]
"""Gives the sentences of one split; counts in the tally what it leaves out or changes."""


def write_split(split: str, read: ReadSplit, stage: Stage, limit: int | None) -> SplitCounts:
    """Write `{split}.txt.tmp`.

    Args:
        limit: number of sentences to take; None takes all.
    """
    return _write(stage.file(f"{split}.txt.tmp"), split, read, limit)


def cut_split(split: str, stage: Stage, limit: int) -> SplitCounts:
    """Cut a split that is written down to its first `limit` sentences.

    Raises:
        InvalidData: a line has no tag (names file and line).
    """
    return _rewrite(split, stage, lambda _: read_sentences(stage.staged(f"{split}.txt.tmp")), limit)


def convert_splits(stage: Stage, counts: Mapping[str, SplitCounts], scheme: str) -> tuple[str, dict[str, SplitCounts]]:
    """Convert the tags of the splits that are written to another scheme.

    Args:
        counts: of these splits.

    Returns:
        The scheme that the tags had, and the counts with what the conversion adds.

    Raises:
        InvalidOption: the tags have no prefixes.
        InvalidData: a line has no tag (names file and line).
    """
    paths = {split: stage.staged(f"{split}.txt.tmp") for split in counts}
    with ExitStack() as stack:
        for path in paths.values():
            stack.enter_context(errors_name(path, path.name))
        scheme_before = recognise_scheme(paths.values())
    if scheme_before == "plain":
        raise InvalidOption(f"--scheme {scheme}: the tags have no prefixes such as B- and I-", "Leave --scheme out.")
    converted: dict[str, SplitCounts] = {}
    for split, path in paths.items():
        after = _rewrite(split, stage, partial(_read_converted, path, scheme), None)
        converted[split] = {**counts[split], **after}
    return scheme_before, converted


@contextmanager
def errors_name(path: Path, as_: str) -> Iterator[None]:
    """Let errors name a staged file, which will be gone, as the user knows it."""
    try:
        yield
    except InvalidData as error:
        raise InvalidData(error.message.replace(str(path), as_), error.hint) from error


# -- writing ---------------------------------------------------------------------------------------


def _write(path: Path, split: str, read: ReadSplit, limit: int | None) -> SplitCounts:
    tally = Tally()
    sentences = tokens = 0
    with path.open("w", encoding="utf-8", newline="\n") as target:
        storable = islice(_storable(read(tally), split, tally), limit)
        for sentence in track(storable, f"download {split}", unit="sentences"):
            write_columns(target, sentence[:2])
            sentences += 1
            tokens += len(sentence.tokens)
    for kind, count in tally.counts.items():
        logger.warning("%s: %s %s", split, f"{count:,}", kind)
    return cast(SplitCounts, {"sentences": sentences, "tokens": tokens, **tally.counts})


def _rewrite(split: str, stage: Stage, read: ReadSplit, limit: int | None) -> SplitCounts:
    """Replace a split that is written, and that `read` reads meanwhile."""
    path = stage.staged(f"{split}.txt.tmp")
    with errors_name(path, path.name), replacing(path) as new:
        return _write(new, split, read, limit)


def _storable(sentences: Iterable[Sentence], split: str, tally: Tally) -> Iterator[Sentence]:
    """Sentences as a column file can hold them: no token or tag is empty or has white space in it."""
    for sentence in sentences:
        joined = "".join(sentence.tokens) + "".join(sentence.tags)
        if "\0" in joined:
            raise InvalidData(f"{split}:{sentence.line}: a NUL character in a token or a tag", "Take it out.")
        if joined.split() != [joined] or "" in sentence.tokens:
            sentence = _storable_sentence(sentence, tally)
        if sentence.tokens:
            yield sentence


def _storable_sentence(sentence: Sentence, tally: Tally) -> Sentence:
    storable = Sentence([], [], sentence.line)
    for token, tag in zip(sentence.tokens, sentence.tags, strict=True):
        if not token.strip():
            tally.add("tokens of white space left out")
            continue
        storable.tokens.append(_join_parts(token, token.strip(ASCII_BLANKS), "tokens", tally))
        storable.tags.append(_join_parts(tag, tag.strip(), "tags", tally))
    return storable


def _join_parts(text: str, stripped: str, kind: str, tally: Tally) -> str:
    """The text in one piece; `_` takes the place of white space inside."""
    joined = BLANK.sub("_", stripped)
    if joined != text:
        tally.add(f"{kind} with white space in them, joined by _")
    return joined


# -- tag schemes -----------------------------------------------------------------------------------


def _read_converted(path: Path, scheme: str, tally: Tally) -> Iterator[Sentence]:
    for sentence in read_sentences(path):
        tags = convert(sentence.tags, scheme)
        if scheme == "io":
            for _ in range(_entities(sentence.tags) - _entities(tags)):
                tally.add("entities merged with the one before")
        yield sentence._replace(tags=tags)


def _entities(tags: list[str]) -> int:
    return sum(1 for _ in spans(tags))
