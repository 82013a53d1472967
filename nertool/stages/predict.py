"""Tag tokens or running text: files or standard input in; standard output, a file, or predictions/, out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, ClassVar, Literal, NamedTuple, TypedDict

import typer

from nertool.corpus.column_files import read_sentences
from nertool.corpus.files import translate_read_errors
from nertool.corpus.running_text import Words, sentence_splitter
from nertool.documents.labelled import Labelled
from nertool.documents.output_file import OutputFile
from nertool.documents.reader import Document, Reader, tag_documents, tell
from nertool.errors import InvalidOption, MissingInput
from nertool.models.names import quiet_transformers
from nertool.models.thresholds import OWN, check_given, read_named_thresholds
from nertool.progress import track
from nertool.spelling import PLAIN, spelling_of_labels
from nertool.stages.load_model import load_model, tagging_arguments
from nertool.stages.options import (
    AllowMissingWeightsOption,
    AllowStaleOption,
    DecodingOption,
    ForceOption,
    FP32KernelsOption,
    MinScoreOption,
    QuantizedOption,
    ThresholdsOption,
    TokenizerOption,
    TrustRemoteCodeOption,
    check_split,
)
from nertool.workspace.names import PREDICTIONS, THRESHOLDS
from nertool.workspace.option_values import refuse_unused
from nertool.workspace.workspace import ModelFiles, Result, Stage, StageOptions, StageRun, Workspace

if TYPE_CHECKING:
    from nertool.documents.ray_workers import Settings
    from nertool.documents.redaction import Redaction
    from nertool.documents.writers import Write
    from nertool.models.tagger import Tagger
    from nertool.models.tagging import TagCounts, Tagging


MADE_BY = (
    *("form", "input", "text_column", "tokens_column", "tokenizer", "split_sentences", "language"),
    *("decoding", "min_score", "mask", "types", "recall_first", "order"),
)
"""Options that the tags of a file follow from."""
ANNOTATION_FORMS = ("label-studio", "doccano", "prodigy")
"""Forms that annotation tools import."""
ENDINGS = {"label-studio": "label-studio.json", "doccano": "doccano.jsonl", "prodigy": "prodigy.jsonl"}
"""Endings of files of predictions whose form is no ending."""
READING = ("input", "text_column", "tokens_column", "split_sentences", "on_error")
"""Options for reading files and standard input."""
LOOKED_AT = 1 << 16
"""Bytes of an input by which it is known again."""


@dataclass(frozen=True)
class Options(StageOptions):
    """Options of `predict`."""

    unrecorded = (
        *StageOptions.unrecorded,
        *("files", "split"),  # what is read is in the record by its digest
        *("output", "resume", "interactive", "on_error", "split_sentences", "language", "input"),
        *("text_column", "tokens_column", "tokenizer", "engine", "workers", "order", "diverse", "new", "first"),
    )

    alone = (
        *("files", "split", "quantized", "allow_stale", "input", "text_column", "tokens_column", "tokenizer"),
        *("split_sentences", "language", "on_error", "output", "resume", "interactive", "engine", "workers"),
        *("mask", "types", "recall_first", "order", "diverse", "new", "first"),
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
        str,
        typer.Option(
            "--mask",
            help="Replace each character of an entity by this one with --format redacted "
            "[default: [TYPE] replaces the entity].",
            show_default=False,
        ),
    ] = ""
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
        if self.entities and self.format not in ("conll", "entities"):
            raise InvalidOption(f"--entities and --format {self.format} are two forms", "Give one of them.")
        if not self.split_sentences:
            refuse_unused(self, ("language",), "is for --split-sentences", "Give both, or none.")
        self._check_redaction()
        self._check_selection()
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
            refuse_unused(self, (*READING, "tokenizer", "interactive"), "does not go with --split")
        if self.interactive:
            if self.files:
                raise InvalidOption("FILES and --interactive cannot both be tagged", "Give one of them.")
            writing = ("output", "format", "entities")
            refuse_unused(self, (*READING, *writing), "does not go with --interactive")

    def _check_redaction(self) -> None:
        if self.format != "redacted":
            redacting = ("mask", "types", "recall_first")
            refuse_unused(self, redacting, "is for --format redacted", "Leave it out, or add: --format redacted")
        if self.mask and (len(self.mask) > 1 or not self.mask.isprintable()):
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
            raise InvalidOption("--resume: the order is known only when all is tagged", "Begin again: --force")
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

        redaction = Redaction(self.mask, self._types(), self.recall_first, [self.text_column, self.tokens_column])
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
        source = workspace.require(f"{split}.txt", "preprocess")
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
    from nertool.models.tagging import TagCounts

    form = options.form
    tagger = _load(model, options)
    documents = (Document(sentence.line, [Words(sentence.tokens)]) for sentence in read_sentences(source))
    facts: Facts = {"model": model.name, "sentences": 0, "tokens": 0, "below": 0}
    counts = TagCounts()

    def counted() -> Iterator[str]:
        for one in written(tagger, documents, options, _writer(tagger, model, options), counts):
            facts["sentences"] += len(one.taggings)
            facts["tokens"] += sum(len(tagging.tags) for tagging in one.taggings)
            yield one.text

    with stage.file(_predictions(source.stem, form)).open("w", encoding="utf-8", newline="\n") as out:
        out.write(head_of(form))
        out.writelines(separated(form, counted()))
    stage.facts = {**facts, "below": counts.below}


def _predictions(split: str, form: str) -> str:
    return f"{PREDICTIONS}/{split}.{ENDINGS.get(form, form)}"


def tag_files(workspace: Workspace, options: Options, stdin: IO[bytes] | None, progress: bool) -> Iterator[str]:
    """Tag files, or standard input, and give the text of each tagged document; changes no file.

    Args:
        stdin: the bytes of standard input; None where it is closed.
        progress: show a progress bar.

    Raises:
        MissingInput: no model, or no such file.
        StaleInput: the model was made from files that have changed since.
        InvalidData: a record that cannot be read (names file and line).
    """
    head = head_of(options.form)
    texts = _texts(workspace, options, stdin, progress=progress)
    return chain([head], texts) if head else texts


def write_file(workspace: Workspace, options: Options, stdin: IO[bytes] | None) -> None:
    """Tag files, or standard input, into the file `options.output`: all of it or nothing.

    Args:
        stdin: the bytes of standard input; None where it is closed.

    Raises:
        InvalidOption: the file is there already, or cannot be; as `tag_files` beside that.
        Unwritable: it cannot be written.
    """
    assert options.output
    output = OutputFile(options.output, options.resume, options.force, _made_of(workspace, options))
    rest = _texts(workspace, options, stdin, output.documents, output.folder)
    output.write(head_of(options.form), rest)


def _texts(
    workspace: Workspace,
    options: Options,
    stdin: IO[bytes] | None,
    begin: int = 0,
    folder: Path | None = None,
    progress: bool = True,
) -> Iterator[str]:
    """The text of each tagged document after the first `begin`, in the order that is asked for.

    Args:
        folder: where documents wait for their place; None: where the system keeps temporary files.
    """
    tagger, write, documents = _open_input(workspace, options, stdin)
    results = written(tagger, islice(documents, begin, None), options, write, progress=progress)
    texts: Iterator[str] = (one.text for one in results)
    if options.order == "uncertain":
        texts = _uncertain_first(results, tagger.calibration.temperature, folder, options)
    return separated(options.form, texts, begun=begin > 0)


def _uncertain_first(
    results: Iterable[Written], temperature: float, folder: Path | None, options: Options
) -> Iterator[str]:
    from nertool.documents.selection import Candidate, Selection, doubt_of, traits_of

    def candidates() -> Iterator[Candidate]:
        for text, document, taggings in results:
            traits = traits_of(document, taggings) if options.diverse else ()
            yield Candidate(text, doubt_of(taggings, temperature), traits)

    return Selection(folder).most_doubtful_first(candidates(), options.first, options.diverse)


def _made_of(workspace: Workspace, options: Options) -> dict[str, Any]:
    """What a file of tags follows from: the input, as far as it stays the same, the model and the options."""
    model = workspace.model(options.quantized, options.allow_stale)
    kept: dict[str, Any] = {"files": {name: _beginning(name) for name in options.files or ["-"]}}
    kept["model"] = model.digests()
    for name in MADE_BY:
        kept[name] = getattr(options, name) or ""
    thresholds = read_named_thresholds(options.thresholds, model.path)
    kept["thresholds"] = thresholds.least if thresholds else ""
    kept["on_error"] = None if options.on_error == "stop" else options.on_error  # as far as it stopped all was read
    return kept


def _beginning(name: str) -> list[Any]:
    """Size of a file and SHA-256 of its first bytes; empty for standard input and other streams."""
    path = Path(name)
    if name == "-" or not path.is_file():
        return []
    with translate_read_errors(path), path.open("rb") as file:
        return [path.stat().st_size, hashlib.sha256(file.read(LOOKED_AT)).hexdigest()]


def tag_folder(workspace: Workspace, options: Options) -> None:
    """Tag files and folders into a folder of Parquet files by a Ray cluster.

    Raises:
        NertoolError: as `ray_workers.tag_folder` does.
    """
    from nertool.documents import ray_workers

    assert options.engine == "ray" and options.output and options.files  # Options checks it
    with workspace.reading():
        model = workspace.model(options.quantized, options.allow_stale)
        digests = model.digests()
        settings = _ray_settings(model, options)
    run = ray_workers.FolderRun(
        names=options.files,
        folder=Path(options.output).absolute(),
        settings=settings,
        form=options.input,
        digests=digests,
        on_gpus=not options.quantized,  # INT8 models run on the CPU
        workers=options.workers,
        resume=options.resume,
        force=options.force,
    )
    ray_workers.tag_folder(run)


def _ray_settings(model: ModelFiles, options: Options) -> Settings:
    """How every worker tags."""
    from nertool.documents.ray_workers import Settings
    from nertool.models.tagger import stored_labels

    redaction = None
    if options.form == "redacted":
        quiet_transformers()
        redaction = options.redaction(stored_labels(model.path, options.trust_remote_code))
    return Settings(
        model=model.path.absolute(),
        text_column=options.text_column,
        tokens_column=options.tokens_column,
        on_error=options.on_error,
        language=options.language if options.split_sentences else "",
        redaction=redaction,
        **tagging_arguments(options, model.path),
    )


def open_tagger(workspace: Workspace, options: Options) -> Tagger:
    """The model.

    Raises:
        MissingInput: there is none.
        StaleInput: it was made from files that have changed since.
    """
    return _open_model(workspace, options)[0]


def _open_model(workspace: Workspace, options: Options) -> tuple[Tagger, Write]:
    """The model, and what turns a document that it tagged into text."""
    quiet_transformers()
    with workspace.reading():  # one model is checked and loaded, whatever is published meanwhile
        model = workspace.model(options.quantized, options.allow_stale)
        tagger = _load(model, options)
        return tagger, _writer(tagger, model, options)


def _load(model: ModelFiles, options: Options) -> Tagger:
    tagger = load_model(model, options)
    redaction = options.redaction(tagger.labels)
    return redaction.prepare(tagger) if redaction else tagger


def _open_input(
    workspace: Workspace, options: Options, stdin: IO[bytes] | None
) -> tuple[Tagger, Write, Iterator[Document]]:
    """The model, what turns a document into text, and the documents of all files one after the other."""
    names = options.files or ["-"]
    for name in names:
        _check_input(name, stdin)
    split = sentence_splitter(options.language) if options.split_sentences else None
    tagger, write = _open_model(workspace, options)
    reader = Reader(
        options.input,
        tagger.labels,
        options.text_column,
        options.tokens_column,
        split,
        options.on_error,
        stdin,
        tagger.cut,
        whole_lines=options.form == "redacted",
    )
    documents = _all_documents(reader, names)
    if options.new:
        documents = _without_labelled(documents, workspace)
    return tagger, write, _with_tokens(documents) if options.form in ANNOTATION_FORMS else documents


def _check_input(name: str, stdin: IO[bytes] | None) -> None:
    """Refuse an input that cannot be read, before the model is loaded."""
    hint = "Name files that exist; - is standard input."
    if name == "-":
        if stdin is None:
            raise InvalidOption("standard input is closed", hint)
    elif Path(name).is_dir():
        raise InvalidOption(f"{name} is a directory", "Name the files in it.")
    elif not Path(name).exists():
        raise MissingInput(f"{name}: no such file", hint)


def _all_documents(reader: Reader, names: Sequence[str]) -> Iterator[Document]:
    yield from chain.from_iterable(map(reader.read, names))
    counts = {name: getattr(reader, name) for name in ("broken", "replaced", "comments", "endless")}
    tell(counts, reader.on_error)


def _without_labelled(documents: Iterable[Document], workspace: Workspace) -> Iterator[Document]:
    """Leave out documents that a split of the workspace holds, and count them.

    Raises:
        MissingInput: the workspace has no split.
    """
    splits = workspace.data_files()
    if not splits:
        raise MissingInput(f"--new: {workspace.path} holds no train, dev or test", "Leave it out: nothing is labelled.")
    known = Labelled(splits.values())
    labelled = 0
    for document in documents:
        if known.holds(document):
            labelled += 1
        else:
            yield document
    tell({"labelled": labelled})


def _with_tokens(documents: Iterable[Document]) -> Iterator[Document]:
    """Leave out documents in which there is nothing to annotate, and count them."""
    empty = 0
    for document in documents:
        if any(words.tokens for words in document.sentences):
            yield document
        else:
            empty += not document.broken
    tell({"empty": empty})


class Written(NamedTuple):
    """A tagged document and what is written for it."""

    text: str
    document: Document
    taggings: list[Tagging]


def _writer(tagger: Tagger, model: ModelFiles, options: Options) -> Write:
    """What turns a tagged document into text.

    Raises:
        InvalidOption: the format is for entities, and the model has none.
    """
    from nertool.documents.annotation_tools import PreAnnotations
    from nertool.documents.writers import WRITERS

    if redaction := options.redaction(tagger.labels):
        return redaction.write
    if options.form not in ANNOTATION_FORMS:
        return WRITERS[options.form]
    annotations = PreAnnotations(options.form, model.version)
    annotations.check(tagger.labels)
    return annotations.write


def written(
    tagger: Tagger,
    documents: Iterable[Document],
    options: Options,
    write: Write,
    counts: TagCounts | None = None,
    progress: bool = True,
) -> Iterator[Written]:
    """Tag documents and give what is written for each, in order; a bounded number is held at a time.

    Args:
        write: what turns a tagged document into text.
        counts: is counted up.
        progress: show a progress bar.
    """
    from nertool.documents.writers import COLUMNS, count_blanks
    from nertool.models.tagging import TagCounts

    counts, blanks = counts or TagCounts(), 0
    tagged = tag_documents(tagger, documents, counts)
    for document, taggings in track(tagged, "predict", unit="documents") if progress else tagged:
        if options.form in COLUMNS:
            blanks += count_blanks(document)
        yield Written(write(document, taggings), document, taggings)
    tell({**vars(counts), "blanks": blanks})


def head_of(form: str) -> str:
    """What stands before the first document."""
    from nertool.documents import writers

    return writers.head_of(form)


def separated(form: str, texts: Iterable[str], begun: bool = False) -> Iterator[str]:
    """The texts of documents with what stands between them and behind the last one; see `writers.separated`."""
    from nertool.documents import writers

    return writers.separated(form, texts, begun)


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
