"""An ONNX graph takes no weights out of files outside its directory, and a damaged one is two lines."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers import LOGITS, refused
from helpers import write_graph as write_model

from nertool.errors import NertoolError
from nertool.models.load_tagger import load_tagger
from nertool.models.onnx_model import OnnxModel
from nertool.workspace.workspace import Workspace

onnx = pytest.importorskip("onnx")
torch = pytest.importorskip("torch")
pytest.importorskip("onnxruntime")

ROWS, LABELS = 104, 4
BYTES = ROWS * LABELS * 4
IN_MEMORY = "*/_ORT_MEM_ADDR_/*"
"""A name by which ONNX Runtime means an address of memory."""


def initializer(graph: Any, tensor: Any) -> None:
    graph.graph.initializer.append(tensor)


def constant(graph: Any, tensor: Any) -> None:
    graph.graph.node.insert(0, onnx.helper.make_node("Constant", [], ["weight"], value=tensor))


def write_graph(path: Path, location: str = "", place: Callable[[Any, Any], None] = initializer) -> None:
    """A graph of an embedding with a row of logits for each sub-word.

    Args:
        location: file that the weights are in; empty: in the graph itself.
        place: where in the graph the weights are named.
    """
    nodes = [onnx.helper.make_node("Gather", ["weight", "input_ids"], ["logits"])]
    ids = onnx.helper.make_tensor_value_info("input_ids", onnx.TensorProto.INT64, ["batch", "subwords"])
    logits = onnx.helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, ["batch", "subwords", LABELS])
    graph = onnx.helper.make_model(onnx.helper.make_graph(nodes, "tagger", [ids], [logits]))
    graph.ir_version, graph.opset_import[0].version = 8, 17
    weight = onnx.TensorProto(name="weight", data_type=onnx.TensorProto.FLOAT, dims=[ROWS, LABELS])
    if location:
        weight.data_location = onnx.TensorProto.EXTERNAL
        for key, value in {"location": location, "length": str(BYTES)}.items():
            weight.external_data.add(key=key, value=value)
    else:
        weight.raw_data = bytes(BYTES)
    place(graph, weight)
    path.write_bytes(graph.SerializeToString())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A directory with files inside and outside, and links to them."""
    inside = tmp_path / "inner"
    (inside / "sub").mkdir(parents=True)
    (inside / IN_MEMORY).parent.mkdir(parents=True)
    for file in (tmp_path / "outer.bin", inside / "weights.bin", inside / IN_MEMORY):
        file.write_bytes(bytes(BYTES))
    (inside / "link.bin").symlink_to("../outer.bin")
    (inside / "up").symlink_to("..")
    (inside / "loop.bin").symlink_to("loop.bin")
    return inside


@pytest.mark.parametrize("place", [initializer, constant])
@pytest.mark.parametrize(
    "location",
    ["/etc/passwd", "../outer.bin", "sub/../../outer.bin", "link.bin", "up/outer.bin", "/dev/zero", IN_MEMORY],
)
def test_weights_elsewhere_are_refused(location: str, place: Callable[[Any, Any], None], folder: Path) -> None:
    write_graph(folder / "model.onnx", location, place)
    with pytest.raises(NertoolError, match="weights out of a file that is not beside it"):
        OnnxModel(folder / "model.onnx")


def test_weights_beside_the_graph_are_read(folder: Path) -> None:
    for location in ("", "weights.bin"):
        write_graph(folder / "model.onnx", location)
        logits = OnnxModel(folder / "model.onnx")(input_ids=torch.zeros(1, 3, dtype=torch.int64))["logits"]
        assert logits.shape == (1, 3, LABELS)


@pytest.mark.parametrize("location", ["nowhere.bin", "loop.bin", "sub", "weights.bin\0", "../" * 100])
def test_weights_nowhere_are_two_lines(location: str, folder: Path) -> None:
    write_graph(folder / "model.onnx", location)
    with pytest.raises(NertoolError, match="cannot be read"):
        OnnxModel(folder / "model.onnx")


# -- what may go on for ever -----------------------------------------------------------------------


def value(name: str, kind: int = 1) -> Any:
    return onnx.helper.make_tensor_value_info(name, kind, None)


def loop(graph: Any) -> None:
    """Let a graph give its logits as long as a truth is true, which it always is."""
    steps = [onnx.helper.make_node("Identity", [one], [f"{one}2"]) for one in ("go", "x")]
    inputs = [value("step", onnx.TensorProto.INT64), value("go", onnx.TensorProto.BOOL), value("x")]
    outputs = [value("go2", onnx.TensorProto.BOOL), value("x2")]
    body = onnx.helper.make_graph(steps, "body", inputs, outputs)
    then(graph, "Loop", body=body)
    del graph.node[-1].input[:]
    graph.node[-1].input.extend(["", "true", "inner"])
    graph.initializer.append(onnx.helper.make_tensor("true", onnx.TensorProto.BOOL, [], [True]))


