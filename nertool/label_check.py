"""Which gold tags are probably wrong, by models that have not seen them: `check --labels`."""

from __future__ import annotations

import json
import os
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from zipfile import ZIP_STORED, BadZipFile, ZipFile

import numpy as np

from nertool.arrays import Array
from nertool.corpus.column_files import Sentence, read_sentences
from nertool.corpus.decisions import KEEP, SUFFIX, Decision, write_decisions
from nertool.corpus.files import translate_read_errors
from nertool.corpus.recognise import recognise_tags
from nertool.documents.output_file import translate_write_errors
from nertool.errors import InvalidData, InvalidOption, MissingInput, NertoolError, translate_odd_content
from nertool.models.names import (
    MODEL_FILES,
    holds_tagger,
    load_tokenizer,
    model_sources,
    quiet_transformers,
    resolve_model,
)
from nertool.progress import amount, logger, track
from nertool.scoring.label_errors import (
    Judged,
    Suggestion,
    corrected_tags,
    entities_of,
    suggest,
    type_columns,
    types_of,
)
from nertool.spelling import Reading, spelling_of_labels
from nertool.stages import preprocess, train
from nertool.stages.check import OF_FOLDS, Options
from nertool.stages.options import check_split
from nertool.tags import Span
from nertool.workspace.atomic import remove, replacing
from nertool.workspace.digests import digest
from nertool.workspace.names import CHECKING, LABELS, MODEL, SPLITS, versions
from nertool.workspace.running import RunningDirectory
from nertool.workspace.workspace import Workspace

if TYPE_CHECKING:
    from nertool.models.tagger import Tagger

FOLDS = 5
"""Folds where no number is given."""
PAGE_BEGINS = b"<!doctype html>"


