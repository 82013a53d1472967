"""Tags <-> spans, as the CoNLL scorer reads them; and tag schemes: which one it is, what breaks it, conversion."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

OUTSIDE = "O"
AS_IOBES = {"L": "E", "U": "S", "M": "I", "W": "S"}
"""Prefixes of BILOU and BMEWO -> those of IOBES that mean the same."""
PREFIXES = frozenset("BIES") | AS_IOBES.keys()
SCHEMES = {
    "io": "I",  # I-PER I-PER O I-LOC
    "iob1": "BI",  # I-PER I-PER B-PER I-PER: B- only parts neighbours of one type
    "iob2": "BI",  # B-PER I-PER B-PER I-PER
    "ioe1": "IE",  # I-PER E-PER I-PER I-PER: E- only parts neighbours of one type
    "ioe2": "IE",  # I-PER E-PER I-PER E-PER
    "iobes": "BIES",  # B-PER E-PER S-PER
    "bilou": "BILU",  # B-PER L-PER U-PER
    "bmewo": "BMEWS",  # B-PER M-PER E-PER W-PER; with S for W it is called BMES
}
"""Prefixes of each scheme, beside O; an example of its tags."""
LONG_SCHEMES = {"iobes": ("S", "I", "E"), "bilou": ("U", "I", "L"), "bmewo": ("W", "M", "E")}
"""Prefixes of the only word of an entity, of inner words and of the last one."""
ENDS = {"iobes": "ES", "bilou": "ES", "bmewo": "ES", "ioe2": "E", "ioe1": "IE"}
"""Prefixes, as IOBES names them, with which an entity may end; B and I in the other schemes."""
START, INSIDE, END = 1, 2, 4
"""Bits of a step: an entity begins with this tag; it goes on; the one before ends in front of it."""

BEGINNING, KNOWN = ("B", "S", "["), ("B", "I", "E", "S", "[", "]")
"""Prefixes that begin an entity behind any other; all that conlleval or seqeval know."""

Pair = tuple[str, str]
"""Two neighbouring tags; OUTSIDE stands before a sentence's first and behind its last."""


class Span(NamedTuple):
    """An entity: its type and its words, `start` included, `end` not, both 0-based in the sentence."""

    label: str
    start: int
    end: int


def split_tag(tag: str) -> tuple[str, str]:
    """Prefix and type of a tag: `B-creative-work` -> (`B`, `creative-work`), `O` -> (`O`, ``).

    A tag without a hyphen is all prefix, as in conlleval.
    """
    prefix, _, label = tag.partition("-")
    return prefix, label


def spans(tags: Sequence[str]) -> Iterator[Span]:
    """Entities of one sentence in conlleval mode: nothing is invalid, every tag sequence has a reading.

    An entity begins at a B, S or [ tag, at any other entity tag that follows O, an ended entity or another type;
    it ends at E, S or ], before O, before a new beginning and before another type. L and U of BILOU, which conlleval
    does not know, are read as E and S. A tag that is only an unknown prefix, such as X, begins an entity of no type
    behind an entity's tag, and none behind O.

    Source: conlleval (CoNLL-2000 to 2003 shared tasks), routines `startOfChunk` and `endOfChunk`; seqeval's default
    mode follows them.

    >>> list(spans(["B-PER", "I-PER", "O", "I-LOC"]))
    [Span(label='PER', start=0, end=2), Span(label='LOC', start=3, end=4)]
    """
    start: int | None = None
    before, label_before = "O", ""
    for position, tag in enumerate([*tags, "O"]):
        prefix, label = _as_iobes(split_tag(tag))
        if start is not None and _ends(before, prefix, label_before != label):
            yield Span(label_before, start, position)
            start = None
        if _starts(before, prefix, label_before != label):
            start = position
        before, label_before = prefix, label


def ends(before: str, tag: str) -> bool:
    """An entity ends with `before`, where `tag` follows it."""
    (last, label), (prefix, other) = _as_iobes(split_tag(before)), _as_iobes(split_tag(tag))
    return _ends(last, prefix, label != other)


def starts(before: str, tag: str) -> bool:
    """An entity begins with `tag`, where it follows `before`."""
    (last, label), (prefix, other) = _as_iobes(split_tag(before)), _as_iobes(split_tag(tag))
    return _starts(last, prefix, label != other)


