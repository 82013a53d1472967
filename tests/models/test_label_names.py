"""Labels of models that others have made: told or refused where they are no names."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from nertool.errors import InvalidOption, MissingInput, NertoolError
from nertool.models.load_tagger import load_tagger
from nertool.progress import logger
from nertool.stages import predict, predict_files
from nertool.workspace.workspace import Workspace

pytest.importorskip("torch")


def stranger(trained: Path, folder: Path, labels: Sequence[str], **config: Any) -> Path:
    """A workspace with a model of other labels, as other tools publish it."""
    model = folder / "model"
    shutil.copytree(trained / "model", model, ignore=shutil.ignore_patterns("checkpoint-*", "[ct]a*ing.json", "cali*"))
    path = model / "config.json"
    names = {"id2label": dict(enumerate(labels)), "label2id": {label: number for number, label in enumerate(labels)}}
    path.write_text(json.dumps({**json.loads(path.read_text()), **names, **config}))
    return model


@pytest.mark.parametrize("label", ["", "  ", "B-L\nOC", "B-L\x1b[31mOC", "B-L\tOC"])
def test_a_label_that_no_line_can_show_is_refused(label: str, trained: Path, tmp_path: Path) -> None:
    model = stranger(trained, tmp_path, [label, "B-PER", "I-LOC", "O"])
    with pytest.raises(NertoolError, match="empty or holds a control character") as refused:
        load_tagger(model)
    assert "\n" not in refused.value.message and "\x1b" not in refused.value.message


def test_a_label_without_end_is_refused(trained: Path, tmp_path: Path) -> None:
    model = stranger(trained, tmp_path, ["B-" + "x" * 100_000, "B-PER", "I-LOC", "O"])
    with pytest.raises(NertoolError, match="a name of 100,002 characters") as refused:
        load_tagger(model)
    assert len(refused.value.message) < 1000


def test_a_configuration_that_hides_its_number_of_labels_is_refused(trained: Path, tmp_path: Path) -> None:
    model = stranger(trained, tmp_path, ["B-LOC", "B-PER", "I-LOC", "O"], attribute_map={"num_labels": "nothing"})
    with pytest.raises(NertoolError, match="no model that transformers can load"):
        load_tagger(model)


def test_a_tokenizer_that_takes_a_few_subwords_is_told(
    trained: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = stranger(trained, tmp_path, ["B-LOC", "B-PER", "I-LOC", "O"])
    settings = json.loads((model / "tokenizer_config.json").read_text())
    for length, expected in ((3, True), (10**30, False)):
        caplog.clear()
        (model / "tokenizer_config.json").write_text(json.dumps({**settings, "model_max_length": length}))
        with caplog.at_level(logging.WARNING):
            load_tagger(model)
        assert ("takes 3 sub-words at a time" in caplog.text) == expected
    (model / "tokenizer_config.json").write_text(json.dumps({**settings, "model_max_length": 2}))
    with pytest.raises(InvalidOption, match="leaves no room") as refused:
        load_tagger(model)
    assert "model_max_length" in refused.value.hint


def test_a_subword_beyond_the_model_is_two_lines_on_a_gpu_too(trained: Path) -> None:
    """There a wrong index ends the process."""
    import numpy as np

    from nertool.models.torch_model import TorchModel

    runner = TorchModel(load_tagger(trained / "model", device="cpu").model)
    runner.on_cpu = False
    inputs = {"input_ids": np.full((1, 4), 2), "attention_mask": np.ones((1, 4), int)}
    assert runner(**inputs)["logits"].shape == (1, 4, 4)
    with pytest.raises(NertoolError, match="sub-words that the model does not have: 100000 of"):
        runner(**{**inputs, "input_ids": np.full((1, 4), 100_000)})


def tag(workspace: Path, form: Any) -> str:
    data = BytesIO(b"anna left oslo .\n")
    options = predict.Options(format=form, input="text")
    return "".join(predict_files.tag_files(Workspace(workspace), options, data, progress=False))


def test_columns_refuse_a_label_with_a_blank_and_records_hold_it(trained: Path, tmp_path: Path) -> None:
    stranger(trained, tmp_path, ["B-new place", "B-PER", "I-new place", "O"])
    for form in ("conll", "inline"):
        with pytest.raises(InvalidOption, match="cannot show the label 'B-new place'"):
            tag(tmp_path, form)
    assert "new place" in {entity["label"] for entity in json.loads(tag(tmp_path, "jsonl"))["entities"]}


@pytest.mark.parametrize(
    ("labels", "config", "told"),
    [
        ([f"LABEL_{number}" for number in range(4)], {}, "its labels have no names"),
        (["B-LOC", "B-PER", "I-LOC", "O"], {"label2id": {"O": 0, "B-LOC": 3}}, "B-LOC has id 3 by label2id"),
    ],
)
def test_labels_without_a_clear_meaning_are_told(
    labels: list[str], config: dict[str, Any], told: str, trained: Path, tmp_path: Path, caplog: Any
) -> None:
    logger.propagate = True
    with caplog.at_level(logging.WARNING):
        tagger = load_tagger(stranger(trained, tmp_path, labels, **config))
    assert tagger.labels == labels and told in caplog.text


def test_a_graph_of_another_tool_beside_the_weights_is_told(trained: Path, tmp_path: Path) -> None:
    model = stranger(trained, tmp_path, ["B-LOC", "B-PER", "I-LOC", "O"])
    (model / "model.onnx").write_bytes(b"a graph")
    with pytest.raises(MissingInput, match="beside a graph of ONNX") as refused:
        load_tagger(model)
    assert "Move the graph" in str(refused.value.hint)
