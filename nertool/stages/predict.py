"""Tag tokens or running text: files or standard input in; standard output, or predictions/, out."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import tee
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from nertool.columns import numbered_lines, read_sentences
from nertool.encode import quiet_transformers
from nertool.errors import InvalidData, InvalidOption, MissingInput
from nertool.options import AllowStaleOption, ForceOption, QuantizedOption
from nertool.progress import note, track
from nertool.text import WRITERS, Words, read_words
from nertool.workspace import PREDICTIONS, QUANTIZED, SPLITS, Result, StageOptions, Workspace

if TYPE_CHECKING:
    from nertool.tagger import Tagger


@dataclass(frozen=True)
class Options(StageOptions):
    """Options of `predict`."""

    unrecorded = (*StageOptions.unrecorded, "files", "split")  # what is read is in the record by its digest

    files: Annotated[
        list[str] | None,
        typer.Argument(help="Files to tag; - is standard input, and so is no file.", show_default=False),
    ] = None
    split: Annotated[
        str | None,
        typer.Option("--split", help="Tag the tokens of dev, test or train into predictions/, in place of files."),
    ] = None
    input: Annotated[
        Literal["auto", "tokens", "text"],
        typer.Option("--input", help="One token a line, or one sentence a line; auto tells by the first lines."),
    ] = "auto"
    format: Annotated[
        Literal["conll", "jsonl"], typer.Option("--format", help="`token tag` lines, or one JSON object a sentence.")
    ] = "conll"
    quantized: QuantizedOption = False
    allow_stale: AllowStaleOption = False
    force: ForceOption = False


def run(workspace: Workspace, options: Options) -> Result:
    """Tag one split into `predictions/{split}.conll` or `.jsonl`.

    Raises:
        MissingInput: no model, or no file of the split.
        StaleInput: the model was made from files that have changed since.
        InvalidOption: no such split.
    """
    split = options.split or "test"
    if split not in SPLITS:
        raise InvalidOption(f"--split {split}: no such split", f"Splits: {', '.join(SPLITS)}.")
    source = workspace.require(f"{split}.txt", "preprocess")
    directory = QUANTIZED if options.quantized else workspace.model_directory()
    model_files = workspace.model_reads(directory, options.allow_stale)
    target = f"{PREDICTIONS}/{split}.{options.format}"
    quiet_transformers()
    with workspace.open_stage(
        f"predict:{split}",
        options,
        reads=[*model_files, f"{split}.txt"],
        writes=[target],
        packages=["torch", "transformers", "tokenizers"],
        force=options.force,
    ) as stage:
        if not stage.fresh:
            from nertool.tagger import load_tagger

            tagger = load_tagger(workspace / directory)
            stage.facts = {"model": directory, "sentences": 0, "tokens": 0}
            with stage.file(target).open("w", encoding="utf-8", newline="\n") as out:
                for words, tags in tag_words(tagger, (Words(sentence.tokens) for sentence in read_sentences(source))):
                    out.write(WRITERS[options.format](words, tags))
                    stage.facts["sentences"] += 1
                    stage.facts["tokens"] += len(tags)
    return stage.result()


def tag_files(workspace: Workspace, options: Options) -> Iterator[str]:
    """Tag files, or standard input, and give the tagged sentences as they are to be printed; changes no file.

    Raises:
        MissingInput: no model, or no such file.
        StaleInput: the model was made from files that have changed since.
        InvalidData: bytes that are not UTF-8 (names file and line).
    """
    directory = QUANTIZED if options.quantized else workspace.model_directory()
    workspace.model_reads(directory, options.allow_stale)
    names = options.files or ["-"]
    for name in names:
        if name != "-" and not Path(name).is_file():
            raise MissingInput(f"{name}: no such file", "Name files that exist; - is standard input.")
    quiet_transformers()
    from nertool.tagger import load_tagger

    tagger = load_tagger(workspace / directory)
    if "-" in names and sys.stdin.isatty():
        note.info("type sentences or tokens; Ctrl-D ends the input and shows the tags")
    for name in names:
        lines = _standard_input() if name == "-" else (line for _, line in numbered_lines(Path(name)))
        form, sentences = read_words(lines, options.input, tagger.labels)
        if options.input == "auto" and form == "tokens":
            note.info("read as one token a line (--input text reads one sentence a line)")
        for words, tags in tag_words(tagger, sentences):
            yield WRITERS[options.format](words, tags)


def tag_words(tagger: Tagger, sentences: Iterator[Words]) -> Iterator[tuple[Words, list[str]]]:
    """Sentences with their tags, in order; a bounded number is held at a time."""
    tagger.windowed = tagger.without_subwords = 0
    ours, theirs = tee(sentences)
    tagged = zip(ours, tagger.tag(words.tokens for words in theirs), strict=True)
    yield from tagged if sys.stdout.isatty() else track(tagged, "predict", unit="sentences")
    if tagger.windowed:
        note.warning("%s sentences pass the model's length: tagged in overlapping windows", tagger.windowed)
    if tagger.without_subwords:
        note.warning("%s tokens have no sub-words: tagged O", tagger.without_subwords)


def _standard_input() -> Iterator[str]:
    """Lines of standard input, decoded here so that the locale has no say."""
    for number, line in enumerate(sys.stdin.buffer, start=1):
        try:
            yield line.decode("utf-8")
        except UnicodeDecodeError as error:
            raise InvalidData(
                f"standard input:{number}: not UTF-8: {error.reason}", "Convert it first: iconv -f ISO-8859-1 -t UTF-8"
            ) from error
