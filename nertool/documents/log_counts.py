"""Tell on the log what was left out, changed or cut while documents were read and tagged."""

from __future__ import annotations

from collections.abc import Mapping

from nertool.documents.document import TAGGED_FIELDS
from nertool.progress import amount, logger


def log_counts(counts: Mapping[str, int], on_error: str = "") -> None:
    """Log how many records, sentences and tokens were left out, changed or cut."""
    shown = {
        "broken": f"records could not be read: {'left out' if on_error == 'skip' else 'they stand as gaps'}",
        "replaced": f"records had fields named {', '.join((*TAGGED_FIELDS, 'text'))}: their values are not passed on",
        "tasks": "records came as tasks of Label Studio: their data and ids are passed on, their annotations are not",
        "comments": "comments before sentences: left out",
        "endless": "numbers that JSON lacks (NaN, Infinity): passed on as null",
        "windowed": "sentences over the model's length: tagged in overlapping windows",
        "without_subwords": "tokens without sub-words: tagged O",
        "below": "entities below their least probability: tagged O",
        "empty": "texts without a token: left out",
        "labelled": "documents that train, dev or test already hold: left out",
        "blanks": "tokens with a blank, tab or line end: written as _",
    }
    for name, what in shown.items():
        if counts.get(name):
            logger.warning(amount(counts[name], what))
