"""Fetch a published data set, or take your own files, and write `token, space, tag` lines, as the README does."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import typer

from nertool.corpus.files import open_bytes, translate_read_errors
from nertool.errors import DownloadFailed, InvalidData, InvalidOption, MissingInput
from nertool.progress import logger
from nertool.sources import hub
from nertool.sources.fetch import fetch
from nertool.sources.readers import read_file
from nertool.sources.readers.layout import Layout
from nertool.sources.readers.rows import read_tag_names
from nertool.sources.readers.tally import Tally
from nertool.sources.recipes import RECIPES, Recipe, find_recipe
from nertool.sources.write_splits import convert_splits, named, write_split
from nertool.stages.options import ForceOption
from nertool.workspace.digests import digest
from nertool.workspace.names import RAW, SPLITS, join_names
from nertool.workspace.workspace import Result, Stage, StageOptions, StageRun, Workspace


@dataclass(frozen=True)
class Options(StageOptions):
    """Options of `download`."""

    unrecorded: ClassVar[tuple[str, ...]] = (  # the bytes count, not where they came from
        *("force", "locked", "source", "train_file", "validation_file", "test_file", "tag_names"),
    )

    groups: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "Columns": (
            *("token_column", "tag_column", "sentence_column", "delimiter", "comment", "tag_names", "alignment"),
        ),
        "Hub": ("dataset", "dataset_config", "dataset_revision"),
    }

    recipe: Annotated[str | None, typer.Argument(help=f"Data set: {', '.join(RECIPES)}.", show_default=False)] = None
    source: Annotated[
        str | None,
        typer.Option("--source", help="Folder or base URL of the recipe's published files, under their own names."),
    ] = None
    train_file: Annotated[
        str | None, typer.Option("--train-file", help="Your own file for train, in place of a recipe.")
    ] = None
    validation_file: Annotated[
        str | None, typer.Option("--validation-file", "--dev-file", help="Your own file for dev.")
    ] = None
    test_file: Annotated[str | None, typer.Option("--test-file", help="Your own file for test.")] = None
    dataset: Annotated[
        str | None,
        typer.Option(
            "--dataset", "--dataset-name", help="Data set of the Hugging Face Hub, or folder that holds a data set."
        ),
    ] = None
    dataset_config: Annotated[
        str | None,
        typer.Option("--dataset-config", "--dataset-config-name", help="Configuration (subset) of --dataset."),
    ] = None
    dataset_revision: Annotated[
        str | None, typer.Option("--dataset-revision", help="Branch, tag or commit of --dataset on the Hub.")
    ] = None
    task: Annotated[
        Literal["ner", "pos", "chunk"] | None,
        typer.Option(
            "--task", "--task-name", help="Task: decides which column holds the tags and which values the recipe sets."
        ),
    ] = None
    token_column: Annotated[
        str, typer.Option("--token-column", "--text-column-name", help="Column of the tokens: name, or number from 1.")
    ] = ""
    tag_column: Annotated[
        str,
        typer.Option(
            "--tag-column",
            "--label-column-name",
            help="Column of the tags: name, or number from 1 (-1 is the last); CoNLL-U also feats:NAME, misc:NAME; "
            "germeval2014 has outer and inner.",
        ),
    ] = ""
    sentence_column: Annotated[
        str, typer.Option("--sentence-column", help="Column of the sentence id, for CSV files.")
    ] = ""
    delimiter: Annotated[
        str,
        typer.Option("--delimiter", help="Separator of the columns in column text and CSV: tab, space or any text."),
    ] = ""
    comment: Annotated[
        str, typer.Option("--comment", help="Prefix of the lines to leave out of column text [default: none].")
    ] = ""
    tag_names: Annotated[
        str | None,
        typer.Option("--tag-names", help="File with the tag of each number, for data whose tags are integers."),
    ] = None
    alignment: Annotated[
        Literal["strict", "expand", "contract"],
        typer.Option(
            "--alignment", help="Leave out, widen or narrow character spans that do not end at token borders."
        ),
    ] = "strict"
    scheme: Annotated[
        Literal["keep", "iob2", "iobes", "bilou", "io"], typer.Option("--scheme", help="Convert the tags to a scheme.")
    ] = "keep"
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Number of sentences to take from each split, for a quick try.")
    ] = None
    locked: Annotated[
        bool, typer.Option("--locked", help="Refuse files that differ from those in the workspace's record.")
    ] = False
    force: ForceOption = False

    @property
    def own_files(self) -> dict[str, Path]:
        """The user's own files by split."""
        named = zip(SPLITS, (self.train_file, self.validation_file, self.test_file), strict=True)
        return {split: Path(name) for split, name in named if name}


