"""Every family of models that has a head for tags: trained, tagged with, made INT8; or refused in two lines."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatch
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from helpers import needs_inc

from nertool.errors import NertoolError
from nertool.models.names import quiet_transformers

pytest.importorskip("torch")
quiet_transformers()

import torch  # noqa: E402
from transformers import (  # noqa: E402
    TOKENIZER_MAPPING,
    AutoConfig,
    AutoModelForTokenClassification,
    BertTokenizerFast,
    BertweetTokenizer,
    PhobertTokenizer,
    PretrainedConfig,
)
from transformers.models.auto.modeling_auto import MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING_NAMES  # noqa: E402

from nertool.models.load_tagger import load_tagger  # noqa: E402
from nertool.models.names import TOKENIZER_FILES, load_tokenizer, positions  # noqa: E402
from nertool.models.onnx_model import GRAPH, OnnxModel  # noqa: E402
from nertool.models.tagger import Tagger  # noqa: E402
from nertool.models.torch_model import as_tensors  # noqa: E402
from nertool.models.weights import load_weights  # noqa: E402
from nertool.training.batches import Collator, find_packing  # noqa: E402
from nertool.training.pretrained import Pretrained  # noqa: E402
from nertool.workspace.digests import write_json  # noqa: E402

pytestmark = pytest.mark.slow

LABELS = ["B-PER", "I-PER", "O"]
POSITIONS = 64
SMALL: dict[str, Any] = {
    "attention_window": 8,
    "block_sizes": [1, 1],
    "d_ff": 48,
    "d_head": 8,
    "d_inner": 48,
    "d_kv": 8,
    "d_model": 32,
    "dim": 32,
    "emb_dim": 32,
    "embedding_size": 16,
    "entity_emb_size": 16,
    "entity_vocab_size": 10,
    "ffn_dim": 48,
    "head_dim": 8,
    "hidden_dim": 48,
    "hidden_size": 32,
    "input_embedding_size": 32,
    "intermediate_size": 48,
    "intra_bottleneck_size": 32,
    "max_position_embeddings": POSITIONS,
    "moe_intermediate_size": 48,
    "kv_lora_rank": 16,
    "q_lora_rank": 16,
    "qk_nope_head_dim": 8,
    "qk_rope_head_dim": 8,
    "v_head_dim": 8,
    "n_embd": 32,
    "n_head": 4,
    "n_heads": 4,
    "n_inner": 48,
    "n_layer": 2,
    "n_layers": 2,
    "n_positions": POSITIONS,
    "num_attention_heads": 4,
    "num_decoder_layers": 2,
    "num_experts": 2,
    "num_experts_per_tok": 1,
    "num_heads": 4,
    "num_hidden_layers": 2,
    "num_key_value_heads": 2,
    "num_layers": 2,
    "num_local_experts": 2,
    "output_embedding_size": 32,
    "shared_expert_intermediate_size": 48,
    "true_hidden_size": 32,
    "vocab_size": 200,
}
"""Values of the fields of configurations, whatever a family calls them."""
OWN: dict[str, dict[str, Any]] = {
    "axk1": {"num_key_value_heads": 4, "head_dim": None, "n_group": 1, "topk_group": 1},
    "axk2": {"num_key_value_heads": 4, "head_dim": None, "n_group": 1, "topk_group": 1},
    "deepseek_v3": {"num_key_value_heads": 4, "head_dim": None},
    "esmc": {"num_key_value_heads": 4},
    "falcon": {"head_dim": None},
    "funnel": {"num_hidden_layers": None, "pad_token_id": None},
    "gpt_neo": {"attention_types": [[["global", "local"], 1]]},
    "layoutlmv3": {"hidden_size": 48, "coordinate_size": 8, "shape_size": 8},
    "lilt": {"hidden_size": 48},
    "mistral4": {"num_key_value_heads": 4, "head_dim": None},
    "qwen3_5": {"text_config": {"layer_types": ["linear_attention", "full_attention"]}},
    "roc_bert": {"pad_token_id": None, "pronunciation_vocab_size": 20, "shape_vocab_size": 20},
    "squeezebert": {"embedding_size": 32, "intermediate_size": 64},
    "xlnet": {"max_position_embeddings": None},
}
"""Values of single families; None leaves the family's own."""
REFUSED = {
    "bros": "You have to specify bbox",
    "fnet": "take no attention mask: padding would change the tags",
    "layoutlmv2": "detectron2",
    "qdqbert": "pytorch-quantization",
    "xmod": "Input language unknown",
}
"""What the first line of the error says."""
NOT_EXPORTED = {
    *("canine", "mega"),
    *("apertus", "axk1", "axk2", "deepseek_v3", "diffllama", "glm", "glm4", "gpt_oss", "helium", "minimax", "mistral4"),
    *("mixtral", "qwen2_moe", "qwen3_5", "t5gemma2", "qwen3_moe", "qwen3_next"),
}
"""Families that the exporter of some release of PyTorch, or of transformers, makes no ONNX graph of."""


FAMILIES = sorted(MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING_NAMES)


