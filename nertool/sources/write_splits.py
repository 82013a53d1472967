"""Sentences of any source -> `{split}.txt.tmp`, as a column file can hold them; and conversion of their tags."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from nertool.corpus.column_files import Sentence, read_sentences, write_columns
from nertool.errors import InvalidData, InvalidOption
from nertool.progress import logger, track
from nertool.sources.readers.tally import Tally
from nertool.tags import Pair, convert, pairs, recognise, spans
from nertool.workspace.workspace import Stage

BLANK = re.compile(r"[ \t\r\n\v\f]+")
"""What a token or a tag cannot hold in a column file."""


def write_split(split: str, sentences: Iterable[Sentence], stage: Stage, tally: Tally, limit: int | None) -> None:
    """Write one split, and its counts into the facts."""
    counts = {"sentences": 0, "tokens": 0}
    with stage.file(f"{split}.txt.tmp").open("w", encoding="utf-8", newline="\n") as target:
        for sentence in track(islice(_storable(sentences, split, tally), limit), f"download {split}", unit="sentences"):
            write_columns(target, sentence[:2])
            counts["sentences"] += 1
            counts["tokens"] += len(sentence.tokens)
    stage.facts[split] = {**counts, **tally.counts}
    for what, count in tally.counts.items():
        logger.warning("%s: %s %s", split, f"{count:,}", what)


def _storable(sentences: Iterable[Sentence], split: str, tally: Tally) -> Iterator[Sentence]:
    """Sentences as a column file can hold them: no token or tag that is empty or has white space in it."""
    for sentence in sentences:
        joined = "".join(sentence.tokens) + "".join(sentence.tags)
        if "\0" in joined:
            raise InvalidData(f"{split}:{sentence.line}: a NUL character in a token or a tag", "Take it out.")
        if joined.split() != [joined] or "" in sentence.tokens:
            sentence = _storable_sentence(sentence, tally)
        if sentence.tokens:
            yield sentence


def _storable_sentence(sentence: Sentence, tally: Tally) -> Sentence:
    tokens: list[str] = []
    tags: list[str] = []
    for token, tag in zip(sentence.tokens, sentence.tags, strict=True):
        if not token.strip():
            tally.add("tokens of white space left out")
            continue
        for column, text, what in ((tokens, token, "tokens"), (tags, tag, "tags")):
            whole = BLANK.sub("_", text.strip(" \t\r\n\v\f") if column is tokens else text.strip())
            if whole != text:
                tally.add(f"{what} with white space in them, joined by _")
            column.append(whole)
    return Sentence(tokens, tags, sentence.line)


def convert_splits(stage: Stage, scheme: str, limit: int | None, filtered: bool) -> None:
    """Bring the tags into another scheme; cut a filtered file down to the limit.

    Raises:
        InvalidOption: the tags have no prefixes.
        InvalidData: a line has no tag (names file and line).
    """
    files = {name.partition(".")[0]: stage.staging / "files" / name for name in stage.entries if name.endswith(".tmp")}
    if scheme != "keep":
        stage.facts["scheme"] = f"{_scheme(files, limit, scheme)} -> {scheme}"
    elif not (limit and filtered):
        return
    for split, path in files.items():
        unchanged = path.rename(path.with_suffix(".keep"))
        tally, counts = Tally(), stage.facts[split]
        with named(unchanged, path.name):
            write_split(split, _in_scheme(read_sentences(unchanged), scheme, tally), stage, tally, limit)
        stage.facts[split] = {**counts, **stage.facts[split]}
        stage.entries.remove(path.name)
        unchanged.unlink()


def _scheme(files: Mapping[str, Path], limit: int | None, wanted: str) -> str:
    seen: Counter[Pair] = Counter()
    for path in files.values():
        with named(path, path.name):
            for sentence in islice(read_sentences(path), limit):
                seen.update(pairs(sentence.tags))
    scheme = recognise(seen)
    if scheme == "plain":
        raise InvalidOption(f"--scheme {wanted}: the tags have no prefixes such as B- and I-", "Leave --scheme out.")
    return scheme


def _in_scheme(sentences: Iterable[Sentence], scheme: str, tally: Tally) -> Iterator[Sentence]:
    for sentence in sentences:
        if scheme == "keep":
            yield sentence
            continue
        tags = convert(sentence.tags, scheme)
        if scheme == "io":
            for _ in range(len(list(spans(sentence.tags))) - len(list(spans(tags)))):
                tally.add("entities merged with the one before")
        yield sentence._replace(tags=tags)


@contextmanager
def named(path: Path, name: str) -> Iterator[None]:
    """Let errors name a staged file, which will be gone, as the user knows it."""
    try:
        yield
    except InvalidData as error:
        raise InvalidData(error.message.replace(str(path), name), error.hint) from error
