"""`evaluate --precision` and `--recall`: the thresholds that reach what is wanted on dev, kept beside the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from nertool.errors import InvalidOption, MissingInput, translate_odd_content
from nertool.models.settings import read_settings
from nertool.stages.evaluate_options import Options
from nertool.stages.evaluation_files import result_files
from nertool.stages.label_spelling import label_spelling
from nertool.workspace.digests import write_json
from nertool.workspace.model_files import ModelFiles
from nertool.workspace.names import QUANTIZED, THRESHOLDS
from nertool.workspace.stage import Result, Stage, StageRun
from nertool.workspace.stage_options import StageOptions
from nertool.workspace.workspace import Workspace

if TYPE_CHECKING:
    from nertool.scoring.operating_points import Goal


@dataclass(frozen=True)
class ThresholdOptions(StageOptions):
    """What thresholds follow from, beside the entities."""

    precision: list[str] | None
    recall: list[str] | None
    decoding: str


def find_goal(workspace: Workspace, options: Options, model: ModelFiles, splits: Sequence[str]) -> Goal | None:
    """What is wanted on dev, if anything is; looked at before anything is tagged.

    Raises:
        InvalidOption: it is no probability, or of a type that the model lacks; or dev is not evaluated.
    """
    if not options.precision and not options.recall:
        return None
    from nertool.models.model_directory import stored_labels
    from nertool.models.thresholds import entity_types, parse_least
    from nertool.scoring.operating_points import Goal

    measure: Literal["precision", "recall"] = "precision" if options.precision else "recall"
    labels = stored_labels(model.path, options.trust_remote_code)
    types = entity_types(labels, label_spelling(workspace, labels))
    goal = Goal(measure, parse_least(f"--{measure}", options.precision or options.recall or [], types))
    if "dev" not in splits:
        raise InvalidOption(f"--{measure}: thresholds are found on dev, which is not evaluated", "Add: --split dev")
    return goal


def keep_thresholds(
    workspace: Workspace, options: Options, model: ModelFiles, splits: Sequence[str], goal: Goal
) -> Result:
    """Write the thresholds that reach the goal beside the model; they go when another one takes its place.

    Raises:
        MissingInput: there are no scores of the entities.
        InvalidData: these are not what `evaluate` writes.
        InvalidOption: no threshold reaches the goal.
    """
    entities = {split: result_files(model.name, split).entities for split in splits}
    again = workspace.command("evaluate", "--force")
    for name in entities.values():
        if not (workspace / name).exists():
            raise MissingInput(f"{workspace / name} is missing", f"Run: {again}")
    kept = f"{model.name}/{THRESHOLDS}"
    decoding = options.decoding or read_settings(model.path).decoding
    planned = StageRun(
        f"evaluate:{QUANTIZED}:thresholds" if model.name == QUANTIZED else "evaluate:thresholds",
        ThresholdOptions(options.precision, options.recall, decoding),
        reads=[*entities.values(), f"{model.name}/config.json"],
        writes=[kept],
        force=options.force,
    )

    def work(stage: Stage) -> None:
        from nertool.models.model_directory import stored_labels
        from nertool.scoring.operating_points import operating_points, read_entities

        with translate_odd_content(f"{workspace.path}: {' or '.join(entities.values())}", f"Run: {again}"):
            read = {split: read_entities(workspace / name) for split, name in entities.items()}
        stage.facts = operating_points(goal, read)
        stage.facts["labels"] = stored_labels(model.path, options.trust_remote_code)
        stage.facts["decoding"] = decoding
        write_json(stage.file(kept), stage.facts)

    return workspace.run(planned, work)
