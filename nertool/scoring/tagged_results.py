"""Scores and errors of a stream of tagged sentences."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from nertool.progress import amount, logger
from nertool.scoring.error_analysis import Analysis, entities_of, single_words
from nertool.scoring.prediction_files import Tagged
from nertool.scoring.scorer import Scorer
from nertool.scoring.seqeval_check import MOST_TOKENS
from nertool.spelling import ALWAYS_OUTSIDE, CANONICAL, Spelling, find_spelling, unread_prefixes
from nertool.tags import OUTSIDE


def score_and_list_errors(
    tagged: Iterable[Tagged], spelling: Spelling, scheme: str | None, train: Path | None, errors: Path
) -> tuple[Scorer, Analysis]:
    """Score sentences and write their errors to a file, an error a line.

    Args:
        spelling: of the tags.
        scheme: of the strict mode; None for that of most gold tags.
        train: column file that the model was trained on; None where it is unknown.
        errors: JSON Lines file to write.
    """
    plain = spelling.order == "plain"
    read = single_words if plain else spelling.entities
    analysis = Analysis(entities_of(train, read) if train else None, read)
    scorer = Scorer("plain" if plain else scheme, keep_sentences=True, keep_tags=MOST_TOKENS, spelling=spelling)
    with errors.open("w", encoding="utf-8", newline="\n") as out:
        for number, sentence in enumerate(tagged, start=1):
            scorer.add(sentence.gold, sentence.predicted)
            for row in analysis.add(number, sentence):
                out.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")
    return scorer, analysis


def recognise_spelling(sentences: Sequence[Tagged]) -> Spelling:
    """Recognise the spelling of the gold tags; of the predicted ones, where all gold tags are O."""
    spellings = []
    for side in ("gold", "predicted"):
        counts = Counter(chain.from_iterable(getattr(sentence, side) for sentence in sentences))
        if set(counts) - {OUTSIDE, *ALWAYS_OUTSIDE}:
            spellings.append(find_spelling(counts))
    if not spellings:
        return CANONICAL
    return spellings[0] if spellings[0].order == "plain" else spellings[0].beside(spellings[-1])


def warn_of_odd_results(name: str, results: dict[str, Any]) -> None:
    """Warn of data without a sentence or a predicted entity, and of tags that are not read as they seem to be meant."""
    if not results["sentences"]:
        logger.warning("%s holds no sentence: every figure is 0", name)
    if "spelling" in results:
        logger.warning("tags of %s are spelled %s, and counted as B-PER, I-PER and O", name, results["spelling"])
    types = results.get("types", {})
    if unread := unread_prefixes(dict.fromkeys(types, 1)):
        logger.warning("types of %s such as %s seem to hold a prefix: write B-, I-, E- and S-", name, unread)
    if types and results["support"] and not results["predicted"]:
        logger.warning("%s holds no predicted entity: every figure is 0", name)
    strict = results.get("strict", {})
    if unknown := strict.get("unknown_tags"):
        tags = amount(unknown, f"tags in gold of {name}")
        logger.warning("%s outside the scheme: O in %s mode", tags, strict["mode"])