def in_a_branch(graph: Any) -> None:
    """The same, in a part of the graph that is run if the truth is true."""
    loop(graph)
    inner = onnx.helper.make_graph([graph.node.pop()], "branch", [], [value("logits")])
    branches = {"then_branch": inner, "else_branch": inner}
    graph.node.append(onnx.helper.make_node("If", ["true"], ["logits"], **branches))


def scan(graph: Any) -> None:
    body = onnx.helper.make_graph([onnx.helper.make_node("Neg", ["x"], ["x2"])], "body", [value("x")], [value("x2")])
    then(graph, "Scan", body=body, num_scan_inputs=1)


@pytest.mark.timeout(30)
@pytest.mark.parametrize("repeat", [loop, in_a_branch, scan])
def test_a_graph_that_repeats_a_part_is_refused(repeat: Callable[[Any], None], folder: Path) -> None:
    write_graph(folder / "model.onnx", place=lambda model, weight: (initializer(model, weight), repeat(model.graph)))
    with pytest.raises(NertoolError, match="it has (Loop|Scan), which may go on for ever"):
        OnnxModel(folder / "model.onnx")(input_ids=torch.zeros(1, 3, dtype=torch.int64))


@pytest.mark.timeout(30)
def test_functions_that_double_each_other_are_refused(folder: Path) -> None:
    write_graph(folder / "model.onnx")
    model = onnx.load(folder / "model.onnx")
    versions = [onnx.helper.make_opsetid("", 17), onnx.helper.make_opsetid("own", 1)]
    for number in range(40):
        inner = {"op_type": f"f{number - 1}", "domain": "own"} if number else {"op_type": "Neg"}
        nodes = [onnx.helper.make_node(inputs=[a], outputs=[b], **inner) for a, b in ("xy", "yz")]
        model.functions.append(onnx.helper.make_function("own", f"f{number}", ["x"], ["z"], nodes, versions))
    model.opset_import.append(versions[1])
    then(model.graph, "f39", domain="own")
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(NertoolError, match="it has functions, which may go on for ever"):
        OnnxModel(folder / "model.onnx")


def test_a_branch_without_a_loop_is_run(folder: Path) -> None:
    """CANINE has one."""

    def branch(model: Any, weight: Any) -> None:
        initializer(model, weight)
        in_a_branch(model.graph)
        for part in model.graph.node[-1].attribute:
            del part.g.node[:]
            part.g.node.append(onnx.helper.make_node("Neg", ["inner"], ["logits"]))

    write_graph(folder / "model.onnx", place=branch)
    logits = OnnxModel(folder / "model.onnx")(input_ids=torch.zeros(1, 3, dtype=torch.int64))["logits"]
    assert logits.shape == (1, 3, LABELS)


def test_a_number_in_more_bytes_than_it_needs_hides_nothing(folder: Path) -> None:
    write_graph(folder / "model.onnx", "../outer.bin")
    content = (folder / "model.onnx").read_bytes()
    start = content.index(b"\x08location")
    for name in (b"\x88\x00location", b"\x88\x80\x80\x00location"):
        longer = content[:start] + name + content[start + 9 :]
        (folder / "model.onnx").write_bytes(longer)
        with pytest.raises(NertoolError, match="cannot be read"):
            OnnxModel(folder / "model.onnx")


@pytest.mark.parametrize("content", [b"", b"\x0b" * 5000, b"\x3a\xff\xff\xff\xff\x7f", b"\xba\x80\x80\x80\x80\x01\x00"])
def test_what_is_no_graph_is_two_lines(content: bytes, folder: Path) -> None:
    (folder / "model.onnx").write_bytes(content)
    with pytest.raises(NertoolError, match="cannot be read"):
        OnnxModel(folder / "model.onnx")


def test_a_graph_of_parts_without_end_is_not_gone_through(folder: Path) -> None:
    (folder / "model.onnx").write_bytes(b"\x08\x08" * 3_000_000)
    with pytest.raises(NertoolError, match="more than 2,000,000 parts"):
        OnnxModel(folder / "model.onnx")