@dataclass(frozen=True)
class LabelReport:
    """Places where gold is perhaps wrong.

    Attributes:
        sentences, entities: how many were judged.
        places: how many differ from what a model says.
        suggestions: the first of them, the likeliest errors first.
    """

    sentences: int
    entities: int
    places: int
    suggestions: list[Suggestion]

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON values."""
        return {**vars(self), "suggestions": [suggestion.as_dict() for suggestion in self.suggestions]}


class Gold(NamedTuple):
    """A sentence of the data, and the name of its file."""

    file: str
    sentence: Sentence


@dataclass(frozen=True)
class Corpus:
    """The data that are judged.

    Attributes:
        paths: its files.
        reading: of its tags.
        sentences: all of them.
    """

    paths: list[Path]
    reading: Reading
    sentences: list[Gold]

    def entities(self, gold: Gold) -> list[Span]:
        """The gold entities of a sentence."""
        return entities_of(gold.sentence.tags, self.reading.spelling)


def run(workspace: Workspace, options: Options) -> LabelReport:
    """Judge the gold tags of splits by a fine-tuned model, or by models of folds, which are kept until data change.

    Raises:
        MissingInput: there are no data, or no such model.
        InvalidOption: no such split, fewer sentences than folds, or no place for a file to write.
        InvalidData: gold has types that the model does not know.
        NertoolError: as `preprocess` and `train`.
    """
    quiet_transformers()
    _check_targets(options)
    _warn_of_seen_data(options)
    with workspace.locked("check", creates=False):
        corpus = _read(_paths(workspace, options))
        if options.fine_tuned:
            tagger = _load(options.model, options)
            types = types_of(tagger.labels, tagger.spelling)
            judged = list(_judge(tagger, corpus, corpus.sentences, "check"))
        else:
            labels = sorted({tag for gold in corpus.sentences for tag in gold.sentence.tags})
            types = types_of(labels, spelling_of_labels(labels))
            judged = _judge_folds(workspace, corpus, labels, options)
    suggestions = suggest(judged, types)
    entities = sum(len(sentence.gold) for sentence in judged)
    report = LabelReport(len(judged), entities, len(suggestions), suggestions[: options.first])
    _check_targets(options)  # another check may have written them since
    if options.page:
        _write_page(Path(options.page), workspace, report)
    if options.decisions:
        _write_places(Path(options.decisions), corpus, report.suggestions)
    return report


def _check_targets(options: Options) -> None:
    """Refuse files to write that cannot be, before anything is trained.

    Raises:
        InvalidOption: one is a directory, or is in none; or another file, such as one of decisions, would be lost.
    """
    for flag, name in (("--page", options.page), ("--decisions", options.decisions)):
        if name and (os.path.isdir(name) or not os.path.isdir(os.path.dirname(name) or ".")):
            raise InvalidOption(f"{flag} {name}: no file can be there", "Name a file in a directory that is there.")
    if options.decisions and os.path.lexists(options.decisions):
        raise InvalidOption(f"--decisions {options.decisions} is there already", "Name a new file.")
    if options.page and os.path.exists(options.page) and not _is_page(Path(options.page)):
        raise InvalidOption(f"--page {options.page} is there already, and is no page", "Name a new file.")
    if options.page and options.decisions and os.path.realpath(options.page) == os.path.realpath(options.decisions):
        raise InvalidOption("--page and --decisions name one file", "Name two files.")


def _warn_of_seen_data(options: Options) -> None:
    """Warn of a model that has perhaps learnt from what is judged."""
    if holds_tagger(Path(resolve_model(options.model))) and (options.folds or SPLITS[0] in _splits(options)):
        logger.warning("--model is fine-tuned: where it has learnt from these sentences, it agrees with their errors")


def _is_page(path: Path) -> bool:
    """Whether a file is a page, such as that of an earlier check."""
    if not path.is_file():
        return False
    with translate_read_errors(path), path.open("rb") as file:
        return file.read(len(PAGE_BEGINS)).lower() == PAGE_BEGINS


def _write_page(path: Path, workspace: Workspace, report: LabelReport) -> None:
    from nertool.report.label_page import write_label_page

    counts = {"sentences": report.sentences, "entities": report.entities, "places": report.places}
    title = workspace.path.resolve().name
    with translate_write_errors(str(path)), replacing(path) as partial:
        write_label_page(partial, title, counts, [suggestion.as_text() for suggestion in report.suggestions])
    logger.info("written: %s", path)


def _write_places(path: Path, corpus: Corpus, suggestions: Iterable[Suggestion]) -> None:
    """Write the places for somebody to decide on."""
    sentences = {(gold.file, gold.sentence.line): gold.sentence for gold in corpus.sentences}
    with translate_write_errors(str(path)), replacing(path) as partial:
        write_decisions(partial, (_undecided(one, sentences, corpus.reading) for one in suggestions))
    logger.info("written: %s", path)


def _undecided(
    place: Suggestion, sentences: Mapping[tuple[str, int], Sentence], reading: Reading
) -> tuple[Decision, float, str]:
    """A place as `write_decisions` takes it: the words whose tags would change, and those in question."""
    sentence = sentences[place.file, place.line - place.start]
    new = corrected_tags(sentence.tags, place, reading)
    changed = [at for at, (old, tag) in enumerate(zip(sentence.tags, new, strict=True)) if old != tag]
    start, end = min([place.start, *changed]), max([place.end, *(at + 1 for at in changed)])
    tokens, gold, proposed = (part[start:end] for part in (sentence.tokens, sentence.tags, new))
    decision = Decision(KEEP, place.file, sentence.line + start, tokens, gold, proposed)
    text = place.as_text()
    return decision, place.score, f"{text['before']} [{text['text']}] {text['behind']}".strip()


def _load(model: str | Path, options: Options) -> Tagger:
    from nertool.models.load_tagger import load_tagger

    return load_tagger(model, trust_remote_code=options.trust_remote_code)


# -- data ------------------------------------------------------------------------------------------


def _splits(options: Options) -> Sequence[str]:
    """The splits that are judged, if they are there."""
    return options.split or (SPLITS[1:] if options.fine_tuned else SPLITS[:1])


def _paths(workspace: Workspace, options: Options) -> list[Path]:
    """The files of the splits that are judged, as `check` reads them: each once and in one order, since folds count.

    Raises:
        MissingInput: a split that was asked for is not there, or none is.
        InvalidOption: there is no split of that name, or decisions are asked for that `download` could not take in.
    """
    there = workspace.data_files()
    for split in options.split or ():
        check_split(split)
    wanted = _splits(options)
    found = [split for split in SPLITS if split in wanted and split in there]
    if not found or (options.split and len(found) < len({*wanted})):
        missing = [split for split in SPLITS if split in wanted and split not in there]
        get = f"Run: {workspace.data_command()}"
        name = f"Name what is there: {' '.join(f'--split {split}' for split in there)}"
        raise MissingInput(f"{workspace.path} has no data of {' or '.join(missing)}", name if there else get)
    paths = [there[split] for split in found]
    if options.decisions and (by_hand := [path for path in paths if not path.name.endswith(SUFFIX)]):
        raise InvalidOption(
            f"--decisions: {by_hand[0]} was not written by download, which takes decisions in",
            f"Take the data in first: nertool download --train-file {shlex.quote(str(by_hand[0]))} -w NEW",
        )
    return paths


def _read(paths: list[Path]) -> Corpus:
    sentences = [Gold(path.name, sentence) for path in paths for sentence in read_sentences(path)]
    return Corpus(paths, recognise_tags(paths), sentences)


def _check_types(corpus: Corpus, types: Sequence[str]) -> None:
    """Refuse data with types that a model does not know.

    Raises:
        InvalidData: there is one (names file and line).
    """
    for gold in corpus.sentences:
        for span in corpus.entities(gold):
            if span.label not in types:
                raise InvalidData(
                    f"{gold.file}:{gold.sentence.line + span.start}: the model does not know the type {span.label!r}",
                    f"Its types: {', '.join(types)}. Take a model of these data, or leave out --model.",
                )


# -- a model ---------------------------------------------------------------------------------------


def _judge(tagger: Tagger, corpus: Corpus, sentences: Sequence[Gold], what: str) -> Iterator[Judged]:
    """What a model says of each sentence.

    Raises:
        InvalidData: gold has types that it does not know.
    """
    _check_types(corpus, types_of(tagger.labels, tagger.spelling))
    columns = type_columns(tagger.labels, tagger.spelling)
    taggings = tagger.tag_scored(gold.sentence.tokens for gold in sentences)
    for gold, tagging in zip(sentences, track(taggings, what, len(sentences), "sentences"), strict=True):
        assert tagging.logits is not None
        logits = tagging.logits / np.float32(tagger.calibration.temperature)
        exponents = np.exp(logits - logits.max(-1, keepdims=True))
        probabilities = exponents @ columns / exponents.sum(-1, keepdims=True)
        probabilities = np.where(np.isnan(probabilities), 1, probabilities)  # a word that is not read is not doubted
        yield _judged(corpus, gold, entities_of(tagging.tags, tagger.spelling), probabilities)


def _judged(corpus: Corpus, gold: Gold, predicted: list[Span], probabilities: Array) -> Judged:
    """A sentence as a model has judged it.

    Args:
        predicted: entities.
        probabilities: of O and each type, for each word; shape (words, types).
    """
    sentence = gold.sentence
    return Judged(gold.file, sentence.line, sentence.tokens, corpus.entities(gold), predicted, probabilities)


# -- folds -----------------------------------------------------------------------------------------


def _judge_folds(workspace: Workspace, corpus: Corpus, labels: Sequence[str], options: Options) -> list[Judged]:
    """What the model of each fold says of the sentences that it has not seen; a fold that was finished is read again.

    Raises:
        InvalidOption: there are fewer sentences than folds, or there is no such model.
    """
    folds = options.folds or FOLDS
    count = len(corpus.sentences)
    if count < folds:
        way_on = f"Take --folds {count}." if count > 1 else "Take more sentences, or a --model that is fine-tuned."
        raise InvalidOption(f"--folds {folds}: there are {count} sentences to judge", way_on)
    load_tokenizer(options.model, options.trust_remote_code)  # so that a wrong name is refused before anything is said
    _tell_rare_types(corpus, folds)
    running = RunningDirectory(workspace / CHECKING, "fold")
    judged: list[Judged] = []
    with running.begun(_identity(corpus, options, folds)):
        for number in range(folds):
            kept = running.path / f"fold-{number + 1}.npz"
            held_out = corpus.sentences[number::folds]
            fold = Workspace(running.path / f"workspace-{number + 1}")
            if not kept.exists():
                rest = [gold for place, gold in enumerate(corpus.sentences) if place % folds != number]
                logger.info("fold %s of %s: training on %s", number + 1, folds, amount(len(rest), "sentences"))
                with _removed_if_refused(fold.path):
                    tagger = _train_fold(fold, rest, labels, options)
                _keep(kept, list(_judge(tagger, corpus, held_out, f"fold {number + 1}")))
            remove(fold.path)  # which a kill may have left
            judged += _read_kept(kept, corpus, held_out)
    return judged


@contextmanager
def _removed_if_refused(path: Path) -> Iterator[None]:
    """Remove what the block has written there, if it is refused; after a kill it stays, to go on from."""
    try:
        yield
    except NertoolError:
        remove(path)
        raise


def _tell_rare_types(corpus: Corpus, folds: int) -> None:
    """Warn of types that a fold's model may hardly know, or not at all."""
    counts = Counter(span.label for gold in corpus.sentences for span in corpus.entities(gold))
    for label, count in sorted(counts.items()):
        if count < folds:
            logger.warning(
                "%s has %s, fewer than the %s folds: models hardly know it, and may doubt all of them",
                label,
                amount(count, "entities"),
                folds,
            )


