"""Write the sentences of any source to `{split}.txt.tmp`, as a column file can hold them."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path

from nertool.corpus.column_files import INVISIBLE, Sentence, read_sentences, write_columns
from nertool.corpus.running_text import visible
from nertool.errors import InvalidData
from nertool.progress import logger, track
from nertool.sources.doubts import Doubts
from nertool.sources.facts import SplitCounts
from nertool.sources.readers.tally import Tally
from nertool.tags import OUTSIDE, Span, mark, pairs, recognise, spans
from nertool.workspace.atomic import replacing
from nertool.workspace.stage import Stage

BLANK = re.compile(r"[ \t\r\n\v\f]+")
"""What a token or a tag cannot hold in a column file."""
LANGUAGE = re.compile(r"[a-z]{2,6}(?:-[a-z]{1,10})*:(?=.)", re.DOTALL)
"""What WikiAnn (PAN-X) writes before each token: `en:Anna`."""
SENTENCES_LOOKED_AT = 100
"""Sentences all of whose tokens carry a language in front where a split has them."""
MAY_HAVE_ATTRIBUTES = re.compile(r"=|[.,]\d|\|_")
WITH_ATTRIBUTES = re.compile(
    r"(O|[BIESLUMW]-[^\s|;,:/#@=(){}\[\]]+)"
    r"(?:(?:[|;,]\s*(?:\w[\w.-]*=[^|;,]*|_))+|\{\w+=[^{}]*\}|\[\w+=[^\[\]]*\]|\(\w+=[^()]*\)"
    r"|[|;:/#@]\d?[.,]\d+|\(\d?[.,]\d+\))"
)
"""A tag with attributes behind it, such as B-PER|nom=yes, or with a score, as B-PER:0.98."""
ASCII_BLANKS = " \t\r\n\v\f"
SHOWN_SENTENCES, SHOWN_TOKENS = 3, 20
"""Sentences, and tokens of each, that show how data were understood."""

ReadSplit = Callable[[Tally], Iterable[Sentence]]
"""Gives the sentences of one split; counts in the tally what it leaves out or changes."""


def write_split(
    split: str, read: ReadSplit, stage: Stage, limit: int | None, doubts: Doubts | None = None
) -> SplitCounts:
    """Write `{split}.txt.tmp`.

    Args:
        limit: number of sentences to take; None takes all.
        doubts: judge the sentences; None takes them as they are.

    Raises:
        InvalidData: what was read cannot be right.
    """
    path = stage.file(f"{split}.txt.tmp")
    if doubts is None:
        return _write(path, split, read, limit)
    counts = _write(path, split, lambda tally: doubts.watch(_without_attributes(read(tally), tally)), limit)
    doubts.check()
    return counts


def cut_split(split: str, stage: Stage, limit: int) -> SplitCounts:
    """Cut a split that is written down to its first `limit` sentences.

    Raises:
        InvalidData: a line has no tag (names file and line).
    """
    return rewrite_split(split, stage, lambda _: read_sentences(stage.staged(f"{split}.txt.tmp")), limit)


def rewrite_split(split: str, stage: Stage, read: ReadSplit, limit: int | None = None) -> SplitCounts:
    """Replace a split that is written, and that `read` reads meanwhile."""
    path = stage.staged(f"{split}.txt.tmp")
    with errors_name(path, path.name), replacing(path) as new:
        return _write(new, split, read, limit)


def first_sentences(path: Path) -> list[str]:
    """The first sentences of a split as a person reads them: `Anna[B-PER] left Nordbank[B-ORG] .`."""
    shown = []
    for sentence in islice(read_sentences(path), SHOWN_SENTENCES):
        words = []
        for token, tag in zip(sentence.tokens[:SHOWN_TOKENS], sentence.tags[:SHOWN_TOKENS], strict=True):
            words.append(token if tag == OUTSIDE else f"{token}[{tag}]")
        if len(sentence.tokens) > SHOWN_TOKENS:
            words.append("...")
        shown.append(visible(" ".join(words)))
    return shown


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
        storable = islice(_storable(_without_language(read(tally), tally), split, tally), limit)
        for sentence in track(storable, f"download {split}", unit="sentences"):
            write_columns(target, sentence[:2])
            sentences += 1
            tokens += len(sentence.tokens)
    for kind, count in tally.counts.items():
        logger.warning("%s: %s %s", split, f"{count:,}", kind)
    counts: SplitCounts = {"sentences": sentences, "tokens": tokens}
    if tally.counts:
        counts["changes"] = dict(tally.counts)
    if tally.notes:
        counts["notes"] = tally.notes
    return counts


def _without_attributes(sentences: Iterable[Sentence], tally: Tally) -> Iterator[Sentence]:
    """Take off what stands behind tags as a list of names and values, or as a score."""
    for sentence in sentences:
        if MAY_HAVE_ATTRIBUTES.search("".join(sentence.tags)):
            sentence = sentence._replace(tags=[_without_attribute(tag, tally) for tag in sentence.tags])
        yield sentence


def _without_attribute(tag: str, tally: Tally) -> str:
    found = WITH_ATTRIBUTES.fullmatch(tag)
    if not found:
        return tag
    tally.add("tags rid of attributes or a score behind them")
    return found[1]


def _without_language(sentences: Iterable[Sentence], tally: Tally) -> Iterator[Sentence]:
    """Take the language off the tokens where all of the first sentences have one throughout."""
    rest = iter(sentences)
    first = list(islice(rest, SENTENCES_LOOKED_AT))
    has_language = sum(len(sentence.tokens) for sentence in first) > 1 and all(map(_language, first))
    for sentence in chain(first, rest):
        if has_language and (prefix := _language(sentence)):
            for _ in sentence.tokens:
                tally.add(f"tokens rid of {prefix} in front")
            sentence = sentence._replace(tokens=[token.removeprefix(prefix) for token in sentence.tokens])
        yield sentence


def _language(sentence: Sentence) -> str:
    """Give what stands in front of every token, such as `en:`; empty where there is none."""
    found = LANGUAGE.match(sentence.tokens[0]) if sentence.tokens else None
    same = found is not None and all(
        token.startswith(found[0]) and len(token) > len(found[0]) for token in sentence.tokens
    )
    return found[0] if found and same else ""


def _storable(sentences: Iterable[Sentence], split: str, tally: Tally) -> Iterator[Sentence]:
    """Sentences as a column file can hold them: no token or tag is empty or has white space in it."""
    for sentence in sentences:
        joined = "".join(sentence.tokens) + "".join(sentence.tags)
        if "\0" in joined:
            raise InvalidData(f"{split}:{sentence.line}: a NUL character in a token or a tag", "Take it out.")
        tags = "".join(sentence.tags)
        if not (tags.isascii() or unicodedata.is_normalized("NFC", tags)):
            sentence = sentence._replace(tags=[_composed(tag, tally) for tag in sentence.tags])
        if not tags.isascii() and INVISIBLE.search(tags):
            sentence = sentence._replace(tags=[_visible_part(tag, tally) for tag in sentence.tags])
        if joined.split() != [joined] or "" in sentence.tokens:
            sentence = _storable_sentence(sentence, tally)
        if sentence.tokens:
            yield sentence


def _composed(tag: str, tally: Tally) -> str:
    """A tag with letters and accents in one: apart, they would make another type."""
    composed = unicodedata.normalize("NFC", tag)
    if composed != tag:
        tally.add("tags brought into Unicode's form NFC")
    return composed


def _visible_part(tag: str, tally: Tally) -> str:
    """A tag without characters that nobody sees, which would make it another one; as it is if it has no others."""
    rest = INVISIBLE.sub("", tag)
    if rest in ("", tag):
        return tag
    tally.add("tags rid of invisible characters")
    return rest


def _storable_sentence(sentence: Sentence, tally: Tally) -> Sentence:
    storable = Sentence([], [], sentence.line)
    places: list[int] = []
    for place, (token, tag) in enumerate(zip(sentence.tokens, sentence.tags, strict=True)):
        if not token.strip():
            tally.add("tokens of white space left out")
            continue
        places.append(place)
        storable.tokens.append(_join_parts(token, token.strip(ASCII_BLANKS), "tokens", tally))
        storable.tags.append(_join_parts(tag, tag.strip(), "tags", tally))
    if len(places) == len(sentence.tokens):
        return storable
    return storable._replace(tags=_without_words(sentence.tags, places, storable.tags, tally))


def _without_words(before: list[str], places: list[int], tags: list[str], tally: Tally) -> list[str]:
    """Mark anew the entities that lost a word, so that the rest of one begins and ends as it should.

    Args:
        before: tags of all words.
        places: of the words that are kept.
        tags: of those.
    """
    scheme = recognise(Counter(pairs(before)))
    if scheme == "plain":
        return tags
    number = {place: at for at, place in enumerate(places)}
    for span in spans(before):
        kept = [number[place] for place in range(span.start, span.end) if place in number]
        if not kept or len(kept) == span.end - span.start:
            continue
        own = tags[kept[0] : kept[-1] + 1]
        rest = mark([Span(span.label, 0, len(kept))], own, scheme)
        if rest != own:
            tally.add("entities whose rest begins or ends with another tag")
            tags[kept[0] : kept[-1] + 1] = rest
    return tags


def _join_parts(text: str, stripped: str, kind: str, tally: Tally) -> str:
    """The text in one piece, without white space around it; `_` takes the place of white space inside."""
    joined = BLANK.sub("_", stripped)
    if joined != stripped:
        tally.add(f"{kind} with white space in them, joined by _")
    elif joined != text:
        tally.add(f"{kind} rid of white space around them")
    return joined
