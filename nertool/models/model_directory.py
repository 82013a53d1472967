"""Load what a model's directory holds, FP32 or INT8: the model, its tokenizer, and how sentences become its inputs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from nertool.errors import MissingInput, NertoolError, command, reason_of
from nertool.models.encode import stated_prefix, word_prefix
from nertool.models.inputs import check_takes_text, embeds_token_types, heeds_token_types
from nertool.models.limits import check_files
from nertool.models.loading import NAMED_OUTPUT, OTHER_SHAPES, from_pretrained, hide_path
from nertool.models.names import (
    is_fine_tuned,
    label_names,
    load_tokenizer,
    quiet_transformers,
    usable_length,
    warn_of_labels,
)
from nertool.models.onnx_model import GRAPH, OnnxModel
from nertool.models.other_tools import MODEL_HELP, config_hint, find_config, make_anew
from nertool.models.settings import anew, is_quantized
from nertool.models.stored_tokenizer import ENCODING, Encoding, StoredTokenizer, load_stored_tokenizer, read_encoding
from nertool.models.weights import load_weights
from nertool.progress import logger

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

LITTLE_CONTEXT = 16
"""Sub-words of a window that hold few sentences whole."""
FEW_SUBWORDS = (
    "%s: it takes %d sub-words at a time (model_max_length of its tokenizer, or positions), so words lack context"
)
BLANK_BEFORE_WORDS = (
    "%s: its tokenizer tells words by the blank before them, and each gets one, as in a text. "
    'If it was trained on words without: write "word_prefix": "" into tokenizer_config.json'
)
MEND_SHAPES = "Mend its config.json: it has a name in id2label for each row of the head, and the sizes of the weights."


class LoadedModel(NamedTuple):
    """What a model's directory holds.

    Attributes:
        model: as a `Tagger` takes it.
        tokenizer: the model's.
        encoding: how sentences become inputs of the model, and its labels.
        is_int8: it was quantized.
        is_stored: `encoding` was read from the directory; else whether padding changes tags is not known.
    """

    model: Any
    tokenizer: PreTrainedTokenizerBase | StoredTokenizer
    encoding: Encoding
    is_int8: bool
    is_stored: bool


def check_directory(directory: Path) -> None:
    """Check that there is a directory, and that its files are no larger than those of a model.

    Raises:
        MissingInput: there is no such directory.
        NertoolError: as `check_files`.
    """
    if not directory.is_dir():
        raise MissingInput(f"{directory} holds no model: there is no such directory", MODEL_HELP)
    check_files(directory)


def load_directory(
    directory: Path,
    device: str,
    as_stored: bool,
    fp32_kernels: Literal["auto", "torch"],
    allow_missing_weights: bool,
    trust_remote_code: bool,
) -> LoadedModel:
    """Load the model of a directory; the arguments are those of `load_tagger`.

    Raises:
        NertoolError: as `load_tagger`.
    """
    is_int8 = is_quantized(directory)
    encoding = read_encoding(directory) if is_int8 and (directory / GRAPH).exists() else None
    if encoding:
        tokenizer: Any = load_stored_tokenizer(directory, encoding.pad_id)
        loaded = LoadedModel(OnnxModel(directory / GRAPH), tokenizer, encoding, is_int8, is_stored=True)
    else:
        load = partial(_load_fp32, allow_missing_weights=allow_missing_weights, device=device)
        model, tokenizer, encoding = _load_by_transformers(
            directory, _load_int8 if is_int8 else load, as_stored or is_int8, trust_remote_code
        )
        if as_stored:
            model = _with_linear_layers(model)
        elif fp32_kernels == "auto":
            model = _with_fastest_kernels(model)
        loaded = LoadedModel(model, tokenizer, encoding, is_int8, is_stored=False)
    if isinstance(loaded.model, OnnxModel):
        _check_inputs(loaded.model, encoding.type_ids)
    return loaded


def _load_by_transformers(
    directory: Path, load: Callable[..., Any], needs_type_ids: bool, trust_remote_code: bool
) -> tuple[Any, PreTrainedTokenizerBase, Encoding]:
    """A model and its tokenizer, with what transformers says of them.

    Args:
        load: takes the directory, its configuration and `trust_remote_code`, and gives the model.
        needs_type_ids: give the model its token_type_ids: a quantized embedding takes no indices that are a view,
            which models make where they are given none.
    """
    quiet_transformers()
    config = _load_config(directory, trust_remote_code)
    labels = label_names(config)
    model = load(directory, config, trust_remote_code=trust_remote_code)
    tokenizer = load_tokenizer(str(directory), trust_remote_code)
    if isinstance(model, OnnxModel):
        type_ids = "token_type_ids" in model.inputs
    else:
        embeds = embeds_token_types(signature(model.forward).parameters, config)
        type_ids = (needs_type_ids and embeds) or heeds_token_types(model, tokenizer)
    encoding = Encoding(
        labels=labels,
        max_length=usable_length(tokenizer, config),
        pad_id=int(tokenizer.pad_token_id or 0),
        type_ids=type_ids,
    )
    warn_of_labels(config, str(directory))
    if encoding.max_length < LITTLE_CONTEXT:
        logger.warning(FEW_SUBWORDS, directory, encoding.max_length)
    if stated_prefix(tokenizer) is None and word_prefix(tokenizer):
        logger.info(BLANK_BEFORE_WORDS, directory)
    return model, tokenizer, encoding


def stored_labels(directory: Path, trust_remote_code: bool = False) -> list[str]:
    """The label of each id of a model, which is not loaded for this.

    Raises:
        NertoolError: the directory holds no model for token classification.
    """
    if (directory / ENCODING).exists() and (encoding := read_encoding(directory)):
        return encoding.labels
    return label_names(_load_config(directory, trust_remote_code))


def _with_fastest_kernels(model: Any) -> Any:
    """The same model, or a PyTorch module on the CPU with other layers."""
    if isinstance(model, OnnxModel):
        return model
    import torch

    from nertool.models.onednn import use_fastest

    on_cpu = all(parameter.device.type == "cpu" for parameter in model.parameters())
    return use_fastest(model) if isinstance(model, torch.nn.Module) and on_cpu else model


def _with_linear_layers(model: Any) -> Any:
    """The same model, or a PyTorch module whose linear layers can be quantized."""
    if isinstance(model, OnnxModel):
        return model
    from nertool.models.linear import with_linear_layers

    return with_linear_layers(model)


def _check_inputs(graph: OnnxModel, type_ids: bool) -> None:
    given = {"input_ids", "attention_mask", *(["token_type_ids"] if type_ids else [])}
    if unknown := set(graph.inputs) - given:
        what = f"{graph.path} takes {', '.join(sorted(unknown))}, which its tokenizer does not give"
        raise NertoolError(what, anew(graph.path.parent))


def _load_config(directory: Path, trust_remote_code: bool) -> Any:
    from transformers import AutoConfig

    try:
        name, trusted = find_config(str(directory)), trust_remote_code
        config = from_pretrained(AutoConfig, name, trust_remote_code=trusted, **NAMED_OUTPUT)
    except (OSError, ValueError) as error:
        hint = config_hint(error, MODEL_HELP)
        raise NertoolError(f"{directory} holds no model: {reason_of(error)}", hint) from error
    if not is_fine_tuned(config):
        raise NertoolError(
            f"{directory} holds a model without a head for tags",
            f"Fine-tune it first: {command(Path('workspace'), 'train', '--model', str(directory))}",
        )
    return config


def _load_int8(directory: Path, config: Any, trust_remote_code: bool) -> Any:
    from nertool.models.inc_model import load_int8

    if (directory / GRAPH).exists():
        return OnnxModel(directory / GRAPH)
    return load_int8(directory, config, trust_remote_code)


def _load_fp32(directory: Path, config: Any, allow_missing_weights: bool, trust_remote_code: bool, device: str) -> Any:
    import torch
    from safetensors import SafetensorError
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # a directory is read in a moment
    if allow_missing_weights:
        torch.manual_seed(0)  # the random ones are the same each time
    try:
        model = load_weights(str(directory), config, False, allow_missing_weights, trust_remote_code)
        check_takes_text(model, str(directory))
        hide_path(model.config, directory.resolve().name)
    except (OSError, RuntimeError, ValueError, SafetensorError) as error:
        reason, hint = str(error).strip().splitlines()[0], make_anew(directory)
        if OTHER_SHAPES in str(error):
            reason, hint = "they do not have the shapes of its configuration", MEND_SHAPES
        raise NertoolError(f"{directory}: the weights cannot be read: {reason}", hint) from error
    return model.eval().to(device or ("cuda" if torch.cuda.is_available() else "cpu"))