def _identity(corpus: Corpus, options: Options, folds: int) -> dict[str, Any]:
    """What the folds follow from."""
    values = {name: value for name, value in asdict(options).items() if name in FOLD_OPTIONS}
    sources = model_sources(options.model, MODEL_FILES)
    return {
        "options": {**values, "folds": folds},
        "data": {path.name: digest(path)["sha256"] for path in corpus.paths},
        "model": {name: digest(path)["sha256"] for name, path in sources.items()},
        "versions": versions(["torch", "transformers", "tokenizers"]),
    }


FOLD_OPTIONS = ("model", "max_length", "trust_remote_code", *OF_FOLDS)
"""Options that the models of folds follow from."""


def _train_fold(fold: Workspace, sentences: Sequence[Gold], labels: Sequence[str], options: Options) -> Tagger:
    """Train in a workspace of its own, as `preprocess` and `train` do; a training that was killed goes on."""
    fold.path.mkdir(exist_ok=True)
    lines = chain.from_iterable(_lines(gold.sentence) for gold in sentences)
    with replacing(fold / "train.txt.tmp") as path:
        path.write_text("".join(lines), encoding="utf-8", newline="\n")
    with replacing(fold / LABELS) as path:
        path.write_text("".join(f"{label}\n" for label in labels), encoding="utf-8", newline="\n")
    fitting = preprocess.Options(options.model, options.max_length, trust_remote_code=options.trust_remote_code)
    preprocess.run(fold, fitting)
    training = train.Options(
        model=options.model,
        max_length=options.max_length,
        **{name: getattr(options, name) for name in OF_FOLDS},
        keep="last",
        overwrite_output_dir=True,
        trust_remote_code=options.trust_remote_code,
    )
    train.run(fold, training)
    return _load(fold / MODEL, options)


