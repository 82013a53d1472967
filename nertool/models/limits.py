"""What the files of a model may ask for, looked at before a library makes anything of that size.

A model may come from a stranger, and a wrong number in its configuration lets a library take all memory, or work for
ever.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nertool.errors import NertoolError
from nertool.workspace.digests import FILE_LIMIT, read_json

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

MOST_LABELS = 10_000
MOST_PARTS = 500
"""Layers, or experts of a layer."""
MOST_PADDING = 1_000_000
"""Sub-words that a text is padded to."""
LARGEST_ID = 10_000_000
"""Of a sub-word: a tokenizer looks at each id up to the greatest."""
MOST_ADDED = 50_000
"""Tokens beside those of a tokenizer's own vocabulary: the time to load them grows with the square of their number."""
LARGEST = 100_000_000
"""The greatest number that says how large something is, such as a vocabulary."""
PARTS = re.compile(r"(layers?|blocks|depth|stages|experts|groups?|group_num)$")
"""Keys that say how many modules are built."""
NO_SIZE = re.compile(r"theta|window|max_length|token_id")
"""Keys of numbers that nothing is as large as."""
ADDED_TOKENS = {
    "tokenizer.json": (b"{", ("added_tokens",)),
    "tokenizer_config.json": (b'"', ("added_tokens_decoder", "additional_special_tokens")),
    "special_tokens_map.json": (b'"', ("additional_special_tokens",)),
    "added_tokens.json": (b'"', ()),
}
"""Files with tokens beside those of a vocabulary: a sign that each of these has, and the keys that hold them; the whole
file does where there is none."""
READ_WHOLE = {".json", ".txt", ".model", ".jinja"}
"""Ends of the names of files that libraries read into memory: of the configuration, of the tokenizer."""
WEIGHTS = {".safetensors", ".bin"}
FILES = {*READ_WHOLE, *WEIGHTS, ".onnx"}
"""Ends of the names of a model's files."""
ADAPTER = "adapter_config.json"
BYTES = {"float16": 2, "bfloat16": 2, "float64": 8}
"""Bytes of a weight, where they are not the 4 of FP32."""
UNPACKED = 4
"""Bytes in memory, at the most, for a byte of a weight in a file: INT8 becomes FP32."""
SPARE = 256 << 20
"""Bytes of a model that its files need not hold: a new head, tables of positions."""
WRITE_LABELS = 'Write it as {"0": "O", "1": "B-PER"}: the id of each label, and its name.'
HINT = "Take a whole copy of the model, from where it was published."


def check_files(directory: Path) -> None:
    """Check that the files of a model are files, as a device or a pipe has no end, and that its weights are among them.

    Raises:
        NertoolError: one is no file, or too large; or the weights are those of another model, with an adapter.
    """
    for path in sorted(directory.iterdir()):
        if path.exists() and not path.is_file() and not (path.is_dir() and path.suffix not in FILES):
            raise NertoolError(f"{path} is no regular file", HINT)
        if path.suffix in READ_WHOLE and path.is_file() and path.stat().st_size > FILE_LIMIT:
            raise NertoolError(f"{path} has more than {FILE_LIMIT >> 20} MiB", HINT)
    if (directory / ADAPTER).exists():
        raise NertoolError(
            f"{directory / ADAPTER} names another model, of whose weights this is an adapter",
            "Merge both into one model, as merge_and_unload of peft does, and name that.",
        )


def check_tokenizer_files(config: Mapping[str, Any], name: str) -> None:
    """Check that a tokenizer takes its files out of its own directory.

    Args:
        config: `tokenizer_config.json`, as it was parsed; transformers follows any path in it.
        name: directory, or name on a hub.

    Raises:
        NertoolError: it takes one out of another place.
    """
    home = os.path.abspath(name)
    for key, path in config.items():
        is_read = key.endswith("_file") and key != "special_tokens_map_file"  # which older versions left behind
        if not (is_read and isinstance(path, str) and os.path.exists(path)):
            continue
        if os.path.dirname(os.path.abspath(path)) != home:
            raise NertoolError(f"{name}: its tokenizer_config.json takes {key} out of another place: {path}", HINT)


def check_added_tokens(directory: Path) -> None:
    """Check that the files of a tokenizer add no more tokens to its vocabulary than can be loaded.

    Raises:
        NertoolError: they do. Files that cannot be read are left to the library that tells it.
    """
    for name, (sign, keys) in ADDED_TOKENS.items():
        content = b""
        with suppress(OSError):
            content = (directory / name).read_bytes()
        if content.count(sign) <= MOST_ADDED:
            continue  # without parsing a vocabulary of megabytes
        with suppress(AttributeError, ValueError, RecursionError):
            found = json.loads(content)
            for added in [found.get(key) for key in keys] if keys else [found]:
                count = len(added) if isinstance(added, (dict, list)) else 0
                _check_number(str(directory), f"number of added tokens ({name})", count, MOST_ADDED)


