"""Write the page of `check --labels`: one HTML page without other files, the places that gold may have wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nertool.report.templates import page_templates


def write_label_page(path: Path, title: str, counts: Mapping[str, int], places: Sequence[Mapping[str, Any]]) -> None:
    """Write the page.

    Args:
        title: name of the data.
        counts: `sentences` and `entities` that were judged, and `places` that differ.
        places: those that are shown: `file`, `line`, `score`, words `before`, in question (`text`) and `behind`, and
            entities as text (`gold`, `predicted`).
    """
    template = page_templates().get_template("label_errors.html")
    path.write_text(template.render(title=title, suggestions=places, **counts), encoding="utf-8")