def is_named(values: Mapping[str, Any]) -> bool:
    """These option values name a data set."""
    return any(values.get(name) for name in ("recipe", "train_file", "validation_file", "test_file", "dataset"))


def run(workspace: Workspace, options: Options) -> Result:
    """Write `{train,dev,test}.txt.tmp`, and `raw/` with a recipe's files as they are published.

    Raises:
        InvalidOption: no such recipe or column, none or more than one kind of source, or a source folder without the
            published files.
        InvalidData: a file is not what it should be (names file and line), or differs from the record (`locked`).
        DownloadFailed: a file or a data set cannot be had whole.
    """
    recipe = _recipe(options)
    layout = _layout(options, recipe)
    filters = recipe.filters_for(layout.task, options.tag_column) if recipe else None
    local = _local_files(recipe, options.source) if recipe else options.own_files
    from_hub = options.dataset or (recipe.hub if recipe and not options.source else "")
    splits = options.own_files or (recipe.files if recipe else SPLITS)
    _check_own(options)
    if options.locked and "download" not in workspace.records():
        raise InvalidOption("--locked: no download is on record", "Run it once without; workspace.json keeps SHA-256.")
    planned = StageRun(
        "download",
        options,
        reads=[],
        writes=[f"{split}.txt.tmp" for split in splits],
        sources=_sources(options, local),
        packages=["datasets"] if from_hub else [],
        force=options.force,
    )

    def work(stage: Stage) -> None:
        stage.facts = {"recipe": recipe.name} if recipe else {}
        stage.facts |= {"task": layout.task, "source": _source(options, recipe, from_hub)}
        if from_hub:
            _from_hub(from_hub, recipe, layout, options, stage)
        elif recipe:
            _from_published(recipe, filters, layout, options, local, workspace / ".download", stage)
        else:
            for split, path in options.own_files.items():
                tally = Tally()
                write_split(split, read_file.read(path, layout, tally), stage, tally, options.limit)
                _refuse_empty(path, stage.facts[split])
        convert_splits(stage, options.scheme, options.limit, filtered=filters is not None)
        if recipe and options.scheme == "keep" and not options.limit and not options.tag_column:
            _name_edition(recipe, stage)
        if options.locked:
            _compare_with_record(workspace, stage)
        shutil.rmtree(workspace / ".download", ignore_errors=True)

    return workspace.run(planned, work)


# -- what is asked for -----------------------------------------------------------------------------


def _recipe(options: Options) -> Recipe | None:
    """The recipe, where the data are a recipe's.

    Raises:
        InvalidOption: no such recipe; or not exactly one of a recipe, own files and a data set.
    """
    given = {
        "a recipe": options.recipe,
        "--train-file, --validation-file or --test-file": options.own_files,
        "--dataset": options.dataset,
    }
    asked = [name for name, value in given.items() if value]
    if len(asked) != 1:
        what = " and ".join(asked) + " cannot be had together" if asked else "no data set is named"
        raise InvalidOption(what, f"Name one of: {'; '.join(given)}.")
    if options.source and not options.recipe:
        raise InvalidOption("--source is for a recipe's files", f"Name a recipe: {', '.join(RECIPES)}")
    return find_recipe(options.recipe) if options.recipe else None


def _layout(options: Options, recipe: Recipe | None) -> Layout:
    return Layout(
        recipe.check_task(options.task) if recipe else options.task or "ner",
        options.token_column,
        options.tag_column,
        options.sentence_column,
        options.delimiter,
        options.comment,
        read_tag_names(Path(options.tag_names)) if options.tag_names else (),
        options.alignment,
    )


def _local_files(recipe: Recipe, source: str | None) -> dict[str, Path] | None:
    """The published files in the source folder, by split; None where they come from elsewhere."""
    if source is None or source.startswith(("http://", "https://")):
        return None
    folder = Path(source)
    if not folder.is_dir():
        raise InvalidOption(f"--source {source}: no such folder", "Name a folder, or a base URL that begins with http.")
    names = {split: published.name for split, published in recipe.files.items()}
    missing = [name for name in names.values() if not (folder / name).is_file()]
    if missing:
        raise InvalidOption(
            f"--source {source}: {', '.join(missing)} not there",
            f"{recipe.name} is published as {', '.join(names.values())}.",
        )
    return {split: folder / name for split, name in names.items()}


def _check_own(options: Options) -> None:
    for path in options.own_files.values():
        try:
            digest(path)
        except MissingInput as error:
            raise MissingInput(error.message, "Name a file that is there.") from error


