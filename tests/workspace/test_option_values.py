"""Values and combinations of options that make no sense are refused when they are made, for Python users too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nertool import chain
from nertool.cli.commands import Common
from nertool.errors import InvalidOption, MissingInput
from nertool.stages import check, download, evaluate, labels, predict, preprocess, quantize, score, train
from nertool.workspace.option_values import declared
from nertool.workspace.workspace import Workspace

OPTIONS: tuple[Any, ...] = (
    *(check.Options, download.Options, evaluate.Options, labels.Options, predict.Options, preprocess.Options),
    *(quantize.Options, score.Options, train.Options, chain.Options, Common),
)
NAN, HUGE = float("nan"), 10**300


def refused(options: Any, **values: Any) -> InvalidOption:
    if options is score.Options:
        values = {"file": "x", **values}
    with pytest.raises(InvalidOption) as raised:
        options(**values)
    return raised.value


@pytest.mark.parametrize("options", OPTIONS)
def test_every_number_has_limits(options: Any) -> None:
    for name, option in declared(options).items():
        if not option.kinds & {int, float}:
            continue
        for value in (NAN, float("inf"), -float("inf"), HUGE, -HUGE, "3", True, -1):
            error = refused(options, **{name: value})
            assert error.message.startswith(f"{option.flag} {value}: ") and "number" in error.hint
        if float not in option.kinds:
            refused(options, **{name: 5.0})


@pytest.mark.parametrize("options", OPTIONS)
def test_texts_are_not_empty_and_choices_are_known(options: Any) -> None:
    for name, option in declared(options).items():
        if option.choices:
            assert "no such choice" in refused(options, **{name: "nonsense"}).message
        elif str in option.kinds and option.default != "":
            assert refused(options, **{name: ""}).message == f"{option.flag}: empty"
        elif str in option.kinds:
            assert "NUL" in refused(options, **{name: "a\0b"}).message
        elif list in option.kinds:
            assert refused(options, **{name: ["1", ""]}).message == f"{option.flag}: empty"


@pytest.mark.parametrize(
    ("options", "values", "flag"),
    [
        (train.Options, {"seed": 2**32}, "--seed"),
        (quantize.Options, {"seed": 2**32}, "--seed"),
        (train.Options, {"seeds": f"1,{2**32}"}, "--seeds"),
        (train.Options, {"seeds": "-1"}, "--seeds"),
        (train.Options, {"seeds": "1,x"}, "--seeds"),
        (train.Options, {"output_dir": "../model"}, "--output-dir"),
        (train.Options, {"hub_model_id": "me/model"}, "--hub-model-id"),
        (train.Options, {"hub_private_repo": True}, "--hub-private-repo"),
        (quantize.Options, {"qat_epochs": 1.0}, "--qat-epochs"),
        (quantize.Options, {"qat_learning_rate": 1e-5, "approach": "static"}, "--qat-learning-rate"),
        (quantize.Options, {"observer": "minmax"}, "--observer"),
        (quantize.Options, {"ranges": "tensor", "approach": "static", "backend": "onnx"}, "--ranges"),
        (quantize.Options, {"percentile": 99.0, "approach": "static", "backend": "onnx"}, "--percentile"),
        (evaluate.Options, {"both": True, "quantized": True}, "--quantized"),
        (evaluate.Options, {"columns": "file", "split": ["dev"]}, "--split"),
        (predict.Options, {"language": "de"}, "--language"),
        (predict.Options, {"format": "html", "entities": True}, "--entities"),
        (predict.Options, {"min_score": ["nan"]}, "--min-score"),
        (predict.Options, {"min_score": ["1.5"]}, "--min-score"),
        (predict.Options, {"split": "dev", "interactive": True}, "--interactive"),
        (predict.Options, {"split": "dev", "input": "text"}, "--input"),
        (predict.Options, {"split": "dev", "tokenizer": "white"}, "--tokenizer"),
        (predict.Options, {"split": "dev", "on_error": "skip"}, "--on-error"),
        (predict.Options, {"interactive": True, "output": "file"}, "--output"),
        (predict.Options, {"interactive": True, "files": ["file"]}, "FILES"),
        (predict.Options, {"interactive": True, "format": "jsonl"}, "--format"),
        (Common, {"quiet": True, "verbose": True}, "--verbose"),
    ],
)
def test_what_would_have_no_effect_is_refused(options: Any, values: dict[str, Any], flag: str) -> None:
    error = refused(options, **values)
    assert error.message.startswith(flag) and error.hint


@pytest.mark.parametrize(
    ("values", "flag"),
    [
        ({"recipe": "sample", "delimiter": ","}, "--delimiter"),
        ({"recipe": "sample", "encoding": "cp1252"}, "--encoding"),
        ({"recipe": "sample", "dataset_revision": "main"}, "--dataset-revision"),
        ({"train_file": "x", "dataset_config": "en"}, "--dataset-config"),
    ],
)
def test_a_download_refuses_options_that_its_data_have_no_use_for(
    values: dict[str, Any], flag: str, tmp_path: Path
) -> None:
    with pytest.raises(InvalidOption, match=f"^{flag} is for "):
        download.run(Workspace(tmp_path / "w"), download.Options(**values))
    assert not (tmp_path / "w").exists()


def test_a_revision_is_refused_where_all_models_are_directories(workspace: Workspace, tmp_path: Path) -> None:
    with pytest.raises(InvalidOption, match="^--model-revision is for models of the Hub"):
        train.run(workspace, train.Options(model=str(tmp_path), model_revision="v2"))
    with pytest.raises(MissingInput):
        train.run(workspace, train.Options(model=str(tmp_path), tokenizer_name="of/the-hub", model_revision="v2"))


def test_run_refuses_what_a_late_stage_would_before_the_first_one(tmp_path: Path, workspace: Workspace) -> None:
    for values in ({"percentile": 90.0}, {"output_dir": "a/b"}, {"min_score": ["2"]}, {"qat_epochs": NAN}):
        with pytest.raises(InvalidOption):
            list(chain.run(Workspace(tmp_path / "w"), {"recipe": "sample", **values}, "download"))
    assert not (tmp_path / "w").exists()
    with pytest.raises(InvalidOption, match="--scheme is for data that are named"):
        list(chain.run(workspace, {"scheme": "iob2"}))
