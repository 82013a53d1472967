"""Tag files, folders and standard input: text to standard output or into a file, or a folder of Parquet by Ray."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from nertool.corpus.files import translate_read_errors
from nertool.corpus.running_text import sentence_splitter
from nertool.documents import writers
from nertool.documents.document import Document
from nertool.documents.labelled import Labelled
from nertool.documents.log_counts import log_counts
from nertool.documents.output_file import OutputFile
from nertool.documents.reader import Reader
from nertool.errors import InvalidOption, MissingInput
from nertool.models.names import quiet_transformers
from nertool.models.thresholds import read_named_thresholds
from nertool.stages.load_model import find_model, tagging_arguments
from nertool.stages.predict import Predictor, Written, open_predictor
from nertool.stages.predict_options import ANNOTATION_FORMS, Options
from nertool.workspace.model_files import ModelFiles
from nertool.workspace.workspace import Workspace

if TYPE_CHECKING:
    from nertool.documents.ray_workers import Settings

MADE_BY = (
    *("form", "input", "text_column", "tokens_column", "tokenizer", "split_sentences", "language"),
    *("decoding", "min_score", "mask", "types", "recall_first", "order"),
)
"""Options that the tags of a file follow from."""
LOOKED_AT = 1 << 16
"""Bytes of an input by which it is known again."""


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
    head = writers.head_of(options.form)
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
    in_order = options.order == "input"
    output = OutputFile(options.output, options.resume, options.force, _made_of(workspace, options), in_order)
    rest = _texts(workspace, options, stdin, output.documents, output.folder)
    output.write(writers.head_of(options.form), rest)


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
    predictor, documents = _open_input(workspace, options, stdin)
    results = predictor.tag(islice(documents, begin, None), progress=progress)
    texts: Iterator[str] = (document.text for document in results)
    if options.order == "uncertain":
        texts = _uncertain_first(results, predictor.tagger.calibration.temperature, folder, options)
    return writers.separated(options.form, texts, begun=begin > 0)


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
    model = find_model(workspace, options)
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


# -- input -----------------------------------------------------------------------------------------


def _open_input(
    workspace: Workspace, options: Options, stdin: IO[bytes] | None
) -> tuple[Predictor, Iterator[Document]]:
    """The model, and the documents of all files one after the other."""
    names = options.files or ["-"]
    for name in names:
        _check_input(name, stdin)
    split = sentence_splitter(options.language) if options.split_sentences else None
    predictor = open_predictor(workspace, options)
    reader = Reader(
        options.input,
        predictor.tagger.labels,
        options.text_column,
        options.tokens_column,
        split,
        options.on_error,
        stdin,
        predictor.tagger.cut,
        whole_lines=options.form == "redacted",
    )
    documents = _all_documents(reader, names)
    if options.new:
        documents = _without_labelled(documents, workspace)
    return predictor, _with_tokens(documents) if options.form in ANNOTATION_FORMS else documents


def _check_input(name: str, stdin: IO[bytes] | None) -> None:
    """Refuse an input that cannot be read, before the model is loaded."""
    hint = "Name files that exist; - is standard input."
    if name == "-":
        if stdin is None:
            raise InvalidOption("standard input is closed", hint)
    elif Path(name).is_dir():
        raise InvalidOption(f"{name} is a directory", "Name the files in it.")
    elif not Path(name).exists():
        raise MissingInput(f"{name}: no such file", f"{hint} Text comes that way: echo 'TEXT' | nertool predict")


def _all_documents(reader: Reader, names: Sequence[str]) -> Iterator[Document]:
    yield from chain.from_iterable(map(reader.read, names))
    log_counts(vars(reader.counts), reader.on_error)


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
    log_counts({"labelled": labelled})


def _with_tokens(documents: Iterable[Document]) -> Iterator[Document]:
    """Leave out documents in which there is nothing to annotate, and count them."""
    empty = 0
    for document in documents:
        if any(words.tokens for words in document.sentences):
            yield document
        else:
            empty += not document.broken
    log_counts({"empty": empty})


# -- by Ray ----------------------------------------------------------------------------------------


def tag_folder(workspace: Workspace, options: Options) -> None:
    """Tag files and folders into a folder of Parquet files by a Ray cluster.

    Raises:
        NertoolError: as `ray_workers.tag_folder` does.
    """
    from nertool.documents import ray_workers

    assert options.engine == "ray" and options.output and options.files  # Options checks it
    with workspace.reading():
        model = find_model(workspace, options)
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
    from nertool.models.model_directory import stored_labels

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
        tagging=tagging_arguments(options, model.path),
        redaction=redaction,
    )
