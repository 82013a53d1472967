"""The model and the tokenizer that a training starts from: local, or from a hub."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nertool.errors import InvalidOption
from nertool.models.encode import WORD_PREFIX, word_prefix
from nertool.models.inputs import check_finite, check_takes_text
from nertool.models.loading import NAMED_OUTPUT, OTHER_SHAPES, check_loads, from_pretrained, hide_path
from nertool.models.names import is_fine_tuned, label_names, load_tokenizer, no_model, public_name, resolve_model
from nertool.models.other_tools import find_config
from nertool.models.weight_files import check_weight_files
from nertool.models.weights import load_weights
from nertool.training.layers import with_layers
from nertool.workspace.names import LABELS

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True)
class Pretrained:
    """Where weights, configuration and tokenizer come from.

    Attributes:
        model: directory, hub name, or minilm.
        config_name: of another model's configuration; empty for the model's own.
        tokenizer_name: of another model's tokenizer; empty for the model's own.
        ignore_mismatched_sizes: initialize weights anew whose shape does not fit, such as a head for other labels.
        allow_missing_weights: take random weights for those that the files lack.
        hub: `cache_dir`, `revision`, `token` and `trust_remote_code` of `from_pretrained`.
        layers: of the encoder, as `--layers` names them; empty for all.
    """

    model: str
    config_name: str
    tokenizer_name: str
    ignore_mismatched_sizes: bool
    allow_missing_weights: bool
    hub: dict[str, Any]
    layers: str = ""

    @property
    def names(self) -> list[str]:
        """Directories and hub names, that of the model first."""
        return [name for name in (self.model, self.config_name, self.tokenizer_name) if name]

    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The tokenizer, fast where there is one. It states the blank that is put before each word, if one is.

        Raises:
            InvalidOption: there is none of that name.
        """
        tokenizer = load_tokenizer(self.tokenizer_name or self.model, **self.hub)
        if prefix := word_prefix(tokenizer):
            tokenizer.init_kwargs[WORD_PREFIX] = prefix
        return tokenizer

    def load(self, config: PretrainedConfig, seed: int) -> PreTrainedModel:
        """The pretrained weights, in FP32, under a head with one output for each label.

        Args:
            config: of the model; see `config`.
            seed: of the new head's weights.

        Raises:
            InvalidOption: there are no such weights or layers, or they do not fit the configuration.
            NertoolError: weights of the encoder are missing, left over or no numbers; or the model needs code of its
                own.
        """
        from safetensors import SafetensorError
        from transformers import set_seed

        set_seed(seed)
        try:
            model = load_weights(
                resolve_model(self.model),
                deepcopy(config),  # a model writes into its own
                new_head=self.ignore_mismatched_sizes or not is_fine_tuned(config),
                allow_missing=self.allow_missing_weights,
                ignore_mismatched_sizes=self.ignore_mismatched_sizes,
                **self.hub,
            )
        except (OSError, ValueError, SafetensorError) as error:
            raise no_model("no model for --model", self.model, error) from error
        except RuntimeError as error:
            if OTHER_SHAPES not in str(error):
                raise
            raise InvalidOption(
                f"--model {self.model}: its weights do not have the shapes of its configuration under a head for tags",
                "Start those weights anew: --ignore-mismatched-sizes",
            ) from error
        if self.layers:
            model = with_layers(model, self.layers, self.model, self.hub.get("trust_remote_code", False))
        check_takes_text(model, f"--model {self.model}")
        check_finite(model, f"--model {self.model}", "Take a whole copy of the model: these weights are damaged.")
        hide_path(model.config, public_name(self.model))
        return model

    def config(self, labels: Sequence[str]) -> PretrainedConfig:
        """The configuration of the model, with these labels or with those that it is fine-tuned for.

        A model that is fine-tuned already keeps its own order of labels: they are matched by name.

        Raises:
            InvalidOption: there is no such model, it has no head for tags, or it is fine-tuned for other labels.
            NertoolError: its files are damaged, or ask for more than there can be.
        """
        config = self._read_config()
        if is_fine_tuned(config) and not (self.ignore_mismatched_sizes and config.num_labels != len(labels)):
            _check_labels(self.model, label_names(config), labels)
        else:
            config.id2label = dict(enumerate(labels))
            config.label2id = {label: number for number, label in enumerate(labels)}
        return config

    def _read_config(self) -> PretrainedConfig:
        """The configuration as it is published, of a model that can be built and has about the size of its files."""
        from transformers import MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING, AutoConfig, AutoModelForTokenClassification

        name, trusted = self.config_name or self.model, self.hub.get("trust_remote_code", False)
        try:
            config: PretrainedConfig
            config = from_pretrained(AutoConfig, find_config(resolve_model(name)), **self.hub, **NAMED_OUTPUT)
            own_code = "AutoModelForTokenClassification" in (getattr(config, "auto_map", None) or {})
            if type(config) not in MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING and not own_code:
                raise InvalidOption(
                    f"--model {self.model}: models of type {config.model_type} have no head for token classification",
                    "Take an encoder, such as BERT, RoBERTa, ELECTRA or DeBERTa.",
                )
            model = resolve_model(self.model)
            check_weight_files(model, config)
            check_loads(AutoModelForTokenClassification, config, model, trust_remote_code=trusted)
        except (OSError, ValueError) as error:
            raise no_model("no model for --model", name, error) from error
        return config


def _check_labels(name: str, own_labels: Sequence[str], labels: Sequence[str]) -> None:
    missing = sorted(set(labels) - set(own_labels))
    extra = sorted(set(own_labels) - set(labels))
    if missing or extra:
        raise InvalidOption(
            f"--model {name} is fine-tuned for other labels than {LABELS}: "
            f"it lacks {', '.join(missing) or 'none'} and has {', '.join(extra) or 'none'} beside them",
            "Start from a pretrained model, or train on data with the same labels.",
        )