def check_numbers(config: Mapping[str, Any], name: str) -> None:
    """Check the numbers of a configuration before the library looks at it, which makes lists as long as they say.

    Args:
        config: as it was parsed.
        name: of the model, for the message.

    Raises:
        NertoolError: one is too large, or no number.
    """
    for key in ("id2label", "label2id"):
        if isinstance(config.get(key), (dict, list)):
            _check_number(name, f"number of labels ({key})", len(config[key]), MOST_LABELS)
    for key, number in _numbers(config):
        if not math.isfinite(number):
            if "limit" not in key:  # no limit
                raise NertoolError(f"{name}: its config.json says {key} {number}", HINT)
        elif isinstance(number, float):
            continue
        elif key == "num_labels":
            _check_number(name, key, number, MOST_LABELS)
        elif PARTS.search(key):
            _check_number(name, key, number, MOST_PARTS)
        elif not NO_SIZE.search(key):
            _check_number(name, key, number, LARGEST)


def check_label_map(config: Mapping[str, Any], name: str) -> None:
    """Check that the labels of a configuration are named by their ids.

    Args:
        config: as it was parsed.
        name: of the model, for the message.

    Raises:
        NertoolError: they are not.
    """
    labels = config.get("id2label")
    if labels is None:
        return
    if not isinstance(labels, Mapping):
        raise NertoolError(f"{name}: id2label of its config.json is no object", WRITE_LABELS)
    odd = next((key for key in labels if not re.fullmatch(r"-?[0-9]{1,9}", str(key))), None)
    if odd is not None:
        raise NertoolError(f"{name}: id2label of its config.json has the key {str(odd)[:80]!r}, no id", WRITE_LABELS)
    if len({int(key) for key in labels}) < len(labels):
        raise NertoolError(f"{name}: id2label of its config.json has two labels for one id", WRITE_LABELS)


def _check_number(name: str, what: str, number: float, most: int) -> None:
    if number > most:
        raise NertoolError(f"{name}: its {what} {number:,} is more than a model can have, which is {most:,}", HINT)


def _numbers(config: Mapping[str, Any]) -> Iterator[tuple[str, int | float]]:
    """The numbers of a configuration and of those inside it, with their keys."""
    for key, value in config.items():
        if isinstance(value, Mapping):
            yield from _numbers(value)
        for number in value if isinstance(value, list) else [value]:
            if isinstance(number, (int, float)):
                yield str(key), number


def check_tokens(tokenizer: PreTrainedTokenizerBase, name: str) -> None:
    """Check the numbers of a tokenizer, and try it on letters and on a character that hardly one knows.

    Raises:
        NertoolError: an id, or the length of its texts, is none that a model can have.
    """
    length = tokenizer.model_max_length
    if not (isinstance(length, (int, float)) and length > 0):  # NaN is not above 0
        raise NertoolError(f"{name}: its tokenizer_config.json says model_max_length {length!r}", HINT)
    inputs = tokenizer.model_input_names
    if not isinstance(inputs, (list, tuple)) or not all(isinstance(one, str) for one in inputs):
        raise NertoolError(f"{name}: its tokenizer_config.json says model_input_names {inputs!r}", HINT)
    if tokenizer.is_fast:
        backend = tokenizer.backend_tokenizer
        _check_number(name, "greatest id of a sub-word", max(backend.get_vocab().values(), default=0), LARGEST_ID)
        for key in ("length", "pad_to_multiple_of"):
            _check_number(name, f"padding ({key}) of", (backend.padding or {}).get(key) or 0, MOST_PADDING)
        backend.encode("a b \U0010fffd")


def check_size(empty: torch.nn.Module, name: str) -> None:
    """Check that the memory, and the files of a model that is here, hold about as much as its configuration says.

    Args:
        empty: the model, without memory for its weights; see `without_weights`.
        name: directory, or name on a hub.

    Raises:
        NertoolError: the model would be far larger.
    """
    needed = sum(tensor.numel() * tensor.element_size() for tensor in (*empty.parameters(), *empty.buffers()))
    directory = Path(name)
    holder, most = "this machine has", os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    fits = needed <= most
    if fits and directory.is_dir():
        weights = (path for path in directory.iterdir() if path.suffix in WEIGHTS and path.is_file())
        holder, most = "its files hold", sum(path.stat().st_size for path in weights)
        fits = needed <= UNPACKED * most + SPARE
    if not fits:
        what = f"its config.json says a model of {needed / 1e9:,.1f} GB, and {holder} {most / 1e9:,.3f} GB"
        raise NertoolError(f"{name}: {what}", HINT)


def fp32_size(directory: Path) -> int:
    """Bytes of a model's weights in FP32, by the sizes of its files and the precision that its configuration names.

    Raises:
        NertoolError: the configuration is damaged.
    """
    try:
        config = read_json(directory / "config.json")
        precision = str(config.get("dtype", config.get("torch_dtype")))
    except (AttributeError, ValueError, RecursionError) as error:
        raise NertoolError(f"{directory / 'config.json'} is damaged: {error}", HINT) from error
    sizes = dict.fromkeys(WEIGHTS, 0)
    for path in directory.iterdir():
        if path.suffix in WEIGHTS:
            sizes[path.suffix] += path.stat().st_size
    return (sizes[".safetensors"] or sizes[".bin"]) * 4 // BYTES.get(precision, 4)


@contextmanager
def without_weights() -> Iterator[None]:
    """Let a block build models in no time: their weights have shapes, but neither memory nor values."""
    import torch

    try:
        from transformers.initialization import no_init_weights  # transformers 5
    except ImportError:
        from transformers.modeling_utils import no_init_weights

    with torch.device("meta"), no_init_weights():
        yield
