"""README and docs name what exists, and everything that exists is in them."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers import commands

import nertool
from nertool.cli.run_ner_names import NO_EFFECT

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
BENCHMARKS = list((ROOT / "benchmarks").glob("*.py"))
PAGES = sorted([*DOCS.glob("*.md"), *ROOT.glob("*.md")])
OTHERS_OPTIONS = {
    "accelerate": {"multi_gpu", "num_processes"},
    "run_ner.py": {*NO_EFFECT, "data_dir"},
    "LPOT": {"tune"},
    "docker": {"rm", "user"},
    "pip": {"no-deps"},
    "ray": {"address", "head"},
    "shuf": {"random-source"},
    "tag.py": {"text"},
    "torchrun": {"nnodes", "nproc-per-node", "rdzv-backend", "rdzv-endpoint", "rdzv-id"},
}
"""Options of other programs that the pages name."""
CODE = re.compile(r"```\w*\n(.*?)```|`([^`\n]+)`", re.DOTALL)
OPTION = re.compile(r"(?<![\w-])--([a-z][a-zA-Z0-9_-]*[a-z0-9])")
COMMAND = re.compile(r"(?<!from )\bnertool ([a-z]+)\b")
LINK = re.compile(r"\]\(([^)\s]+)\)")


def option_names(command: Any) -> set[str]:
    """Long names of a command's options, without the hyphens in front."""
    return {
        name[2:]
        for parameter in command.params
        for name in (*parameter.opts, *parameter.secondary_opts)
        if name[:2] == "--"
    }


def code_of(page: Path) -> str:
    """The code spans and fenced blocks of a page."""
    return "\n".join("".join(parts) for parts in CODE.findall(page.read_text(encoding="utf-8")))


