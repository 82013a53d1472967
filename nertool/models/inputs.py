"""What the `forward` of a model takes, which its tokenizer does not tell."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from inspect import signature
from typing import TYPE_CHECKING, Any

from nertool.errors import NertoolError
from nertool.models.encode import frame_of
from nertool.models.limits import HINT
from nertool.models.loading import WRONG

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

PROBE = 8
"""Sub-words of the longer one of two sentences that try a model out."""


def embeds_token_types(inputs: Any, config: Any) -> bool:
    """Whether a model with these inputs embeds token types, as BERT does; in others they mean something else."""
    return "token_type_ids" in inputs and getattr(config, "type_vocab_size", 0) > 0


def heeds_token_types(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether a model answers otherwise where it is given the token types that its tokenizer gives, as XLNet does.

    A plain call of transformers gives them, so such a model has been fine-tuned with them.
    """
    import torch

    name = "token_type_ids"
    inputs = signature(model.forward).parameters
    if name not in inputs or name not in tokenizer.model_input_names:
        return False
    frame = frame_of(tokenizer)
    types = frame.types(len(frame.before) + PROBE + len(frame.behind))
    if embeds_token_types(inputs, model.config) and not any(types):
        return False  # which is what it takes by itself
    ids = torch.tensor([[*frame.before, *[2] * PROBE, *frame.behind]], device=model.device)
    without = _logits(model, ids, torch.ones_like(ids))
    return not torch.equal(without, _logits(model, ids, torch.ones_like(ids), **{name: ids.new_tensor([types])}))


@contextmanager
def translate_missing_embeddings() -> Iterator[None]:
    """Turn the error of a model on the CPU that gets a sub-word beyond its own into two lines.

    Raises:
        NertoolError: that has happened.
    """
    try:
        yield
    except IndexError as error:
        raise NertoolError(f"the tokenizer gives sub-words that the model does not have: {error}", HINT) from error


def check_takes_text(model: PreTrainedModel, name: str) -> None:
    """Try the model on two sentences of different lengths.

    Raises:
        NertoolError: it needs more than sub-words, cannot tell padding from text, or takes sentences of some lengths
            alone, such as a Nystromformer with fewer landmarks than segments.
    """
    hint = "Take an encoder of text, such as BERT, RoBERTa, ELECTRA or DeBERTa."
    kind = f"{name}: models of type {model.config.model_type}"
    if "attention_mask" not in signature(model.forward).parameters:
        raise NertoolError(f"{kind} take no attention mask: padding would change the tags", hint)
    for length, fault in ((PROBE, "cannot tag words alone"), (PROBE - 1, "take sentences of some lengths alone")):
        try:
            probe_logits(model, length)
        except (*WRONG, ImportError, ValueError) as error:  # raised by the model
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise NertoolError(f"{kind} {fault}: {reason}", hint) from error


def check_finite(model: PreTrainedModel, name: str, hint: str) -> None:
    """Check that all weights of a model are numbers, and that it gives numbers.

    Args:
        name: of the model, for the message.
        hint: what to do about it.

    Raises:
        NertoolError: they are not.
    """
    import torch

    for key, tensor in model.state_dict().items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise NertoolError(f"{name}: NaN or infinity among the weights {key}", hint)
    if not torch.isfinite(probe_logits(model)).all():
        raise NertoolError(f"{name}: the model gives NaN or infinity: its weights are too large", hint)


def probe_logits(model: PreTrainedModel, length: int = PROBE) -> torch.Tensor:
    """What a model gives for two sentences, one of them padded; shape (2, length, labels)."""
    import torch

    ids = torch.full((2, length), 2, device=model.device)
    mask = torch.ones_like(ids)
    mask[1, length // 2 :] = 0
    return _logits(model, ids, mask)


def _logits(model: PreTrainedModel, ids: torch.Tensor, mask: torch.Tensor, **others: torch.Tensor) -> torch.Tensor:
    """What a model gives without dropout; shape (sentences, subwords, labels)."""
    import torch

    training = model.training
    model.eval()
    try:
        with torch.inference_mode(), translate_missing_embeddings():
            logits: torch.Tensor = model(input_ids=ids, attention_mask=mask, **others)["logits"]
    finally:
        model.train(training)
    return logits
