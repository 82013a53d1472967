"""Words -> sub-words: tokenizers, the place of each word's first sub-word, and windows over long sentences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, chain
from typing import TYPE_CHECKING, NamedTuple

from nertool.errors import InvalidOption

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

IGNORE = -100
"""Label id of a sub-word that carries no tag (the loss leaves it out)."""

NO_SUBWORD = -1
REMEMBERED_WORDS = 200_000
"""Distinct words whose sub-words are remembered before all are forgotten; a bound to memory, not a limit."""


class Encoded(NamedTuple):
    """One sentence in sub-words.

    Attributes:
        ids: sub-word ids without special tokens; shape (subwords,).
        starts: index into `ids` of each word's first sub-word, NO_SUBWORD where it has none; shape (words,).
    """

    ids: list[int]
    starts: list[int]


class LabelledWindow(NamedTuple):
    """A training example.

    Attributes:
        input_ids: sub-word ids with special tokens; shape (subwords,).
        labels: a label id or IGNORE for each of them; same shape.
        words: how many words are read here.
    """

    input_ids: list[int]
    labels: list[int]
    words: int


class Window(NamedTuple):
    """A piece of a sentence that the model takes at once; most sentences are one window.

    Attributes:
        ids: sub-word ids with special tokens; shape (subwords,).
        words: 0-based numbers of the words whose tag is read here; each word is read in one window.
        positions: index into `ids` of the first sub-word of each of `words`; same shape.
    """

    ids: list[int]
    words: list[int]
    positions: list[int]


class Subwords:
    """Sub-word ids of words, each word tokenized alone and, while it is remembered, once.

    Args:
        tokenizer: fast or slow.
        lead: put before each word.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, lead: str = "") -> None:
        self._tokenizer, self._lead = tokenizer, lead
        self._known: dict[str, list[int]] = {}

    def __call__(self, words: Iterable[str]) -> Mapping[str, Sequence[int]]:
        """Ids without special tokens, of `words` at least."""
        if len(self._known) > REMEMBERED_WORDS:
            self._known.clear()
        new = [word for word in dict.fromkeys(words) if word not in self._known]
        if new:
            encoding = self._tokenizer(
                [self._lead + word for word in new],
                add_special_tokens=False,
                return_attention_mask=False,
                return_token_type_ids=False,
                verbose=False,
            )
            self._known.update(zip(new, encoding["input_ids"], strict=True))
        return self._known


def count_subwords(tokenizer: PreTrainedTokenizerBase, words: Sequence[str]) -> list[int]:
    """How many sub-words each word has when it is tokenized alone, as `len(tokenizer.tokenize(word))`."""
    if tokenizer.is_fast:
        backend = tokenizer.backend_tokenizer
        backend.no_truncation()
        backend.no_padding()
        return [len(encoding) for encoding in backend.encode_batch_fast(words, add_special_tokens=False)]
    return [len(tokenizer.tokenize(word)) for word in words]


def word_prefix(tokenizer: PreTrainedTokenizerBase) -> str:
    """What a word needs before it, so that it is tokenized as a word: a space for byte-level BPE, else nothing.

    Found by trying: a running text of two words must give what the two words give one by one.
    """
    text, word = (tokenizer(text, add_special_tokens=False)["input_ids"] for text in ("a a", "a"))
    return "" if text == word + word else " "


