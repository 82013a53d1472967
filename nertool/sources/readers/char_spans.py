"""Texts with entities as character spans -> sentences of tokens with tags in IOB2."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice

from nertool.corpus.column_files import Sentence
from nertool.corpus.running_text import CHARACTERS, Cut, cutter
from nertool.errors import InvalidData
from nertool.sources.readers.bad_lines import BadLines
from nertool.sources.readers.layout import Layout
from nertool.sources.readers.span_offsets import CharSpan, SpanOffsets, Token
from nertool.sources.readers.tally import Tally

SPANS_WAY = 'Write JSON Lines such as {"text": "Anna left", "spans": [{"start": 0, "end": 4, "label": "PER"}]}.'
"""The way out for forms that are not read."""
OFFSETS_HELP = (
    "Write its own text into each span, by which offsets are found; or widen spans to whole tokens: "
    "--alignment expand; or --accept-as-is."
)
TEXTS_AHEAD, LONGEST_AHEAD = 100, 1 << 20
"""Texts, and their characters, that tell how offsets are counted."""
LONGEST_TEXT = 1 << 24
"""Characters of a text, beyond which its tokens fill the memory."""
MOST_IN_SPANS = 1 << 26
"""Characters of all spans of a text together: where spans lie in each other without end, each is looked at."""
FEW_SPANS = 3
"""Spans of a file of which one may be left out."""
LINE, LINE_END = re.compile(r"[^\n\r]+"), re.compile(r"[\n\r]")


@dataclass(frozen=True)
class AnnotatedText:
    """A text with its entities.

    Attributes:
        text: as the spans count it.
        spans: in characters, or otherwise where their own texts say so.
        place: file and line, for messages.
        number: 1-based line or record.
        tokens: as the file gives them; empty where the text is to be cut.
        sentences: where sentences of such tokens begin, beside those behind a line break.
    """

    text: str
    spans: Sequence[CharSpan]
    place: str
    number: int
    tokens: Sequence[Token] = ()
    sentences: Collection[int] = ()


def tag_texts(texts: Iterable[AnnotatedText], layout: Layout, tally: Tally) -> Iterator[Sentence]:
    """Sentences of texts: tokens as `nertool predict` cuts them (or as the file gives them), tags in IOB2.

    A line break ends a sentence. A span that does not fall on token borders, or overlaps one that is as long or longer,
    is told with its place and counted; `layout.alignment` says what becomes of the former.

    Raises:
        InvalidData: a span lies outside its text (names file and line).
    """
    bad = BadLines(layout.on_error, tally)
    yield from bad.guard(_tag_each(texts, layout, bad, tally))


def _tag_each(texts: Iterable[AnnotatedText], layout: Layout, bad: BadLines, tally: Tally) -> Iterator[Sentence]:
    offsets = SpanOffsets(tally)
    cut = cutter(layout.tokenizer)
    texts = iter(texts)
    ahead = list(_first_texts(texts))
    short = (one for one in ahead if len(one.text) <= LONGEST_AHEAD and not _fault(one))
    offsets.prove((one.text, one.spans, _flat(_sentences(one, cut))) for one in short)
    all_spans = off = 0
    place = ""
    for annotated in chain(ahead, texts):
        if fault := _fault(annotated):
            bad.add(annotated.number, fault)
            continue
        if annotated.tokens and layout.tokenizer != CHARACTERS:
            tally.add("texts with tokens of their own, which --tokenizer does not change")
        sentences = _sentences(annotated, cut)
        tokens, place = _flat(sentences), annotated.place
        if not tokens:
            tally.add("texts without a token left out")
        try:
            spans = offsets.locate(annotated.spans, annotated.text, tokens, place)
        except InvalidData as error:
            bad.add(annotated.number, error)
            continue
        tags, left_out = _tags(tokens, spans, annotated.text, place, layout.alignment, tally)
        all_spans, off = all_spans + len(annotated.spans), off + left_out
        yield from _with_tags(sentences, tags, annotated, tally)
    if not layout.as_is:
        _check_lost(off + offsets.lost, all_spans, place)


def _fault(annotated: AnnotatedText) -> InvalidData | None:
    """The error for a text that is too long, or whose spans together are."""
    length = len(annotated.text)
    if length > LONGEST_TEXT:
        what = f"{annotated.place}: a text of {length:,} characters"
        return InvalidData(what, f"Split it, and its spans: it may have {LONGEST_TEXT:,}.")
    in_spans = sum(max(0, min(span.end, length) - max(span.start, 0)) for span in annotated.spans)
    if in_spans > MOST_IN_SPANS:
        what = f"{annotated.place}: {len(annotated.spans):,} spans that overlap, of {in_spans:,} characters together"
        return InvalidData(what, f"Leave out those inside others: together they may have {MOST_IN_SPANS:,}.")
    return None


def _with_tags(
    sentences: Sequence[Sequence[Token]], tags: list[str], annotated: AnnotatedText, tally: Tally
) -> Iterator[Sentence]:
    """Sentences with their tags; an entity that goes over a line break begins anew behind it."""
    at = 0
    for sentence in sentences:
        here = tags[at : at + len(sentence)]
        if here and here[0].startswith("I-"):
            detail = f"an entity goes over a line break: {sentence[0].text!r}"
            tally.add("spans cut by a line break", annotated.place, detail)
            here[0] = "B" + here[0][1:]
        yield Sentence([token.text for token in sentence], here, annotated.number)
        at += len(sentence)


def _check_lost(lost: int, spans: int, place: str) -> None:
    """Check how many spans are left out as they are no whole tokens.

    Raises:
        InvalidData: most are, so their offsets mean something else.
    """
    if max(FEW_SPANS, spans) < 2 * lost:
        what = f"up to here {lost:,} of {spans:,} spans are no whole tokens where their offsets say"
        raise InvalidData(f"{place}: {what}", OFFSETS_HELP)


def _first_texts(texts: Iterator[AnnotatedText]) -> Iterator[AnnotatedText]:
    """The first texts, which tell how offsets are counted."""
    length = 0
    for annotated in islice(texts, TEXTS_AHEAD):
        yield annotated
        length += len(annotated.text)
        if length > LONGEST_AHEAD:
            return


def _flat(sentences: Sequence[Sequence[Token]]) -> list[Token]:
    return [token for sentence in sentences for token in sentence]


def _sentences(annotated: AnnotatedText, cut: Cut) -> list[list[Token]]:
    if annotated.tokens:
        return _in_sentences(annotated)
    sentences = []
    for line in LINE.finditer(annotated.text):
        words = cut(annotated.text, line.start(), line.end())
        tokens: list[Token] = []
        for word, (start, end) in zip(words.tokens, words.offsets, strict=True):
            tokens.append(Token(word, start, end))
        sentences += [tokens] if tokens else []
    return sentences


def _in_sentences(annotated: AnnotatedText) -> list[list[Token]]:
    """A text's own tokens in order, but for those of white space, parted where a sentence begins."""
    sentences: list[list[Token]] = []
    end = 0
    for token in sorted(annotated.tokens, key=lambda token: token.start):
        if not token.text.strip():
            continue
        if not sentences or token.start in annotated.sentences or LINE_END.search(annotated.text, end, token.start):
            sentences.append([])
        sentences[-1].append(token)
        end = token.end
    return sentences


