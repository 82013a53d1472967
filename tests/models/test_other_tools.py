"""Directories as other tools write them: loaded as they are, or refused with what they hold and what helps."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nertool.cli.main import main
from nertool.errors import NertoolError
from nertool.models.load_tagger import load_tagger
from nertool.models.model_directory import stored_labels
from nertool.training.pretrained import Pretrained

torch = pytest.importorskip("torch")
Change = Callable[[Path], object]
SENTENCES = [["anna", "visited", "oslo", "."], ["bruno", "saw", "new", "lisbon"]]


@pytest.fixture
def published(trained: Path, tmp_path: Path) -> Path:
    """A fine-tuned model outside a workspace, with no file but those of transformers."""
    own = shutil.ignore_patterns("checkpoint-*", "tagging.json", "calibration.json", "README.md")
    return Path(shutil.copytree(trained / "model", tmp_path / "published", ignore=own))


def weights_of(model: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return load_file(model / "model.safetensors")


def save(model: Path, weights: dict[str, Any], writer: str | None = "pt") -> None:
    from safetensors.torch import save_file

    save_file(weights, model / "model.safetensors", {"format": writer} if writer else None)


def split(model: Path) -> list[str]:
    """Write the weights in two parts with an index; returns the names of the parts."""
    from safetensors.torch import save_file

    weights, parts = weights_of(model), ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    places = {name: parts[number % 2] for number, name in enumerate(sorted(weights))}
    for part in parts:
        save_file({name: weights[name] for name in weights if places[name] == part}, model / part, {"format": "pt"})
    (model / "model.safetensors").unlink()
    (model / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))
    return parts


def as_pickle(model: Path) -> None:
    torch.save(weights_of(model), model / "pytorch_model.bin")
    (model / "model.safetensors").unlink()


def with_old_names(model: Path) -> None:
    """As checkpoints of TensorFlow called them."""
    names = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
    weights = {}
    for name, tensor in weights_of(model).items():
        for new, old in names.items():
            name = name.replace(new, old)
        weights[name] = tensor
    save(model, weights)


def with_unnamed_output(model: Path) -> None:
    """As a model is published that was traced."""
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**config, "torchscript": True, "return_dict": False}))


FORMS: dict[str, Change] = {
    "to be traced": with_unnamed_output,
    "in parts": split,
    "a pickle": as_pickle,
    "FP64": lambda model: save(model, {name: tensor.double() for name, tensor in weights_of(model).items()}),
    "half of them in BF16": lambda model: save(
        model, {name: tensor.bfloat16() if ".0." in name else tensor for name, tensor in weights_of(model).items()}
    ),
    "names of TensorFlow": with_old_names,
    "masks and positions as bytes": lambda model: save(
        model, {**weights_of(model), "bert.embeddings.position_ids": torch.arange(128, dtype=torch.uint8)[None]}
    ),
}


@pytest.mark.parametrize("change", FORMS.values(), ids=FORMS)
def test_the_same_weights_in_another_form_give_the_same_tags(change: Change, published: Path) -> None:
    before = list(load_tagger(published).tag(SENTENCES))
    change(published)
    assert list(load_tagger(published).tag(SENTENCES)) == before


def without_weights(*names: str) -> Change:
    def change(model: Path) -> None:
        (model / "model.safetensors").unlink()
        for name in names:
            (model / name).parent.mkdir(exist_ok=True)
            (model / name).write_bytes(b"other")

    return change


def without_a_part(model: Path) -> None:
    (model / split(model)[1]).unlink()


def without_index(model: Path) -> None:
    split(model)
    (model / "model.safetensors.index.json").unlink()


def quantized(kind: Any, in_pickle: bool = False) -> Change:
    def change(model: Path) -> None:
        weights = weights_of(model)
        weights["classifier.weight"] = (100 * weights["classifier.weight"]).to(kind)
        save(model, weights)
        if in_pickle:
            as_pickle(model)

    return change


def pointer(model: Path) -> None:
    text = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 12345\n"
    (model / "model.safetensors").write_text(text)


def without_tokenizer(model: Path) -> None:
    for path in (*model.glob("tokenizer*"), *model.glob("vocab*")):
        path.unlink()


def in_a_folder(model: Path) -> None:
    """As sentence-transformers keeps its encoder."""
    files = list(model.iterdir())
    (model / "0_Transformer").mkdir()
    for path in files:
        path.rename(model / "0_Transformer" / path.name)


SCALED = "quantized by another tool", "FP32, FP16 or BF16"
REFUSED: dict[str, tuple[Change, str, str]] = {
    "TensorFlow": (without_weights("tf_model.h5"), "weights of TensorFlow alone", "from_tf=True"),
    "Flax": (without_weights("flax_model.msgpack"), "weights of Flax alone", "from_flax=True"),
    "GGUF": (without_weights("model-q4.gguf"), "weights in GGUF", "weights that it was made from"),
    "ONNX": (without_weights("model.onnx"), "a graph of ONNX alone", "weights that it was made from"),
    "ONNX in a folder": (without_weights("onnx/model.onnx"), "a graph of ONNX alone", "weights that it was made from"),
    "a checkpoint inside": (without_weights("checkpoint-5/model.safetensors"), "no weights", "published/checkpoint-5"),
    "nothing": (without_weights(), "no weights: neither", "whole copy"),
    "a part is missing": (without_a_part, "of which model-00002-of-00002.safetensors is not there", "Fetch"),
    "no index": (without_index, "parts of weights without their index", "index.json"),
    "a pointer of Git LFS": (pointer, "a pointer of Git LFS", "lfs pull"),
    "INT8": (quantized(torch.int8), *SCALED),
    "FP8": (quantized(torch.float8_e4m3fn), *SCALED),
    "INT8 in a pickle": (quantized(torch.int8, in_pickle=True), *SCALED),
    "whole numbers": (quantized(torch.int64), "holds classifier.weight in I64", SCALED[1]),
    "whole numbers in a pickle": (quantized(torch.int32, in_pickle=True), "in torch.int32", SCALED[1]),
    "truths": (quantized(torch.bool), "holds classifier.weight in BOOL", SCALED[1]),
    "complex numbers": (quantized(torch.complex64), "holds classifier.weight in C64", SCALED[1]),
    "for TensorFlow": (lambda model: save(model, weights_of(model), "tf"), "weights for tf", "from_tf=True"),
    "no tokenizer": (without_tokenizer, "neither tokenizer.json nor a vocabulary", "Copy these files"),
}


@pytest.mark.parametrize("load", ["tag", "train"])
@pytest.mark.parametrize(("change", "what", "hint"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_loaded_is_named_with_what_helps(
    change: Change, what: str, hint: str, load: str, published: Path, copy: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    change(published)
    if load == "tag":
        command = ["predict", "--model-dir", str(published), str(copy / "test.txt")]
    else:
        command = ["train", "--model", str(published), "--force", "--overwrite-output-dir", "-w", str(copy.path)]
    with pytest.raises(SystemExit) as end:
        main(command)
    lines = capsys.readouterr().err.splitlines()
    assert end.value.code == 1 and len(lines) == 2, lines
    assert what in lines[0] and hint in lines[1], lines


def test_weights_that_do_not_say_who_wrote_them_are_loaded_or_refused_by_what_the_library_takes(
    published: Path,
) -> None:
    import transformers

    before = list(load_tagger(published).tag(SENTENCES))
    save(published, weights_of(published), None)
    if transformers.__version__ < "5":
        with pytest.raises(NertoolError, match="does not say for whom") as raised:
            load_tagger(published)
        assert "'format': 'pt'" in raised.value.hint
    else:
        assert list(load_tagger(published).tag(SENTENCES)) == before


@pytest.mark.parametrize("content", [b"", b"\x00" * 64], ids=["empty", "zeros"])
def test_damaged_weights_are_said_to_be_so(content: bytes, published: Path) -> None:
    (published / "model.safetensors").write_bytes(content)
    with pytest.raises(NertoolError, match="the weights cannot be read"):
        load_tagger(published)


TOOLS = {
    "GLiNER": (["gliner_config.json", "pytorch_model.bin"], "a model of GLiNER"),
    "spaCy": (["config.cfg", "meta.json", "ner/model"], "a pipeline of spaCy"),
    "Flair": (["final-model.pt", "loss.tsv"], "a model of Flair"),
    "nothing": (["README.md"], "no config.json"),
}


@pytest.mark.parametrize("load", ["tag", "train"])
@pytest.mark.parametrize(("files", "what"), TOOLS.values(), ids=TOOLS)
def test_models_of_other_tools_are_named(
    files: list[str], what: str, load: str, copy: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "other"
    for name in files:
        (model / name).parent.mkdir(parents=True, exist_ok=True)
        (model / name).write_bytes(b"other")
    option = ["predict", str(copy / "test.txt"), "--model-dir"] if load == "tag" else ["train", "--force", "--model"]
    with pytest.raises(SystemExit):
        main([*option, str(model), "-w", str(copy.path)])
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2 and what in lines[0], lines


def test_an_encoder_in_a_folder_is_found(published: Path, copy: Any, capsys: pytest.CaptureFixture[str]) -> None:
    in_a_folder(published)
    with pytest.raises(SystemExit):
        main(["train", "--force", "--model", str(published), "-w", str(copy.path)])
    assert str(published / "0_Transformer") in capsys.readouterr().err.splitlines()[1]


@pytest.mark.parametrize("kind", [torch.float32, torch.int8])
def test_a_model_of_the_hub_is_looked_at_too(kind: Any, published: Path, tmp_path: Path) -> None:
    """Where it lies in the cache, once it has been fetched."""
    save(published, {name: tensor.to(kind) for name, tensor in weights_of(published).items()})
    snapshot = tmp_path / "hub" / "models--me--small" / "snapshots" / "0123"
    shutil.copytree(published, snapshot)
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text("0123")
    start = Pretrained("me/small", "", "", False, False, {"cache_dir": str(tmp_path / "hub")})
    config = start.config(stored_labels(snapshot))
    if kind == torch.float32:
        assert start.load(config, seed=1).num_labels == config.num_labels
    else:
        with pytest.raises(NertoolError, match="quantized by another tool"):
            start.load(config, seed=1)
