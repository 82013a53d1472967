"""Least probabilities of entities; what a model is less sure of is O."""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nertool.corpus.files import translate_read_errors
from nertool.errors import InvalidData, InvalidOption, MissingInput, command
from nertool.models.settings import DECODINGS
from nertool.spelling import Spelling
from nertool.tags import OUTSIDE, Span, mark, split_tag
from nertool.workspace.digests import read_json
from nertool.workspace.names import QUANTIZED, THRESHOLDS

if TYPE_CHECKING:
    from nertool.models.tagging import Tagging

HELP = "Write a number from 0 to 1, such as 0.9, or a type with one, such as PER=0.9."
ANEW = "Write it anew: nertool evaluate --precision 0.95"
MARKED_BY_NEIGHBOURS = ("iob1", "ioe1")
"""Schemes in which the tags of an entity depend on the one beside it."""


class Thresholds:
    """Least probabilities of entities.

    Args:
        least: probability by type; that of "" holds for all types without one of their own.
        scheme: of the tags, in which the entities that stay are marked anew; empty: their tags stay as they are.
    """

    def __init__(self, least: Mapping[str, float], scheme: str = "") -> None:
        self.least, self.scheme = dict(least), scheme

    def apply(self, tagging: Tagging) -> Tagging:
        """The sentence without the entities below their threshold."""
        kept: dict[Span, float] = {}
        tags, outside = list(tagging.tags), tagging.spelling.spell(OUTSIDE)
        for span, score in tagging.scored_spans():
            if score >= least_of(span.label, self.least):
                kept[span] = score
                continue
            tags[span.start : span.end] = [outside] * (span.end - span.start)
        if len(kept) == len(tagging.span_scores):
            return tagging
        if self.scheme in MARKED_BY_NEIGHBOURS:
            tags = _mark_anew(kept, tags, self.scheme, tagging.spelling)
        scores: list[float] = []
        for span in tagging.spelling.entities(tags):  # stray tags without a type may be read otherwise behind O
            scores.append(kept[span] if span in kept else min(tagging.scores[span.start : span.end]))
        return replace(tagging, tags=tags, span_scores=scores)


def _mark_anew(entities: Iterable[Span], tags: Sequence[str], scheme: str, spelling: Spelling) -> list[str]:
    """The tags that mark these entities, as the model spells them; a tag that marks the same as before is kept."""
    marked: list[str] = []
    canonical = spelling.read(tags)
    for tag, before, after in zip(tags, canonical, mark(entities, canonical, scheme), strict=True):
        marked.append(tag if before == after else spelling.spell(after))
    return marked


def least_of(label: str, least: Mapping[str, float]) -> float:
    """The threshold of a type."""
    return least.get(label, least.get("", 0.0))


@dataclass(frozen=True)
class KeptThresholds:
    """What `thresholds.json` says of a model.

    Attributes:
        least: as in `Thresholds`.
        labels: of the model, by id.
        decoding: under which an entity had its score.
    """

    least: dict[str, float]
    labels: list[str]
    decoding: str = ""

    def check_decoding(self, decoding: str) -> None:
        """Check that scores are those that the thresholds were found for.

        Raises:
            InvalidData: they are of the other decoding.
        """
        if self.decoding and self.decoding != decoding:
            what = (
                f"--thresholds: they are for scores of --decoding {self.decoding}, and tags are decoded by {decoding}"
            )
            raise InvalidData(what, f"Add: --decoding {self.decoding}; or write them anew with the other one.")


OWN = "own"
"""In place of a file of thresholds: that of the model."""


def read_named_thresholds(name: str | None, directory: Path) -> KeptThresholds | None:
    """Read the thresholds that `--thresholds` names; None where it names none.

    Args:
        name: of a file, or `OWN`.
        directory: of the model.

    Raises:
        MissingInput, InvalidData: as `read_thresholds`.
    """
    if not name:
        return None
    if name != OWN:
        return read_thresholds(Path(name))
    options = ["--quantized"] if directory.name == QUANTIZED else []
    find = command(directory.parent, "evaluate", *options, "--precision", "0.95")
    if not os.path.isfile(directory / THRESHOLDS):
        raise MissingInput(f"--thresholds own: there is no file {directory / THRESHOLDS}", f"Find them: {find}")
    return read_thresholds(directory / THRESHOLDS, f"Find them anew: {find}")


