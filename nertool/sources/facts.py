"""What a download records in `workspace.json`."""

from __future__ import annotations

from typing import TypedDict


class SplitCounts(TypedDict, total=False):
    """Counts of one split."""

    sentences: int
    """Sentences written."""
    tokens: int
    """Tokens written."""
    changes: dict[str, int]
    """How often the reader left something out or changed it, by what it was, such as `multiword ranges skipped`."""
    notes: list[str]
    """What the reader found out about the file that no option said; missing where that is nothing."""
    dropped_lines: int
    """Comment lines left out; only from files that go through the README's shell filters."""
    places_corrected: int
    """Places that got new tags; only with `--decisions`."""
    sentences_dropped: int
    """Sentences removed; only with `--decisions`."""


class DownloadFacts(TypedDict, total=False):
    """All facts of the stage `download`."""

    recipe: str
    """Name of the recipe; missing without one."""
    task: str
    """What the tags are for: `ner`, `pos` or `chunk`."""
    source: str
    """Where the data came from: `generated`, `folder`, `own files`, a host, a base URL, or the name of a data set."""
    train: SplitCounts
    dev: SplitCounts
    test: SplitCounts
    first_sentences: list[str]
    """The first sentences as they were understood; missing where the README's shell filters made the lines."""
    tags: str
    """Scheme of the data, or `plain`."""
    spelling: str
    """How the data spell their tags, such as `PER-B`."""
    tokenizer: str
    """How texts were cut into tokens; only with `--tokenizer`."""
    scheme: str
    """Tag scheme before and after, such as `iob1 -> iob2`; only with `--scheme`."""
    edition: str
    """Edition of the files, or `unknown`; only with a recipe that knows its editions."""
