"""How a corpus spells its tags, and what they are in the spelling that nertool reads: `B-PER`, `I-PER`, `O`.

People write `PER`, `PER-B`, `B_PER`, `b-per`, a bare `B`, and `o`, `0` or `_` for `O`. Which spelling a corpus has
follows from all its tags together. The entities of a tag are read from its canonical form alone.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

from nertool.tags import OUTSIDE, PREFIXES, Pair, Span, recognise, spans

Tags = Literal["auto", "plain", "entities"]
"""What the tags of a corpus stand for: decided by the evidence, parts of speech and the like, or entities."""
SEPARATORS = "-_:/.|–—‐‑−"  # noqa: RUF001
"""What may stand between letter and type; dashes of word processors among them."""
ALWAYS_OUTSIDE = ("o", "0")
"""Spellings of O, which a corpus may have beside some O."""
NOTHING = ("_", "-", "*", "--", "nan", "NaN", "None", "none", "NONE", "null", "NULL")
"""What tables hold where there is nothing, which stands for O in a corpus without one."""
OUTSIDE_WORDS = ("OTHER", "Other", "other", "OUTSIDE", "Outside", "outside", "OUT", "Out", "out")
"""Words for O, in a corpus without one."""
AROUND = re.compile(r"(?:BB|EE|MM|WW)_O(?:_\S+)?")
"""Tags of BMEWO+ outside entities, which say what stands beside them.

Source: https://lingpipe-blog.com/2009/10/14/coding-chunkers-as-taggers-io-bio-bmewo-and-bmewo/
"""
PREFIX_WORD = "BEGIN(?:NING)?|BEG|START|INSIDE|IN|MIDDLE|MID|END|LAST|SINGLE(?:TON)?|UNIT|WHOLE"
WITH_WORD = re.compile(
    rf"(?P<word>{PREFIX_WORD})[-_:./|#](?P<type>\S+)|(?P<type_in_front>\S+)[-_:./|#](?P<word_behind>{PREFIX_WORD})",
    re.IGNORECASE,
)
"""Prefixes in words, which are not read: BEGIN-PER, PER-BEGIN; types such as UNIT_PRICE look so too."""
OTHER_PREFIX = re.compile(r"[BIESLUMW](?:[#+~=(<\[{]|--)\S+")
"""Prefixes of entities that are not read: B#PER, B(PER)."""
GLUED_PREFIX = re.compile(r"([BIESLUMW])([^\W_]\S*)")
MANY_TAGS = 20
"""Tags in another spelling than others are told one by one up to one in so many."""
SHOWN_OUTSIDE = 3
"""Tags for O that are shown of many."""
ONE_TYPE = "ENTITY"
"""Type of the entities where the tags are bare prefixes."""
EXAMPLES = {"prefix": "B{}PER", "suffix": "PER{}B", "types": "PER without a prefix", "bare": "B without a type"}


