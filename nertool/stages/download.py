"""Fetch a published data set and turn its files into `token, space, tag` lines, as the README's shell pipelines do."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

import typer

from nertool.errors import DownloadFailed, InvalidOption
from nertool.fetch import fetch
from nertool.options import ForceOption
from nertool.recipes import RECIPES, Recipe, find_recipe
from nertool.workspace import RAW, Result, Stage, StageOptions, Workspace

HUB_SPLITS = {"train": "train", "dev": "validation", "test": "test"}


@dataclass(frozen=True)
class Options(StageOptions):
    """Options of `download`."""

    unrecorded: ClassVar[tuple[str, ...]] = ("force", "source")  # the bytes count, not where they came from

    recipe: Annotated[str, typer.Argument(help=f"Data set: {', '.join(RECIPES)}.")]
    source: Annotated[
        str | None,
        typer.Option("--source", help="Folder or base URL that holds the published files under their own names."),
    ] = None
    force: ForceOption = False


def run(workspace: Workspace, options: Options) -> Result:
    """Write `raw/` and `{train,dev,test}.txt.tmp`.

    Raises:
        InvalidOption: no such recipe, or a source folder without the published files.
        DownloadFailed: a file cannot be fetched whole.
    """
    recipe = find_recipe(options.recipe)
    local = _local_files(recipe, options.source)
    with workspace.open_stage(
        "download",
        options,
        reads=[],
        writes=[f"{split}.txt.tmp" for split in recipe.files],
        sources=local,
        packages=["datasets"] if recipe.hub and not options.source else [],
        force=options.force,
    ) as stage:
        if not stage.fresh:
            stage.facts["recipe"] = recipe.name
            if recipe.hub and options.source is None:
                stage.facts["source"] = recipe.hub
                _from_hub(recipe, stage)
            else:
                stage.facts["source"] = "folder" if local else options.source or recipe.home
                _obtain(recipe, options.source, local, workspace / ".download", stage)
                _filter(recipe, stage)
            shutil.rmtree(workspace / ".download", ignore_errors=True)
    return stage.result()


def _local_files(recipe: Recipe, source: str | None) -> dict[str, Path] | None:
    """The published files in the source folder, by name; None where they come from elsewhere."""
    if source is None or source.startswith(("http://", "https://")):
        return None
    folder = Path(source)
    if not folder.is_dir():
        raise InvalidOption(f"--source {source}: no such folder", "Name a folder, or a base URL that begins with http.")
    names = [published.name for published in recipe.files.values()]
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise InvalidOption(
            f"--source {source}: {', '.join(missing)} not there", f"{recipe.name} is published as {', '.join(names)}."
        )
    return {name: folder / name for name in names}


def _obtain(recipe: Recipe, source: str | None, local: dict[str, Path] | None, partials: Path, stage: Stage) -> None:
    """Bring the published files into `raw/`, byte for byte."""
    made = recipe.generate() if recipe.generate and source is None else {}
    for published in recipe.files.values():
        target = stage.file(f"{RAW}/{published.name}")
        if local:
            shutil.copyfile(local[published.name], target)
        elif published.name in made:
            target.write_bytes(made[published.name])
        else:
            url = f"{source.rstrip('/')}/{published.name}" if source else published.url
            fetch(url, target, partials / published.name)


def _filter(recipe: Recipe, stage: Stage) -> None:
    for split, published in recipe.files.items():
        raw = stage.staging / "files" / RAW / published.name
        with raw.open("rb") as source, stage.file(f"{split}.txt.tmp").open("wb") as target:
            stage.facts[split] = recipe.filters.apply(source, target)


def _from_hub(recipe: Recipe, stage: Stage) -> None:
    """Write the splits of a hub data set whose rows have `tokens` and named integer tags."""
    from datasets import load_dataset
    from datasets.exceptions import DatasetNotFoundError

    try:
        rows = load_dataset(recipe.hub)
    except (DatasetNotFoundError, OSError, RuntimeError) as error:  # RuntimeError: a data set that needs a script
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        names = ", ".join(published.name for published in recipe.files.values())
        raise DownloadFailed(
            f"{recipe.hub} cannot be had from the hub: {reason}", f"Name a folder that holds {names}: --source DIR"
        ) from error
    for split in recipe.files:
        stage.facts[split] = _write_rows(rows[HUB_SPLITS[split]], stage.file(f"{split}.txt.tmp"))


def _write_rows(rows: Any, path: Path) -> dict[str, int]:
    names = rows.features["ner_tags"].feature.names
    sentences = tokens = dropped = 0
    with path.open("w", encoding="utf-8", newline="\n") as target:
        for row in rows:
            if row["tokens"][:1] == ["-DOCSTART-"]:  # some public copies have them
                dropped += 1
                continue
            for token, tag in zip(row["tokens"], row["ner_tags"], strict=True):
                target.write(f"{token} {names[tag]}\n")
            target.write("\n")
            sentences += 1
            tokens += len(row["tokens"])
    return {"sentences": sentences, "tokens": tokens, "dropped lines": dropped}
