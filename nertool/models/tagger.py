"""A model directory, FP32 or INT8 -> tags for a stream of sentences. The one tagging path of all stages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nertool.errors import NertoolError, command
from nertool.models.encode import Encoder, Window
from nertool.models.names import load_tokenizer, usable_length
from nertool.workspace.names import TABLE

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

Array = npt.NDArray[Any]
OUTSIDE = "O"
SENTENCES_AHEAD = 2048
"""Sentences read before the first is tagged: enough to sort by length, few enough to keep memory flat."""
BATCH_SUBWORDS = 512
"""Padded sub-words of a batch on the CPU: few enough for the caches of one core."""
GPU_SUBWORDS = 16_384
"""The same on a GPU: enough that starting its kernels is not what takes the time."""
LEAST_SUBWORDS, SHARES = 128, 8
"""Few sentences are shared out to so many batches, of so many padded sub-words at least, that threads find work. Which
batches there are does not depend on the threads: dynamic INT8 finds ranges for each batch, so tags would differ.
"""


class Tagging(NamedTuple):
    """A sentence's tags, and the model's probability of each (1 for a word without sub-words); both a word."""

    tags: list[str]
    scores: list[float]


class _Job(NamedTuple):
    """A window, and the number of its sentence's first word in the block."""

    first: int
    window: Window


