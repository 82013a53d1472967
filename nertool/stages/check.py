"""A report on the data: what each split holds, and all that is odd, with file and line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from nertool.corpus.files import open_bytes, open_text, translate_read_errors
from nertool.corpus.findings import SEVERITIES, Finding, Report, report_on
from nertool.corpus.known_lines import KnownLines, read_blocks
from nertool.corpus.profile import Places, Profile
from nertool.errors import InvalidOption, MissingInput
from nertool.models.encode import count_subwords
from nertool.models.names import load_tokenizer, quiet_transformers
from nertool.progress import bar
from nertool.sources.recipes import RECIPES
from nertool.sources.shell_filters import Filters
from nertool.stages.options import MaxLengthOption, ModelOption
from nertool.workspace.names import RAW
from nertool.workspace.workspace import StageOptions, Workspace


@dataclass(frozen=True)
class Options(StageOptions):
    """Options of `check`."""

    model: ModelOption = "minilm"
    max_length: MaxLengthOption = 128
    fail_on: Annotated[
        Literal["error", "warning"] | None,
        typer.Option(
            "--fail-on",
            help="Exit with 1 if there is a finding this severe or more; without this option always with 0.",
        ),
    ] = None


def run(workspace: Workspace, options: Options) -> Report:
    """Look at `{split}.txt.tmp` (or `{split}.txt`, where there is no such file) and at the published files in `raw/`.

    Raises:
        MissingInput: there are no data.
        InvalidData: a file is not text in UTF-8 (names file and line).
    """
    suffix = ".txt.tmp" if workspace.splits(".txt.tmp") else ".txt"
    paths = {split: workspace / f"{split}{suffix}" for split in workspace.splits(suffix)}
    if not paths:
        raise MissingInput(f"{workspace.path} holds no data", f"Run: {workspace.command('download', 'RECIPE')}")
    known, budget, why = _lengths(options)
    profiles: dict[str, Profile] = {}
    seen: dict[bytes, Any] = {}
    for split, path in paths.items():
        profile = profiles[split] = Profile(split, path, budget)
        with bar(f"check {split}", path.stat().st_size, "B") as (progress, task):
            for block in read_blocks(path):
                known.learn(block, path)
                profile.add(block, known, seen)
                progress.advance(task, sum(map(len, block.lines)))
    report = report_on(profiles, located=True)
    report.findings += [*_raw_fields(workspace), *_carriage_returns(paths)]
    if why:
        report.findings.append(Finding("info", "lengths were not looked at", next(iter(paths)), 1, detail=why))
    report.findings.sort(key=lambda finding: SEVERITIES.index(finding.severity))
    return report


def _lengths(options: Options) -> tuple[KnownLines, int | None, str]:
    """Known lines with their sub-words, the budget, and why there is none where there is no tokenizer."""
    quiet_transformers()
    try:
        tokenizer = load_tokenizer(options.model)
    except InvalidOption as error:
        return KnownLines(), None, error.message
    return (
        KnownLines(partial(count_subwords, tokenizer)),
        options.max_length - tokenizer.num_special_tokens_to_add(),
        "",
    )


def _raw_fields(workspace: Workspace) -> Iterator[Finding]:
    """Lines of the published files with fewer or more fields than most."""
    recipe = RECIPES.get(workspace.facts("download").get("recipe", ""))
    if recipe is None or recipe.filters is None:
        return
    for split, published in recipe.files.items():
        path = workspace / RAW / published.name
        if not path.is_file():
            continue
        usual = Counter(width for width in _widths(path, recipe.filters) if width).most_common(1)
        places = Places()
        for number, width in enumerate(_widths(path, recipe.filters), start=1):
            if width and width != usual[0][0]:
                places.add(path, number, f"{width} fields")
        if places.count:
            what = f"line without the {usual[0][0]} fields that others have"
            yield Finding("warning", what, split, places.count, places.first)


def _widths(path: Path, filters: Filters) -> Iterator[int]:
    """How many fields each line has; 0 for a blank line or a comment."""
    with translate_read_errors(path), open_bytes(path) as file:
        for line in file:
            empty = not line.strip() or (filters.drop_comments and line.startswith(b"#"))
            yield 0 if empty else line.count(filters.delimiter) + 1


def _carriage_returns(paths: Mapping[str, Path]) -> Iterator[Finding]:
    for split, path in paths.items():
        places = Places()
        with open_text(path, newline="") as file, translate_read_errors(path):
            for number, line in enumerate(file, start=1):
                if line.endswith(("\r\n", "\r")):
                    places.add(path, number)
        if places.count:
            yield Finding("info", "line that ends with a carriage return", split, places.count, places.first)