def _lines(sentence: Sentence) -> Iterator[str]:
    for token, tag in zip(sentence.tokens, sentence.tags, strict=True):
        yield f"{token} {tag}\n"
    yield "\n"


def _keep(path: Path, judged: Sequence[Judged]) -> None:
    """Write what a fold's model said."""
    predicted = json.dumps([sentence.predicted for sentence in judged], allow_nan=False)
    probabilities = np.concatenate([sentence.probabilities for sentence in judged]).astype(np.float16)
    with replacing(path) as partial, partial.open("wb") as file:
        np.savez(file, predicted=np.array(predicted), probabilities=probabilities)


def _read_kept(path: Path, corpus: Corpus, sentences: Sequence[Gold]) -> list[Judged]:
    """Read what a fold's model said of these sentences.

    Raises:
        InvalidData: the file is damaged.
    """
    judged = []
    hint = f"Remove it, and check again: rm {shlex.quote(str(path))}"
    with translate_odd_content(f"{path} is damaged", hint, also=(OSError, MemoryError, BadZipFile)):
        with ZipFile(path) as archive:
            if any(entry.compress_type != ZIP_STORED for entry in archive.infolist()):
                raise ValueError("it is packed, so that it may unpack to anything")
        with np.load(path) as kept:
            predicted, probabilities = json.loads(str(kept["predicted"])), kept["probabilities"].astype(np.float32)
        ends = np.cumsum([len(gold.sentence.tokens) for gold in sentences])
        for gold, spans, rows in zip(sentences, predicted, np.split(probabilities, ends[:-1]), strict=True):
            found = [Span(*span) for span in spans]
            if len(rows) != len(gold.sentence.tokens):
                raise ValueError("probabilities of other words")
            judged.append(_judged(corpus, gold, found, rows))
    return judged
