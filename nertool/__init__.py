"""nertool: from published data to a small INT8 token-classification model, in one workspace directory.

The public names are loaded when they are asked for, so that `import nertool` imports nothing heavy:

    import nertool

    tagger = nertool.load_tagger("workspace/model")
    tagger.entities("Anna Keller flew to Vienna.")           # [Entity(label="PER", start=0, end=11, ...), ...]
    list(tagger.tag([["Anna", "Keller", "left"]]))           # [["B-PER", "I-PER", "O"]]
    nertool.score([(["B-PER", "O"], ["B-PER", "O"])]).results()["f1"]

Each stage is a module of `nertool.stages` with `Options` and `run(workspace, options)`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nertool.errors import NertoolError
    from nertool.models.load_tagger import load_tagger
    from nertool.models.tagger import Tagger
    from nertool.models.tagging import Entity
    from nertool.scoring.scorer import Scorer, score
    from nertool.sources.recipes import RECIPES
    from nertool.tags import Span, spans
    from nertool.workspace.workspace import Workspace

    __version__: str

__all__ = [
    "RECIPES",
    "Entity",
    "NertoolError",
    "Scorer",
    "Span",
    "Tagger",
    "Workspace",
    "__version__",
    "load_tagger",
    "score",
    "spans",
]

_MODULES = {
    "Entity": "nertool.models.tagging",
    "NertoolError": "nertool.errors",
    "RECIPES": "nertool.sources.recipes",
    "Scorer": "nertool.scoring.scorer",
    "Span": "nertool.tags",
    "Tagger": "nertool.models.tagger",
    "Workspace": "nertool.workspace.workspace",
    "load_tagger": "nertool.models.load_tagger",
    "score": "nertool.scoring.scorer",
    "spans": "nertool.tags",
}
"""Where each public name is defined."""


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("nertool")
    if name not in _MODULES:
        raise AttributeError(f"module 'nertool' has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