class Tagger:
    """Tags sentences with a token-classification model.

    Args:
        model: any module that gives `logits` of shape (batch, subwords, labels) for `input_ids`, `attention_mask`.
        tokenizer: the model's.
        labels: the label of each id.
        max_length: sub-words of a window, special tokens included.

    Attributes:
        batch_subwords: padded sub-words of a batch, at most.
        on_cpu: the model is on the CPU.
        type_ids: give the model token_type_ids too, all 0.
        windowed, without_subwords: what `tag` counts.
    """

    def __init__(self, model: Any, tokenizer: PreTrainedTokenizerBase, labels: Sequence[str], max_length: int) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.labels = list(labels)
        self.max_length = max_length
        self.encoder = Encoder(tokenizer, max_length)
        self.pad_id = int(tokenizer.pad_token_id or 0)
        self.device = next((parameter.device for parameter in model.parameters()), "cpu")
        self.on_cpu = str(self.device) == "cpu"
        self.batch_subwords = BATCH_SUBWORDS if self.on_cpu else GPU_SUBWORDS
        self.type_ids = False
        self.windowed = 0
        self.without_subwords = 0

    def tag(self, sentences: Iterable[Sequence[str]]) -> Iterator[list[str]]:
        """Tags of each sentence, a tag a word, in the order of the sentences.

        Sentences longer than the model takes go through overlapping windows (`windowed` counts them); a word without
        sub-words gets O (`without_subwords` counts those).
        """
        return (tagging.tags for tagging in self.tag_scored(sentences))

    def tag_scored(self, sentences: Iterable[Sequence[str]]) -> Iterator[Tagging]:
        """Tags of each sentence as `tag` gives them, and how sure the model is of each."""
        stream = iter(sentences)
        while block := list(islice(stream, SENTENCES_AHEAD)):
            yield from self._tag_block(block)

    def _tag_block(self, sentences: list[Sequence[str]]) -> Iterator[Tagging]:
        ends = np.cumsum([len(words) for words in sentences])
        best, scores = np.full(ends[-1], -1), np.ones(ends[-1])
        jobs: list[_Job] = []
        for first, encoded in zip(
            (ends - list(map(len, sentences))).tolist(), self.encoder.encode(sentences), strict=True
        ):
            windows = self.encoder.windows(encoded) if encoded.ids else []
            self.windowed += len(windows) > 1
            self.without_subwords += encoded.starts.count(-1)
            jobs += [_Job(first, window) for window in windows if window.words]  # others lie inside a long word
        batches = list(_batches(jobs, self._batch_size(jobs)))
        for batch, found in zip(batches, self._best_of_all(batches), strict=True):
            words = np.concatenate([job.first + np.asarray(job.window.words, dtype=np.int64) for job in batch])
            best[words], scores[words] = found
        names = [*self.labels, OUTSIDE]  # the last one is that of -1
        tags = [names[number] for number in best.tolist()]
        for end, sentence in zip(ends.tolist(), sentences, strict=True):
            start = end - len(sentence)
            yield Tagging(tags[start:end], scores[start:end].tolist())

    def _batch_size(self, jobs: list[_Job]) -> int:
        """Padded sub-words of a batch."""
        if not self.on_cpu:
            return self.batch_subwords
        subwords = sum(len(job.window.ids) for job in jobs)
        return min(self.batch_subwords, max(LEAST_SUBWORDS, -(-subwords // SHARES)))

    def _best_of_all(self, batches: list[list[_Job]]) -> Iterable[tuple[Array, Array]]:
        """What `_best` gives for each batch.

        On the CPU each thread has a batch of its own: threads that share one wait for each other at every product.
        """
        import torch

        threads = torch.get_num_threads() if self.on_cpu else 1
        if min(threads, len(batches)) < 2:
            return map(self._best, batches)
        torch.set_num_threads(1)
        try:
            with ThreadPoolExecutor(threads) as pool:
                return list(pool.map(self._best, batches))
        finally:
            torch.set_num_threads(threads)

    def _best(self, batch: list[_Job]) -> tuple[Array, Array]:
        """Label id and probability for the first sub-word of each word that is read in a batch; shapes (words,)."""
        import torch

        inputs = self.collate([job.window.ids for job in batch])
        rows = np.repeat(np.arange(len(batch)), [len(job.window.positions) for job in batch])
        positions = list(chain.from_iterable(job.window.positions for job in batch))
        with torch.inference_mode():
            output = self.model(**{name: tensor.to(self.device) for name, tensor in inputs.items()})
            chosen = output["logits"][torch.from_numpy(rows), torch.tensor(positions, dtype=torch.long)]
            scores, best = chosen.float().softmax(-1).max(-1)
        return best.cpu().numpy(), scores.cpu().numpy()

    def collate(self, ids: Sequence[Sequence[int]]) -> dict[str, torch.Tensor]:
        """Sub-word ids of windows as padded model inputs, both of shape (batch, subwords of the longest)."""
        import torch

        lengths = np.array(list(map(len, ids)))
        mask = np.arange(lengths.max()) < lengths[:, None]
        padded = np.full(mask.shape, self.pad_id)
        padded[mask] = list(chain.from_iterable(ids))
        inputs = {"input_ids": torch.from_numpy(padded), "attention_mask": torch.from_numpy(mask.astype(np.int64))}
        return {**inputs, "token_type_ids": torch.zeros_like(inputs["input_ids"])} if self.type_ids else inputs


def _batches(jobs: list[_Job], most: int) -> Iterator[list[_Job]]:
    """Jobs of like length together, up to `most` padded sub-words; the longest first."""
    batch: list[_Job] = []
    for job in sorted(jobs, key=lambda job: -len(job.window.ids)):
        if batch and (len(batch) + 1) * len(batch[0].window.ids) > most:
            yield batch
            batch = []
        batch.append(job)
    if batch:
        yield batch


def load_tagger(directory: Path, device: str = "", as_stored: bool = False) -> Tagger:
    """The tagger of a directory that `train` or `quantize` published, or that run_ner.py wrote.

    Args:
        device: where it runs; the first GPU where there is one, else the CPU. INT8 models run on the CPU.
        as_stored: keep the model's own layers, though others may be faster here; what is to be quantized needs them.

    Raises:
        NertoolError: there is no such model, or it is not for token classification.
    """
    import torch
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(directory)
    except (OSError, ValueError) as error:
        raise NertoolError(
            f"{directory} holds no model: {str(error).splitlines()[0]}",
            "Name a directory that train or quantize has written.",
        ) from error
    if not any("ForTokenClassification" in name for name in config.architectures or []):
        raise NertoolError(
            f"{directory} holds a model without a head for tags",
            f"Fine-tune it first: {command(directory.parent, 'train')}",
        )
    if (directory / TABLE).exists():
        model, type_ids = _load_int8(directory, config), True
    else:
        place = device or ("cuda" if torch.cuda.is_available() else "cpu")
        model, type_ids = _load_fp32(directory, place, as_stored), False
    labels = [config.id2label[number] for number in range(config.num_labels)]
    tokenizer = load_tokenizer(str(directory))
    tagger = Tagger(model, tokenizer, labels, usable_length(tokenizer, config))
    # A quantized embedding takes no indices that are a view, which models make where they are given none.
    tagger.type_ids = type_ids and "token_type_ids" in tokenizer.model_input_names
    return tagger


def _load_int8(directory: Path, config: Any) -> Any:
    from nertool.models.inc_model import load_int8
    from nertool.models.onednn import use_fastest
    from nertool.models.onnx_model import GRAPH, OnnxModel

    return OnnxModel(directory / GRAPH) if (directory / GRAPH).exists() else use_fastest(load_int8(directory, config))


def _load_fp32(directory: Path, device: str, as_stored: bool) -> Any:
    from safetensors import SafetensorError
    from transformers import AutoModelForTokenClassification
    from transformers.utils.logging import disable_progress_bar

    from nertool.models.onednn import use_fastest

    disable_progress_bar()  # a directory is read in a moment
    try:
        model = AutoModelForTokenClassification.from_pretrained(directory).eval().to(device)
    except (OSError, SafetensorError) as error:
        raise NertoolError(
            f"{directory}: the weights cannot be read: {str(error).splitlines()[0]}",
            f"Make the model anew: {command(directory.parent, 'train', '--force')}",
        ) from error
    return model if as_stored or device != "cpu" else use_fastest(model)
