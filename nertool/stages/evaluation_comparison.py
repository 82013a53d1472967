"""`evaluate --compare`: how far a model is from another one, on the same sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from nertool.errors import InvalidData
from nertool.scoring.comparison import OtherModel, difference, find_other
from nertool.stages.evaluate_options import Options
from nertool.stages.evaluation_files import result_files
from nertool.stages.evaluation_page import COMPARISON
from nertool.workspace.digests import Digest, digest, write_json
from nertool.workspace.names import EVALUATION
from nertool.workspace.stage import Result, Stage, StageRun
from nertool.workspace.workspace import Workspace


def find_others(workspace: Workspace, options: Options, splits: Sequence[str]) -> dict[str, OtherModel]:
    """Find the other model's tags of each split, before anything is tagged; empty if there is nothing to compare.

    Raises:
        NertoolError: as `find_other`.
    """
    others = {}
    for split in splits if options.compare else ():
        assert options.compare
        others[split] = find_other(workspace, options.compare, split, splits, options.trust_remote_code)
    return others


def compare(workspace: Workspace, options: Options, directory: str, others: Mapping[str, OtherModel]) -> Result:
    """Compare a model with another one on the same sentences.

    Args:
        directory: of the model, in the workspace.
        others: the other model's tags by split, as `find_others` gives them.

    Raises:
        InvalidData: the sentences are others, or the other model has changed meanwhile.
    """
    compared = options.compare
    assert compared
    ours = {split: result_files(directory, split).predictions for split in others}
    sources = {}
    for split, other in others.items():
        for name, path in other.files.items():
            sources[f"{split} {name}"] = path
    planned = StageRun(
        "evaluate:comparison",
        options,
        reads=ours.values(),
        writes=[f"{EVALUATION}/{COMPARISON}"],
        sources=sources,
        force=options.force,
    )

    def work(stage: Stage) -> None:
        from nertool.scoring.prediction_files import read_tagged

        stage.facts = {"other": _name(compared)}
        for split, other in others.items():
            path = workspace / ours[split]
            stage.facts[split] = difference(read_tagged(path), path, other.tagged(), Path(compared), options.strict)
        _check_unchanged(sources, stage.identity["sources"])
        write_json(stage.file(f"{EVALUATION}/{COMPARISON}"), stage.facts)

    return workspace.run(planned, work)


def _check_unchanged(sources: Mapping[str, Path], digests: Mapping[str, Digest]) -> None:
    """Check that the other model was not published anew while it was read.

    Raises:
        InvalidData: it was.
    """
    for name, path in sources.items():
        if digest(path) != digests[name]:
            raise InvalidData(f"{path} changed while it was compared with; nothing was changed", "Run it again.")


def _name(path: str) -> str:
    return Path(path).resolve().name
