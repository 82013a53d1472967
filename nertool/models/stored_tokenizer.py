"""A tokenizer as `tokenizers` alone runs it, with what else tagging must know of a model, in `encoding.json`.

transformers finds all that out from several files, by rules that differ between families of models and between its
releases. `quantize` keeps the answer beside a graph, so that tagging with it imports neither transformers nor PyTorch.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nertool.errors import InvalidData, NertoolError, command
from nertool.models.encode import stated_prefix
from nertool.models.limits import LARGEST_ID, check_added_tokens
from nertool.models.loading import translate_wrong_files
from nertool.models.names import LONGEST_WINDOW, fault_of_labels
from nertool.progress import logger
from nertool.workspace.digests import changed, digest, read_json, write_json

if TYPE_CHECKING:
    from tokenizers import Tokenizer

ENCODING = "encoding.json"
TOKENIZER = "tokenizer.json"
MADE_FROM = ("config.json", TOKENIZER, "tokenizer_config.json")
"""Files that the answer follows from; once one has changed, transformers is asked again."""
PROBES = (
    *(
        "a",
        " a",
        "a ",
        "a a",
        "Anna",
        "ANNA",
        "don't",
        "3.14",
        "#tag",
        "http://a.b/c?d=e",
        "Ünïted",
        "e\u0301",
        "ß",
        "\u0130",
    ),
    *(
        "\u4e2d\u6587",
        "\u0939\u093f\u0928\u094d\u0926\u0940",
        "\U0001f469\u200d\U0001f680",
        "\U0010fffd",
        "\ufb01n",
        "\u00ad",
    ),
    *("", " ", "\t", "\n", "\x00", "\x7f", "\u200b", "\u00a0", "\u3000", "\ufeff", "\ufffd", "a\u2028b"),
    *("_", "\u2581", "\u2581a", "\u0120a", "##a", "a_b", "a" * 300),
)
"""Texts whose sub-words are compared: blanks, accents, scripts, control characters, marks of sub-words, a long word."""


@dataclass(frozen=True)
class Encoding:
    """What tagging must know beside `tokenizer.json`.

    Attributes:
        labels: the label of each id.
        max_length: sub-words of a window, special tokens included.
        pad_id: id of a sub-word that fills short windows.
        type_ids: the model takes token_type_ids too.
        same_length: only windows of the same length share a batch, as padding would change tags.
    """

    labels: list[str]
    max_length: int
    pad_id: int
    type_ids: bool
    same_length: bool = False


class StoredTokenizer:
    """Called as a tokenizer of transformers is.

    Args:
        backend: of `tokenizers`; it neither cuts texts off nor pads them.
        pad_token_id: id of a sub-word that fills short windows.
    """

    is_fast = True

    def __init__(self, backend: Tokenizer, pad_token_id: int) -> None:
        backend.no_truncation()
        backend.no_padding()
        self.backend_tokenizer, self.pad_token_id = backend, pad_token_id

    def __len__(self) -> int:
        return int(self.backend_tokenizer.get_vocab_size())

    def __call__(self, text: str | Sequence[str], add_special_tokens: bool = True, **others: Any) -> dict[str, Any]:
        """The ids of a text, or of each of several.

        Args:
            others: options of transformers, which ask for nothing more than ids.
        """
        texts = [text] if isinstance(text, str) else list(text)
        encodings = self.backend_tokenizer.encode_batch_fast(texts, add_special_tokens=add_special_tokens)
        ids = [encoding.ids for encoding in encodings]
        return {"input_ids": ids[0] if isinstance(text, str) else ids}


def store_encoding(directory: Path, tokenizer: Any, encoding: Encoding) -> bool:
    """Write `tokenizer.json` as transformers has loaded it, and `encoding.json`.

    Args:
        directory: holds the graph, and the files of its tokenizer.
        tokenizer: of transformers.

    Returns:
        whether `tokenizers` alone gives the same sub-words; else nothing is written, and transformers stays in use.
    """
    if not tokenizer.is_fast or stated_prefix(tokenizer) == "":  # which `tokenizer.json` cannot state
        return False
    with suppress(NertoolError), translate_wrong_files(directory.name):  # some have parts in Python
        stored = StoredTokenizer(_copy(tokenizer.backend_tokenizer), encoding.pad_id)
        if not _agree(stored, tokenizer, [*PROBES, *tokenizer.all_special_tokens]):
            return False
        stored.backend_tokenizer.save(str(directory / TOKENIZER), pretty=False)
        made_from = {name: digest(directory / name) for name in MADE_FROM if (directory / name).exists()}
        write_json(directory / ENCODING, {**asdict(encoding), "made_from": made_from})
        return True
    return False


def _copy(backend: Tokenizer) -> Tokenizer:
    return type(backend).from_str(backend.to_str())


def _agree(stored: StoredTokenizer, tokenizer: Any, texts: Iterable[str]) -> bool:
    """Whether two tokenizers give each text the same sub-words, with special tokens and without."""
    for text in texts:
        for special in (True, False):
            ids = tokenizer(text, add_special_tokens=special, verbose=False)["input_ids"]
            if stored(text, add_special_tokens=special)["input_ids"] != ids:
                return False
    return len(stored) == len(tokenizer)


def read_encoding(directory: Path) -> Encoding | None:
    """Read what `store_encoding` wrote; None where transformers must be asked, which a line tells.

    Raises:
        InvalidData: the file is damaged.
    """
    path, why = directory / ENCODING, f"it has no {ENCODING}"
    try:
        found = read_json(path)
        made_from = found.pop("made_from")
        if not (edited := changed(directory, made_from)):
            return _checked(Encoding(**found))
        why = f"{', '.join(edited)} changed"
    except FileNotFoundError:
        pass
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise InvalidData(f"{path} is not what quantize writes: {error}", _anew(directory)) from error
    logger.info("%s: transformers is imported, which takes seconds: %s (%s)", directory, why, _anew(directory))
    return None


def _checked(encoding: Encoding) -> Encoding:
    """The same encoding, whose file somebody may have edited.

    Raises:
        ValueError: a value makes no sense.
    """
    if not isinstance(encoding.labels, list):
        raise ValueError("labels is no list")
    if fault := fault_of_labels(encoding.labels):
        raise ValueError(f"labels {fault}")
    kinds = [type(value) for value in (encoding.max_length, encoding.pad_id, encoding.type_ids, encoding.same_length)]
    if kinds != [int, int, bool, bool] or not 0 <= encoding.pad_id <= LARGEST_ID:
        raise ValueError("max_length, pad_id, type_ids and same_length are not two numbers and two truths")
    if not 1 <= encoding.max_length <= LONGEST_WINDOW:
        raise ValueError(f"max_length {encoding.max_length} is not between 1 and {LONGEST_WINDOW}")
    return encoding


def load_stored_tokenizer(directory: Path, pad_id: int) -> StoredTokenizer:
    """Load `tokenizer.json`.

    Raises:
        NertoolError: it is damaged.
    """
    from tokenizers import Tokenizer

    check_added_tokens(directory)
    with translate_wrong_files(str(directory)):
        return StoredTokenizer(Tokenizer.from_file(str(directory / TOKENIZER)), pad_id)


def _anew(directory: Path) -> str:
    return f"make it anew: {command(directory.parent, 'quantize', '--force')}"
