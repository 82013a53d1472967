"""Tag tokens or running text: files or standard input in; standard output, a file, or predictions/, out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypedDict

from nertool.corpus.column_files import read_sentences
from nertool.corpus.running_text import Words
from nertool.documents.document import Document
from nertool.documents.log_counts import log_counts
from nertool.documents.tag_documents import tag_documents
from nertool.models.names import quiet_transformers
from nertool.models.thresholds import OWN, read_named_thresholds
from nertool.progress import logger, track
from nertool.spelling import PLAIN
from nertool.stages.load_model import find_model, load_model
from nertool.stages.options import check_split
from nertool.stages.predict_options import ANNOTATION_FORMS, Options
from nertool.workspace.model_files import ModelFiles
from nertool.workspace.names import PREDICTIONS, THRESHOLDS
from nertool.workspace.stage import Result, Stage, StageRun
from nertool.workspace.workspace import Workspace

if TYPE_CHECKING:
    from nertool.documents.writers import Write
    from nertool.models.tagger import Tagger
    from nertool.models.tagging import TagCounts, Tagging


__all__ = ["Options", "run"]


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
        result = workspace.run(planned, lambda stage: _tag_split(stage, model, source, options))
        logger.info("predictions: %s", workspace / _predictions(split, options.form))
        return result


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
    from nertool.documents.writers import ENDINGS

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
        log_counts({**vars(counts), "blanks": blanks})


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
