"""What tagging must know of a model beside its graph and its tokenizer: the contents of `settings.json`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nertool.models.canary import allowed_deviation
from nertool.models.encode import word_prefix
from nertool.spelling import PLAIN
from nertool.tags import OUTSIDE, ends, split_tag, starts

if TYPE_CHECKING:
    from nertool.models.canary import Canary
    from nertool.models.tagger import Tagger

Table = npt.NDArray[np.bool_]
PARTING = {"iob1": ("parting_behind", "B"), "ioe1": ("parting_before", "E")}
"""Schemes in which a tag parts an entity from the one before it or behind it, and the prefix of that tag."""


def settings_of(tagger: Tagger, canary: Canary, least: Mapping[str, float], tokenizer: str) -> dict[str, Any]:
    """The contents of `settings.json`.

    Args:
        tagger: the model, loaded.
        least: least scores of entities by type.
        tokenizer: how running text is cut into tokens, as `running_text.cutter` names it.
    """
    calibration, frame = tagger.calibration, tagger.encoder.frame
    return {
        "labels": tagger.labels,
        "outside": tagger.spelling.spell(OUTSIDE),
        "types": ["", *(split_tag(tag)[1] for tag in tagger.spelling.read(tagger.labels))],
        **{name: _rows(table) for name, table in _tables(tagger).items()},
        **_parting_tags(tagger),
        "max_length": tagger.max_length,
        "pad_id": tagger.pad_id,
        "word_prefix": word_prefix(tagger.tokenizer),
        "first": tagger.encoder.prefix,
        "last": tagger.encoder.suffix,
        "token_types": [frame.types_before, frame.type_inside, frame.types_behind],
        "same_length": tagger.same_length,
        "tokenizer": tokenizer,
        "temperature": calibration.temperature,
        "scale": calibration.entities and calibration.entities._asdict(),
        "thresholds": dict(least),
        "canary": {
            "ids": canary["ids"],
            "log_probabilities": canary["log_probabilities"],
            "allowed": allowed_deviation(canary),
        },
    }


def _tables(tagger: Tagger) -> dict[str, Table]:
    """What is true of pairs of states, and, for `unread`, which states a word without sub-words may have.

    State 0 is O, and stands before and behind a sentence; state n is the label of id n - 1.
    """
    decoder, tags = tagger.decoder, [OUTSIDE, *tagger.spelling.read(tagger.labels)]
    allowed = np.ones((len(tags), len(tags)), bool)
    allowed[1:, 1:], allowed[0, 1:], allowed[1:, 0] = decoder.allowed, decoder.first, decoder.last
    read = {"starts": starts, "stops": ends}
    tables = {"allowed": allowed, "begins": decoder.begins, "ends": decoder.ends}
    for name, holds in read.items():
        pairs = [[tagger.spelling != PLAIN and holds(before, tag) for tag in tags] for before in tags]
        tables[name] = np.array(pairs)
    unread = np.full((1, len(tags)), decoder.outside is None)
    unread[0, 0] = decoder.outside is not None
    return {**tables, "unread": unread}


def _rows(table: Table) -> list[str] | str:
    """A table as people can read it: a text of 0 and 1 for each row, or one text for a single row."""
    rows = ["".join(map(str, map(int, row))) for row in table]
    return rows if len(rows) > 1 else rows[0]


def _parting_tags(tagger: Tagger) -> dict[str, dict[str, str]]:
    """Tags that part an entity from a neighbour, each with the one that stands there without that neighbour."""
    found: dict[str, dict[str, str]] = {"parting_before": {}, "parting_behind": {}}
    if tagger.scheme in PARTING:
        name, parting = PARTING[tagger.scheme]
        for label in tagger.labels:
            prefix, kind = split_tag(tagger.spelling.canonical(label))
            if prefix == parting and kind:
                found[name][label] = tagger.spelling.spell(f"I-{kind}")
    return found


def types_of(settings: Mapping[str, Any]) -> list[str]:
    """The types of entities that a model finds."""
    found: Iterable[str] = settings["types"] if any("1" in row for row in settings["starts"]) else []
    return sorted({kind for kind in found if kind})