class Encoder:
    """Turns words into windows of sub-words.

    Args:
        tokenizer: fast or slow.
        max_length: sub-words of a window, special tokens included.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, max_length: int) -> None:
        self.subwords = Subwords(tokenizer, word_prefix(tokenizer))
        self.prefix, self.suffix = _special_ids(tokenizer)
        self.budget = max_length - len(self.prefix) - len(self.suffix)
        if self.budget < 1:
            raise InvalidOption(
                f"a maximum length of {max_length} leaves no room beside the special tokens",
                "Take a larger --max-length.",
            )

    def encode(self, sentences: Sequence[Sequence[str]]) -> list[Encoded]:
        """Sub-words of each sentence, without special tokens."""
        known = self.subwords(chain.from_iterable(sentences))
        return [_join([known[word] for word in words]) for words in sentences]

    def windows(self, encoded: Encoded) -> list[Window]:
        """The sentence in windows that overlap by half; each word is read where it has the most context."""
        if len(encoded.ids) <= self.budget:
            words = [word for word, start in enumerate(encoded.starts) if start != NO_SUBWORD]
            positions = [encoded.starts[word] + len(self.prefix) for word in words]
            return [Window([*self.prefix, *encoded.ids, *self.suffix], words, positions)]
        begins = _window_starts(len(encoded.ids), self.budget)
        reads: list[tuple[list[int], list[int]]] = [([], []) for _ in begins]
        middle = (self.budget - 1) / 2
        number = 0
        for word, start in enumerate(encoded.starts):
            if start != NO_SUBWORD:
                wanted = start - middle  # where a window would begin that has the word in its middle
                while number + 1 < len(begins) and abs(begins[number + 1] - wanted) < abs(begins[number] - wanted):
                    number += 1
                reads[number][0].append(word)
                reads[number][1].append(start - begins[number] + len(self.prefix))
        pieces = [[*self.prefix, *encoded.ids[begin : begin + self.budget], *self.suffix] for begin in begins]
        return [Window(ids, *read) for ids, read in zip(pieces, reads, strict=True)]


def labelled_windows(
    encoder: Encoder,
    sentences: Sequence[Sequence[str]],
    tags: Sequence[Sequence[str]],
    label_ids: Mapping[str, int],
    all_subwords: bool = False,
) -> Iterator[list[LabelledWindow]]:
    """Training examples of each sentence, one a window.

    A word's tag stands on its first sub-word in the one window that reads the word, IGNORE everywhere else.

    Args:
        all_subwords: the tag stands on the word's other sub-words too, B- as I- where there is such a label
            (run_ner.py: label_all_tokens).
    """
    for encoded, sentence_tags in zip(encoder.encode(sentences), tags, strict=True):
        ends = _ends(encoded) if all_subwords else encoded.starts
        examples = []
        for window in encoder.windows(encoded):
            labels = [IGNORE] * len(window.ids)
            for word, position in zip(window.words, window.positions, strict=True):
                labels[position] = label_ids[sentence_tags[word]]
                inside = min(position + ends[word] - encoded.starts[word], len(window.ids) - len(encoder.suffix))
                for other in range(position + 1, inside):
                    labels[other] = label_ids.get(_inside(sentence_tags[word]), labels[position])
            examples.append(LabelledWindow(window.ids, labels, len(window.words)))
        yield examples


def _inside(tag: str) -> str:
    """The tag of a word that goes on with an entity.

    >>> _inside("B-creative-work"), _inside("I-LOC"), _inside("O")
    ('I-creative-work', 'I-LOC', 'O')
    """
    return f"I{tag[1:]}" if tag.startswith("B-") else tag


def _ends(encoded: Encoded) -> list[int]:
    """Index behind each word's last sub-word; NO_SUBWORD for a word that has none."""
    ends, end = [NO_SUBWORD] * len(encoded.starts), len(encoded.ids)
    for word in range(len(encoded.starts) - 1, -1, -1):
        if encoded.starts[word] != NO_SUBWORD:
            ends[word], end = end, encoded.starts[word]
    return ends


def _window_starts(length: int, budget: int) -> list[int]:
    return [*range(0, length - budget, max(1, budget // 2)), length - budget]


def _join(words: Sequence[Sequence[int]]) -> Encoded:
    starts = accumulate(map(len, words), initial=0)
    return Encoded(
        list(chain.from_iterable(words)),
        [start if subwords else NO_SUBWORD for start, subwords in zip(starts, words, strict=False)],  # and the end
    )


def _special_ids(tokenizer: PreTrainedTokenizerBase) -> tuple[list[int], list[int]]:
    """Ids that the tokenizer puts before and after a single sequence."""
    plain = tokenizer("a", add_special_tokens=False)["input_ids"]
    full = tokenizer("a")["input_ids"]
    before = next(at for at in range(len(full) + 1) if full[at : at + len(plain)] == plain)
    return full[:before], full[before + len(plain) :]
