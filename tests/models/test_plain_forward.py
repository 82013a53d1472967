"""A model gives what a plain call of transformers gives, whatever it makes of token types and of padding."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nertool.models.names import quiet_transformers

pytest.importorskip("torch")
quiet_transformers()

import torch  # noqa: E402
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors  # noqa: E402
from transformers import (  # noqa: E402
    AutoModelForTokenClassification,
    AutoTokenizer,
    BertConfig,
    ConvBertConfig,
    FunnelConfig,
    MobileBertConfig,
    PretrainedConfig,
    PreTrainedTokenizerFast,
    XLMConfig,
    XLNetConfig,
)

from nertool.models.load_tagger import load_tagger  # noqa: E402
from nertool.models.onnx_model import GRAPH, OnnxModel  # noqa: E402
from nertool.models.tagger import Tagger  # noqa: E402
from nertool.models.torch_model import as_tensors  # noqa: E402
from nertool.training.batches import Collator  # noqa: E402

LABELS = ["B-PER", "I-PER", "O"]
SENTENCES = [["anna", "left", "a", "firm", "."], ["rain"], ["bruno", "saw", "oslo"], ["it", "rains", "in", "oslo", "!"]]
LETTERS = "abcdefghijklmnopqrstuvwxyz.!"
SMALL: dict[str, Any] = {
    "vocab_size": 40,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
}
BERT, XLNET, TYPED = "[CLS] $A [SEP]", "$A:0 [SEP]:0 [CLS]:2", "[CLS]:1 $A:1 [SEP]:1"
"""What stands around a sentence, with its token types."""
MODELS: dict[str, tuple[str, Callable[[], PretrainedConfig]]] = {
    "another token type for [CLS]": (
        XLNET,
        lambda: XLNetConfig(vocab_size=40, d_model=32, n_layer=2, n_head=4, d_inner=48),
    ),
    "token types that are words": (BERT, lambda: XLMConfig(vocab_size=40, emb_dim=32, n_layers=2, n_heads=4)),
    "the second token type": (TYPED, lambda: BertConfig(**SMALL)),
    "convolutions": (BERT, lambda: ConvBertConfig(**SMALL, embedding_size=32)),
    "sub-words with their neighbours": (
        BERT,
        lambda: MobileBertConfig(
            **SMALL, embedding_size=16, intra_bottleneck_size=16, true_hidden_size=16, normalization_type="layer_norm"
        ),
    ),
    "pooling": (
        "[CLS]:2 $A:0 [SEP]:0",
        lambda: FunnelConfig(vocab_size=40, d_model=32, n_head=4, d_head=8, d_inner=48, block_sizes=[1, 1]),
    ),
}


def save_tokenizer(folder: Path, template: str) -> None:
    """WordPiece over letters."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    entries = [*special, *LETTERS]
    backend = Tokenizer(models.WordLevel({entry: number for number, entry in enumerate(entries)}, "[UNK]"))
    backend.normalizer = normalizers.Lowercase()
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Split("", "isolated")]
    )
    backend.post_processor = processors.TemplateProcessing(single=template, special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    inputs = ["input_ids", "token_type_ids", "attention_mask"]
    PreTrainedTokenizerFast(tokenizer_object=backend, model_input_names=inputs, **names).save_pretrained(folder)


@pytest.fixture(params=MODELS)
def saved(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A model of random weights that are large enough for every part to matter."""
    template, config_of = MODELS[request.param]
    config = config_of()
    config.id2label = dict(enumerate(LABELS))
    config.label2id = {label: number for number, label in enumerate(LABELS)}
    torch.manual_seed(0)
    model = AutoModelForTokenClassification.from_config(config)
    with torch.no_grad():
        for weights in model.parameters():
            if weights.dim() > 1:
                weights.normal_(0, 0.3)
    model.save_pretrained(tmp_path / "model")
    save_tokenizer(tmp_path / "model", template)
    return tmp_path / "model"


def plain(folder: Path, words: list[str]) -> Any:
    """Logits of the words of a sentence by transformers alone; shape (words, labels)."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForTokenClassification.from_pretrained(folder).eval()
    inputs = tokenizer(words, is_split_into_words=True, return_tensors="pt")
    owners = inputs.word_ids(0)
    with torch.inference_mode():
        return model(**inputs).logits[0, [owners.index(word) for word in range(len(words))]].numpy()


def assert_as_plain(tagger: Tagger, folder: Path, sentences: list[list[str]]) -> None:
    for words, logits in zip(sentences, tagger.word_logits(sentences), strict=True):
        expected = plain(folder, words)
        assert np.allclose(logits, expected, atol=1e-3 * np.abs(expected).max()), words


def taken(folder: Path) -> list[list[str]]:
    """The sentences that transformers takes; Funnel takes none of few sub-words."""
    short = 6 if "funnel" in (folder / "config.json").read_text() else 0
    return [words for words in SENTENCES if len("".join(words)) >= short]


def test_sentences_get_what_each_gets_alone(saved: Path) -> None:
    tagger = load_tagger(saved, device="cpu")
    assert_as_plain(tagger, saved, taken(saved))
    assert [len(tags) for tags in tagger.tag([["a"]])] == [1]


def test_a_training_gives_the_same_token_types(saved: Path) -> None:
    tagger = load_tagger(saved, device="cpu")
    windows = [tagger.encoder.windows(encoded)[0].ids for encoded in tagger.encoder.encode(SENTENCES)]
    examples = [{"input_ids": ids, "labels": ids} for ids in windows]
    (batch,) = Collator(0, frame=tagger.encoder.frame if tagger.type_ids else None)(examples)["batches"]
    for name, values in tagger.collate(windows).items():
        assert torch.equal(batch[name], torch.from_numpy(values))


def test_a_graph_in_fp32_gives_it_too(saved: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    from nertool.int8.config import QuantizationConfig
    from nertool.int8.onnx_runtime import Exported

    if "funnel" in (saved / "config.json").read_text():
        pytest.skip("cannot be a graph")
    fp32 = load_tagger(saved, device="cpu", as_stored=True)
    windows = [fp32.encoder.windows(encoded)[0].ids for encoded in fp32.encoder.encode(SENTENCES)]
    scratch, quantized = tmp_path / "scratch", tmp_path / "graph"
    scratch.mkdir()
    quantized.mkdir()
    Exported(fp32.model, [as_tensors(fp32.collate(windows[:2]))], scratch).quantize(
        quantized, QuantizationConfig("none")
    )
    assert fp32.store_encoding(quantized)
    (quantized / "quantization.json").write_text('{"approach": "none"}')
    tagger = load_tagger(quantized)
    assert isinstance(tagger.model, OnnxModel) and (quantized / GRAPH).exists()
    assert_as_plain(tagger, saved, SENTENCES)
