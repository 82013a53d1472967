"""What a model's probabilities say of a split beside its tags: how far they can be trusted, and F1 by argmax."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nertool.scoring.calibration_error import CalibrationError
from nertool.scoring.operating_points import ScoredEntities
from nertool.scoring.scorer import Scorer

if TYPE_CHECKING:
    from nertool.models.tagger import Tagger
    from nertool.models.tagging import Tagging


class SplitProbabilities:
    """Collects the probabilities of a split as a model tags it.

    Args:
        tagger: that tags it.
    """

    def __init__(self, tagger: Tagger) -> None:
        self.tagger = tagger
        self.as_argmax = None if tagger.decoder.is_free else Scorer()
        self.entities = ScoredEntities()
        self.calibration_errors = {name: (CalibrationError(), CalibrationError()) for name in ("before", "after")}

    def add(self, gold: Sequence[str], tagging: Tagging) -> None:
        """Add a sentence as `Tagger.tag_scored` gave it."""
        if self.as_argmax:
            self.as_argmax.add(gold, self.tagger.most_probable(tagging))
        entities = {*tagging.spelling.entities(gold)}
        self.entities.add(entities, tagging.scored_spans())
        for scored, (of_words, of_entities) in zip(
            (self.tagger.uncalibrated(tagging), tagging), self.calibration_errors.values(), strict=True
        ):
            of_words.add(scored.scores, [tag == right for tag, right in zip(scored.tags, gold, strict=True)])
            of_entities.add(scored.span_scores, [span in entities for span in scored.spans()])

    def results(self) -> dict[str, Any]:
        """How tags were decoded, and F1 as run_ner.py decodes, if that is another way; calibration errors before and
        after calibration; precision and recall over the threshold.
        """
        results: dict[str, Any] = {"decoding": "viterbi" if self.tagger.scheme else "argmax"}
        if self.as_argmax:
            results["argmax"] = self.as_argmax.figures()
        calibration: dict[str, Any] = {"temperature": self.tagger.calibration.temperature}
        for name, (of_words, of_entities) in self.calibration_errors.items():
            calibration[name] = {"words": of_words.results(), "entities": of_entities.results()}
        curve = self.entities.curve()
        return {**results, "calibration": calibration, **({"by_threshold": curve} if curve else {})}