def read_thresholds(path: Path, anew: str = ANEW) -> KeptThresholds:
    """Read thresholds that `evaluate` has kept.

    Args:
        anew: how the file is written anew.

    Raises:
        MissingInput: there is no such file.
        InvalidData: it does not hold thresholds.
    """
    if not os.path.isfile(path):
        raise MissingInput(f"--thresholds: there is no file {path}", anew)
    try:
        with translate_read_errors(path):
            content = read_json(path)
    except (ValueError, RecursionError) as error:
        raise InvalidData(f"--thresholds {path}: no JSON: {error}", anew) from error
    points = content.get("points") if isinstance(content, dict) else None
    if not isinstance(points, list) or not points or not all(map(_is_point, points)):
        raise InvalidData(f"--thresholds {path}: no list `points`, each with a type and a threshold from 0 to 1", anew)
    least = {point["type"]: float(point["threshold"]) for point in points}
    if len(least) < len(points):
        raise InvalidData(f"--thresholds {path}: a type has two thresholds", anew)
    if (decoding := content.get("decoding", "")) not in ("", *DECODINGS):
        raise InvalidData(f"--thresholds {path}: no such decoding: {decoding}", anew)
    return KeptThresholds(least, content.get("labels"), decoding)


def _is_point(point: Any) -> bool:
    if not isinstance(point, dict) or not isinstance(point.get("type"), str):
        return False
    threshold = point.get("threshold")
    return isinstance(threshold, (int, float)) and not isinstance(threshold, bool) and 0 <= threshold <= 1


def thresholds_for(
    min_score: Sequence[str], kept: KeptThresholds | None, labels: Sequence[str], spelling: Spelling, scheme: str
) -> Thresholds | None:
    """The thresholds that were asked for, for this model; None where none were.

    Args:
        min_score: such as `0.9` and `PER=0.9`.
        kept: in their place.
        labels, spelling: of the model.
        scheme: of the tags; empty where all sequences are allowed.

    Raises:
        InvalidOption: no probability, a type that the model does not have, or one type twice.
        InvalidData: `kept` is for another model.
    """
    if kept is None:
        least = parse_least("--min-score", min_score, entity_types(labels, spelling)) if min_score else {}
        return Thresholds(least, scheme) if least else None
    if kept.labels != list(labels) or not kept.least.keys() <= {"", *entity_types(labels, spelling)}:
        raise InvalidData("--thresholds: they are for a model with other labels", ANEW)
    return Thresholds(kept.least, scheme)


def entity_types(labels: Iterable[str], spelling: Spelling) -> set[str]:
    """The types of entities that a model has labels for; none where its tags are parts of speech or the like."""
    if spelling.order == "plain":
        return set()
    return {split_tag(tag)[1] for tag in spelling.read(list(labels))} - {""}


def parse_least(option: str, values: Iterable[str], types: Collection[str]) -> dict[str, float]:
    """Numbers from 0 to 1 by type out of `0.9` and `PER=0.9`; that of "" holds for the types without one of their own.

    Args:
        option: its name, for messages.
        types: of the model.

    Raises:
        InvalidOption: no such number, a type that the model does not have, or one type twice.
    """
    if not types:
        raise InvalidOption(f"{option}: the model's tags are no entities", "Leave it out: there is nothing to choose.")
    least: dict[str, float] = {}
    for value in values:
        label, sign, number = value.rpartition("=")
        if sign and label not in types:
            raise InvalidOption(
                f"{option} {value}: the model has no type {label!r}", f"Its types: {', '.join(sorted(types))}."
            )
        if label in least:
            raise InvalidOption(f"{option} {value}: {label or 'all types'} stands there twice", HELP)
        least[label] = _number(option, value, number)
    return least


def check_given(min_score: Sequence[str], thresholds: str | None) -> None:
    """Check the values of `--min-score` and `--thresholds`, before a model is loaded.

    Raises:
        InvalidOption: both are given, or one is no probability.
    """
    if thresholds and min_score:
        raise InvalidOption("--thresholds and --min-score both set least probabilities", "Give one of them.")
    check_least("--min-score", min_score)


def check_least(option: str, values: Iterable[str]) -> None:
    """Check that these are such numbers, before a model is loaded.

    Raises:
        InvalidOption: one is not.
    """
    for value in values:
        _number(option, value, value.rpartition("=")[2])


def _number(option: str, value: str, number: str) -> float:
    try:
        probability = float(number)
    except ValueError:
        probability = math.nan
    if not 0 <= probability <= 1:
        raise InvalidOption(f"{option} {value}: this is no number from 0 to 1", HELP)
    return probability
