"""What preprocess and labels record in `workspace.json`, and what check prints as JSON."""

from __future__ import annotations

from typing import Literal, TypedDict

Severity = Literal["error", "warning", "info"]
"""`error` stops a later stage or tells that data cannot be right, `warning` costs accuracy or trust, `info` is good to
know."""


class LengthCounts(TypedDict):
    """What a length limit did to one file."""

    sentences: int
    """Sentences written."""
    tokens: int
    """Tokens written."""
    dropped: int
    """Tokens without sub-words, which are left out."""
    breaks: int
    """Blank lines put in, so that no sentence is too long."""
    cut: int
    """Breaks inside an entity."""


class PreprocessCounts(LengthCounts):
    """Counts of one split; a repair adds a key for each kind of thing that it changed (see repair.py)."""


class FindingCounts(TypedDict, total=False):
    """A kind of finding, and how often it occurs in each split."""

    severity: Severity
    finding: str
    """What is odd."""
    train: int
    dev: int
    test: int


class PreprocessFacts(TypedDict, total=False):
    """All facts of the stage `preprocess`."""

    train: PreprocessCounts
    dev: PreprocessCounts
    test: PreprocessCounts
    findings: list[FindingCounts]
    """Errors first."""


class LabelsFacts(TypedDict):
    """All facts of the stage `labels`."""

    labels: int
    """Number of tags."""
    tags: list[str]
    """The tags, in the order of their ids."""


class SplitFigures(TypedDict, total=False):
    """Sizes of a split; what it has in common with train is missing for train itself, or without train."""

    sentences: int
    tokens: int
    entities: int
    sentences_also_in_train: int
    """Sentences whose tokens are those of a sentence of train."""
    entities_named_in_train: int
    """Entities whose type and text are those of an entity of train."""


class FindingFacts(TypedDict):
    """A finding in one split."""

    severity: Severity
    what: str
    """What is odd."""
    split: str
    count: int
    """How often."""
    places: list[str]
    """The first places, as `file:line what`."""
    detail: str
    """Explains a finding, or says what mends it; else empty."""


class CheckFacts(TypedDict):
    """All that `check --json` prints."""

    splits: dict[str, SplitFigures]
    scheme: str
    """Scheme of the tags."""
    types: dict[str, dict[str, int]]
    """Entities of each type by split."""
    findings: list[FindingFacts]
    """Errors first."""