def _sources(options: Options, local: Mapping[str, Path] | None) -> dict[str, Path] | None:
    """Files outside the workspace that are read, by names without a machine path."""
    folder = Path(options.dataset or "")
    names = {"tag names": Path(options.tag_names)} if options.tag_names else {}
    if options.dataset and folder.is_dir():
        return {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()} | names
    if local is None or options.dataset:
        return names or None
    return {
        path.name if options.recipe else split + read_file.form(path): path for split, path in local.items()
    } | names


def _source(options: Options, recipe: Recipe | None, from_hub: str) -> str:
    if recipe and not from_hub:
        return "folder" if options.source and "://" not in options.source else options.source or recipe.home
    return (Path(from_hub).name if Path(from_hub).is_dir() else from_hub) or "own files"


# -- bringing it into the workspace ----------------------------------------------------------------


def _from_hub(name: str, recipe: Recipe | None, layout: Layout, options: Options, stage: Stage) -> None:
    try:
        splits = hub.load(name, options.dataset_config, options.dataset_revision)
    except DownloadFailed as error:
        if recipe is None:
            raise
        files = ", ".join(published.name for published in recipe.files.values())
        raise DownloadFailed(error.message, f"Name a folder that holds {files}: --source DIR") from error
    for split, rows in splits.items():
        tally = Tally()
        write_split(split, hub.read(rows, name, layout, tally), stage, tally, options.limit)


def _from_published(
    recipe: Recipe,
    filters: Any,
    layout: Layout,
    options: Options,
    local: Mapping[str, Path] | None,
    partials: Path,
    stage: Stage,
) -> None:
    """Bring the published files into `raw/`, byte for byte, and what follows from them into `{split}.txt.tmp`."""
    made = recipe.generate() if recipe.generate and options.source is None else {}
    for split, published in recipe.files.items():
        raw = stage.file(f"{RAW}/{published.name}")
        if local:
            shutil.copyfile(local[split], raw)
        elif published.name in made:
            raw.write_bytes(made[published.name])
        else:
            fetch(
                f"{options.source.rstrip('/')}/{published.name}" if options.source else published.url,
                raw,
                partials / published.name,
            )
    for split, published in recipe.files.items():
        raw = local[split] if local else stage.staging / "files" / RAW / published.name
        with named(raw, str(raw) if local else published.name):
            if filters is None:
                tally = Tally()
                write_split(split, read_file.read(raw, layout, tally), stage, tally, options.limit)
            else:
                with (
                    translate_read_errors(raw),
                    open_bytes(raw) as source,
                    stage.file(f"{split}.txt.tmp").open("wb") as target,
                ):
                    stage.facts[split] = filters.apply(source, target)


def _refuse_empty(path: Path, counts: Mapping[str, int]) -> None:
    if not counts["sentences"]:
        raise InvalidData(f"{path}:1: no sentence in this file", "Name a file that holds tokens with tags.")


# -- is it the same as ever? -----------------------------------------------------------------------


def _name_edition(recipe: Recipe, stage: Stage) -> None:
    """Name the edition of the files, where one is known."""
    if not recipe.editions:
        return
    found = {split: digest(stage.staging / "files" / f"{split}.txt.tmp")["sha256"] for split in recipe.files}
    known = [name for name, edition in recipe.editions.items() if edition == found]
    stage.facts["edition"] = known[0] if known else "unknown"
    if not known:
        name, edition = next(iter(recipe.editions.items()))
        other = [split for split in found if found[split] != edition[split]]
        logger.warning("not the files of %s: %s: another edition, or changed", name, join_names(other))


def _compare_with_record(workspace: Workspace, stage: Stage) -> None:
    """Refuse published files whose digests differ from the record's.

    Raises:
        InvalidData: a file differs.
    """
    record = workspace.records()["download"]
    published = [name for name in stage.entries if name.startswith(f"{RAW}/")]
    if published:
        now = {name: digest(stage.staging / "files" / name) for name in published}
        then = {name: known for name, known in record["writes"].items() if name.startswith(f"{RAW}/")}
    elif stage.identity["sources"]:
        now, then = stage.identity["sources"], record["sources"] or {}
    else:
        now = {name: digest(stage.staging / "files" / name) for name in stage.entries}
        then = record["writes"]
    for name in sorted({*now, *then}):
        if now.get(name) != then.get(name):
            have, had = ((known or {}).get("sha256", "none") for known in (now.get(name), then.get(name)))
            raise InvalidData(
                f"{name} is not the file of the record: SHA-256 {have}, recorded {had}",
                "Find out who changed it, or take it as it is now: leave --locked out.",
            )
