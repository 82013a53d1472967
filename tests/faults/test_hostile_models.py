"""A model of a stranger that asks for all memory, never ends or names other files is two lines, whoever loads it."""

from __future__ import annotations

import json
import os
import re
import shutil
import struct
import time
import zipfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from nertool.cli.main import main
from nertool.errors import NertoolError
from nertool.models.limits import check_size
from nertool.workspace.workspace import Workspace

pytest.importorskip("transformers")
MOST_SECONDS = 10
MOST_KIB = 1 << 20
"""Memory that a refusal may take; the libraries take as much again before."""
DEEP = "[" * 100_000 + "]" * 100_000
Damage = Callable[[Path], object]


def damaged_json(name: str, change: Callable[[dict[str, Any]], object]) -> Damage:
    def damage(model: Path) -> None:
        content = json.loads((model / name).read_text())
        change(content)
        (model / name).write_text(json.dumps(content))

    return damage


def config(**values: object) -> Damage:
    return damaged_json("config.json", lambda content: content.update(values))


def without_names_of_labels(content: dict[str, Any]) -> None:
    del content["id2label"], content["label2id"]
    content["num_labels"] = 10**10


def file(name: str, content: str | bytes) -> Damage:
    return lambda model: (model / name).write_bytes(content.encode() if isinstance(content, str) else content)


def instead(name: str, make: Callable[[Path], object]) -> Damage:
    def damage(model: Path) -> None:
        (model / name).unlink()
        make(model / name)

    return damage


def to_a_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def header(change: Callable[[dict[str, Any]], object]) -> Damage:
    """Another header of the safetensors file."""

    def damage(model: Path) -> None:
        path = model / "model.safetensors"
        content = path.read_bytes()
        length = struct.unpack("<Q", content[:8])[0]
        names = json.loads(content[8 : 8 + length])
        change(names)
        text = json.dumps(names).encode()
        path.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + length :])

    return damage


def tensor(**values: object) -> Damage:
    return header(lambda names: names["classifier.weight"].update(values))


def instead_of_weights(name: str, content: bytes) -> Damage:
    def damage(model: Path) -> None:
        (model / "model.safetensors").unlink()
        (model / name).write_bytes(content)

    return damage


def index(name: object) -> Damage:
    """An index of weights that names a file."""

    def damage(model: Path) -> None:
        (model / "model.safetensors").unlink()
        (model / "inside").mkdir()
        os.mkfifo(model / "inside" / "pipe.safetensors")
        content = {"metadata": {}, "weight_map": {"a": name}}
        (model / "model.safetensors.index.json").write_text(json.dumps(content))

    return damage


