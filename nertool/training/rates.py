"""Learning rates of the parts of a model: the head's own, and lower ones for the layers further down."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from nertool.errors import InvalidOption
from nertool.training.layers import HINT, Layers, find_layers

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Group = dict[str, Any]
"""Parameters of an optimizer that share their settings: `params`, `lr`, ..."""


def rates_of(model: PreTrainedModel, rate: float, head_rate: float | None, layer_decay: float) -> dict[str, float]:
    """The learning rate of each parameter.

    The last layer and what follows it have the rate itself, each layer below that of the layer above times the decay,
    and so has what comes before the first layer.

    Args:
        rate: of the encoder.
        head_rate: of the head; None for the encoder's.
        layer_decay: factor from layer to layer; 1 for none.

    Raises:
        InvalidOption: there is a decay, and the layers of the model are not known.
    """
    layers = find_layers(model)
    if layers is None and layer_decay != 1:
        raise InvalidOption(f"--layer-decay: the layers of {model.config.model_type} models are not known", HINT)
    rates: dict[str, float] = {}
    for name, above in _layers_above(model, layers).items():
        is_head = not name.startswith(f"{model.base_model_prefix}.")
        rates[name] = head_rate if is_head and head_rate is not None else rate * layer_decay**above
    return rates


def _layers_above(model: PreTrainedModel, layers: Layers | None) -> dict[str, int]:
    """How many layers come behind each parameter: all of them for what comes before the first."""
    count = len(layers.modules) if layers else 0
    prefix = f"{layers.name}." if layers else ""
    above: dict[str, int] = {}
    last = count
    for name, _ in model.named_parameters():
        if layers and name.startswith(prefix):
            last = count - 1 - int(name.removeprefix(prefix).partition(".")[0])
        elif last < count:
            last = 0
        above[name] = last
    return above


def split_groups(groups: Iterable[Group], names: Mapping[Any, str], rates: Mapping[str, float]) -> list[Group]:
    """The groups of an optimizer, cut by the learning rates of their parameters.

    Args:
        groups: of the optimizer, before its first step.
        names: of the parameters.
        rates: by name.
    """
    split: list[Group] = []
    for group in groups:
        by_rate: dict[float, list[Any]] = {}
        for parameter in group["params"]:
            by_rate.setdefault(rates[names[parameter]], []).append(parameter)
        split += [{**group, "params": parameters, "lr": rate} for rate, parameters in by_rate.items()]
    return split
