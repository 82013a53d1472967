"""The scores by which shared tasks ranked systems, and what is published for a data set."""

from __future__ import annotations

from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nertool.corpus.column_files import read_sentences
from nertool.counts import Counts
from nertool.sources.recipes import Recipe

if TYPE_CHECKING:
    from nertool.scoring.scorer import Scorer


def task_score(recipe: Recipe, results: dict[str, Any]) -> dict[str, Any]:
    """What the data set's own task ranked by; empty where that is plain F1.

    Args:
        results: of a split, the counts of distinct surface forms among them.
    """
    if recipe.metric == "surface_forms":
        return {"name": f"{recipe.name}, distinct surface forms", **results["surface"]}
    if recipe.metric == "both_layers":
        outer = {key: results[key] for key in (*Counts(0, 0, 0).as_dict(), "interval")}
        return {"name": "metric 1 on the outer layer alone (--inner adds the inner one)", **outer}
    return {}


def both_layers(outer: Path, scorer: Scorer, inner: Path) -> dict[str, Any]:
    """GermEval 2014, metric 1: entities of both layers together; one on the wrong layer is wrong.

    Source: https://sites.google.com/site/germeval2014ner/evaluation

    Args:
        outer: tokens and gold tags of the outer layer, which `scorer` has counted.
        inner: tokens, gold and predicted tags of the inner one.

    Raises:
        InvalidData: the two hold other sentences (names both places).
    """
    import numpy as np

    from nertool.scoring.bootstrap import histogram_of, interval_of
    from nertool.scoring.prediction_files import check_same, read_tagged
    from nertool.scoring.scorer import Scorer

    other = Scorer(keep_sentences=True)
    for sentence, nested in zip_longest(read_sentences(outer), read_tagged(inner)):
        check_same(sentence, outer, nested, inner)
        other.add(nested.gold, nested.predicted)
    both = scorer.sentence_counts() + other.sentence_counts()
    counts = Counts(*np.sum(both, axis=0).tolist())
    return {"name": "metric 1, both layers", **counts.as_dict(), "interval": interval_of(histogram_of(both), len(both))}


def published(recipe: Recipe, split: str) -> dict[str, Any]:
    """What is published for a split, and for which model; empty where nothing is."""
    if split not in recipe.scores:
        return {}
    return {"model": recipe.defaults["model"], **recipe.scores[split].as_dict()}
