"""Tag tokens or running text: files or standard input in; standard output, a file, or predictions/, out."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, NamedTuple, TypedDict

import typer

from nertool.corpus.column_files import read_sentences
from nertool.corpus.running_text import Words
from nertool.documents.output_file import ANEW
from nertool.documents.reader import Document, tag_documents, tell
from nertool.errors import InvalidOption
from nertool.models.names import quiet_transformers
from nertool.models.thresholds import OWN, check_given, read_named_thresholds
from nertool.progress import track
from nertool.spelling import PLAIN, spelling_of_labels
from nertool.stages.load_model import check_model_dir, find_model, load_model
from nertool.stages.options import (
    AllowMissingWeightsOption,
    AllowStaleOption,
    DecodingOption,
    ForceOption,
    FP32KernelsOption,
    MinScoreOption,
    ModelDirOption,
    QuantizedOption,
    ThresholdsOption,
    TokenizerOption,
    TrustRemoteCodeOption,
    check_split,
)
from nertool.workspace.model_files import ModelFiles
from nertool.workspace.names import PREDICTIONS, THRESHOLDS
from nertool.workspace.option_values import refuse_unused
from nertool.workspace.stage import Result, Stage, StageRun
from nertool.workspace.stage_options import StageOptions
from nertool.workspace.workspace import Workspace

if TYPE_CHECKING:
    from nertool.documents.redaction import Redaction
    from nertool.documents.writers import Write
    from nertool.models.tagger import Tagger
    from nertool.models.tagging import TagCounts, Tagging


ANNOTATION_FORMS = ("label-studio", "doccano", "prodigy")
"""Forms that annotation tools import."""
ENDINGS = {"label-studio": "label-studio.json", "doccano": "doccano.jsonl", "prodigy": "prodigy.jsonl"}
"""Endings of files of predictions whose form is no ending."""
READING = ("input", "text_column", "tokens_column", "split_sentences", "on_error")
"""Options for reading files and standard input."""
UNSEEN = "CMZ"
"""Kinds of characters that do not show by themselves: control, combining and blank ones."""


@dataclass(frozen=True)
class Options(StageOptions):
    """Options of `predict`."""

    unrecorded = (
        *StageOptions.unrecorded,
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
    tokenizer: TokenizerOption = ""
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
    quantized: QuantizedOption = False
    model_dir: ModelDirOption = None
    decoding: DecodingOption = ""
    min_score: MinScoreOption = None
    thresholds: ThresholdsOption = None
    fp32_kernels: FP32KernelsOption = "auto"
    allow_missing_weights: AllowMissingWeightsOption = False
    trust_remote_code: TrustRemoteCodeOption = False
    allow_stale: AllowStaleOption = False
    force: ForceOption = False

    def __post_init__(self) -> None:
        """Refuse values that make no sense, and options that do not go together."""
        super().__post_init__()
        check_given(self.min_score or [], self.thresholds)
        check_model_dir(self)
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


class Facts(TypedDict):
    """What `predict --split` counts."""

    model: str  # directory of the model, relative to the workspace
    sentences: int  # sentences tagged
    tokens: int  # tokens tagged
    below: int  # entities below their least probability: tagged O


def run(workspace: Workspace, options: Options) -> Result:
    """Tag one split into `predictions/{split}.conll`, or the ending of another format.

    Raises:
        MissingInput: no model, or no file of the split.
        StaleInput: the model was made from files that have changed since.
        InvalidOption: no such split.
    """
    split = options.split or "test"
    check_split(split)
    quiet_transformers()
    with workspace.locked("predict", creates=False):
        source = workspace.require_split(split)
        model = workspace.model(options.quantized, options.allow_stale)
        own = [f"{model.name}/{THRESHOLDS}"] if options.thresholds == OWN else []
        kept = {"thresholds": Path(options.thresholds)} if options.thresholds and not own else {}
        read_named_thresholds(options.thresholds, model.path)  # complains before anything else does
        planned = StageRun(
            f"predict:{split}",
            options,
            reads=[*model.files, *own, f"{split}.txt"],
            writes=[_predictions(split, options.form)],
            sources=kept or None,
            packages=["torch", "transformers", "tokenizers"],
            force=options.force,
        )
        return workspace.run(planned, lambda stage: _tag_split(stage, model, source, options))


def _tag_split(stage: Stage, model: ModelFiles, source: Path, options: Options) -> None:
    """Tag a file of sentences into the stage's file of predictions."""
    from nertool.documents import writers
    from nertool.models.tagging import TagCounts

    form = options.form
    predictor = load_predictor(model, options)
    documents = (Document(sentence.line, [Words(sentence.tokens)]) for sentence in read_sentences(source))
    facts: Facts = {"model": model.name, "sentences": 0, "tokens": 0, "below": 0}
    counts = TagCounts()

    def counted() -> Iterator[str]:
        for document in predictor.tag(documents, counts):
            facts["sentences"] += len(document.taggings)
            facts["tokens"] += sum(len(tagging.tags) for tagging in document.taggings)
            yield document.text

    with stage.file(_predictions(source.stem, form)).open("w", encoding="utf-8", newline="\n") as out:
        out.write(writers.head_of(form))
        out.writelines(writers.separated(form, counted()))
    stage.facts = {**facts, "below": counts.below}