def archive_that_unpacks_to_much(model: Path) -> None:
    (model / "model.safetensors").unlink()
    with zipfile.ZipFile(model / "pytorch_model.bin", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model/data/0", bytes(100 << 20))


def tokenizer(part: str, **values: object) -> Damage:
    def change(content: dict[str, Any]) -> None:
        if isinstance(content[part], dict):
            content[part].update(values)
        else:
            content[part] = values

    return damaged_json("tokenizer.json", change)


def settings(**values: object) -> Damage:
    return damaged_json("tokenizer_config.json", lambda content: content.update(values))


def added_tokens(count: int) -> list[dict[str, Any]]:
    plain = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized", "special"), False)
    return [{"id": 104 + number, "content": f"token{number}", **plain} for number in range(count)]


BOMB = {"Regex": "(n|v|i|t|d)(i*)*(s*)*(i*)*(.*)*!"}


def template(times: int) -> Damage:
    """A post-processor that takes the text so many times."""
    pieces = [{"Sequence": {"id": "A", "type_id": 0}}] * times
    new = {"type": "TemplateProcessing", "single": pieces, "pair": [], "special_tokens": {}}
    return damaged_json("tokenizer.json", lambda content: content.update(post_processor=new))


def without_unknown_word(model: Path) -> None:
    (model / "tokenizer.json").unlink()
    (model / "vocab.txt").write_text("a\nb\n")


def takes_tokenizer_elsewhere(model: Path) -> None:
    os.mkfifo(model.with_name("pipe"))
    settings(tokenizer_file=str(model.with_name("pipe")))(model)


SIZES = (
    *("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size"),
    *("max_position_embeddings", "type_vocab_size"),
)
IS_FOUR = version("transformers") < "5"
MODELS: dict[str, Damage] = {
    **{f"{size} of {number:,}": config(**{size: number}) for size in SIZES for number in (10**12, 10**9)},
    **{f"{size} is a text": config(**{size: "large"}) for size in SIZES},
    "a product of sizes": config(vocab_size=10**6, hidden_size=10**5),
    "no layers": config(num_hidden_layers=0),
    "no heads": config(num_attention_heads=0),
    "sizes below 0": config(hidden_size=-32),
    "labels without end": damaged_json("config.json", without_names_of_labels),
    "labels without ids": config(id2label={"0": "O", "7": "B-PER"}),
    "layers of another family": config(model_type="qwen2", num_hidden_layers=10**10),
    "an unknown function": config(hidden_act="nothing"),
    "quantized otherwise": config(quantization_config={"quant_method": "gptq"}),
    "config.json too deep": file("config.json", f'{{"a": {DEEP}}}'),
    "config.json a list": file("config.json", "[]"),
    "config.json empty": file("config.json", ""),
    "config.json a device": instead("config.json", to_a_device),
    "config.json of 3 GiB": lambda model: os.truncate(model / "config.json", 3 << 30),
    "weights of another model": file("adapter_config.json", '{"base_model_name_or_path": "nowhere"}'),
    "tagging.json a device": instead("tagging.json", to_a_device),
    "calibration.json a pipe": instead("calibration.json", os.mkfifo),
    "model.safetensors a pipe": instead("model.safetensors", os.mkfifo),
    "a tensor of 2^80": tensor(shape=[2**40, 2**40]),
    "a tensor behind the end": tensor(data_offsets=[0, 10**12]),
    "a tensor of another type": tensor(dtype="X9"),
    "a tensor of other shape": tensor(shape=[32, 4]),
    "a header of 2^62": file("model.safetensors", struct.pack("<Q", 2**62) + b"{}"),
    "a header too deep": file("model.safetensors", struct.pack("<Q", len(DEEP)) + DEEP.encode()),
    "weights cut short": lambda model: os.truncate(model / "model.safetensors", 5000),
    "a pickle that runs a command": instead_of_weights("pytorch_model.bin", b"cos\nsystem\n(S'touch ran'\ntR."),
    "weights that are none": instead_of_weights("pytorch_model.bin", b"hello"),
    "an index too deep": instead_of_weights("model.safetensors.index.json", f'{{"weight_map": {DEEP}}}'.encode()),
    "an index of files elsewhere": instead_of_weights(
        "model.safetensors.index.json", b'{"metadata": {}, "weight_map": {"a": "../../../etc/passwd"}}'
    ),
    "an index of a device": index("/dev/zero"),
    "an index of a pipe in a folder": index("inside/pipe.safetensors"),
    "an index of a number": index(3),
    "weights that unpack to much": archive_that_unpacks_to_much,
    "labels by words": config(id2label={"O": "O", "B-PER": "B-PER"}),
    "labels in a list": config(id2label=["O", "B-PER"]),
    "two labels for an id": config(id2label={"0": "O", "00": "B-PER", "1": "I-LOC", "2": "B-LOC", "3": "I-PER"}),
    "an endless number": config(layer_norm_eps=float("inf")),
    "no number": config(layer_norm_eps=float("nan")),
    "an architecture of a number": config(architectures=[3]),
    "tokenizer.json empty": file("tokenizer.json", ""),
    "tokenizer.json too deep": file("tokenizer.json", DEEP),
    "tokenizer.json of 100 MB": file("tokenizer.json", f'"{"a" * (100 << 20)}"'),
    "tokenizer.json no text": file("tokenizer.json", bytes(range(256))),
    "an unknown tokenizer": tokenizer("model", type="nothing"),
    "a tokenizer without unknown words": tokenizer("model", vocab={}),
    "a sub-word of id 2^31": damaged_json(
        "tokenizer.json", lambda content: content["model"]["vocab"].update(anna=2**31)
    ),
    "a sub-word below 0": damaged_json("tokenizer.json", lambda content: content["model"]["vocab"].update(anna=-1)),
    "a sub-word beyond the model": damaged_json(
        "tokenizer.json", lambda content: content["model"]["vocab"].update(anna=500)
    ),
    # transformers 5 makes the template of such a tokenizer itself
    **{f"a text {times} times between special tokens": template(times) for times in (0, 2) if IS_FOUR},
    "a pattern that a word takes too long": tokenizer("pre_tokenizer", type="Split", pattern=BOMB, behavior="Isolated"),
    "a tokenizer that lacks its unknown word": without_unknown_word,
    "a tokenizer of tables": settings(tokenizer_class="TapasTokenizer"),
    "a tokenizer of pages": settings(tokenizer_class="LayoutLMv3TokenizerFast"),
    "inputs of a number": settings(model_input_names=3),
    "more added tokens than can be loaded": damaged_json(
        "tokenizer.json", lambda content: content["added_tokens"].extend(added_tokens(100_000))
    ),
    "more added tokens in its settings": settings(
        added_tokens_decoder={str(token["id"]): token for token in added_tokens(100_000)}
    ),
    "more special tokens": file(
        "special_tokens_map.json",
        json.dumps({"additional_special_tokens": [token["content"] for token in added_tokens(100_000)]}),
    ),
    "more added tokens in a file of their own": file(
        "added_tokens.json", json.dumps({token["content"]: token["id"] for token in added_tokens(100_000)})
    ),
    "a wrong pattern": tokenizer("pre_tokenizer", type="Split", pattern={"Regex": "("}, behavior="Isolated"),
    "tokenizer_config.json too deep": file("tokenizer_config.json", f'{{"a": {DEEP}}}'),
    "tokenizer_config.json a list": file("tokenizer_config.json", "[]"),
    "tokenizer_config.json a pipe": instead("tokenizer_config.json", os.mkfifo),
    "a tokenizer out of a pipe elsewhere": takes_tokenizer_elsewhere,
    "a class that is no tokenizer": settings(tokenizer_class="BertModel"),
    "a length that is a text": settings(model_max_length="long"),
    "a length below 0": settings(model_max_length=-5),
}
"""What is wrong with a trained model, and how it becomes so."""
SEEN_BY_ALL = ("vocab_size of 1,000,000,000,000", "num_hidden_layers of 1,000,000,000", "tokenizer.json too deep")


COMMANDS = {
    "predict": ["predict", "--input", "tokens", "--allow-stale", "{workspace}/test.txt"],
    "train": ["train", "--model", "{stranger}", "--overwrite-output-dir", "--force"],
    "evaluate": ["evaluate", "--allow-stale"],
    "quantize": ["quantize", "--backend", "onnx", "--allow-stale"],
    "preprocess": ["preprocess", "--model", "{stranger}", "--force"],
}
CASES = [
    *(("predict", what) for what in MODELS),
    *(("train", what) for what in MODELS if not what.startswith(("tagging", "calibration", "an architecture"))),
    *(("evaluate", what) for what in SEEN_BY_ALL),
    *(("quantize", what) for what in SEEN_BY_ALL),
    ("preprocess", "tokenizer.json too deep"),
    ("preprocess", "tokenizer_config.json a pipe"),
]


@pytest.mark.parametrize(("stage", "what"), CASES, ids=[": ".join(case) for case in CASES])
def test_a_hostile_model_is_two_lines(
    stage: str, what: str, copy: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnxruntime")
    words = COMMANDS[stage]
    model = copy / "model"
    if "{stranger}" in words:
        model = shutil.copytree(model, tmp_path / "stranger", ignore=shutil.ignore_patterns("checkpoint-*"))
    MODELS[what](model)
    forget_digests(copy)
    before, began = forget_peak(), time.process_time()
    with pytest.raises(SystemExit) as end:
        main([*(word.format(workspace=copy.path, stranger=model) for word in words), "-w", str(copy.path)])
    lines = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("warning")]
    assert end.value.code == 1 and len(lines) == 2, lines
    assert lines[0].startswith("error: ")
    assert time.process_time() - began < MOST_SECONDS
    assert peak() - before < MOST_KIB
    assert not Path("ran").exists()


def test_a_model_larger_than_the_memory_is_refused_however_large_its_files_are(tmp_path: Path) -> None:
    """A file may have holes, which take no room on the disk."""
    torch = pytest.importorskip("torch")
    (tmp_path / "model.safetensors").touch()
    os.truncate(tmp_path / "model.safetensors", 4 << 40)
    with pytest.raises(NertoolError, match="this machine has"):
        check_size(torch.nn.Linear(10**6, 10**6, device="meta"), str(tmp_path))


def forget_digests(workspace: Workspace) -> None:
    """Let the record of train fit the files, as a stranger would."""
    content = json.loads((workspace / "workspace.json").read_text())
    content["stages"]["train"]["writes"] = {}
    (workspace / "workspace.json").write_text(json.dumps(content))


def forget_peak() -> int:
    """Let the kernel measure the peak of memory from now on; returns what is used now, in KiB."""
    Path("/proc/self/clear_refs").write_text("5")
    return peak()


def peak() -> int:
    """Greatest resident memory since, in KiB."""
    status = Path("/proc/self/status").read_text()
    return int(re.findall(r"^VmHWM:\s*(\d+)", status, re.MULTILINE)[0])
