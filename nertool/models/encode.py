"""Turn words into sub-words, and long sentences into overlapping windows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

from nertool.errors import InvalidOption, NertoolError
from nertool.models.limits import HINT
from nertool.models.loading import translate_tokenizer_errors

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerBase

IGNORE = -100
"""Label id of a sub-word that carries no tag; the loss leaves it out."""
NO_SUBWORD = -1
"""Stands for the first sub-word of a word that has none."""
NO_WORD = -1
"""Stands for the word of a sub-word that carries no tag."""
NO_ID = 2**31 - 1
"""Is the id of no sub-word."""
WORD_PREFIX = "word_prefix"
"""Key of `tokenizer_config.json` under which `train` keeps what it has put before each word."""
REMEMBERED_WORDS = 100_000
"""Distinct words in the cache before it is cleared, so that memory stays bounded."""


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
        owners: 0-based number of the word whose tag each of them carries, or NO_WORD; same shape.
        words: number of words that carry a tag in this window.
    """

    input_ids: list[int]
    labels: list[int]
    owners: list[int]
    words: int


class Window(NamedTuple):
    """A part of a sentence that the model takes at once; most sentences are one window.

    Attributes:
        ids: sub-word ids with special tokens; shape (subwords,).
        words: 0-based numbers of the words whose tag is taken from this window; each word is in one window.
        positions: index into `ids` of the first sub-word of each of `words`; same shape.
    """

    ids: list[int]
    words: list[int]
    positions: list[int]


class Frame(NamedTuple):
    """What a tokenizer puts around the sub-words of a sentence, and the token types that it gives them.

    Attributes:
        before, behind: ids of its special tokens; shape (special tokens,).
        types_before, types_behind: their token types; same shapes.
        type_inside: token type of the sentence's own sub-words.
    """

    before: list[int]
    behind: list[int]
    types_before: list[int]
    types_behind: list[int]
    type_inside: int

    def types(self, length: int) -> list[int]:
        """Token types of a window of that many sub-words, special tokens included; shape (subwords,)."""
        inside = length - len(self.before) - len(self.behind)
        return [*self.types_before, *[self.type_inside] * inside, *self.types_behind]