def _predictions(split: str, form: str) -> str:
    return f"{PREDICTIONS}/{split}.{ENDINGS.get(form, form)}"


# -- the model -------------------------------------------------------------------------------------


class Written(NamedTuple):
    """A tagged document and what is written for it."""

    text: str
    document: Document
    taggings: list[Tagging]


@dataclass(frozen=True)
class Predictor:
    """A model, and the form in which its answers are written.

    Attributes:
        tagger: the model.
        form: as `Options.form`.
        write: turns a tagged document into text of this form.
    """

    tagger: Tagger
    form: str
    write: Write

    def tag(
        self, documents: Iterable[Document], counts: TagCounts | None = None, progress: bool = True
    ) -> Iterator[Written]:
        """Tag documents, in order; a bounded number is held at a time.

        Args:
            counts: is counted up.
            progress: show a progress bar.
        """
        from nertool.documents.writers import COLUMNS, count_blanks
        from nertool.models.tagging import TagCounts

        counts, blanks = counts or TagCounts(), 0
        tagged = tag_documents(self.tagger, documents, counts)
        for document, taggings in track(tagged, "predict", unit="documents") if progress else tagged:
            if self.form in COLUMNS:
                blanks += count_blanks(document)
            yield Written(self.write(document, taggings), document, taggings)
        tell({**vars(counts), "blanks": blanks})


def open_predictor(workspace: Workspace, options: Options) -> Predictor:
    """The model that the options name, else that of the workspace.

    Raises:
        MissingInput: there is none.
        StaleInput: it was made from files that have changed since.
        InvalidOption: as `load_predictor`.
    """
    quiet_transformers()
    with workspace.reading():  # one model is checked and loaded, whatever is published meanwhile
        return load_predictor(find_model(workspace, options), options)


def load_predictor(model: ModelFiles, options: Options) -> Predictor:
    """A model as the options say.

    Raises:
        InvalidOption: the format is for entities, and the model has none; or for columns, and a label has blanks.
    """
    tagger = load_model(model, options)
    redaction = options.redaction(tagger.labels)
    if redaction:
        return Predictor(redaction.prepare(tagger), options.form, redaction.write)
    return Predictor(tagger, options.form, _writer(tagger, model, options.form))


def _writer(tagger: Tagger, model: ModelFiles, form: str) -> Write:
    from nertool.documents.annotation_tools import PreAnnotations
    from nertool.documents.writers import COLUMNS, WRITERS, check_labels_for_columns

    if form in COLUMNS:
        check_labels_for_columns(tagger.labels, form)
    if form not in ANNOTATION_FORMS:
        return WRITERS[form]
    annotations = PreAnnotations(form, model.version)
    annotations.check(tagger.labels)
    return annotations.write


def words_of(tagger: Tagger, line: str) -> Iterator[tuple[str, str]]:
    """Tag a line and give its pieces from left to right: (entity, type), or (word, "") outside entities.

    Tags that are no entities, such as parts of speech, stand behind each word.
    """
    words = tagger.cut(line, 0, len(line))
    if not words.tokens:
        return
    (tagging,) = tagger.tag_scored([words.tokens])
    if tagging.spelling == PLAIN:
        yield from zip(words.tokens, tagging.tags, strict=True)
        return
    last_end = 0
    for label, start, end in tagging.spans():
        for token in words.tokens[last_end:start]:
            yield token, ""
        yield line[words.offsets[start][0] : words.offsets[end - 1][1]], label or tagging.tags[start]
        last_end = end
    for token in words.tokens[last_end:]:
        yield token, ""
