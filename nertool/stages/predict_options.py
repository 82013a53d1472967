"""Options of `predict`."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import typer

from nertool.documents.output_file import ANEW
from nertool.errors import InvalidOption
from nertool.spelling import spelling_of_labels
from nertool.stages.model_options import AnyModelOptions
from nertool.stages.options import ForceOption
from nertool.workspace.option_values import refuse_unused

if TYPE_CHECKING:
    from nertool.documents.redaction import Redaction

ANNOTATION_FORMS = ("label-studio", "doccano", "prodigy")
"""Forms that annotation tools import."""
READING = ("input", "text_column", "tokens_column", "split_sentences", "on_error")
"""Options for reading files and standard input."""
UNSEEN = "CMZ"
"""Kinds of characters that do not show by themselves: control, combining and blank ones."""


@dataclass(frozen=True)
class Options(AnyModelOptions):
    """Options of `predict`."""

    unrecorded = (
        *AnyModelOptions.unrecorded,
        *("files", "split"),  # what is read is in the record by its digest
        *("output", "resume", "interactive", "on_error", "split_sentences", "language", "input"),
        *("text_column", "tokens_column", "tokenizer", "engine", "workers", "order", "diverse", "new", "first"),
        "model_dir",  # which does not go with --split
    )

    alone = (
        *("files", "split", "quantized", "allow_stale", "input", "text_column", "tokens_column", "tokenizer"),
        *("split_sentences", "language", "on_error", "output", "resume", "interactive", "engine", "workers"),
        *("mask", "types", "recall_first", "order", "diverse", "new", "first", "model_dir"),
    )
    groups: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "Input": ("text_column", "tokens_column", "tokenizer", "split_sentences", "language", "on_error"),
        **AnyModelOptions.groups,
        "Redaction": ("mask", "types", "recall_first"),
        "Selection for annotation": ("order", "diverse", "new", "first"),
        "Ray": ("engine", "workers"),
    }

    files: Annotated[
        list[str] | None,
        typer.Argument(help="Files to tag; - is standard input [default: standard input].", show_default=False),
    ] = None
    split: Annotated[
        str | None,
        typer.Option("--split", help="Tag the tokens of dev, test or train into predictions/, in place of files."),
    ] = None
    input: Annotated[
        Literal["auto", "tokens", "text", "document", "jsonl", "csv", "parquet"],
        typer.Option(
            "--input",
            help="Form of the input: a token, a text or a JSON object a line; a JSON list; a text a file; table rows. "
            "auto decides by name or first lines.",
        ),
    ] = "auto"
    text_column: Annotated[str, typer.Option("--text-column", help="Field or column that holds running text.")] = "text"
    tokens_column: Annotated[
        str, typer.Option("--tokens-column", help="Field or column that holds a list of tokens.")
    ] = "tokens"
    split_sentences: Annotated[
        bool,
        typer.Option(
            "--split-sentences", help="Split texts into sentences (pySBD); without this option each line is a sentence."
        ),
    ] = False
    language: Annotated[str, typer.Option("--language", help="Language of the rules of --split-sentences.")] = "en"
    on_error: Annotated[
        Literal["stop", "skip", "null"],
        typer.Option("--on-error", help="Stop at, skip, or write null for a record that cannot be read."),
    ] = "stop"
    format: Annotated[
        Literal["conll", "jsonl", "inline", "entities", "html", "redacted", "label-studio", "doccano", "prodigy"],
        typer.Option(
            "--format",
            help="Form of the output: `token tag` lines, JSON objects, `token/tag` sentences, entities, a page, the "
            "text without its entities, or pre-annotations of an annotation tool.",
        ),
    ] = "conll"
    entities: Annotated[
        bool, typer.Option("--entities", help="Write a line for each entity, as --format entities does.")
    ] = False
    output: Annotated[str | None, typer.Option("--output", "-o", help="File to write [default: standard output].")] = (
        None
    )
    resume: Annotated[bool, typer.Option("--resume", help="Continue an output file that a killed run began.")] = False
    interactive: Annotated[
        bool, typer.Option("--interactive", help="Type sentences and see their entities in colour.")
    ] = False
    mask: Annotated[
        str | None,
        typer.Option(
            "--mask",
            help="Replace each character of an entity by this one with --format redacted "
            "[default: [TYPE] replaces the entity].",
            show_default=False,
        ),
    ] = None
    types: Annotated[
        str | None,
        typer.Option(
            "--types", help="Types of the entities that --format redacted replaces, such as PER,LOC [default: all]."
        ),
    ] = None
    recall_first: Annotated[
        bool,
        typer.Option(
            "--recall-first", help="Replace entities below their least probability too with --format redacted."
        ),
    ] = False
    order: Annotated[
        Literal["input", "uncertain"],
        typer.Option("--order", help="Write documents as they come, or those first of which the model is least sure."),
    ] = "input"
    diverse: Annotated[
        bool,
        typer.Option("--diverse", help="Write documents late that are much like earlier ones, with --order uncertain."),
    ] = False
    new: Annotated[
        bool,
        typer.Option("--new", help="Leave out documents that train, dev or test already hold, with --order uncertain."),
    ] = False
    first: Annotated[
        int | None,
        typer.Option("--first", min=1, help="Write so many documents, with --order uncertain [default: all]."),
    ] = None
    engine: Annotated[
        Literal["local", "ray"],
        typer.Option(
            "--engine", help="Tag in this process, or with Ray: files and folders into the folder -o, as Parquet."
        ),
    ] = "local"
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            min=1,
            help="Number of models that tag at once with --engine ray [default: the GPUs, else the CPUs].",
        ),
    ] = None
    force: ForceOption = False

    def __post_init__(self) -> None:
        """Refuse values that make no sense, and options that do not go together."""
        super().__post_init__()
        if self.entities and self.format not in ("conll", "entities"):
            raise InvalidOption(f"--entities and --format {self.format} are two forms", "Give one of them.")
        if not self.split_sentences:
            refuse_unused(self, ("language",), "is for --split-sentences", "Give both, or none.")
        self._check_redaction()
        self._check_selection()
        if self.resume and self.force:
            raise InvalidOption("--resume goes on with a file, and --force replaces it", "Give one of them.")
        if self.workers and self.engine == "local":
            raise InvalidOption("--workers is for --engine ray", "Leave it out: one process uses all processors.")
        if self.engine == "ray":
            self._check_ray()
            return
        if self.split is not None and self.files:
            raise InvalidOption("FILES and --split cannot both be tagged", "Give one of them.")
        if self.split is not None and self.output is not None:
            raise InvalidOption(
                "--split writes into predictions/ of the workspace, and -o names another file",
                "Leave out one of them; or name the file to tag: nertool predict WORKSPACE/dev.txt -o FILE",
            )
        if self.resume and self.output is None:
            raise InvalidOption("--resume goes on with a file, and none is named", "Name it: -o FILE")
        if self.split is not None:
            refuse_unused(self, (*READING, "tokenizer", "interactive", "model_dir"), "does not go with --split")
        if self.interactive:
            if self.files:
                raise InvalidOption("FILES and --interactive cannot both be tagged", "Give one of them.")
            writing = ("output", "format", "entities")
            refuse_unused(self, (*READING, *writing), "does not go with --interactive")

    def _check_redaction(self) -> None:
        if self.format != "redacted":
            redacting = ("mask", "types", "recall_first")
            refuse_unused(self, redacting, "is for --format redacted", "Leave it out, or add: --format redacted")
        if self.mask is not None and (len(self.mask) != 1 or unicodedata.category(self.mask)[0] in UNSEEN):
            raise InvalidOption(f"--mask {self.mask}: not one character that shows", "Write one, such as --mask '*'.")
        if self.types is not None and not all(self._types()):
            raise InvalidOption(f"--types {self.types}: a name is empty", "Write names with commas: --types PER,LOC")
        if self.recall_first and not (self.min_score or self.thresholds):
            raise InvalidOption(
                "--recall-first is about entities below a least probability, and there is none",
                "Leave it out: all entities are replaced; or add --min-score or --thresholds.",
            )

    def _check_selection(self) -> None:
        if self.order == "input":
            refuse_unused(self, ("diverse", "new", "first"), "is for --order uncertain", "Leave it out, or give both.")
        elif self.split is not None or self.interactive or self.engine == "ray":
            raise InvalidOption(
                "--order uncertain is for files and standard input, tagged in this process",
                "Leave out --split, --interactive and --engine ray; name the file: nertool predict FILE",
            )
        elif self.resume:
            raise InvalidOption("--resume: the order is known only when all is tagged", f"Leave out --order, or {ANEW}")
        if self.form in ANNOTATION_FORMS and self.on_error == "null":
            raise InvalidOption(f"--on-error null: {self.form} imports no gaps", "Leave them out: --on-error skip")

    def _types(self) -> list[str]:
        return [name.strip() for name in self.types.split(",")] if self.types is not None else []

    def redaction(self, labels: Sequence[str]) -> Redaction | None:
        """How entities are replaced; None where they are not.

        Args:
            labels: of the model.

        Raises:
            InvalidOption: it does not have these types, or none at all.
        """
        if self.form != "redacted":
            return None
        from nertool.documents.redaction import Redaction
        from nertool.models.thresholds import entity_types

        redaction = Redaction(self.mask or "", self._types(), self.recall_first, [self.text_column, self.tokens_column])
        redaction.check(entity_types(labels, spelling_of_labels(labels)))
        return redaction

    def _check_ray(self) -> None:
        for name, given in {
            "standard input": "-" in (self.files or ["-"]),
            "--split": self.split is not None,
            "--interactive": self.interactive,
            "--format": self.form not in ("conll", "redacted"),
        }.items():
            if given:
                raise InvalidOption(
                    f"{name} is for --engine local", "Ray tags files and folders into a folder of Parquet: -o FOLDER"
                )
        if not self.output:
            raise InvalidOption("--engine ray writes a folder, and none is named", "Name it: -o FOLDER")

    @property
    def form(self) -> str:
        """The form of what is written."""
        return "entities" if self.entities else self.format
