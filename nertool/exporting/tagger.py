"""Run the model in this directory on sentences of words."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, islice
from pathlib import Path
from typing import Any

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # else onnxruntime 1.32 keeps a device id and reports to its maker
import numpy as np  # noqa: E402
from decoder import Decoder  # noqa: E402
from onnxruntime import InferenceSession, SessionOptions  # noqa: E402
from tokenizers import Tokenizer  # noqa: E402

HERE = Path(__file__).resolve().parent
BLOCK = 2048
"""Sentences that are read before the first is tagged."""
SLOWER = ["SkipLayerNormFusion", "BiasGeluFusion", "MatMulAddFusion"]
"""Kernels that on CPUs take longer than those that they stand for."""


class Tagger:
    """Tags sentences.

    Raises:
        OSError, ValueError: a file is missing or damaged, or the model answers otherwise here than where it was made.
    """

    def __init__(self, folder: Path = HERE) -> None:
        lines = (folder / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
        sums = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
        for name in ("model.onnx", "tokenizer.json", "settings.json"):
            if hashlib.sha256((folder / name).read_bytes()).hexdigest() != sums.get(name):
                raise ValueError(f"{name} is damaged: it is not the file that was exported")
        self.settings = json.loads((folder / "settings.json").read_text(encoding="utf-8"))
        self.decoder = Decoder(self.settings)
        options = SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = 1, 4  # batches go side by side
        kinds: dict[str, Any] = {"providers": ["CPUExecutionProvider"], "disabled_optimizers": SLOWER}
        try:
            self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
            self.session = InferenceSession(str(folder / "model.onnx"), options, enable_fallback=False, **kinds)
        except Exception as error:  # tokenizers raises no other kind
            raise ValueError(f"the model cannot be loaded: {str(error).splitlines()[0]}") from error
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()
        self._check_canary(**self.settings["canary"])

    def tag(self, sentences: Iterable[Sequence[str]], thresholds: bool = False) -> Iterator[tuple[list[str], Any]]:
        """Give the tags and the entities of each sentence of words, as `Decoder.tag` does.

        Args:
            thresholds: leave out entities below the least scores that were kept with the model.
        """
        least, stream = self.settings["thresholds"] if thresholds else {}, iter(sentences)
        if thresholds and not least:
            raise ValueError("no thresholds were exported with this model")
        while block := list(islice(stream, BLOCK)):
            if any(isinstance(sentence, str) for sentence in block):
                raise ValueError("a sentence is a list of words, and this one is a text")
            for logits in self._logits_of_words(block):
                yield self.decoder.tag(logits, least)

    def pattern_of(self, text: str) -> Any:
        """The pattern of the tokens of a running text."""
        from token_patterns import pattern_of

        return pattern_of(text, self.settings["tokenizer"])

    def _logits_of_words(self, block: list[Sequence[str]]) -> list[Any]:
        """What the model gives each label for the words of each sentence; NaN for words without sub-words."""
        words = list(dict.fromkeys(chain.from_iterable(block)))
        texts = [self.settings["word_prefix"] + word for word in words]
        encodings = self.tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        subwords = {word: encoding.ids for word, encoding in zip(words, encodings, strict=True)}
        logits, windows = [], []
        for sentence in block:
            own = np.full((len(sentence), len(self.settings["labels"])), np.nan, np.float32)
            logits.append(own)
            windows += [(*window, own) for window in self._windows([subwords[word] for word in sentence])]
        batches = list(_batches(windows, self.settings["same_length"]))
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            windows_of, asked_of = [[[window[part] for window in batch] for batch in batches] for part in (0, 2)]
            answers = pool.map(self._logits, windows_of, asked_of)
            for (_, asked, firsts, own), answer in zip(chain(*batches), chain.from_iterable(answers), strict=True):
                own[asked] = answer[firsts]
        return logits

    def _windows(self, words: list[list[int]]) -> Iterator[tuple[list[int], Any, Any]]:
        """Windows of a sentence that overlap by half; a word is asked about where it is nearest to the middle.

        Args:
            words: ids of the sub-words of each.

        Returns:
            ids of each window, numbers of the words asked about, and places of the first sub-word of each of them.
        """
        first, last, ids = self.settings["first"], self.settings["last"], list(chain.from_iterable(words))
        room = self.settings["max_length"] - len(first) - len(last)
        begins = np.array([*range(0, len(ids) - room, max(1, room // 2)), max(0, len(ids) - room)])
        lengths = np.array(list(map(len, words)))
        starts, read = np.cumsum(lengths) - lengths, np.flatnonzero(lengths)
        nearest = np.searchsorted((begins[1:] + begins[:-1]) / 2, starts[read] - (room - 1) / 2)
        for begin, asked in zip(begins, np.split(read, np.searchsorted(nearest, range(1, len(begins)))), strict=True):
            if len(asked):
                yield [*first, *ids[begin : begin + room], *last], asked, starts[asked] - begin + len(first)

    def _logits(self, windows: Sequence[list[int]], asked: Sequence[Any] = ()) -> Any:
        """Logits of windows of sub-words; shape (windows, sub-words, labels).

        Args:
            asked: places of the sub-words of each window whose logits are read; none: all.
        """
        longest, pad = max(map(len, windows)), self.settings["pad_id"]
        ids = np.array([[*window, *[pad] * (longest - len(window))] for window in windows], np.int64)
        mask = np.array([[1] * len(window) + [0] * (longest - len(window)) for window in windows], np.int64)
        given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": self._types(mask)}
        given = {each.name: given[each.name] for each in self.session.get_inputs()}
        optional = [each.name for each in self.session.get_overridable_initializers()]
        if asked and "wanted" in optional:  # a graph that can leave out work for others
            given["wanted"] = np.zeros_like(mask)
            for row, places in zip(given["wanted"], asked, strict=True):
                row[places] = 1
        logits = self.session.run(["logits"], given)[0]
        if not np.isfinite(logits[mask == 1]).all():
            raise ValueError("the model gives no number for a sentence")
        return logits

    def _types(self, mask: Any) -> Any:
        """Token types of windows; shape (windows, sub-words)."""
        before, inside, behind = self.settings["token_types"]
        types = mask * inside
        for row, length in enumerate(mask.sum(1)):
            types[row, : len(before)] = before
            types[row, length - len(behind) : length] = behind
        return types

    def _check_canary(self, ids: list[list[int]], log_probabilities: Any, allowed: float) -> None:
        """Compare the answers to random sentences with those of the machine on which the model was made."""
        logits = self._logits(ids).astype(float)
        probabilities = np.exp(logits - logits.max(-1, keepdims=True))
        probabilities /= probabilities.sum(-1, keepdims=True)
        apart = np.abs(probabilities - np.exp(log_probabilities)).sum(-1).mean() / 2
        if not apart <= allowed:
            raise ValueError(f"the model answers otherwise on this processor, by {apart:.3f}: quantize it here")


def _batches(windows: list[Any], same_length: bool) -> Iterator[list[Any]]:
    """Windows of like, or the same, length together; which ones follows from the windows alone, as some tags do."""
    most = min(512, max(128, -(-sum(len(ids) for ids, *_ in windows) // 8)))
    batch: list[Any] = []
    for window in sorted(windows, key=lambda window: -len(window[0])):
        longest = len(batch[0][0]) if batch else 0
        if batch and ((len(batch) + 1) * longest > most or (same_length and len(window[0]) < longest)):
            yield batch
            batch = []
        batch.append(window)
    if batch:
        yield batch