def test_onnx_runtime_prints_no_name_of_a_graph(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    def too_large(model: Any, weight: Any) -> None:
        weight.dims[:] = [2**31, 2**31]
        initializer(model, weight)

    write_graph(folder / "model.onnx", place=too_large)
    with pytest.raises(NertoolError, match="cannot be read"):
        OnnxModel(folder / "model.onnx")
    assert capfd.readouterr() == ("", "")


def test_a_damaged_graph_is_two_lines(folder: Path) -> None:
    write_graph(folder / "model.onnx", "weights.bin")
    whole, chance = (folder / "model.onnx").read_bytes(), random.Random(0)
    refused = 0
    for _ in range(100):
        damaged = bytearray(whole)
        if chance.random() < 0.2:
            del damaged[chance.randrange(len(damaged)) :]
        else:
            damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
        (folder / "model.onnx").write_bytes(damaged)
        try:
            OnnxModel(folder / "model.onnx")(input_ids=torch.zeros(1, 3, dtype=torch.int64))
        except NertoolError as error:
            assert len(str(error).splitlines()) == 2
            refused += 1
    assert refused > 50


@pytest.mark.parametrize("stage", ["predict", "evaluate"])
def test_a_command_refuses_such_a_graph(stage: str, copy: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(copy / "model", copy / "quantized")
    (copy / "quantized" / "quantization.json").write_text("{}")
    write_graph(copy / "quantized" / "model.onnx", "/etc/passwd")
    command = [stage, "--quiet", "--quantized", "--allow-stale", "--split", "test"]
    error, hint = refused(capsys, *command, "-w", str(copy.path))
    assert "that is not beside it: '/etc/passwd'" in error and "quantize --force" in hint


@pytest.mark.parametrize("table", [None, "", "[]", '{"versions": 3}', "[" * 100_000])
def test_int8_that_does_not_say_how_it_was_made_is_refused(
    table: str | None, copy: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(copy / "model", copy / "quantized")
    write_graph(copy / "quantized" / "model.onnx")
    if table is not None:
        (copy / "quantized" / "quantization.json").write_text(table)
    command = ["predict", "--quantized", "--allow-stale", "--split", "test"]
    error, hint = refused(capsys, *command, "-w", str(copy.path))
    assert "quantization.json is " in error and "quantize --force" in hint


@pytest.mark.parametrize("labels", [("O",), ("B-LOC", "B-PER", "I-PER", "O")])
def test_a_graph_of_a_model_with_other_labels_is_refused(labels: tuple[str, ...], tmp_path: Path) -> None:
    """One number for a word would do for any number of labels, as arrays are stretched."""
    ours = write_model(tmp_path / "quantized")
    other = write_model(tmp_path / "other", labels, {word: [1.0] * len(labels) for word in LOGITS})
    shutil.copyfile(other / "model.onnx", ours / "model.onnx")
    tagger = load_tagger(ours)
    with pytest.raises(NertoolError, match=f"gives {len(labels)} numbers for a word, and has 3 labels"):
        list(tagger.tag([["anna", "left"]]))


def test_a_graph_that_takes_what_no_tokenizer_gives_is_refused(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "quantized")
    graph = onnx.load(folder / "model.onnx")
    graph.graph.input[0].name = graph.graph.node[0].input[1] = "pixels"
    onnx.save(graph, folder / "model.onnx")
    with pytest.raises(NertoolError, match="takes pixels, which its tokenizer does not give") as error:
        load_tagger(folder)
    assert error.value.hint == f"Make it anew: nertool quantize --force -w {tmp_path}"


FLOAT, TEXT = onnx.TensorProto.FLOAT, onnx.TensorProto.STRING
OTHER_OUTPUTS: dict[str, tuple[Callable[[Any], object], str]] = {
    "swapped": (lambda graph: then(graph, "Transpose", perm=[1, 0, 2]), r"logits of \(3, 2\) sub-words for \(2, 3\)"),
    "of one sentence": (lambda graph: then(graph, "ReduceMax", axes=[0]), r"of \(1, 3\) sub-words for \(2, 3\)"),
    "flat": (lambda graph: then(graph, "ReduceMax", axes=[2], keepdims=0), "not a number for each label"),
    "of texts": (lambda graph: then(graph, "Cast", TEXT, to=TEXT), "not a number for each label"),
    "of truths": (lambda graph: then(graph, "IsNaN", onnx.TensorProto.BOOL), "not a number for each label"),
    "in a list": (lambda graph: then(graph, "SequenceConstruct", 0), "not a number for each label"),
    "of another name": (lambda graph: setattr(graph.output[0], "name", "weight"), "Invalid output name"),
}
"""What a graph gives in place of logits, and what the error says."""


def then(graph: Any, operator: str, kind: int = FLOAT, **attributes: Any) -> None:
    """Let a graph give what an operator makes of its logits; a `kind` of 0 is a list."""
    graph.node[0].output[0] = "inner"
    graph.node.append(onnx.helper.make_node(operator, ["inner"], ["logits"], **attributes))
    describe = onnx.helper.make_tensor_value_info if kind else onnx.helper.make_tensor_sequence_value_info
    graph.output[0].CopyFrom(describe("logits", kind or FLOAT, None))


@pytest.mark.parametrize("what", OTHER_OUTPUTS)
def test_a_graph_that_gives_something_else_than_logits_is_refused(what: str, tmp_path: Path) -> None:
    path = write_model(tmp_path / "quantized") / "model.onnx"
    graph = onnx.load(path)
    change, message = OTHER_OUTPUTS[what]
    change(graph.graph)
    onnx.save(graph, path)
    tagger = load_tagger(path.parent)
    with pytest.raises(NertoolError, match=message) as error:
        list(tagger.tag([["anna"], ["bern"]]))
    assert error.value.hint == f"Make it anew: nertool quantize --force -w {tmp_path}"


def test_a_graph_larger_than_any_is_not_read(folder: Path) -> None:
    (folder / "model.onnx").touch()
    os.truncate(folder / "model.onnx", 1 << 40)
    with pytest.raises(NertoolError, match="more than 2 GiB"):
        OnnxModel(folder / "model.onnx")
