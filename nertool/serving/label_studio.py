"""What Label Studio asks of a model that is connected to a project, and what it is answered.

Source: https://labelstud.io/guide/ml_create and the requests of Label Studio 1.23.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from nertool.documents.annotation_tools import prediction, region
from nertool.models.tagging import Entity
from nertool.progress import logger
from nertool.serving.answers import SCORED, Answer
from nertool.serving.labelling_config import Target, parse_config
from nertool.serving.limits import Limits, Refusal
from nertool.serving.tag_request import TagRequest, check_length, check_list, check_string, parse_object

PATHS = ("/predict", "/setup", "/train", "/versions", "/webhook")
EXAMPLE = (
    'Send an object such as {"tasks": [{"data": {"text": "Anna left Bern."}}], "label_config": "<View>...</View>"}.'
)
NO_TRAINING = "this server does not train", "Export the project, and run: nertool download, nertool train."


@dataclass(frozen=True)
class Asked:
    """Tasks that are to be predicted.

    Attributes:
        request: their texts; that of a task without one is empty.
        target: where the regions go.
        without_text: how many tasks have no text.
    """

    request: TagRequest
    target: Target
    without_text: int


def parse_setup(body: bytes, types: Sequence[str]) -> Target:
    """Read the body of `POST /setup`, and nothing of it but the labelling configuration.

    Args:
        types: of the model.

    Raises:
        Refusal: it is no such JSON, or the configuration does not go with the model.
    """
    content = parse_object(body, 'Send an object such as {"schema": "<View>...</View>"}.')
    target = parse_config(content.get("schema"), "schema", types)
    lacking = [label for label in types if label not in target.labels]
    if lacking:
        logger.warning("the labels of the project lack %s: such entities are left out", ", ".join(lacking))
    return target


def parse_predict(body: bytes, types: Sequence[str], limits: Limits) -> Asked:
    """Read the body of `POST /predict`.

    Args:
        types: of the model.

    Raises:
        Refusal: it is no such JSON, has more or longer texts than the server takes, or no task has a text.
    """
    content = parse_object(body, EXAMPLE)
    tasks: Any = content.get("tasks")
    check_list(tasks, "tasks", limits, EXAMPLE)
    target = parse_config(content.get("label_config"), "label_config", types)
    texts = [_text_of(task, number, target.field, limits) for number, task in enumerate(tasks)]
    without_text = texts.count(None)
    if tasks and without_text == len(tasks):
        error = f"no task has a text in its field {target.field[:40]!r}"
        raise Refusal(400, error, "Name the field of the texts in the labelling interface: <Text value='$FIELD'/>.")
    if without_text:
        logger.warning("%d of %d tasks have no text, and get no regions", without_text, len(tasks))
    return Asked(TagRequest([text or "" for text in texts], [], form=SCORED), target, without_text)


def _text_of(task: Any, number: int, name: str, limits: Limits) -> str | None:
    """The text of a task; None where its field is missing or holds something else."""
    data = task.get("data") if isinstance(task, dict) else None
    if not isinstance(data, dict):
        raise Refusal(400, f"`tasks[{number}]` is no object with `data`", EXAMPLE)
    text = data.get(name)
    if not isinstance(text, str):
        return None
    check_string(text, f"tasks[{number}]")
    check_length(len(text), f"tasks[{number}]", limits)
    return text


def predictions(answer: Answer, asked: Asked) -> Answer:
    """What `POST /predict` is answered: a prediction for each task, and what was left out."""
    left_out: Counter[str] = Counter()
    results = []
    for result in answer["results"]:
        regions = _regions(result["entities"], asked.target, left_out)
        results.append(prediction(answer["model"], result["score"], regions))
    return {"results": results, "left_out": dict(left_out), "without_text": asked.without_text}


def _regions(rows: Sequence[Mapping[str, Any]], target: Target, left_out: Counter[str]) -> list[dict[str, Any]]:
    regions: list[dict[str, Any]] = []
    for row in rows:
        label = target.labels.get(row["label"])
        if label is None:
            left_out[row["label"]] += 1
            continue
        entity = replace(Entity(**row), label=label)
        regions.append(region(len(regions) + 1, entity, target.from_name, target.to_name))
    return regions