def small_config(family: str) -> PretrainedConfig:
    """The smallest configuration of a family that computes as a large one does."""
    return small(type(AutoConfig.for_model(family)), OWN.get(family, {}))


def small(kind: type[PretrainedConfig], own: dict[str, Any]) -> PretrainedConfig:
    """A configuration of small numbers; the same for those of its parts, such as an encoder's and a decoder's."""
    default, renamed = kind(), getattr(kind, "attribute_map", {})
    values = {name: value for name, value in SMALL.items() if hasattr(default, name) and renamed.get(name) not in SMALL}
    if getattr(default, "pad_token_id", None) != 1:
        values["pad_token_id"] = 0
    for name, part in getattr(kind, "sub_configs", {}).items():
        part = type(getattr(default, name, None)) if part is AutoConfig else part
        values[name] = small(part, own.get(name, {})).to_dict()
    values |= {name: value for name, value in own.items() if not isinstance(value, dict)}
    return kind(**{name: value for name, value in values.items() if value is not None})


@pytest.fixture(scope="module")
def vocabulary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sub-words of a WordPiece tokenizer; 0 and 1 are for padding, as families differ in its id."""
    letters = "abcdefghijklmnopqrstuvwxyz."
    entries = ["[PAD]", "[pad]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    path = tmp_path_factory.mktemp("families") / "vocab.txt"
    path.write_text("".join(f"{entry}\n" for entry in entries))
    return path


def save_tokenizer(family: str, config: PretrainedConfig, vocabulary: Path, folder: Path) -> None:
    """WordPiece for every family but CANINE, which reads characters."""
    if family == "canine":
        from transformers import CanineTokenizer

        CanineTokenizer().save_pretrained(folder)
        return
    padding = "[pad]" if config.pad_token_id == 1 else "[PAD]"
    BertTokenizerFast(str(vocabulary), pad_token=padding).save_pretrained(folder)


@pytest.fixture
def saved(family: str, vocabulary: Path, tmp_path: Path) -> Path:
    """A random encoder of a family with its tokenizer, as they are published."""
    torch.manual_seed(0)
    config = small_config(family)
    try:
        AutoModelForTokenClassification.from_config(config).base_model.save_pretrained(tmp_path)
    except ImportError:
        config.save_pretrained(tmp_path)
        torch.save({}, tmp_path / "pytorch_model.bin")
    save_tokenizer(family, config, vocabulary, tmp_path)
    return tmp_path


def batches(folder: Path, pad_id: int) -> Iterator[dict[str, Any]]:
    """Two sentences, one padded, with labels."""
    tokenizer = load_tokenizer(str(folder))
    ids = [tokenizer(text)["input_ids"] for text in ("anna left", "rain")]
    examples = [{"input_ids": one, "labels": [-100] + [number % 3 for number in one[1:]]} for one in ids]
    yield from Collator(pad_id)(examples)["batches"]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_goes_the_whole_way_or_is_refused_in_two_lines(family: str, saved: Path, tmp_path: Path) -> None:
    pretrained = Pretrained(str(saved), "", "", False, False, {})
    if family in REFUSED:
        with pytest.raises(NertoolError, match=REFUSED[family]):
            pretrained.load(pretrained.config(LABELS), seed=1)
        return
    config = pretrained.config(LABELS)
    model = pretrained.load(config, seed=1)
    train_a_step(model, saved, config)
    published = tmp_path / "published"
    model.save_pretrained(published)
    load_tokenizer(str(saved)).save_pretrained(published)
    words = ["anna", "left", "a", "firm"] * 50  # 650 sub-words
    assert (positions(config) or 0) < 650  # so that the longest window is filled
    tagger = load_tagger(published, device="cpu")
    together = list(tagger.tag([words, ["rain", "."]]))
    assert [len(tags) for tags in together] == [len(words), 2]
    assert list(tagger.tag([["rain", "."]])) == [together[1]]


@pytest.mark.parametrize("family", sorted({*FAMILIES} - {*REFUSED}))
def test_a_family_becomes_int8_by_onnx_or_is_refused_in_two_lines(family: str, saved: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    from nertool.int8.config import QuantizationConfig
    from nertool.int8.onnx_runtime import Exported

    fp32, inputs = untrained(saved, tmp_path / "published")
    (tmp_path / "graph").mkdir()
    (tmp_path / "int8").mkdir()
    try:
        exported = Exported(fp32.model, [inputs], tmp_path / "graph")
    except NertoolError as error:
        assert family in NOT_EXPORTED
        assert f"a model of type {family} cannot be a graph of ONNX" in error.message
        assert str(tmp_path) not in error.message
        return
    exported.quantize(tmp_path / "int8", QuantizationConfig("dynamic", weight_bits=7))
    logits = fp32.model(**inputs)["logits"][inputs["attention_mask"].bool()]
    of_int8 = torch.from_numpy(OnnxModel(tmp_path / "int8" / GRAPH)(**inputs)["logits"])
    assert (logits - of_int8[inputs["attention_mask"].bool()]).abs().max() < logits.abs().max() / 4


LEFT = {"bert": "", "gpt2": "", "squeezebert": "attention.query", "xlnet": "rel_attn"}
"""How the name ends of a layer that no backend quantizes, if there is one."""


@pytest.mark.parametrize("family", LEFT)
def test_all_linear_layers_are_quantized_and_what_stays_in_fp32_is_told(
    family: str, saved: Path, tmp_path: Path
) -> None:
    pytest.importorskip("onnxruntime")
    from nertool.int8.config import QuantizationConfig
    from nertool.int8.onnx_runtime import Exported

    fp32, inputs = untrained(saved, tmp_path / "published")
    (tmp_path / "graph").mkdir()
    (tmp_path / "int8").mkdir()
    exported = Exported(fp32.model, [inputs], tmp_path / "graph")
    found = exported.quantize(tmp_path / "int8", QuantizationConfig("dynamic", weight_bits=7, row_ranges=True))
    assert [name for name in found if name.endswith(LEFT[family])] if LEFT[family] else not found


@needs_inc
@pytest.mark.parametrize("family", sorted({*LEFT} - {"xlnet"}))
def test_neural_compressor_quantizes_the_same_layers(family: str, saved: Path, tmp_path: Path) -> None:
    from nertool.int8 import inc
    from nertool.int8.config import QuantizationConfig

    fp32, inputs = untrained(saved, tmp_path / "published")
    (tmp_path / "int8").mkdir()
    write_json(tmp_path / "int8/quantization.json", {})
    found = inc.quantize(fp32.model, tmp_path / "int8", QuantizationConfig("dynamic", weight_bits=7), [inputs])
    left = [name for name in found if "embeddings" not in name and "wpe" not in name]
    assert [name for name in left if name.endswith(LEFT[family])] if LEFT[family] else not left


def untrained(saved: Path, published: Path) -> tuple[Tagger, dict[str, Any]]:
    """A model with a head, as it is quantized, and inputs for it."""
    pretrained = Pretrained(str(saved), "", "", False, False, {})
    pretrained.load(pretrained.config(LABELS), seed=1).save_pretrained(published)
    load_tokenizer(str(saved)).save_pretrained(published)
    fp32 = load_tagger(published, device="cpu", as_stored=True)
    return fp32, as_tensors(fp32.collate([[3, 7, 8, 9, 4], [3, 7, 4], [3, 10, 11, 12, 13, 14, 4]]))


def test_a_model_that_takes_some_lengths_alone_is_refused(tmp_path: Path) -> None:
    """Eight sub-words of two sentences fit this one, seven do not."""
    config = small_config("nystromformer")
    config.segment_means_seq_len, config.num_landmarks = 16, 4
    AutoModelForTokenClassification.from_config(config).base_model.save_pretrained(tmp_path)
    pretrained = Pretrained(str(tmp_path), "", "", False, False, {})
    with pytest.raises(NertoolError, match="take sentences of some lengths alone|cannot tag words alone"):
        pretrained.load(pretrained.config(LABELS), seed=1)


def test_big_bird_gives_a_long_text_the_same_whatever_came_before(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = small_config("big_bird")
    config.block_size, config.num_random_blocks, config.max_position_embeddings = 4, 1, 200
    config.architectures = ["BigBirdForTokenClassification"]
    AutoModelForTokenClassification.from_config(config).save_pretrained(tmp_path)
    with caplog.at_level("INFO"):
        model = load_weights(str(tmp_path), config, new_head=False, allow_missing=False).eval()
    assert "attends to all others" in caplog.text
    long, short = torch.full((1, 120), 7), torch.full((1, 5), 7)
    with torch.inference_mode():
        before = model(input_ids=long)["logits"]
        model(input_ids=short)
        assert torch.equal(before, model(input_ids=long)["logits"])


def test_every_file_of_a_tokenizer_is_fetched_compared_and_copied() -> None:
    """A tokenizer may be that of another type than its model, as those of PhoBERT and BERTweet."""
    families = {*MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING_NAMES, "phobert", "bertweet"}
    lacking = set()
    known = [found if isinstance(found, tuple) else (found,) for found in TOKENIZER_MAPPING.values()]  # by version
    for tokenizer in filter(None, chain(*known, [PhobertTokenizer, BertweetTokenizer])):
        folders = tokenizer.__module__.split(".")  # transformers.utils where a package is missing
        if folders[1] == "models" and folders[2] in families:
            names = tokenizer.vocab_files_names.values()
            lacking |= {name for name in names if not any(fnmatch(name, form) for form in TOKENIZER_FILES)}
    assert not lacking


def train_a_step(model: Any, saved: Path, config: PretrainedConfig) -> None:
    """A step of gradient descent, packed where the model allows it, lowers the loss."""
    pad_id = config.pad_token_id or 0
    find_packing(model, pad_id, POSITIONS)
    model.eval()  # without dropout
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-2)
    (batch,) = batches(saved, pad_id)
    before = model(**batch)["loss"]
    before.backward()
    optimizer.step()
    assert model(**batch)["loss"] < before