class Spelling(NamedTuple):
    """How the tags of a corpus are spelled.

    Attributes:
        order: `prefix` and `suffix` say where the letter stands; `types` are tags without letters, `bare` are letters
            alone; `plain` are no entities at all, such as parts of speech.
        separator: what stands between letter and type.
        lower: most letters are in lower case.
        outside: tags that stand for O.
    """

    order: Literal["prefix", "suffix", "types", "bare", "plain"]
    separator: str = "-"
    lower: bool = False
    outside: tuple[str, ...] = ()

    @property
    def is_canonical(self) -> bool:
        """Say whether the tags can be read as they are."""
        return self == CANONICAL or self.order == "plain"

    def with_strays(self) -> Spelling:
        """Give the spelling that also reads single tags with a letter in lower case, and `o` and `0` for O."""
        if self.order == "plain":
            return self
        return self._replace(outside=(*self.outside, *(tag for tag in ALWAYS_OUTSIDE if tag not in self.outside)))

    def beside(self, other: Spelling) -> Spelling:
        """Give the spelling that also reads the tags that stand for O in the other one."""
        return self._replace(outside=(*self.outside, *(tag for tag in other.outside if tag not in self.outside)))

    def __str__(self) -> str:
        if self.order == "plain":
            return "plain"
        example = EXAMPLES[self.order].format(self.separator)
        if self.lower:
            example = example.replace("B", "b").replace("PER", "per")
        more = ("...",) if len(self.outside) > SHOWN_OUTSIDE else ()
        return ", ".join((example, *(f"{tag} for O" for tag in self.outside[:SHOWN_OUTSIDE]), *more))

    def canonical(self, tag: str) -> str:
        """Give the tag as `B-PER` or O; a tag that is not in this spelling stays as it is.

        >>> Spelling("suffix").canonical("PER-B"), Spelling("types").canonical("PER"), Spelling("bare").canonical("B")
        ('B-PER', 'I-PER', 'B-ENTITY')
        """
        if self.order == "plain" or tag == OUTSIDE:
            return tag
        if tag in self.outside:
            return OUTSIDE
        if self.order == "types":
            return tag if _is_canonical(tag) else f"I-{tag}"
        if self.order == "bare":
            return f"{tag.upper()}-{ONE_TYPE}" if tag.upper() in PREFIXES else tag
        letter, label = _parse(tag, self.order, self.separator)
        return f"{letter.upper()}-{label}" if letter else tag

    def spell(self, tag: str) -> str:
        """Give a canonical tag as this corpus spells it; the inverse of `canonical`.

        >>> Spelling("suffix").spell("B-PER"), Spelling("types").spell("I-PER"), Spelling("bare").spell("B-ENTITY")
        ('PER-B', 'PER', 'B')
        """
        letter, hyphen, label = tag.partition("-")
        if tag == OUTSIDE and self.outside:
            return self.outside[0]
        if self.order == "plain" or not hyphen:
            return tag
        letter = letter.lower() if self.lower else letter
        if self.order in ("types", "bare"):
            return label if self.order == "types" else letter
        return self.separator.join((letter, label) if self.order == "prefix" else (label, letter))

    def read(self, tags: Sequence[str]) -> Sequence[str]:
        """Give the tags of a sentence in their canonical form."""
        return tags if self.is_canonical else [_canonical(self, tag) for tag in tags]

    def entities(self, tags: Sequence[str]) -> list[Span]:
        """Read the entities of a sentence; plain tags have none."""
        return [] if self.order == "plain" else list(spans(self.read(tags)))


CANONICAL, PLAIN = Spelling("prefix"), Spelling("plain")


@lru_cache(maxsize=100_000)
def _canonical(spelling: Spelling, tag: str) -> str:
    return spelling.canonical(tag)


def _parse(tag: str, order: str, separator: str) -> tuple[str, str]:
    """Take a tag apart into letter and type; both empty where it is not spelled so."""
    if order == "suffix":
        label, _, letter = tag.rpartition(separator)
    else:
        letter, _, label = tag.partition(separator)
    return (letter, label) if label and letter.upper() in PREFIXES else ("", "")


def _is_canonical(tag: str) -> bool:
    return _parse(tag, "prefix", "-")[0] in PREFIXES


class Reading(NamedTuple):
    """How the tags of a corpus are read: their spelling, and their scheme in the canonical spelling."""

    spelling: Spelling
    scheme: str


def read_corpus(pairs: Mapping[Pair, int], sentences: int, tags: Tags = "auto") -> Reading:
    """Find the spelling and the scheme of a corpus.

    Args:
        pairs: how often each pair of neighbouring tags occurs in it, with O behind each sentence.
        sentences: how many there are.
        tags: what they stand for.
    """
    spelling = find_spelling(count_tags(pairs, sentences), tags)
    if spelling.order == "plain":
        return Reading(spelling, "plain")
    reader = spelling.with_strays()
    canonical: Counter[Pair] = Counter()
    for (before, tag), count in pairs.items():
        canonical[reader.canonical(before), reader.canonical(tag)] += count
    return Reading(spelling, recognise(canonical))


def count_tags(pairs: Mapping[Pair, int], sentences: int) -> Counter[str]:
    """How often each tag occurs; see `read_corpus`."""
    counts = Counter({OUTSIDE: -sentences})
    for (_, tag), count in pairs.items():
        counts[tag] += count
    return +counts


def spelling_of_labels(labels: Iterable[str], tags: Tags = "auto") -> Spelling:
    """Find the spelling of a model's labels, of which each occurs once."""
    return find_spelling(Counter(set(labels)), tags)


