"""Modes of reading tags as entities: what each tag does to the entity of its left neighbour.

`conlleval` reads everything, as the scorer of the CoNLL shared tasks. A strict mode reads nothing but what its scheme
allows, as seqeval's `mode="strict"`: an entity that begins or ends otherwise is none. `plain` reads each tag as an
entity of one word, for parts of speech.
"""

from __future__ import annotations

from functools import lru_cache

from nertool.tags import AS_IOBES, END, INSIDE, OUTSIDE, START, ends, in_scheme, split_tag, starts, strict_step


@lru_cache(maxsize=1 << 20)
def step(mode: str, before: str, tag: str) -> int:
    """What `tag` does behind `before`, as bits; O stands in front of a sentence and behind it.

    Args:
        mode: `conlleval`, `plain`, or the scheme of a strict mode.

    >>> step("conlleval", "O", "I-PER") == START, step("iob2", "O", "I-PER")
    (True, 0)
    """
    if mode == "plain":
        return START | END
    if mode == "conlleval":
        return _as_conlleval(before, tag)
    (last, label), (prefix, other) = _read(before, mode), _read(tag, mode)
    return strict_step(mode, last, prefix, label == other)


def _as_conlleval(before: str, tag: str) -> int:
    begins, ended = starts(before, tag), ends(before, tag)
    inside = split_tag(tag)[0] != OUTSIDE and not begins
    return START * begins | INSIDE * inside | END * ended


def _read(tag: str, scheme: str) -> tuple[str, str]:
    """Prefix, that of IOBES where the scheme is BILOU, and type; what the scheme does not know is O."""
    if not in_scheme(tag, scheme):
        return OUTSIDE, ""
    prefix, label = split_tag(tag)
    return AS_IOBES.get(prefix, prefix), label
