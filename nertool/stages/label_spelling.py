"""How the labels of a model are spelt, with what `download` has decided of them."""

from __future__ import annotations

from collections.abc import Sequence

from nertool.spelling import Spelling, spelling_of_labels
from nertool.workspace.workspace import Workspace


def label_spelling(workspace: Workspace, labels: Sequence[str]) -> Spelling:
    """Recognise the spelling of a model's labels; what types without prefixes are, `download` has decided."""
    spelling = spelling_of_labels(labels)
    scheme = workspace.facts("download").get("tags")
    if spelling.order not in ("types", "plain") or scheme is None:
        return spelling
    return spelling_of_labels(labels, "plain" if scheme == "plain" else "entities")
