"""Fetch a published data set, or take your own files, and write `token, space, tag` lines, as the README does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, cast

import typer

from nertool.corpus.running_text import CHARACTERS, cutter
from nertool.errors import InvalidData, InvalidOption, MissingInput
from nertool.progress import logger
from nertool.sources.apply_decisions import apply_decisions
from nertool.sources.convert_tags import TagOptions, convert_splits, read_type_map
from nertool.sources.data_sources import DataSource, HubData, OwnFiles, PublishedFiles
from nertool.sources.facts import DownloadFacts
from nertool.sources.readers.layout import Layout
from nertool.sources.readers.tag_names import read_tag_names
from nertool.sources.recipes import RECIPES, Recipe, find_recipe, recipe_names
from nertool.sources.write_splits import first_sentences
from nertool.stages.options import ForceOption, TokenizerOption
from nertool.workspace.digests import Digest, digest
from nertool.workspace.names import RAW, SPLITS, join_names
from nertool.workspace.option_values import refuse_unused
from nertool.workspace.stage import Result, Stage, StageRun
from nertool.workspace.stage_options import StageOptions
from nertool.workspace.workspace import Workspace

Digests = Mapping[str, Digest]
"""Digests of files, by their names."""


FOR_READERS = (
    *("token_column", "sentence_column", "delimiter", "comment", "encoding", "sentence_end", "tag_names"),
    *("text_column", "spans_column", "annotator", "alignment"),
)
"""Options that say how a file is to be read."""


@dataclass(frozen=True)
class Options(StageOptions):
    """Options of `download`."""

    unrecorded: ClassVar[tuple[str, ...]] = (  # the bytes count, not where they came from
        *("force", "locked", "source", "train_file", "validation_file", "test_file", "tag_names", "type_map"),
        "decisions",
    )

    groups: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "Columns": (
            *("token_column", "tag_column", "sentence_column", "delimiter", "comment", "encoding", "sentence_end"),
            *("line_errors", "accept_as_is", "tag_names", "alignment", "tokenizer"),
            *("text_column", "spans_column", "annotator"),
        ),
        "Tags": ("scheme", "tags", "type_map", "keep_types", "decisions"),
        "Hub": ("dataset", "dataset_config", "dataset_revision"),
    }

    recipe: Annotated[
        str | None,
        typer.Argument(help=f"Data set: {', '.join(RECIPES)}.", show_default=False, autocompletion=recipe_names),
    ] = None
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
        str, typer.Option("--sentence-column", help="Column of the sentence id, where a row holds a token.")
    ] = ""
    delimiter: Annotated[
        str,
        typer.Option("--delimiter", help="Separator of the columns in column text and CSV: tab, space or any text."),
    ] = ""
    comment: Annotated[
        str, typer.Option("--comment", help="Prefix of the lines to leave out of column text [default: none].")
    ] = ""
    encoding: Annotated[
        str, typer.Option("--encoding", help="Encoding of files of text, such as cp1252 or gb18030.")
    ] = "utf-8"
    sentence_end: Annotated[
        str,
        typer.Option("--sentence-end", help="Column text, CSV: the token that ends a sentence without blank lines."),
    ] = ""
    line_errors: Annotated[
        Literal["stop", "skip"],
        typer.Option("--on-error", help="Lines that cannot be read: stop, or leave them out and count them."),
    ] = "stop"
    accept_as_is: Annotated[
        bool,
        typer.Option(
            "--accept-as-is",
            help="Take data that look wrong, such as tokens that count 1, 2, 3, and new types in --decisions.",
        ),
    ] = False
    tag_names: Annotated[
        str | None,
        typer.Option("--tag-names", help="File with the tag of each number, for data whose tags are integers."),
    ] = None
    text_column: Annotated[
        str, typer.Option("--text-column", help="Key of the text in JSON of texts with character spans.")
    ] = ""
    spans_column: Annotated[
        str, typer.Option("--spans-column", help="Key of the spans in JSON of texts with character spans.")
    ] = ""
    annotator: Annotated[
        str,
        typer.Option(
            "--annotator", help="Name, id or number of the annotator to take of several [default: the first]."
        ),
    ] = ""
    alignment: Annotated[
        Literal["strict", "expand", "contract"],
        typer.Option(
            "--alignment", help="Leave out, widen or narrow character spans that do not end at token borders."
        ),
    ] = "strict"
    tokenizer: TokenizerOption = ""
    scheme: Annotated[
        Literal["keep", "iob2", "iob1", "ioe1", "ioe2", "iobes", "bilou", "bmewo", "io"],
        typer.Option("--scheme", help="Convert the tags to a scheme, whatever their scheme and spelling are."),
    ] = "keep"
    tags: Annotated[
        Literal["auto", "plain", "entities"],
        typer.Option(
            "--tags", help="Take tags without prefixes for types of entities, or for plain tags as parts of speech are."
        ),
    ] = "auto"
    type_map: Annotated[
        str | None,
        typer.Option(
            "--type-map", help="File of OLD NEW lines or one JSON object: rename or merge types; O as NEW drops one."
        ),
    ] = None
    keep_types: Annotated[
        str, typer.Option("--keep-types", help="Types to keep, with commas between; others become O [default: all].")
    ] = ""
    decisions: Annotated[
        list[str] | None,
        typer.Option(
            "--decisions",
            help="File of check --labels --decisions, in which somebody decided: take new tags in, drop sentences; may "
            "be repeated, in this order.",
            show_default=False,
        ),
    ] = None
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Number of sentences to take from each split, for a quick try.")
    ] = None
    locked: Annotated[
        bool,
        typer.Option(
            "--locked", help="Refuse files that differ from those on record; without a record, from the published ones."
        ),
    ] = False
    force: ForceOption = False

    def __post_init__(self) -> None:
        """Refuse values that make no sense."""
        super().__post_init__()
        try:
            "a".encode(self.encoding)
        except (LookupError, ValueError) as error:
            raise InvalidOption(
                f"--encoding {self.encoding}: no encoding of text", "Name one such as cp1252, gb18030 or utf-16."
            ) from error

    @property
    def own_files(self) -> dict[str, Path]:
        """The user's own files by split."""
        named = zip(SPLITS, (self.train_file, self.validation_file, self.test_file), strict=True)
        return {split: Path(name) for split, name in named if name}