def _ends(before: str, prefix: str, other_label: bool) -> bool:
    if before == "O":
        return False
    return before in ("E", "S", "]") or prefix == "O" or other_label or (prefix in BEGINNING and before in KNOWN)


def _starts(before: str, prefix: str, other_label: bool) -> bool:
    if prefix == "O":
        return False
    # A tag of no type and an unknown prefix, such as X, begins an entity behind one of another type alone.
    behind = BEGINNING if before in ("B", "I", "[") else KNOWN
    return other_label or (prefix in behind and before in ("B", "I", "O", "E", "S", "[", "]"))


# -- schemes ---------------------------------------------------------------------------------------


def pairs(tags: Sequence[str]) -> Iterator[Pair]:
    """Neighbouring tags of one sentence."""
    return zip([OUTSIDE, *tags], [*tags, OUTSIDE], strict=True)


def recognise(counts: Mapping[Pair, int]) -> str:
    """The scheme of a corpus, by its name in SCHEMES, or `plain` (tags without a type).

    What most entities do decides, so that a few wrong tags do not: in IOBES, BILOU and BMEWO as many end with a tag of
    their own as begin with B; in IOE1 and IOE2 they end so, but do not begin with B; in IOB1 most begin with I; in IO
    none begins with B.

    Args:
        counts: how often each pair of neighbours occurs in it.
    """
    evidence = _count_prefixes(counts)
    typed = sum(evidence[prefix] for prefix in PREFIXES)
    if typed <= evidence["none"]:
        return "plain"
    begun, single = evidence["B"], evidence["S"] + evidence["U"] + evidence["W"]
    if evidence["E"] > 2 * (begun + single):
        return "ioe2" if evidence["E"] >= evidence["last I"] else "ioe1"
    if 2 * (evidence["E"] + evidence["L"] + single) > begun + evidence["first I"]:
        return _with_ends(evidence)
    if not begun:
        return "io"
    return "iob1" if evidence["first I"] > evidence["first B"] else "iob2"


def scheme_of_labels(labels: Iterable[str]) -> str:
    """The scheme that a model's labels are likely to follow; IOB1 has the labels of IOB2, which is the likelier one."""
    prefixes = {prefix for prefix, label in map(split_tag, labels) if label}
    for scheme, marks in (
        ("bilou", "LU"),
        ("bmewo", "MW"),
        ("iobes", "S"),
        ("iobes" if "B" in prefixes else "ioe2", "E"),
    ):
        if prefixes & set(marks):
            return scheme
    return "iob2" if "B" in prefixes else "io"


def _with_ends(evidence: Mapping[str, int]) -> str:
    """The scheme of tags that mark the end of an entity and its beginning."""
    if evidence["L"] + evidence["U"] > evidence["E"] + evidence["S"]:
        return "bilou"
    return "bmewo" if evidence["M"] + evidence["W"] > evidence["I"] + evidence["S"] else "iobes"


def _count_prefixes(counts: Mapping[Pair, int]) -> Counter[str]:
    """How often each prefix occurs, `none` for tags without a type.

    `first B` and `first I` count those with which an entity begins, `last I` those with which one ends.
    """
    evidence: Counter[str] = Counter()
    for (before, tag), count in counts.items():
        prefix, label = split_tag(tag)
        last, label_before = split_tag(before)
        known = prefix in PREFIXES and label
        evidence[prefix if known or tag == OUTSIDE else "none"] += count
        if known and prefix in ("B", "I") and label_before != label:
            evidence[f"first {prefix}"] += count
        if last == "I" and label_before and label_before != label:
            evidence["last I"] += count
    return evidence


def broken(counts: Iterable[Pair], scheme: str) -> set[Pair]:
    """The pairs of neighbours that a scheme does not allow."""
    return {pair for pair in counts if not _allowed(*pair, scheme)}


def _allowed(before: str, tag: str, scheme: str) -> bool:
    """No part of an entity is lost where these two tags meet."""
    if scheme == "plain":
        return True
    if tag != OUTSIDE and not is_read(tag, scheme):
        return False
    (last, label), (prefix, other) = _as_iobes(split_tag(before)), _as_iobes(split_tag(tag))
    if scheme == "ioe1":  # seqeval reads less than the scheme allows: no entity of one word before one of its type
        return last != "E" or label == other
    step = strict_step(scheme, last, prefix, label == other)
    begun = tag == OUTSIDE or bool(step & (START | INSIDE))
    # a tag that the scheme does not have was found in front of this pair: it is told once
    ended = not is_read(before, scheme) or bool(step & (INSIDE | END))
    return begun and ended


