"""The labels of a teacher, matched with those of the model that learns: by name, and across tag schemes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nertool.arrays import Array
from nertool.errors import InvalidOption
from nertool.models.settings import read_settings
from nertool.progress import logger
from nertool.spelling import spelling_of_labels
from nertool.tags import AS_IOBES, OUTSIDE, split_tag


@dataclass(frozen=True, eq=False)
class Match:
    """How the labels of a teacher are those of the model.

    Attributes:
        moves: 1 where what the teacher gives its label counts for ours; shape (its labels, our labels).
        known: whether it has our label; shape (our labels,).
    """

    moves: Array
    known: Array


OTHER_PREFIXES = {"S": "BEI", "B": "ISE", "I": "E", "E": "I"}
"""Prefix that our scheme lacks -> those that it has for such a word, the first one that there is."""

OF_OTHER_MEANING = {"iob1": ("iob2", "iobes", "bilou", "bmewo"), "ioe1": ("ioe2", "iobes", "bilou", "bmewo")}
"""Schemes with labels of these names: IOB1 begins most entities with I-, IOE1 ends them with it."""


def match_labels(name: str, theirs: Sequence[str], ours: Sequence[str]) -> Match:
    """Match labels by name, in whatever spelling; labels that we lack count for O, where we have O.

    A label of another scheme counts for that of ours: `S-PER` for `B-PER` of IOB2.

    >>> match_labels("it", ["O", "S-LOC", "B-MISC"], ["B-LOC", "B-PER", "O"]).moves.tolist()
    [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]

    Args:
        name: of the teacher.

    Raises:
        InvalidOption: it has none of our labels, apart from O.
    """
    known_names = list(spelling_of_labels(ours).read(ours))
    given_names = list(spelling_of_labels(theirs).read(theirs))
    targets = [_counterpart(label, known_names) for label in given_names]
    if not {*known_names} & {*targets} - {OUTSIDE}:
        raise InvalidOption(
            f"--teacher {name} has none of our labels: it has {_shown(theirs)}, and we have {_shown(ours)}",
            "Take a teacher that was trained on data with the same labels.",
        )
    moves = np.zeros((len(theirs), len(ours)), np.float32)
    for row, target in enumerate(targets):
        if (target or OUTSIDE) in known_names:
            moves[row, known_names.index(target or OUTSIDE)] = 1
    known = np.array([label in targets for label in known_names])
    _tell_differences(name, known_names, dict(zip(given_names, targets, strict=True)))
    return Match(moves, known)


def _counterpart(label: str, ours: Sequence[str]) -> str:
    """Our label for one of a teacher; that of its type with a prefix of ours where schemes differ; empty for none."""
    if label in ours:
        return label
    prefix, of_type = split_tag(label)
    prefix = AS_IOBES.get(prefix, prefix)
    for other in (prefix, *OTHER_PREFIXES.get(prefix, "")):
        for own in ours:
            letter, own_type = split_tag(own)
            if of_type and own_type == of_type and AS_IOBES.get(letter, letter) == other:
                return own
    return ""


def _shown(labels: Sequence[str]) -> str:
    return ", ".join([*labels[:6], *(["..."] if len(labels) > 6 else [])])


def _tell_differences(name: str, ours: Sequence[str], targets: Mapping[str, str]) -> None:
    """Warn of labels that one side lacks, and of those that other labels stand for.

    Args:
        targets: our label for each of the teacher, empty for none.
    """
    if lacking := sorted({*ours} - {*targets.values()}):
        logger.warning("--teacher %s lacks the labels %s: it teaches nothing about them", name, _shown(lacking))
    if extra := sorted(label for label, target in targets.items() if not target):
        meaning = "they count for O" if OUTSIDE in ours else "they are left out"
        logger.warning("--teacher %s has the labels %s beside ours: %s", name, _shown(extra), meaning)
    if moved := {label: target for label, target in sorted(targets.items()) if target not in ("", label)}:
        pairs = _shown([f"{label} for {target}" for label, target in moved.items()])
        logger.warning("--teacher %s has labels of another scheme, which count for ours: %s", name, pairs)


def check_scheme(teacher: Path, ours: str) -> None:
    """Refuse a teacher whose labels are ours by name but not by meaning.

    Raises:
        InvalidOption: they are.
    """
    theirs = read_settings(teacher).scheme
    if ours in OF_OTHER_MEANING.get(theirs, ()) or theirs in OF_OTHER_MEANING.get(ours, ()):
        raise InvalidOption(
            f"--teacher {teacher} tags in {theirs}, and the data are in {ours}: the same labels mean other words",
            f"Convert the data first: nertool download with --scheme {theirs}; or take another teacher.",
        )