def headings(page: Path) -> set[str]:
    """Anchors of a page's headings, as GitHub and mkdocs make them."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title).strip().lower().replace(" ", "-") for title in titles}


def ids(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def test_the_readme_is_two_screens() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").split()) <= 900


def test_the_page_of_options_is_current() -> None:
    terminal = {"COLUMNS": "30", "LINES": "3", "FORCE_COLOR": "1", "TERM": "dumb", "SEED": "7"}  # makes no difference
    done = subprocess.run(
        [sys.executable, DOCS / "options.py", "--check"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, **terminal},
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_every_option_that_a_page_names_exists(page: Path) -> None:
    known = {"help", "version", "install-completion", "show-completion"}.union(*map(option_names, commands().values()))
    known |= {name.replace("-", "_") for name in known}
    known = known.union(*OTHERS_OPTIONS.values())
    if page.name == "benchmarks.md":
        known = known.union(*(OPTION.findall(path.read_text(encoding="utf-8")) for path in BENCHMARKS))
    assert sorted(set(OPTION.findall(page.read_text(encoding="utf-8"))) - known) == []


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_every_command_that_a_page_names_exists(page: Path) -> None:
    assert sorted(set(COMMAND.findall(code_of(page))) - set(commands())) == []


def test_every_command_and_option_is_documented() -> None:
    text = (DOCS / "options.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## nertool (\w+)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    assert set(sections) == set(commands())
    for name, command in commands().items():
        shown = {p for p in command.params if not getattr(p, "hidden", False)}
        names = {o[2:] for p in shown for o in (*p.opts, *p.secondary_opts) if o.startswith("--") and "_" not in o}
        assert names - set(OPTION.findall(sections[name])) == {"help"} & names


def test_every_command_has_a_row_or_a_line_in_the_readme() -> None:
    assert set(commands()) <= set(COMMAND.findall((ROOT / "README.md").read_text(encoding="utf-8")))


def links() -> Iterator[tuple[Path, str]]:
    for page in PAGES:
        for target in LINK.findall(page.read_text(encoding="utf-8")):
            if not target.startswith(("http:", "https:", "mailto:")):
                yield page, target


def test_every_extra_for_users_has_a_row_in_the_readme() -> None:
    table = re.search(r"optional-dependencies]\n(.*?)\n\[", (ROOT / "pyproject.toml").read_text("utf-8"), re.DOTALL)
    assert table is not None
    extras = set(re.findall(r"^(\w+) = \[", table[1], re.MULTILINE)) - {"dev", "docs", "test"}
    rows = " ".join(re.findall(r"^\| (`.*?) \|", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE))
    assert len(extras) > 8 and extras <= set(re.findall(r"`(\w+)`", rows))


def test_every_page_is_reached_from_the_readme() -> None:
    linked = {Path(link.partition("#")[0]).name for link in LINK.findall((ROOT / "README.md").read_text("utf-8"))}
    assert {page.name for page in DOCS.glob("*.md")} - {"index.md"} <= linked


def test_every_link_leads_somewhere() -> None:
    broken = []
    for page, target in links():
        name, _, anchor = target.partition("#")
        path = page if not name else page.parent / name
        if not path.exists() or (anchor and anchor not in headings(path)):
            broken.append(f"{ids(page)}: {target}")
    assert broken == []


def test_every_page_is_in_the_site() -> None:
    site = (DOCS / "mkdocs.yml").read_text(encoding="utf-8")
    assert [page.name for page in DOCS.glob("*.md") if f": {page.name}\n" not in site] == []


def test_the_page_of_python_lists_the_public_names() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", (DOCS / "python.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(rows) == sorted(nertool.__all__)


@pytest.mark.parametrize("page", [ROOT / "README.md", DOCS / "python.md"], ids=ids)
def test_python_blocks_name_what_there_is(page: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    names = {
        node.attr
        for block in blocks
        for node in ast.walk(ast.parse(block))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "nertool"
    }
    assert names and names <= set(nertool.__all__)


def test_options_of_run_ner_without_effect_are_in_its_page() -> None:
    page = (DOCS / "from-run-ner.md").read_text(encoding="utf-8")
    rows = re.findall(
        r"^\| (`[^|]+) \|", page.partition("Why it changes nothing")[2].partition("\n\n")[0], re.MULTILINE
    )
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == set(NO_EFFECT)


def test_messages_of_the_page_of_errors_are_those_of_the_code() -> None:
    parts = set()
    for path in (ROOT / "nertool").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                parts.add(node.value)
    rows = re.findall(r"^\| (.*?) \|", (DOCS / "troubleshooting.md").read_text(encoding="utf-8"), re.MULTILINE)
    messages = [message for row in rows for message in re.findall(r"`([^`]+)`", row)]
    assert len(messages) > 40
    unknown = []
    for message in messages:
        fixed = [part.strip(" ,:") for part in re.split(r"\b[A-Z]{3,}\b(?![.-])|\bN\b", message)]
        unknown += [part for part in fixed if len(part) > 3 and not any(part in text for text in parts)]
    assert unknown == [], "reword them in docs/troubleshooting.md"


def test_files_that_the_pages_for_contributors_name_exist() -> None:
    folders = [ROOT, ROOT / "nertool", *(path for path in (ROOT / "tests").iterdir() if path.is_dir())]
    for page in (ROOT / "CONTRIBUTING.md", DOCS / "architecture.md"):
        for name in re.findall(r"`([\w/.-]+\.py)`", code_of_tables(page)):
            assert any((folder / name).exists() for folder in folders), f"{ids(page)}: {name}"


def code_of_tables(page: Path) -> str:
    """The page without what it says of other programs' scripts."""
    return page.read_text(encoding="utf-8").replace("`scripts/preprocess.py`", "")


@pytest.mark.parametrize("name", sorted(commands()))
def test_the_help_of_each_command_names_a_page(name: str) -> None:
    page = str(commands()[name].epilog).removeprefix("Docs: ")
    assert (ROOT / page).is_file()