def run(workspace: Workspace, options: Options) -> Result:
    """Write `{train,dev,test}.txt.tmp`, and `raw/` with a recipe's files as they are published.

    Raises:
        InvalidOption: a recipe, a column or a source folder does not exist, or not exactly one kind of source is named.
        InvalidData: a file is not what it should be (names file and line), or differs from the record (`locked`).
        DownloadFailed: a file or a data set cannot be had whole.
    """
    recipe = _recipe(options)
    layout = _layout(options, recipe)
    cutter(layout.tokenizer)  # so that a wrong name is refused before anything is read
    data = _data_source(options, recipe, layout, workspace / ".download")
    _check_used(options, data)
    planned = _plan(options, data)
    tag_options = _tag_options(options)
    as_published = tag_options.keeps_all and not (options.limit or options.tag_column or options.decisions)
    editions = recipe.editions if recipe and as_published else {}
    recorded = not options.locked or _is_recorded(workspace, otherwise=bool(editions))

    def work(stage: Stage) -> None:
        facts: DownloadFacts = {"recipe": recipe.name} if recipe else {}
        facts.update({"task": layout.task, "source": data.label})
        counts = data.bring(stage, options.limit)
        reading, counts = convert_splits(stage, counts, tag_options)
        if options.decisions:
            counts = apply_decisions(stage, counts, map(Path, options.decisions), options.accept_as_is)
        facts.update(cast(DownloadFacts, counts))
        facts.update({"tags": reading.scheme, "spelling": str(reading.spelling)})
        if options.tokenizer:
            facts["tokenizer"] = options.tokenizer
        if options.scheme != "keep":
            facts["scheme"] = f"{reading.scheme} -> {options.scheme}"
        if editions:
            facts["edition"] = _edition(editions, stage, refuse=not recorded)
        if not (isinstance(data, PublishedFiles) and data.filters):
            facts["first_sentences"] = first_sentences(stage.staged(f"{next(iter(counts))}.txt.tmp"))
            for sentence in facts["first_sentences"]:
                logger.info("read as: %s", sentence)
        stage.facts = {**facts}
        if options.locked and recorded:
            _compare_with_record(workspace, stage)

    return workspace.run(planned, work)


def _is_recorded(workspace: Workspace, otherwise: bool) -> bool:
    """Whether a download is on record, for `--locked`.

    Args:
        otherwise: digests of the published files are known, which do as well.

    Raises:
        InvalidOption: none is, and nothing else will do.
    """
    with workspace.reading():
        recorded = "download" in workspace.records()
    if not recorded and not otherwise:
        raise InvalidOption("--locked: no download is on record", "Run it once without; workspace.json keeps SHA-256.")
    return recorded


# -- what is asked for -----------------------------------------------------------------------------


def _recipe(options: Options) -> Recipe | None:
    """Find the recipe; None where the data are not a recipe's.

    Raises:
        InvalidOption: the recipe does not exist; or not exactly one of a recipe, own files and a data set is named.
    """
    kinds = {
        "a recipe": options.recipe,
        "--train-file, --validation-file or --test-file": options.own_files,
        "--dataset": options.dataset,
    }
    named = [kind for kind, value in kinds.items() if value]
    if len(named) != 1:
        what = " and ".join(named) + " cannot be had together" if named else "no data set is named"
        raise InvalidOption(what, f"Name one of: {'; '.join(kinds)}.")
    if options.source and not options.recipe:
        raise InvalidOption("--source is for a recipe's files", f"Name a recipe: {', '.join(RECIPES)}")
    return find_recipe(options.recipe) if options.recipe else None


