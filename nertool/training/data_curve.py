"""Trainings on nested parts of the training data, and what more data may bring."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nertool.arrays import Array
from nertool.corpus.column_files import read_sentences
from nertool.corpus.recognise import recognise_tags
from nertool.counts import METRICS
from nertool.errors import InvalidOption
from nertool.progress import amount, logger
from nertool.scoring.bootstrap import compare
from nertool.training import processes
from nertool.training.facts import ComparisonFacts, GainFacts, PartFacts, RunFacts
from nertool.training.finetune import FineTuning
from nertool.training.setup import TrainingSetup
from nertool.workspace.atomic import remove
from nertool.workspace.digests import read_json, write_json
from nertool.workspace.seals import is_sealed, is_whole, seal

SCORE = "score.json"


class Part(NamedTuple):
    """A part of the training data.

    Attributes:
        share: fraction of the sentences.
        sentences: numbers of its sentences, from 0; shape (sentences,).
        words: how many these have.
        entities: how many these have; 0 for tags without types.
    """

    share: float
    sentences: Array
    words: int
    entities: int


class PartScore(NamedTuple):
    """How well the training on a part did.

    Attributes:
        facts: of the part.
        counts: (correct, predicted, gold) of each sentence of dev; shape (sentences, 3).
    """

    facts: PartFacts
    counts: Array


# -- parts -----------------------------------------------------------------------------------------


def draw_parts(path: Path, limit: int | None, shares: Sequence[float], seed: int) -> list[Part]:
    """Draw whole sentences at random, so that each part holds all smaller ones.

    Args:
        path: file of `token, space, tag` lines.
        limit: number of its first sentences to draw from; None for all.
        shares: of these sentences, rising, 1 at the end.
        seed: of the order in which they are drawn.

    Raises:
        InvalidOption: a share gives no sentence, no entity, or the sentences of another share.
    """
    spelling = recognise_tags([path]).spelling
    words: list[int] = []
    entities: list[int] = []
    for sentence in islice(read_sentences(path), limit):
        words.append(len(sentence.tokens))
        entities.append(len(spelling.entities(sentence.tags)))
    sizes = _sizes(shares, len(words))
    drawn = np.random.default_rng(seed).permutation(len(words))
    parts: list[Part] = []
    for share, size in zip(shares, sizes, strict=True):
        chosen = np.sort(drawn[:size])
        part = Part(share, chosen, int(np.array(words)[chosen].sum()), int(np.array(entities)[chosen].sum()))
        if not part.entities and spelling.order != "plain":
            raise InvalidOption(
                f"--curve {share:g}: {amount(size, 'sentences')} without an entity",
                "Take a larger share, or another --seed.",
            )
        parts.append(part)
    return parts


def _sizes(shares: Sequence[float], sentences: int) -> list[int]:
    """How many sentences each share is."""
    sizes: list[int] = []
    for share in shares:
        size = round(share * sentences)
        if not size:
            raise InvalidOption(f"--curve {share:g}: no sentence of {sentences:,}", "Take a larger share.")
        if size in sizes:
            raise InvalidOption(
                f"--curve {share:g}: {amount(size, 'sentences')}, as many as the share before", "Leave one of both out."
            )
        sizes.append(size)
    return sizes


# -- trainings -------------------------------------------------------------------------------------


def train_on_parts(
    setup: TrainingSetup, parts: Sequence[Part], test: Path | None
) -> tuple[Path, RunFacts, ComparisonFacts]:
    """Train on each part, then on all; parts that an interrupted run has scored are not trained on again.

    Args:
        setup: what the trainings share; its examples are those of all sentences.
        parts: in rising order; the last one is all.
        test: file to score too; None for none.

    Returns:
        directory and facts of the training on all, and how the parts compare.
    """
    scores: list[PartScore] = []
    for number, part in enumerate(parts[:-1], start=1):
        scores.append(_score_part(setup, number, part, test))
    logger.info("part %s: all %s", len(parts), amount(len(parts[-1].sentences), "sentences"))
    tuning = setup.fine_tuning()
    run = tuning.run("train")
    scores.append(_score(tuning, run, parts[-1], test))
    return tuning.directory, run, compare_parts(scores, METRICS[run["metric"]])


def _score_part(setup: TrainingSetup, number: int, part: Part, test: Path | None) -> PartScore:
    """Train on a part and score its model, which is removed then; or read what an interrupted run has kept of that."""
    kept, directory = setup.directory / f"scored-{number}", setup.directory / f"part-{number}"
    first = processes.rank() == 0
    score = processes.from_first(_read_kept(kept) if first else None)
    if score is None:
        logger.info("part %s: %s, a share of %g", number, amount(len(part.sentences), "sentences"), part.share)
        examples = setup.examples.part(part.sentences, part.words)
        tuning = replace(setup, make_examples=lambda: examples).fine_tuning(directory.name)
        score = _score(tuning, tuning.run(f"part {number}"), part, test)
        if first:
            _keep(kept, score)
    if first:
        remove(directory)
    return score


def _score(tuning: FineTuning, run: RunFacts, part: Part, test: Path | None) -> PartScore:
    """Score the kept weights of a training that has ended."""
    assert tuning.plan.dev
    facts: PartFacts = {
        "share": part.share,
        "sentences": len(part.sentences),
        "words": part.words,
        "entities": part.entities,
        "steps": run["steps"],
        "epoch_kept": run["epoch_kept"],
        "dev_f1": run["dev_f1"],
        "dev_interval": run["dev_interval"],
    }
    if test:
        on_test = tuning.score(test)
        facts = {**facts, "test_f1": on_test.value, "test_interval": list(on_test.interval)}
    return PartScore(facts, tuning.score(tuning.plan.dev, tuning.plan.dev_limit).counts)


def _keep(folder: Path, score: PartScore) -> None:
    """Keep the score of a part until all are published."""
    remove(folder)
    folder.mkdir()
    write_json(folder / SCORE, {"facts": score.facts, "counts": score.counts.tolist()})
    seal(folder)


def _read_kept(folder: Path) -> PartScore | None:
    """The score that an interrupted run has kept; None where there is none, or it is damaged."""
    if is_whole(folder):
        kept = read_json(folder / SCORE)
        return PartScore(kept["facts"], np.array(kept["counts"], np.int64).reshape(-1, 3))
    if is_sealed(folder):
        logger.warning("%s is damaged: the part is trained on anew", folder)
    return None


# -- what more data may bring ----------------------------------------------------------------------


def compare_parts(scores: Sequence[PartScore], metric: str) -> ComparisonFacts:
    """How the parts compare, and what the last doubling of the sentences brought.

    Args:
        scores: in rising order; the last one is of all sentences.
        metric: name of the dev score, for people.
    """
    *smaller, whole = scores
    half = min(smaller, key=lambda score: abs(math.log(2 / _times(whole, score))))
    difference = compare(whole.counts, half.counts)
    gain: GainFacts = {
        "sentences": half.facts["sentences"],
        "times": round(_times(whole, half), 4),
        "difference": difference.value,
        "interval": list(difference.interval),
    }
    return {
        "curve": [score.facts for score in scores],
        "gain": gain,
        "outlook": outlook(gain, whole.facts["sentences"], metric),
    }


def _times(whole: PartScore, part: PartScore) -> float:
    return whole.facts["sentences"] / part.facts["sentences"]


def outlook(gain: GainFacts, sentences: int, metric: str) -> str:
    """Say what more data may bring, no more surely than the interval of the last gain allows.

    Args:
        gain: from a part to all sentences.
        sentences: all of them.
        metric: name of the dev score.
    """
    low, high = gain["interval"]
    times = f"{gain['times']:.2g} times as many"
    measured = (
        f"From {gain['sentences']:,} to {sentences:,} sentences, dev {metric} changed by {gain['difference']:+.4f} "
        f"(95 %: {low:+.4f} to {high:+.4f})."
    )
    if low > 0:
        return f"{measured} With {times} as now, it may rise further, as a rule by less."
    if high < 0:
        return f"{measured} More sentences did not help."
    return f"{measured} What {times} would bring is not known: the interval holds 0."