def _tags(
    tokens: Sequence[Token], spans: Iterable[CharSpan], text: str, place: str, alignment: str, tally: Tally
) -> tuple[list[str], int]:
    """Tags of tokens, and the number of spans that are left out as they are no whole tokens."""
    tags = ["O"] * len(tokens)
    left_out = 0
    distinct = {(span.start, span.end, span.label): span for span in spans}
    for span in sorted(distinct.values(), key=lambda span: (span.start - span.end, span.start)):  # longest first
        shown = f"span {span.start} to {span.end} {span.label} {text[span.start : span.end]!r}"
        covered, done = _align(tokens, span, alignment)
        left_out += not covered
        if done:
            kind = f"spans off the token borders {done}"
            tally.add(kind, place, f"{shown} does not fall on token borders: {done} (--alignment)")
        if any(tags[n] != "O" for n in covered):
            tally.add("overlapping spans left out", place, f"{shown} overlaps one that stays: left out")
            continue
        for n in covered:
            tags[n] = f"{'B' if n == covered[0] else 'I'}-{span.label}"
    return tags, left_out


def _align(tokens: Sequence[Token], span: CharSpan, alignment: str) -> tuple[list[int], str]:
    """Indices of a span's tokens, and what was done to make it whole tokens; empty where it is so already."""
    first = bisect_right(tokens, span.start, key=lambda token: token.end)
    behind = bisect_left(tokens, span.end, key=lambda token: token.start)
    touched = list(range(first, behind))
    inside = [n for n in touched if span.start <= tokens[n].start and tokens[n].end <= span.end]
    if touched and touched == inside:
        return touched, ""
    covered = {"expand": touched, "contract": inside}.get(alignment, [])
    return covered, {"expand": "widened", "contract": "narrowed"}[alignment] if covered else "left out"