def _layout(options: Options, recipe: Recipe | None) -> Layout:
    return Layout(
        task=recipe.check_task(options.task) if recipe else options.task or "ner",
        token_column=options.token_column,
        tag_column=options.tag_column,
        sentence_column=options.sentence_column,
        delimiter=options.delimiter,
        comment=options.comment,
        encoding=options.encoding,
        on_error=options.line_errors,
        sentence_end=options.sentence_end,
        tag_names=read_tag_names(Path(options.tag_names)) if options.tag_names else (),
        text_column=options.text_column,
        spans_column=options.spans_column,
        annotator=options.annotator,
        alignment=options.alignment,
        tokenizer=options.tokenizer or CHARACTERS,
        as_is=options.accept_as_is,
    )


def _tag_options(options: Options) -> TagOptions:
    return TagOptions(
        scheme=options.scheme,
        tags=options.tags,
        type_map=read_type_map(Path(options.type_map)) if options.type_map else {},
        keep_types=tuple(filter(None, map(str.strip, options.keep_types.split(",")))),
    )


def _data_source(options: Options, recipe: Recipe | None, layout: Layout, partials: Path) -> DataSource:
    """Choose where the data come from.

    Args:
        partials: a folder for the beginnings of broken transfers.
    """
    if options.own_files:
        return OwnFiles(options.own_files, layout)
    if recipe is None:
        assert options.dataset
        return HubData(options.dataset, options.dataset_config, options.dataset_revision, layout)
    filters = recipe.filters_for(layout.task, options.tag_column)
    if recipe.hub and not options.source:
        published_names = tuple(file.name for file in recipe.files.values())
        return HubData(recipe.hub, options.dataset_config, options.dataset_revision, layout, published_names)
    return PublishedFiles(recipe, options.source, layout, filters, partials)


def _check_used(options: Options, data: DataSource) -> None:
    """Refuse options that these data have no use for."""
    if not isinstance(data, HubData):
        refuse_unused(options, ("dataset_config", "dataset_revision"), "is for --dataset")
    if isinstance(data, PublishedFiles) and data.filters:
        why = f"is for other files: the columns of {data.recipe.name} are known"
        refuse_unused(options, FOR_READERS, why)


def _plan(options: Options, data: DataSource) -> StageRun:
    files = data.files()
    if options.tag_names:
        files["tag names"] = Path(options.tag_names)
    if options.type_map:
        files["type map"] = Path(options.type_map)
    for number, name in enumerate(options.decisions or [], start=1):
        if not Path(name).exists():
            write = "Write it first: nertool check --labels --decisions FILE"
            raise MissingInput(f"--decisions {name}: no such file", write)
        files[f"decisions {number}"] = Path(name)
    return StageRun(
        "download",
        options,
        reads=[],
        writes=[f"{split}.txt.tmp" for split in data.splits],
        sources=files or None,
        packages=data.packages,
        force=options.force,
    )


# -- are these the files that were expected? -------------------------------------------------------


def _edition(editions: Mapping[str, Mapping[str, str]], stage: Stage, refuse: bool) -> str:
    """Recognise the edition of the files by their SHA-256; `unknown` where they are those of none.

    Args:
        editions: SHA-256 of what each split's files give, by edition; the newest first.

    Raises:
        InvalidData: they are those of none, and `refuse`.
    """
    name, newest = next(iter(editions.items()))
    sha256 = {split: digest(stage.staged(f"{split}.txt.tmp"))["sha256"] for split in newest}
    for known, edition in editions.items():
        if edition == sha256:
            return known
    differing = [split for split in newest if sha256[split] != newest[split]]
    told = [f"{split}.txt.tmp has SHA-256 {sha256[split][:16]}, not {newest[split][:16]}" for split in differing]
    what = f"not the files of {name}, another edition, or changed: {join_names(told)}"
    if refuse:
        raise InvalidData(f"--locked: {what}", "Take the published files, or leave --locked out.")
    logger.warning(what)
    return "unknown"


def _compare_with_record(workspace: Workspace, stage: Stage) -> None:
    """Refuse files whose digests differ from the record's.

    Raises:
        InvalidData: a file differs.
    """
    current, recorded = _digests_to_compare(stage, workspace.records()["download"])
    for name in sorted({*current, *recorded}):
        if current.get(name) != recorded.get(name):
            raise InvalidData(
                f"{name} is not the file of the record: SHA-256 {_sha256(current, name)}, "
                f"recorded {_sha256(recorded, name)}",
                "Find out who changed it, or take it as it is now: leave --locked out.",
            )


def _digests_to_compare(stage: Stage, record: Mapping[str, Any]) -> tuple[Digests, Digests]:
    """Digests of this download and of the recorded one, of the earliest files that both have.

    These are the published files, else the files that were read, else the files that are written.
    """
    if any(name.startswith(f"{RAW}/") for name in stage.entries):
        return _published(_staged_digests(stage)), _published(record["writes"])
    if stage.identity["sources"]:
        return stage.identity["sources"], record["sources"] or {}
    return _staged_digests(stage), record["writes"]


def _staged_digests(stage: Stage) -> Digests:
    return {name: digest(stage.staged(name)) for name in stage.entries}


def _published(digests: Digests) -> Digests:
    """Those of the published files alone."""
    return {name: digests[name] for name in digests if name.startswith(f"{RAW}/")}


def _sha256(digests: Digests, name: str) -> str:
    return digests[name]["sha256"] if name in digests else "none"
