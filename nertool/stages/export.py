"""Write the model as a directory that tags without nertool: a graph of ONNX, a short script, and what both need."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

import typer

from nertool.corpus.column_files import read_sentences
from nertool.errors import NertoolError, translate_odd_content
from nertool.models.names import public_name, quiet_transformers
from nertool.models.onnx_model import GRAPH
from nertool.progress import logger
from nertool.stages.options import AllowStaleOption
from nertool.tags import OUTSIDE, split_tag
from nertool.workspace.digests import write_json
from nertool.workspace.model_files import ModelFiles
from nertool.workspace.names import QUANTIZED, TABLE, THRESHOLDS
from nertool.workspace.stage import Result
from nertool.workspace.stage_options import StageOptions
from nertool.workspace.workspace import Workspace

if TYPE_CHECKING:
    from nertool.models.settings import TaggingSettings
    from nertool.models.tagger import Tagger

SCRIPTS = {"tag.py": "exporting", "tagger.py": "exporting", "decoder.py": "exporting", "token_patterns.py": "corpus"}
"""Files of nertool that are copied as they are, and the folders that they are in."""


@dataclass(frozen=True)
class Options(StageOptions):
    """Options of `export`."""

    output: Annotated[str, typer.Option("--output", "-o", help="Directory to write.")]
    quantized: Annotated[
        bool,
        typer.Option("--quantized", help="Export quantized/, which is done anyway: only graphs of ONNX are exported."),
    ] = False
    allow_stale: AllowStaleOption = False
    force: Annotated[
        bool, typer.Option("--force", help="Replace a directory that holds something else, or an edited export.")
    ] = False


class Facts(TypedDict):
    """What `export` wrote."""

    directory: str  # as it was named
    model: str  # directory of the model, relative to the workspace
    approach: str  # of its quantization: `none` for a graph in FP32
    labels: int  # number of labels
    tried: int  # sentences of dev that the export tags as the model does
    bytes: int  # size of all files


@dataclass(frozen=True)
class _Model:
    """A model to be exported: its directory, what it holds, and the model itself."""

    path: Path
    table: dict[str, Any]
    tagging: TaggingSettings
    tagger: Tagger


def run(workspace: Workspace, options: Options) -> Result:
    """Write the directory; the export must tag sentences of dev as the model does, or nothing is published.

    Raises:
        MissingInput: there is no model.
        StaleInput: it was made from files that have changed since.
        InvalidOption: another directory is in the way.
        Unwritable: the directory cannot be written.
        NertoolError: the model is no graph of ONNX, needs transformers, or does not tag in the export as it does here.
    """
    from nertool.exporting.directory import check_target, publishing, write_sums
    from nertool.exporting.proof import check_tags_alike

    target = check_target(Path(options.output), options.force, workspace.path)  # before a model is loaded
    quiet_transformers()
    with workspace.reading():  # one model is written, whatever is published meanwhile
        files_of_model = _graph(workspace, options)
        with publishing(target, options.force, workspace.path) as directory:
            model = _load(workspace, files_of_model.path)
            _describe(workspace, model, _copy(model, directory), directory)
            write_sums(directory)
            tried = check_tags_alike(directory, model.tagger, _dev(workspace))
    facts: Facts = {
        "directory": options.output,
        "model": files_of_model.name,
        "approach": model.table["int8"]["approach"],
        "labels": len(model.tagger.labels),
        "tried": tried,
        "bytes": sum(path.stat().st_size for path in target.iterdir() if path.is_file()),
    }
    return Result("export", {**facts})


def _dev(workspace: Workspace) -> Iterator[list[str]]:
    """The sentences of dev, if it is there."""
    if dev := workspace.split_file("dev"):
        yield from (sentence.tokens for sentence in read_sentences(dev))


def _graph(workspace: Workspace, options: Options) -> ModelFiles:
    """The model that is exported.

    Raises:
        NertoolError: it is no graph of ONNX.
    """
    from nertool.models.settings import read_table

    hint = f"Make a graph: {workspace.command('quantize', '--backend', 'onnx')} (add --approach none for one in FP32)"
    if not (workspace / QUANTIZED).exists():
        trained = workspace.model(allow_stale=True)
        raise NertoolError(f"{trained.path} is a model of PyTorch, and export takes a graph of ONNX", hint)
    model = workspace.model(True, options.allow_stale)
    if not (model.path / GRAPH).exists():
        backend = read_table(model.path).get("backend", "another backend")
        raise NertoolError(f"{model.path} was made by {backend}, and export takes a graph of ONNX", hint)
    return model


def _load(workspace: Workspace, path: Path) -> _Model:
    """Load the model.

    Raises:
        NertoolError: it could not be exported.
    """
    from nertool.models.load_tagger import load_tagger
    from nertool.models.settings import read_settings, read_table
    from nertool.models.stored_tokenizer import StoredTokenizer

    anew = f"Make the model anew: {workspace.command('quantize', '--backend', 'onnx', '--force')}"
    tagger, table = load_tagger(path), read_table(path)
    if not isinstance(tagger.tokenizer, StoredTokenizer):
        raise NertoolError(f"{path}: its tokenizer needs transformers, which an export has not", anew)
    if "canary" not in table:
        raise NertoolError(f"{path / TABLE} holds no canary, by which other processors are put to the test", anew)
    return _Model(path, table, read_settings(path), tagger)


def _copy(model: _Model, directory: Path) -> dict[str, Any]:
    """Write the files that `tag.py` needs; gives its settings."""
    from nertool.exporting.settings import settings_of
    from nertool.models.canary import canary_of
    from nertool.models.stored_tokenizer import TOKENIZER

    canary = canary_of(model.table, model.tagger, model.path / TABLE)
    settings = settings_of(model.tagger, canary, _least_scores(model), model.tagging.tokenizer)
    write_json(directory / "settings.json", settings)
    for name in (GRAPH, TOKENIZER):
        shutil.copyfile(model.path / name, directory / name)
    for name, folder in SCRIPTS.items():
        script = files(f"nertool.{folder}").joinpath(name)
        (directory / name).write_bytes(script.read_bytes())
    return settings


def _describe(workspace: Workspace, model: _Model, settings: Mapping[str, Any], directory: Path) -> None:
    """Write the README.

    Raises:
        InvalidData: `quantization.json` does not hold what `quantize` writes.
    """
    from nertool.exporting.readme import Described, readme
    from nertool.models.settings import anew

    with translate_odd_content(str(model.path / TABLE), anew(model.path)):
        described = Described(
            settings=settings,
            table=model.table,
            base=public_name(workspace.facts("train").get("model") or ""),
            recipe=workspace.facts("download").get("recipe") or "",
            decoding=model.tagging.decoding,
            size=(directory / GRAPH).stat().st_size,
        )
        (directory / "README.md").write_text(readme(described), encoding="utf-8")


def _least_scores(model: _Model) -> dict[str, float]:
    """The thresholds of the model, where it has some. What `tag.py` could not apply is left out, with a warning.

    Raises:
        InvalidData: the file is damaged, or for another model.
    """
    from nertool.models.thresholds import read_thresholds, thresholds_for

    path, tagger = model.path / THRESHOLDS, model.tagger
    if not path.exists():
        return {}
    kept = read_thresholds(path)
    if kept.decoding not in ("", model.tagging.decoding):
        logger.warning("%s is for scores of --decoding %s, and left out", path, kept.decoding)
        return {}
    if untyped := [tag for tag in tagger.spelling.read(tagger.labels) if tag != OUTSIDE and not split_tag(tag)[1]]:
        logger.warning(
            "%s is left out: labels without a type, such as %s, are read by their neighbours", path, untyped[0]
        )
        return {}
    thresholds_for((), kept, tagger.labels, tagger.spelling, tagger.scheme)
    return kept.least