class Subwords:
    """Sub-word ids of words; each word is tokenized alone, and once while it is in the cache.

    Args:
        tokenizer: fast or slow.
        prefix: put before each word; see `word_prefix`.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, prefix: str = "") -> None:
        self._tokenizer, self._prefix = tokenizer, prefix
        self._cache: dict[str, list[int]] = {}

    def __call__(self, words: Iterable[str]) -> Mapping[str, Sequence[int]]:
        """Ids without special tokens, of `words` at least."""
        if len(self._cache) > REMEMBERED_WORDS:
            self._cache.clear()
        new = [word for word in dict.fromkeys(words) if word not in self._cache]
        if new:
            with translate_tokenizer_errors():
                encoding = self._tokenizer(
                    [self._prefix + word for word in new],
                    add_special_tokens=False,
                    return_attention_mask=False,
                    return_token_type_ids=False,
                    verbose=False,
                )
            self._cache.update(zip(new, encoding["input_ids"], strict=True))
        return self._cache


def count_subwords(tokenizer: PreTrainedTokenizerBase, words: Sequence[str]) -> list[int]:
    """Count the sub-words of each word, tokenized alone, as `len(tokenizer.tokenize(word))` does; shape (words,)."""
    with translate_tokenizer_errors():
        if tokenizer.is_fast:
            backend = tokenizer.backend_tokenizer
            backend.no_truncation()
            backend.no_padding()
            return [len(encoding) for encoding in backend.encode_batch_fast(words, add_special_tokens=False)]
        return [len(tokenizer.tokenize(word)) for word in words]


def stated_prefix(tokenizer: Any) -> str | None:
    """What `tokenizer_config.json` says of `word_prefix`; None where it says nothing."""
    stated = getattr(tokenizer, "init_kwargs", {}).get(WORD_PREFIX)
    return stated if stated in ("", " ") else None


def word_prefix(tokenizer: PreTrainedTokenizerBase) -> str:
    """The text that makes the tokenizer treat a string as a word: a space for byte-level BPE, else nothing.

    It is what the tokenizer states, else found by trying: the ids of "a a" must be the ids of "a" twice, or those of
    " a a" the ids of " a" twice. Where neither holds, spaces part no words, and each word is tokenized as it is.
    """
    if (stated := stated_prefix(tokenizer)) is not None:
        return stated

    def ids(text: str) -> list[int]:
        with translate_tokenizer_errors():
            found: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
        return found

    return " " if ids("a a") != 2 * ids("a") and ids(" a a") == 2 * ids(" a") else ""


class Encoder:
    """Turns words into windows of sub-words.

    Args:
        tokenizer: fast or slow.
        max_length: sub-words of a window, special tokens included.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, max_length: int) -> None:
        self.subwords = Subwords(tokenizer, word_prefix(tokenizer))
        self.frame = frame_of(tokenizer)
        self.prefix, self.suffix = self.frame.before, self.frame.behind
        self.budget = max_length - len(self.prefix) - len(self.suffix)
        if self.budget < 1:
            raise InvalidOption(
                f"a maximum length of {max_length} leaves no room beside the special tokens",
                "Take a larger --max-length, or mend model_max_length in the tokenizer_config.json of the model.",
            )

    def encode(self, sentences: Sequence[Sequence[str]]) -> list[Encoded]:
        """Sub-words of each sentence, without special tokens."""
        cache = self.subwords(chain.from_iterable(sentences))
        encoded = []
        for words in sentences:
            encoded.append(_join([cache[word] for word in words]))
        return encoded

    def windows(self, encoded: Encoded) -> list[Window]:
        """Cut a sentence into windows that overlap by half.

        Each word's tag is taken from the window in which the word is most central.
        """
        if len(encoded.ids) <= self.budget:
            return [self._window(encoded, 0, _words_with_subwords(encoded))]
        begins = _window_begins(len(encoded.ids), self.budget)
        words_of: list[list[int]] = [[] for _ in begins]
        window = 0
        for word in _words_with_subwords(encoded):
            ideal = encoded.starts[word] - (self.budget - 1) / 2  # this window would have the word in its middle
            while window + 1 < len(begins) and abs(begins[window + 1] - ideal) < abs(begins[window] - ideal):
                window += 1
            words_of[window].append(word)
        return [self._window(encoded, begin, words) for begin, words in zip(begins, words_of, strict=True)]

    def _window(self, encoded: Encoded, begin: int, words: list[int]) -> Window:
        """The window that begins at a sub-word, with the words whose tag is taken from it."""
        ids = [*self.prefix, *encoded.ids[begin : begin + self.budget], *self.suffix]
        offset = len(self.prefix) - begin
        return Window(ids, words, [encoded.starts[word] + offset for word in words])


def _words_with_subwords(encoded: Encoded) -> list[int]:
    return [word for word, start in enumerate(encoded.starts) if start != NO_SUBWORD]


def labelled_windows(
    encoder: Encoder,
    sentences: Sequence[Sequence[str]],
    tags: Sequence[Sequence[str] | None],
    label_ids: Mapping[str, int],
    all_subwords: bool = False,
) -> Iterator[list[LabelledWindow]]:
    """Give the training examples of each sentence, one for each window.

    A word's tag is on its first sub-word, in the one window from which the word's tag is taken; all other sub-words
    have the label IGNORE.

    Args:
        tags: of each sentence; None for one without, whose sub-words all have the label IGNORE.
        all_subwords: label the word's other sub-words too, B- as I- where there is such a label
            (run_ner.py: label_all_tokens).
    """
    for encoded, sentence_tags in zip(encoder.encode(sentences), tags, strict=True):
        lengths = _subwords_of_words(encoded) if all_subwords else [1] * len(encoded.starts)
        examples = []
        for window in encoder.windows(encoded):
            owners = _owners(window, lengths, len(window.ids) - len(encoder.suffix))
            labels = [IGNORE] * len(owners) if sentence_tags is None else _label_ids(owners, sentence_tags, label_ids)
            examples.append(LabelledWindow(window.ids, labels, owners, len(window.words)))
        yield examples


