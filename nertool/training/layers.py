"""The layers of an encoder: where they are in a model, and a model that starts from some of them."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any, NamedTuple

from nertool.errors import InvalidOption
from nertool.models.inputs import probe_logits
from nertool.models.loading import WRONG, from_config

if TYPE_CHECKING:
    from torch.nn import ModuleList
    from transformers import PretrainedConfig, PreTrainedModel

BY_LAYER = ("layer_types", "attention_window")
"""Fields of configurations that may be a list with an entry for each layer."""
HINT = "Leave it out, or take a model such as BERT, RoBERTa, DistilBERT, ELECTRA or DeBERTa."


class Layers(NamedTuple):
    """The layers of an encoder, in their order.

    Attributes:
        name: of the list in the model, such as `bert.encoder.layer`.
        modules: the list.
    """

    name: str
    modules: ModuleList


def parse_layers(text: str) -> int | list[int]:
    """A number of layers, such as `3`, or the numbers of layers from 0, such as `0,2,5`, each once and ascending.

    Raises:
        InvalidOption: it is neither.
    """
    try:
        numbers = list(map(int, text.split(",")))
    except ValueError as error:
        raise InvalidOption(f"--layers {text}: neither a number nor a list of numbers", "3, or 0,2,5.") from error
    if "," not in text and numbers[0] > 0:
        return numbers[0]
    if "," not in text or numbers[0] < 0 or numbers != sorted(set(numbers)):
        raise InvalidOption(
            f"--layers {text}: no layers, or not in ascending order", "A number from 1, or a list such as 0,2,5."
        )
    return numbers


def choose_layers(text: str, count: int, model: str) -> list[int]:
    """Numbers of the layers that an option asks for; a mere number is spread evenly, with the first and the last.

    >>> choose_layers("3", 6, "minilm"), choose_layers("0,1", 6, "minilm"), choose_layers("1", 6, "minilm")
    ([0, 2, 5], [0, 1], [0])

    Args:
        text: value of `--layers`.
        count: layers of the model.
        model: its name, for the message.

    Raises:
        InvalidOption: the model has fewer layers.
    """
    wanted = parse_layers(text)
    if (wanted if isinstance(wanted, int) else wanted[-1] + 1) > count:
        raise InvalidOption(
            f"--layers {text}: --model {model} has {count} layers",
            f"Take a number from 1 to {count}, or a list of numbers from 0 to {count - 1}.",
        )
    if isinstance(wanted, list):
        return wanted
    return [round(place * (count - 1) / max(1, wanted - 1)) for place in range(wanted)]


def find_layers(model: PreTrainedModel) -> Layers | None:
    """The only list of modules with as many as the configuration has layers; None where there is none, or several.

    Lists inside of such a list belong to its layers.
    """
    from torch.nn import ModuleList

    count = getattr(model.config, "num_hidden_layers", None)
    lists: list[Layers] = []
    for name, module in model.named_modules():
        inner = any(name.startswith(f"{outer.name}.") for outer in lists)
        if isinstance(module, ModuleList) and len(module) == count and not inner:
            lists.append(Layers(name, module))
    return lists[0] if len(lists) == 1 else None


def with_layers(model: PreTrainedModel, text: str, name: str, trust_remote_code: bool = False) -> PreTrainedModel:
    """A model of some of the layers of another one, which loses its own.

    It is built from its configuration, as it will be when it is loaded again.

    Args:
        text: value of `--layers`.
        name: of the model, for messages.
        trust_remote_code: run code that comes with the model.

    Raises:
        InvalidOption: the model has fewer layers, its layers are not found, or fewer of them are no such model.
    """
    layers = find_layers(model)
    if layers is None:
        raise InvalidOption(f"--layers {text}: the layers of {model.config.model_type} models are not known", HINT)
    chosen = choose_layers(text, len(layers.modules), name)
    _describe(model.config, chosen)
    _drop_others(layers, chosen)
    try:
        return _rebuilt(model, name, trust_remote_code)
    except (*WRONG, ValueError) as error:
        raise InvalidOption(
            f"--layers {text}: layers of {model.config.model_type} models depend on their places", HINT
        ) from error


def _describe(config: PretrainedConfig, chosen: list[int]) -> None:
    """Let the configuration of a model be that of these layers."""
    for field in BY_LAYER:
        values = getattr(config, field, None)
        if isinstance(values, list) and len(values) == config.num_hidden_layers:
            setattr(config, field, [values[number] for number in chosen])
    config.num_hidden_layers = len(chosen)


def _drop_others(layers: Layers, chosen: list[int]) -> None:
    for number in reversed(range(len(layers.modules))):
        if number not in chosen:
            del layers.modules[number]


def _rebuilt(model: PreTrainedModel, name: str, trust_remote_code: bool) -> PreTrainedModel:
    """A model of the same configuration with the same weights.

    Raises:
        RuntimeError, ValueError: it has other weights, or gives other scores.
    """
    import torch
    from transformers import AutoModelForTokenClassification

    new: Any
    config = deepcopy(model.config)
    new = from_config(AutoModelForTokenClassification, config, name, trust_remote_code=trust_remote_code)
    new.load_state_dict(model.state_dict())
    if not torch.allclose(probe_logits(new), probe_logits(model), atol=1e-5):
        raise ValueError("other scores")
    return new
