"""Tag sentences or text with a model, FP32 or INT8. All stages tag through this module."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from dataclasses import replace
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nertool.arrays import Array
from nertool.corpus.running_text import Cut, cut_text, line_offsets
from nertool.errors import NertoolError
from nertool.models.batching import BATCH_SUBWORDS, GPU_SUBWORDS, Job, batch_size, batches_of, blocks_of
from nertool.models.calibration import Calibration, DevAnswers, Predictions
from nertool.models.decoding import Decoder, Sentences
from nertool.models.encode import NO_SUBWORD, Encoder
from nertool.models.onnx_model import OnnxModel
from nertool.models.stored_tokenizer import Encoding, StoredTokenizer, store_encoding
from nertool.models.tagging import Entity, TagCounts, Tagging, entities_of
from nertool.models.thresholds import Thresholds
from nertool.spelling import spelling_of_labels
from nertool.tags import OUTSIDE

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from nertool.models.torch_model import TorchModel

PROBE = 24
"""Sub-words of the longer one of two windows that find out whether padding changes tags."""
ROUNDING = 1e-3
"""Difference between logits, as a share of the greatest, that another shape of FP32 products may bring on the CPU."""
NOISE = 0.05
"""The same for INT8, whose ranges may be those of a batch, and for GPUs; convolutions over padding bring over .2."""


class Tagger:
    """Tags sentences with a token-classification model.

    Not for several threads at once: tagging by PyTorch on the CPU changes its thread count for the process meanwhile.

    Args:
        model: an `OnnxModel`, or a PyTorch module: it gives `logits` of shape (batch, subwords, labels) for
            `input_ids` and `attention_mask`; `parameters()` tells the module's device.
        tokenizer: the model's.
        encoding: how sentences become inputs of the model, and the label of each id.
        cut: how running text is cut into tokens.
        scheme: of the sequences of tags that are allowed; empty: any sequence, the most probable tag of each word.
        calibration: what makes probabilities fit what is right; by default they are the model's own.

    Attributes:
        on_cpu: the model is on the CPU.
        batch_subwords: padded sub-words of a batch, at most; see `with_batches_of`.
        same_length: put only windows of the same length into a batch, as padding would change tags.
        least_length: sub-words that shorter windows are padded to, as the model takes no fewer.
        thresholds: least probabilities of entities; None for none.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: PreTrainedTokenizerBase | StoredTokenizer,
        encoding: Encoding,
        cut: Cut = cut_text,
        scheme: str = "",
        calibration: Calibration | None = None,
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.labels = list(encoding.labels)
        self.spelling = spelling_of_labels(self.labels)
        self.scheme = scheme
        self.decoder = Decoder(self.labels, self.spelling, scheme)
        self.calibration = calibration or Calibration()
        self.thresholds: Thresholds | None = None
        self.max_length, self.type_ids, self.pad_id = encoding.max_length, encoding.type_ids, encoding.pad_id
        self.same_length, self.least_length = encoding.same_length, 0
        self.cut = cut
        self.encoder = Encoder(tokenizer, self.max_length)
        self.on_cpu = self.runner.on_cpu
        self.batch_subwords = BATCH_SUBWORDS if self.on_cpu else GPU_SUBWORDS

    @property
    def runner(self) -> OnnxModel | TorchModel:
        """The model as it is called with arrays."""
        if isinstance(self.model, OnnxModel):
            return self.model
        from nertool.models.torch_model import TorchModel

        return TorchModel(self.model)

    @property
    def vocabulary(self) -> int:
        """How many sub-words of the tokenizer the model has, as far as it tells: the last ones may have been added."""
        known = None if isinstance(self.runner, OnnxModel) else self.runner.vocabulary
        return min(len(self.tokenizer), known or len(self.tokenizer))

    def with_batches_of(self, subwords: int) -> Tagger:
        """A tagger with the same model and batches of at most so many padded sub-words."""
        tagger = copy(self)
        tagger.batch_subwords = subwords
        return tagger

    def tag(self, sentences: Iterable[Sequence[str]], counts: TagCounts | None = None) -> Iterator[list[str]]:
        """Tag sentences, reading at most SENTENCES_AHEAD of them ahead.

        A sentence longer than the model takes goes through overlapping windows. A word without sub-words gets O.

        Args:
            sentences: the words of each.
            counts: is counted up as the result is read.

        Returns:
            the tags of each sentence in the same order, a tag for each word.
        """
        if self.thresholds:
            yield from (tagging.tags for tagging in self.tag_scored(sentences, counts))
            return
        counts = counts or TagCounts()
        for block in blocks_of(sentences):
            logits = self._block_logits(block, counts)
            ids = self.decoder.decode(logits, Sentences.of(list(map(len, block))))
            yield from _by_sentence(self._tags(ids, logits), block)

    def tag_scored(self, sentences: Iterable[Sequence[str]], counts: TagCounts | None = None) -> Iterator[Tagging]:
        """Tag sentences as `tag` does, with the probability of each tag and each entity."""
        counts = counts or TagCounts()
        for block in blocks_of(sentences):
            for tagging in self._score_block(block, self._block_logits(block, counts)):
                kept = self.thresholds.apply(tagging) if self.thresholds else tagging
                counts.below += len(tagging.span_scores) - len(kept.span_scores)
                yield kept

    def word_logits(self, sentences: Iterable[Sequence[str]]) -> Iterator[Array]:
        """What the model gives each label, for the words of each sentence; NaN for words without sub-words.

        Returns:
            an array of shape (words, labels) for each sentence, in the same order.
        """
        for block in blocks_of(sentences):
            logits = self._block_logits(block, TagCounts())
            ends = np.cumsum(list(map(len, block)))
            yield from np.split(logits, ends[:-1])

    def most_probable(self, tagging: Tagging) -> list[str]:
        """The most probable tag of each word of a sentence that `tag_scored` gave, whatever its neighbours are."""
        assert tagging.logits is not None
        return self._tags(self.decoder.most_probable(tagging.logits), tagging.logits)

    def entities(self, text: str) -> list[Entity]:
        """Find the entities of a running text, from left to right; each line is a sentence.

        Words are cut as `predict --input text` cuts them.

        Raises:
            NertoolError: it is no text.
        """
        if not isinstance(text, str):
            raise NertoolError(f"`entities` takes one text, and got a {type(text).__name__}", "Ask `tag` for tokens.")
        sentences = [self.cut(text, start, end) for start, end in line_offsets(text)]
        taggings = self.tag_scored(words.tokens for words in sentences)
        entities: list[Entity] = []
        for words, tagging in zip(sentences, taggings, strict=True):
            entities += entities_of(text, words, tagging)
        return entities

    def uncalibrated(self, tagging: Tagging) -> Tagging:
        """The sentence that `tag_scored` gave, with the model's own probabilities."""
        assert tagging.logits is not None
        (scored,) = self._calibrated(Calibration())._score_block([tagging.tags], tagging.logits)
        return scored

    def calibration_on(self, dev: DevAnswers) -> Calibration:
        """The calibration that fits dev best: the temperature, then the scales at that temperature.

        Args:
            dev: what this model answered.
        """
        calibration = Calibration(dev.temperature())
        gold: list[Sequence[str]] = [[self.labels[label] for label in labels] for _, labels in dev.sentences]
        if not any(gold):
            return calibration
        logits = dev.logits()
        words, entities = Predictions(), Predictions()
        for expected, tagging in zip(gold, self._calibrated(calibration)._score_block(gold, logits), strict=True):
            assert tagging.logits is not None
            read = ~np.isnan(tagging.logits[:, 0])
            for tag, ours, score, is_read in zip(expected, tagging.tags, tagging.scores, read, strict=True):
                if is_read:
                    words.add(score, 1, ours == tag)
            spans = {*self.spelling.entities(expected)}
            for span, score in tagging.scored_spans():
                entities.add(score, span.end - span.start, span in spans)
        return replace(calibration, words=words.scale(), entities=entities.scale())

    def _calibrated(self, calibration: Calibration) -> Tagger:
        """A tagger with the same model and another calibration."""
        tagger = copy(self)
        tagger.calibration = calibration
        return tagger

    def _score_block(self, block: list[Sequence[str]], logits: Array) -> Iterator[Tagging]:
        """Give the tags of a block with the probabilities of words and entities."""
        lengths = list(map(len, block))
        sentences = Sentences.of(lengths)
        ids = self.decoder.decode(logits, sentences)
        tags = list(_by_sentence(self._tags(ids, logits), block))
        found = list(map(self.spelling.entities, tags))
        start: list[int] = []
        end: list[int] = []
        first = 0
        for length, spans in zip(lengths, found, strict=True):
            start += [first + span.start for span in spans]
            end += [first + span.end for span in spans]
            first += length
        probabilities = self.decoder.probabilities(logits, sentences, self.calibration.temperature)
        of_words = self._scaled_words(probabilities.of_words(ids), logits).tolist()
        starts, ends = np.array(start, int), np.array(end, int)
        of_entities = probabilities.of_entities(ids, starts, ends)
        if self.calibration.entities:
            of_entities = self.calibration.entities(of_entities, ends - starts)
        of_spans = iter(of_entities.tolist())
        first = 0
        for own, length, spans in zip(tags, lengths, found, strict=True):
            behind = first + length
            scores = list(islice(of_spans, len(spans)))
            yield Tagging(own, of_words[first:behind], self.spelling, scores, logits[first:behind])
            first = behind

    def _scaled_words(self, probabilities: Array, logits: Array) -> Array:
        """Probabilities of words on the scale of words; those of words without sub-words stay 1."""
        if self.calibration.words is None:
            return probabilities
        scaled = self.calibration.words(probabilities, np.ones(len(probabilities)))
        return np.where(np.isnan(logits[:, 0]), probabilities, scaled)

    def _tags(self, ids: Array, logits: Array) -> list[str]:
        """The tags of label ids; words without sub-words have the model's own spelling of O."""
        tags, outside = [self.labels[label] for label in ids.tolist()], self.spelling.spell(OUTSIDE)
        for word in np.flatnonzero(np.isnan(logits[:, 0])).tolist():
            tags[word] = outside
        return tags

    def _block_logits(self, block: list[Sequence[str]], counts: TagCounts) -> Array:
        """Logits of the words of a block, one sentence behind the other; NaN for words without sub-words."""
        lengths = [len(words) for words in block]
        ends = np.cumsum(lengths)
        logits = np.full((ends[-1], len(self.labels)), np.nan, np.float32)
        jobs = self._jobs(block, (ends - lengths).tolist(), counts)
        most = batch_size(jobs, self.batch_subwords) if self.on_cpu else self.batch_subwords
        batches = list(batches_of(jobs, most, self.same_length))
        for batch, batch_logits in zip(batches, self._logits_of_all(batches), strict=True):
            words = list(chain.from_iterable(job.words for job in batch))
            if not np.isfinite(batch_logits).all():
                raise _no_number(block, ends, words[int(np.argmin(np.isfinite(batch_logits).all(1)))])
            logits[words] = batch_logits
        return logits

    def _jobs(self, sentences: list[Sequence[str]], firsts: list[int], counts: TagCounts) -> list[Job]:
        """The windows from which a tag is taken; a window inside a long word has none."""
        jobs: list[Job] = []
        for first, encoded in zip(firsts, self.encoder.encode(sentences), strict=True):
            windows = self.encoder.windows(encoded) if encoded.ids else []
            counts.windowed += len(windows) > 1
            counts.without_subwords += encoded.starts.count(NO_SUBWORD)
            for window in windows:
                if window.words:
                    jobs.append(Job(window, [first + word for word in window.words]))
        return jobs

    def _logits_of_all(self, batches: list[list[Job]]) -> Iterable[Array]:
        """Give what `_logits` gives for each batch.

        On the CPU each thread works on its own batch: threads that share one wait for each other at every product.
        """
        runner = self.runner
        work = partial(self._logits, runner)
        threads = min(runner.threads, len(batches))
        if threads < 2:
            return map(work, batches)
        with runner.a_thread_each(), ThreadPoolExecutor(threads) as pool:
            return list(pool.map(work, batches))

    def _logits(self, runner: OnnxModel | TorchModel, batch: list[Job]) -> Array:
        """Logits of each word whose tag is taken from a batch; shape (words, labels)."""
        ids: list[list[int]] = []
        rows: list[int] = []
        positions: list[int] = []
        for row, job in enumerate(batch):
            ids.append(job.window.ids)
            rows += [row] * len(job.words)
            positions += job.window.positions
        return self._of_labels(runner.at(self.collate(ids), rows, positions))

    def _of_labels(self, logits: Array) -> Array:
        """The same logits.

        Raises:
            NertoolError: they are not of as many labels as the model has.
        """
        if logits.shape[-1] != len(self.labels):
            what = f"the model gives {logits.shape[-1]} numbers for a word, and has {len(self.labels)} labels"
            raise NertoolError(what, "Its files are those of two models: make it anew, or take a whole copy of it.")
        return logits

    def probe_padding(self, noise: float) -> None:
        """Find out whether padding changes what the model gives, as in models with convolutions, and who needs it.

        Args:
            noise: difference that has other reasons, as a share of the greatest logit.
        """
        one, some, many = map(self.any_window, (1, min(PROBE, self.encoder.budget) // 2 + 1, PROBE))
        try:
            self.logits([one])
        except RuntimeError:  # Funnel pools neighbours, and needs a few
            self.least_length = len(some)
        alone = self.logits([some])[0]
        padded = self.logits([many, some])[1, : len(some)]
        self.same_length = bool(np.abs(padded - alone).max() > noise * np.abs(alone).max())

    def any_window(self, subwords: int) -> list[int]:
        """Ids of a window of so many sub-words, or as many as fit, beside special tokens."""
        length, vocabulary = min(subwords, self.encoder.budget), self.vocabulary
        numbers = [number % vocabulary for number in range(5, 5 + length)]
        return [*self.encoder.prefix, *numbers, *self.encoder.suffix]

    def store_encoding(self, directory: Path) -> bool:
        """Let the graph of this model in a directory be loaded without transformers; see `stored_tokenizer`."""
        encoding = Encoding(self.labels, self.max_length, self.pad_id, self.type_ids, self.same_length)
        return store_encoding(directory, self.tokenizer, encoding)

    def logits(self, ids: Sequence[Sequence[int]]) -> Array:
        """Logits of windows of sub-words; shape (windows, subwords, labels).

        Raises:
            NertoolError: as `_of_labels`.
        """
        return self._of_labels(self.runner(**self.collate(ids))["logits"])

    def collate(self, ids: Sequence[Sequence[int]]) -> dict[str, Array]:
        """Pad windows to the longest one.

        Args:
            ids: sub-word ids of each window.

        Returns:
            `input_ids` and `attention_mask`, and `token_type_ids` where the model gets them; shape (batch, subwords).
        """
        lengths = np.array([len(window) for window in ids])
        mask = np.arange(max(lengths.max(), self.least_length)) < lengths[:, None]
        padded = np.full(mask.shape, self.pad_id)
        padded[mask] = list(chain.from_iterable(ids))
        inputs = {"input_ids": padded, "attention_mask": mask.astype(np.int64)}
        if self.type_ids:
            types = np.zeros_like(padded)
            types[mask] = list(chain.from_iterable(map(self.encoder.frame.types, lengths.tolist())))
            inputs["token_type_ids"] = types
        return inputs


def _by_sentence(tags: list[str], block: list[Sequence[str]]) -> Iterator[list[str]]:
    """Cut the tags of a block into those of its sentences."""
    first = 0
    for words in block:
        yield tags[first : first + len(words)]
        first += len(words)


def _no_number(sentences: Sequence[Sequence[str]], ends: Array, word: int) -> NertoolError:
    """The error for a word of a block for which a model gives no number."""
    number = int(np.searchsorted(ends, word, side="right"))
    sentence = sentences[number]
    shown = " ".join(sentence)[:80]
    return NertoolError(
        f"the model gives no number for {sentence[word - int(ends[number])]!r} in {shown!r}",
        "Its weights are damaged, or grew without bound in training: train anew with a lower --learning-rate.",
    )