def find_spelling(counts: Mapping[str, int], tags: Tags = "auto") -> Spelling:
    """Find the spelling of most tags.

    `B-PER` is taken for what it is. Any other spelling needs a tag for O beside it, or a B for each type and some I or
    E: other tags that have no O are parts of speech or the like. Types without a prefix need an O that is at least as
    frequent as any of them.

    Args:
        counts: how often each tag occurs.
        tags: what they stand for; `entities` takes tags for types where they are nothing else.
    """
    outside = _outside(counts)
    others = {tag: count for tag, count in counts.items() if tag not in (OUTSIDE, *outside)}
    if tags == "plain" or not others:
        return PLAIN
    for more in (_around_entities(others), words_for_outside(counts)):
        rest = {tag: count for tag, count in others.items() if tag not in more}
        if more and rest and (_has_letters(_most_frequent(rest)) or (tags == "entities" and more[0] in OUTSIDE_WORDS)):
            others, outside = rest, (*outside, *more)
    strays = tuple(tag for tag in ALWAYS_OUTSIDE if tag in others)
    rest = {tag: count for tag, count in others.items() if tag not in strays}
    if strays and rest and _has_letters(_most_frequent(rest)) and not _has_letters(_most_frequent(others)):
        others, outside = rest, (*outside, *strays)  # as frequent as O, and as the tags of entities
    has_outside = tags == "entities" or bool(outside) or OUTSIDE in counts
    spelling = _most_frequent(others)
    if spelling and (has_outside or spelling == CANONICAL or _marks_entities(others, spelling)):
        return spelling._replace(outside=outside)
    free = max(counts.get(tag, 0) for tag in (OUTSIDE, *outside))
    if tags == "entities" or (has_outside and free >= max(others.values()) and not all(map(str.isdigit, others))):
        return Spelling("types", outside=outside)
    return PLAIN


def _outside(counts: Mapping[str, int]) -> tuple[str, ...]:
    """List the tags that stand for O.

    `o` and `0` do so where they are more frequent than O, `_` and the like where there is no O and no tag is more
    frequent.
    """
    outside = [tag for tag in ALWAYS_OUTSIDE if counts.get(tag, 0) > counts.get(OUTSIDE, 0)]
    if OUTSIDE not in counts:
        outside += [tag for tag in NOTHING if tag in counts and counts[tag] == max(counts.values())]
    return tuple(outside)


def unread_prefixes(counts: Mapping[str, int]) -> str:
    """A tag such as BEGIN-PER, B#PER or BPER, where most tags have such prefixes, which are not read; else nothing."""
    others = {tag: count for tag, count in counts.items() if tag not in (OUTSIDE, *ALWAYS_OUTSIDE, *NOTHING)}
    found = [tag for tag in others if OTHER_PREFIX.fullmatch(tag)] + _with_words(others)
    if found and 2 * sum(others[tag] for tag in found) > sum(others.values()):
        return found[0]
    return next(iter(others)) if _are_glued(others) else ""


def _with_words(tags: Iterable[str]) -> list[str]:
    """Tags with a prefix in words, as BEGIN-PER, where a type has several; B-UNIT is read, and LAST_NAME is a type."""
    found: list[str] = []
    words: dict[str, set[str]] = {}
    for tag in tags:
        match = WITH_WORD.fullmatch(tag)
        if match and not any(map(_has_letters, _spellings(tag))):
            found.append(tag)
            words.setdefault(match["type"] or match["type_in_front"], set()).add(match["word"] or match["word_behind"])
    return found if any(len(of_type) > 1 for of_type in words.values()) else []


def _are_glued(tags: Iterable[str]) -> bool:
    """Whether all tags are a prefix and a type with nothing between, as BPER and IPER: what goes on also begins."""
    types: dict[str, set[str]] = {}
    for tag in tags:
        match = GLUED_PREFIX.fullmatch(tag)
        if not match:
            return False
        types.setdefault("begun" if match[1] in "BSUW" else "inside", set()).add(match[2])
    return "inside" in types and types["inside"] <= types.get("begun", set())


