"""Load the weights of a model for token classification; one that its files lack is never random without a word."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from nertool.errors import NertoolError
from nertool.models.loading import check_loads, from_pretrained, local_copy
from nertool.models.weight_files import check_weight_files
from nertool.progress import logger

if TYPE_CHECKING:
    from transformers import PreTrainedModel

OF_NO_USE = re.compile(
    r"(^|\.)pooler\.|\.(position_ids|token_type_ids|attn\.bias|attn\.masked_bias|inv_freq|num_batches_tracked)$"
)
"""Weights that bear on no tag: those of poolers, and constants that older releases of transformers saved."""
SPARSE = "block_sparse"
"""Attention of BigBird, which transformers has for texts of over 704 sub-words alone."""
SHOWN = 3
"""Names that a message shows."""


def load_weights(
    name: str, config: Any, new_head: bool, allow_missing: bool, trust_remote_code: bool = False, **options: Any
) -> PreTrainedModel:
    """Load a model for token classification, in FP32.

    Args:
        name: directory, or name on a hub.
        config: of the model, which writes into it.
        new_head: the head may be new: a pretrained encoder has none, or another one.
        allow_missing: take random weights for those that the files lack, with a warning.
        trust_remote_code: run code that comes with the model.
        options: of `from_pretrained`.

    Raises:
        NertoolError: the files lack weights of the model, or hold some that it has no place for; or as
            `loading.from_pretrained` and `loading.check_loads` do.
    """
    from transformers import AutoModelForTokenClassification

    model: PreTrainedModel
    check_weight_files(name, config)
    check_loads(AutoModelForTokenClassification, config, name, trust_remote_code=trust_remote_code)
    options |= {"config": config, "trust_remote_code": trust_remote_code, "output_loading_info": True}
    model, found = from_pretrained(AutoModelForTokenClassification, name, **options)
    check_weight_files(local_copy(name, **options), config)
    if not getattr(model, "is_quantized", False):
        model = model.float()  # whatever they are stored as, which may differ from weight to weight
    if getattr(model.config, "use_cache", False):
        model.config.use_cache = False  # decoders keep the past of a text that they go on with; tags need none
    if getattr(model.base_model, "attention_type", "") == SPARSE:
        model.base_model.set_attention_type(
            "original_full"
        )  # transformers does so at the first short sentence, for good
        logger.info("%s: each sub-word attends to all others, and not block by block, whatever the length", name)
    if found["mismatched_keys"]:
        names = [key[0] for key in found["mismatched_keys"]]
        logger.warning("%s: weights of another shape, started anew: %s", name, _named(names))
    missing, left_over = _problems(model, found["missing_keys"], found["unexpected_keys"], new_head)
    if not (missing or left_over):
        return model
    what = f"{name}: its files lack {_named(missing)} of the model, and hold {_named(left_over)} without a place in it"
    if not allow_missing:
        how = "on random weights" if missing else "without them"
        raise NertoolError(what, f"Take a whole checkpoint of this model; or insist, {how}: --allow-missing-weights")
    logger.warning("%s: weights that are missing are random, and others are left out", what)
    return model


def _problems(
    model: PreTrainedModel, missing: Iterable[str], left_over: Iterable[str], new_head: bool
) -> tuple[list[str], list[str]]:
    """Names of the weights that are missing, and of those left over, that bear on the tags."""
    prefix = model.base_model_prefix + "."
    of_encoder = {name.partition(".")[0] for name, _ in model.base_model.named_children()}
    lost, extra = [], []
    for name in missing:
        in_head = not name.startswith(prefix) and name.partition(".")[0] not in of_encoder
        if not (OF_NO_USE.search(name) or (in_head and new_head)):
            lost.append(name)
    for name in left_over:
        in_encoder = name.startswith(prefix) or name.partition(".")[0] in of_encoder
        if not OF_NO_USE.search(name) and (in_encoder or not new_head or lost):
            extra.append(name)
    return sorted(lost), sorted(extra)


def _named(names: Sequence[str]) -> str:
    """`no weight`, `1 weight (a)`, `5 weights (a, b, c, ...)`."""
    if not names:
        return "no weight"
    shown = ", ".join([*names[:SHOWN], *(["..."] if len(names) > SHOWN else [])])
    return f"{len(names)} weight{'s' if len(names) > 1 else ''} ({shown})"
