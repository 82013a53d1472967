"""Imports point one way: what each part of nertool may import."""

from __future__ import annotations

import ast
import re
from graphlib import TopologicalSorter
from pathlib import Path

import nertool

ROOT = Path(nertool.__file__).parent
FLOORS = (
    {"__main__"},
    {"cli"},
    {"chain", "label_check"},
    {"stages"},
    {"training", "int8"},
    {"scoring", "serving", "exporting"},
    {"sources", "documents"},
    {"models"},
    {"corpus"},
    {"workspace", "report"},
    {"spelling"},
    {"tags", "counts", "errors", "progress", "arrays"},
    {"addresses"},
)
"""Parts of nertool from the command line down; a part imports from lower floors only."""


def module_name(path: Path) -> str:
    """`nertool.corpus.files`."""
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(ROOT.rglob("*.py"))}


def imported_modules(path: Path) -> set[str]:
    """Modules of nertool that a module imports anywhere, in functions and for types too."""
    modules = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names if alias.name in MODULES}
        elif isinstance(node, ast.ImportFrom) and node.module in MODULES:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            modules |= (names & MODULES.keys()) or {node.module}
    return modules


def part(module: str) -> str:
    """`corpus` for `nertool.corpus.files`; empty for the package itself."""
    return module.removeprefix("nertool").lstrip(".").partition(".")[0]


def floor(module: str) -> int:
    return next(number for number, parts in enumerate(FLOORS) if part(module) in parts)


def test_imports_point_down() -> None:
    wrong = [
        f"{module} imports {other}"
        for module, path in MODULES.items()
        for other in imported_modules(path)
        if part(module) and part(other) and part(module) != part(other) and floor(module) >= floor(other)
    ]
    assert wrong == []


def test_no_stage_imports_another() -> None:
    stages = {
        "download",
        "preprocess",
        "labels",
        "train",
        "evaluate",
        "quantize",
        "predict",
        "serve",
        "export",
        "check",
    }
    modules = {f"nertool.stages.{name}" for name in stages}
    assert modules <= MODULES.keys()
    wrong = [f"{name} imports {other}" for name in modules for other in imported_modules(MODULES[name]) & modules]
    assert wrong == []


def test_there_is_no_circle() -> None:
    TopologicalSorter({module: imported_modules(path) for module, path in MODULES.items()}).prepare()


def test_the_picture_and_the_table_name_every_part() -> None:
    docs = ROOT.parent / "docs"
    picture = (docs / "images" / "layers.svg").read_text(encoding="utf-8")
    boxes = re.findall(r">([\w, ]+)</text>", picture)
    table = (docs / "architecture.md").read_text(encoding="utf-8")
    parts = {part(module) for module in MODULES} - {"", "__main__"}
    assert {name for box in boxes for name in box.split(", ")} == parts
    assert {name for name in re.findall(r"`(\w+)(?:/|\.py)`", table) if name in parts} == parts