def is_read(tag: str, scheme: str) -> bool:
    """The tag marks a word of an entity in this scheme, by its own prefixes or by those that mean the same."""
    prefix, label = _as_iobes(split_tag(tag))
    return label != "" and prefix in {AS_IOBES.get(own, own) for own in SCHEMES[scheme]}


def in_scheme(tag: str, scheme: str) -> bool:
    """The scheme has such tags for entities."""
    prefix, label = split_tag(tag)
    return prefix in tuple(SCHEMES[scheme]) and label != ""


def strict_step(scheme: str, last: str, prefix: str, same: bool) -> int:
    """What a tag does behind another one by the rules of a scheme, as bits: START, INSIDE, END.

    Args:
        last, prefix: prefixes of both tags, as IOBES names them; OUTSIDE for no entity.
        same: both have one type.

    Source: `seqeval.scheme`, whose strict mode has these rules.
    """
    inside = prefix in ("I", "E") and last in ("B", "I") and same
    ended = last in ENDS.get(scheme, ("B", "I")) and not inside
    if scheme == "iob1":
        begins = (prefix == "I" and not (last == "I" and same)) or (prefix == "B" and last in ("B", "I") and same)
        ended = ended and not (last == prefix == "B" and not same)
    elif scheme == "ioe1":
        begins = (prefix == "I" and not inside) or (last == prefix == "E" and same)
        ended = ended and not (last == "E" and not (same and prefix != OUTSIDE))
    elif scheme in ("io", "ioe2"):
        begins = prefix in ("I", "E") and not inside
    else:
        begins = prefix in ("B", "S")
    return START * begins | INSIDE * inside | END * ended


def _as_iobes(split: tuple[str, str]) -> tuple[str, str]:
    return AS_IOBES.get(split[0], split[0]) if split[1] else split[0], split[1]


def goes_on(before: str, tag: str) -> bool:
    """The entity that `before` belongs to goes on with `tag`, in any scheme."""
    prefix, label = split_tag(tag)
    return OUTSIDE not in (split_tag(before)[0], prefix) and label != "" and not starts(before, tag)


def convert(tags: Sequence[str], scheme: str) -> list[str]:
    """The same entities in another scheme; in `io`, neighbours of one type become one entity.

    Tags without a type stay as they are.

    >>> convert(["I-PER", "B-PER", "O", "I-LOC", "I-LOC"], "iobes")
    ['S-PER', 'S-PER', 'O', 'B-LOC', 'E-LOC']
    """
    return mark(spans(tags), tags, scheme)


def mark(found: Iterable[Span], tags: Sequence[str], scheme: str) -> list[str]:
    """Tags that mark these entities; tags without a type are kept."""
    marked, last = [OUTSIDE if split_tag(tag)[1] else tag for tag in tags], Span("", 0, 0)
    for span in found:
        if not span.label:
            marked[span.start : span.end] = tags[span.start : span.end]
            continue
        prefixes = _prefixes(span.end - span.start, scheme)
        marked[span.start : span.end] = [f"{prefix}-{span.label}" for prefix in prefixes]
        if (last.label, last.end) == (span.label, span.start):
            _part(marked, span, scheme)
        last = span
    return marked


def _part(marked: list[str], span: Span, scheme: str) -> None:
    """Part an entity from the one of its type in front of it, where the scheme has a tag for just that."""
    if scheme == "iob1":
        marked[span.start] = f"B-{span.label}"
    elif scheme == "ioe1":
        marked[span.start - 1] = f"E-{span.label}"


def _prefixes(length: int, scheme: str) -> str:
    if scheme in ("io", "iob1", "ioe1"):
        return "I" * length
    if scheme == "iob2":
        return "B" + "I" * (length - 1)
    if scheme == "ioe2":
        return "I" * (length - 1) + "E"
    single, inner, end = LONG_SCHEMES[scheme]
    return single if length == 1 else "B" + inner * (length - 2) + end
