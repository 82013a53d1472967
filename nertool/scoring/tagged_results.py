"""Scores and errors of a stream of tagged sentences."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from nertool.progress import logger
from nertool.scoring.error_analysis import Analysis, entities_of, single_words
from nertool.scoring.prediction_files import Tagged
from nertool.scoring.scorer import Scorer
from nertool.scoring.seqeval_check import MOST_TOKENS
from nertool.tags import spans


def score_and_list_errors(
    tagged: Iterable[Tagged], plain: bool, scheme: str | None, train: Path | None, errors: Path
) -> tuple[Scorer, Analysis]:
    """Score sentences and write their errors to a file, an error a line.

    Args:
        plain: the tags have no types.
        scheme: of the strict mode; None for that of most gold tags.
        train: column file that the model was trained on; None where it is unknown.
        errors: JSON Lines file to write.
    """
    read = single_words if plain else spans
    analysis = Analysis(entities_of(train, read) if train else None, read)
    scorer = Scorer("plain" if plain else scheme, keep_sentences=True, keep_tags=MOST_TOKENS)
    with errors.open("w", encoding="utf-8", newline="\n") as out:
        for number, sentence in enumerate(tagged, start=1):
            scorer.add(sentence.gold, sentence.predicted)
            for row in analysis.add(number, sentence):
                out.write(json.dumps(row, ensure_ascii=False) + "\n")
    return scorer, analysis


def warn_of_odd_results(name: str, results: dict[str, Any]) -> None:
    """Warn of data without a sentence and of tags that the strict mode reads as O."""
    if not results["sentences"]:
        logger.warning("%s holds no sentence: every figure is 0", name)
    strict = results.get("strict", {})
    if unknown := strict.get("unknown_tags"):
        logger.warning("%s gold tags of %s are not in the scheme: O in %s mode", unknown, name, strict["mode"])