def stands_for_outside(counts: Mapping[str, int]) -> str:
    """The most frequent tag that is no entity's, in a corpus of entities without O in any spelling; else nothing."""
    if OUTSIDE in counts or _outside(counts) or words_for_outside(counts):
        return ""
    lettered = {tag: count for tag, count in counts.items() if _has_letters(_most_frequent({tag: 1}))}
    spelling = _most_frequent(lettered)
    others = {tag: count for tag, count in counts.items() if tag not in lettered and not AROUND.fullmatch(tag)}
    begun = spelling == CANONICAL and any(tag.startswith("B-") for tag in lettered)
    if not spelling or not others or not (begun or _marks_entities(lettered, spelling)):
        return ""
    return max(others, key=others.__getitem__)


def mixed_spellings(counts: Mapping[str, int]) -> tuple[str, ...]:
    """A tag of each of several spellings, as B-PER and B_PER, of which each marks entities; else nothing."""
    groups: dict[Spelling, dict[str, int]] = {}
    for tag, count in counts.items():
        found = [one._replace(lower=False) for one in _spellings(tag) if _has_letters(one)]
        if found:
            groups.setdefault(min(found, key=_rank), {})[tag] = count
    least = sum(sum(group.values()) for group in groups.values()) / MANY_TAGS
    marked = [group for one, group in groups.items() if sum(group.values()) > least and _marks_entities(group, one)]
    return tuple(next(iter(group)) for group in marked) if len(marked) > 1 else ()


def words_for_outside(counts: Mapping[str, int]) -> tuple[str, ...]:
    """The word that may stand for O: the most frequent tag of a corpus without O."""
    if OUTSIDE in counts or not counts:
        return ()
    most = max(counts.values())
    return tuple(word for word in OUTSIDE_WORDS if counts.get(word) == most)[:1]


def _around_entities(others: Mapping[str, int]) -> tuple[str, ...]:
    """Tags of BMEWO+ outside entities, that of the middle first."""
    return tuple(sorted((tag for tag in others if AROUND.fullmatch(tag)), key=lambda tag: (tag[0] != "M", tag)))


def _has_letters(spelling: Spelling | None) -> bool:
    return spelling is not None and spelling.order in ("prefix", "suffix")


def _marks_entities(others: Mapping[str, int], spelling: Spelling) -> bool:
    """Whether all tags are in a spelling, each type begins with B, and one goes on or ends: no O is needed then."""
    letters: dict[str, set[str]] = {}
    for tag in others:
        letter, label = _parse(tag, spelling.order, spelling.separator)
        if not letter:
            return False
        letters.setdefault(label, set()).add(letter.upper())
    return all("B" in found for found in letters.values()) and any(found & {*"IEML"} for found in letters.values())


def _most_frequent(others: Mapping[str, int]) -> Spelling | None:
    """Give the spelling that more than half of the tags follow; O is not among them."""
    followers: Counter[Spelling] = Counter()
    lower: Counter[Spelling] = Counter()
    for tag, count in others.items():
        for spelling in _spellings(tag):
            upper = spelling._replace(lower=False)
            followers[upper] += count
            lower[upper] += count * spelling.lower
    if not followers:
        return None
    best = max(followers, key=lambda spelling: (followers[spelling], -_rank(spelling)))
    if 2 * followers[best] <= sum(others.values()) or (best.order == "bare" and not {*"BbIi"} & others.keys()):
        return None
    return best._replace(lower=2 * lower[best] > followers[best])


def _rank(spelling: Spelling) -> int:
    """Give the place of a spelling among those that as many tags follow: prefixes first, hyphens first."""
    return 10 * ("prefix", "suffix", "bare").index(spelling.order) + SEPARATORS.index(spelling.separator)


def _spellings(tag: str) -> list[Spelling]:
    """List the spellings that a tag follows; an empty one follows none."""
    if not tag:
        return []
    if tag.upper() in PREFIXES:
        return [Spelling("bare", lower=tag.islower())]
    if tag[0] in PREFIXES and tag[1:] == CANONICAL.separator:
        return [CANONICAL]  # conlleval reads an empty type
    found = []
    for separator in SEPARATORS:
        if separator in tag:
            for order in ("prefix", "suffix"):
                letter, _ = _parse(tag, order, separator)
                if letter:
                    found.append(Spelling(order, separator, letter.islower()))
    return found
