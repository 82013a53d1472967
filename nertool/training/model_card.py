"""The model card (README.md of a model directory), and sending a model directory to the hub."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from nertool.counts import METRICS, MODE
from nertool.errors import NertoolError
from nertool.report.markdown import code

CARD = "README.md"
ORIGIN = {True: "Fine-tuned from {} with nertool.", False: "This is {}, scored and calibrated by nertool."}
"""What a card says of a model that nertool has trained, and of one that it has not."""
TEMPLATE = """---
{{ card_data }}
---

# {{ name }}

Token classification: a label for each word. {{ origin }}

## Data

{{ data }}

| | |
|---|---|
{% for key, value in counts.items() %}| {{ key }} | {{ value }} |
{% endfor %}
Labels: {{ labels }}

## Scores

{{ scores }}

## How to use

```sh
echo 'Anna Keller flew to Vienna .' | nertool predict    # in the workspace of this model
```

```python
from transformers import pipeline

tagger = pipeline("token-classification", model="{{ name }}", aggregation_strategy="first")
tagger("Anna Keller flew to Vienna .")
```

Words are split into sub-words one by one, and a word's label is read on its first sub-word.

## How it was made

| | |
|---|---|
{% for key, value in settings.items() %}| {{ key }} | {{ value }} |
{% endfor %}"""


def write(
    path: Path,
    name: str,
    base: str | None,
    labels: Sequence[str],
    stage: Mapping[str, Any],
    data: Mapping[str, Any],
) -> None:
    """Write the card of a model.

    Args:
        path: of the card.
        name: of the model.
        base: the model it was made from, as the hub names it; None for one that is not on the hub.
        labels: of the model.
        stage: `facts`, `options` and `versions` of the training.
        data: facts of the stage `download`, empty for files made by hand.
    """
    from huggingface_hub import ModelCard, ModelCardData

    facts, options = stage["facts"], stage["options"]
    card_data = ModelCardData(
        library_name="transformers",
        pipeline_tag="token-classification",
        base_model=base,
        tags=["token-classification", "nertool"],
    )
    card = ModelCard.from_template(
        card_data,
        template_str=TEMPLATE,
        name=name,
        origin=ORIGIN[facts["steps"] > 0].format(code(base or facts["model"])),
        data=f"Recipe {code(data['recipe'])}." if data.get("recipe") else "The maker's own files.",
        counts={"train sentences": f"{facts['sentences']:,}", "train words": f"{facts['words']:,}"},
        labels=", ".join(map(code, labels)),
        scores=_scores(facts, keep_best=options["keep"] == "best"),
        settings=_settings(options, stage["versions"]),
    )
    path.write_text(str(card), encoding="utf-8")


def _settings(options: Mapping[str, Any], versions: Mapping[str, str]) -> dict[str, str]:
    """The options that have a value, and the versions of the packages."""
    settings = {}
    for option, value in options.items():
        if value not in (None, "", False):
            settings[option] = code(value)
    for package, version in versions.items():
        settings[package] = code(version)
    return settings


def _scores(facts: Mapping[str, Any], keep_best: bool) -> str:
    if "dev_f1" not in facts:
        return "Not scored: there was no dev file."
    low, high = facts["dev_interval"]
    metric, mode = METRICS[facts["metric"]], f", {MODE} mode" if facts["metric"] == "f1" else ""
    lines = [
        f"| split | {metric}{mode} | 95 % interval (bootstrap over sentences) |",
        "|---|---|---|",
        f"| dev | {facts['dev_f1']:.4f} | {low:.4f} to {high:.4f} |",
    ]
    if "mean" in facts:
        seeds = ", ".join(str(row["seed"]) for row in facts["seeds"])
        spread = f"mean {facts['mean']:.4f}, standard deviation {facts['deviation']:.4f}"
        if "test_mean" in facts:
            spread += (
                f" on dev; mean {facts['test_mean']:.4f}, standard deviation {facts['test_deviation']:.4f} on test"
            )
        lines += ["", f"Over the seeds {seeds}: {spread}; this model is the best of them on dev."]
    if "curve" in facts:
        lines += ["", *_data_curve(facts["curve"], metric), "", facts["outlook"]]
    if keep_best and facts["steps"]:
        lines += ["", "The epoch was chosen on dev, so the score on new text will be lower."]
    return "\n".join(lines)


def _data_curve(rows: Sequence[Mapping[str, Any]], metric: str) -> Iterator[str]:
    """The lines of a table of trainings on parts of the data."""
    splits = [split for split in ("dev", "test") if f"{split}_f1" in rows[0]]
    yield "| train sentences |" + "".join(f" {split} {metric} | 95 % on {split} |" for split in splits)
    yield "|---|" + "---|---|" * len(splits)
    for row in rows:
        line = f"| {row['sentences']:,} |"
        for split in splits:
            low, high = row[f"{split}_interval"]
            line += f" {row[f'{split}_f1']:.4f} | {low:.4f} to {high:.4f} |"
        yield line


def push(directory: Path, repository: str, token: str | None, private: bool) -> str:
    """Send a model directory to the hub, without its checkpoints; returns the address of the commit.

    Raises:
        NertoolError: the hub refuses, or cannot be reached.
    """
    from huggingface_hub import HfApi

    try:
        api = HfApi(token=token)
        name = api.create_repo(repository, private=private, exist_ok=True).repo_id
        info = api.upload_folder(
            repo_id=name, folder_path=directory, ignore_patterns=["checkpoint-*/**"], commit_message="Upload the model"
        )
    except hub_errors() as error:
        raise NertoolError(
            f"{directory} is whole, but was not sent to {repository}: {str(error).strip().splitlines()[0]}",
            "Once that is mended: the same command again (a token is taken from --token, HF_TOKEN or `hf auth login`)",
        ) from error
    return str(info.commit_url)


def hub_errors() -> tuple[type[Exception], ...]:
    """What huggingface_hub raises where a hub refuses or cannot be reached.

    Version 0 builds on requests, version 1 on httpx: the root of that library's errors is a base of the hub's own.
    """
    from huggingface_hub import errors

    kinds: list[type[Exception]] = [OSError, errors.HFValidationError]
    if hasattr(errors, "HfUriError"):
        kinds.append(errors.HfUriError)
    for base in errors.HfHubHTTPError.__mro__:
        if base.__name__ in ("RequestException", "HTTPError"):
            kinds.append(base)
    return tuple(kinds)