def _owners(window: Window, lengths: Sequence[int], end: int) -> list[int]:
    """The word whose tag each sub-word of a window carries.

    Args:
        lengths: number of sub-words that carry the tag of each word of the sentence.
        end: of the words' sub-words in the window.
    """
    owners = [NO_WORD] * len(window.ids)
    for word, first in zip(window.words, window.positions, strict=True):
        for position in range(first, min(first + lengths[word], end)):
            owners[position] = word
    return owners


def _label_ids(owners: Sequence[int], tags: Sequence[str], label_ids: Mapping[str, int]) -> list[int]:
    """The label id of each sub-word; that of a word's other sub-words is I- where its tag is B-."""
    labels = []
    before = NO_WORD
    for word in owners:
        label = IGNORE if word == NO_WORD else label_ids[tags[word]]
        labels.append(label_ids.get(inside(tags[word]), label) if word == before != NO_WORD else label)
        before = word
    return labels


def inside(tag: str) -> str:
    """The tag of a word that continues the entity of a word with this tag.

    >>> inside("B-creative-work"), inside("I-LOC"), inside("O")
    ('I-creative-work', 'I-LOC', 'O')
    """
    return f"I{tag[1:]}" if tag.startswith("B-") else tag


def _subwords_of_words(encoded: Encoded) -> list[int]:
    """Number of sub-words of each word; shape (words,)."""
    lengths = [0] * len(encoded.starts)
    end = len(encoded.ids)
    for word in reversed(_words_with_subwords(encoded)):
        lengths[word] = end - encoded.starts[word]
        end = encoded.starts[word]
    return lengths


def _window_begins(length: int, budget: int) -> list[int]:
    return [*range(0, length - budget, max(1, budget // 2)), length - budget]


def _join(words: Sequence[Sequence[int]]) -> Encoded:
    """A sentence from the sub-word ids of its words."""
    ids: list[int] = []
    starts: list[int] = []
    for subwords in words:
        starts.append(len(ids) if subwords else NO_SUBWORD)
        ids += subwords
    return Encoded(ids, starts)


def frame_of(tokenizer: PreTrainedTokenizerBase) -> Frame:
    """Find what a tokenizer puts around a single sequence, whatever its vocabulary is: it gets an id that none has.

    Raises:
        NertoolError: it leaves the sequence out, or takes it twice; or it fails.
    """
    with translate_tokenizer_errors():
        if tokenizer.is_fast:
            ids, types = _around_fast(tokenizer.backend_tokenizer)
        else:
            ids = tokenizer.build_inputs_with_special_tokens([NO_ID])
            types = tokenizer.create_token_type_ids_from_sequences([NO_ID])
    if ids.count(NO_ID) != 1:
        what = f"the model's tokenizer puts a text {ids.count(NO_ID)} times between its special tokens"
        raise NertoolError(f"{what} (post_processor of its tokenizer.json)", HINT)
    if len(types) != len(ids):  # tokenizers without token types count no special tokens here
        types = [0] * len(ids)
    at = ids.index(NO_ID)
    return Frame(ids[:at], ids[at + 1 :], types[:at], types[at + 1 :], types[at])


def _around_fast(backend: Tokenizer) -> tuple[list[int], list[int]]:
    """The ids and the token types that a post-processor makes of NO_ID."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel

    backend.no_truncation()
    backend.no_padding()
    word = Tokenizer(WordLevel({"a": NO_ID}, "a")).encode("a")
    around = backend.post_process(word)
    return around.ids, around.type_ids
