"""Another model's tags of the same sentences, and how far apart two models are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from nertool.corpus.column_files import read_sentences
from nertool.errors import InvalidOption, MissingInput, command
from nertool.workspace.names import EVALUATION
from nertool.workspace.workspace import Workspace

if TYPE_CHECKING:
    from nertool.scoring.prediction_files import Tagged


class OtherModel(NamedTuple):
    """The model that is compared with.

    Attributes:
        tagged: gives the sentences as it tags them.
        files: that it, or its predictions, are made of; by name.
    """

    tagged: Callable[[], Iterable[Tagged]]
    files: dict[str, Path]


def difference(
    tagged: Iterable[Tagged], path: Path, others: Iterable[Tagged], other_path: Path, scheme: str | None
) -> dict[str, Any]:
    """Scores of both, how far apart they are, with interval and p-value, and all results of the other one.

    Args:
        tagged: sentences with the tags of the model in question.
        path: where those come from.
        others: the same sentences with the other model's tags.
        other_path: where those come from.
        scheme: of the strict mode; None for that of most tags.

    Raises:
        InvalidData: they are not the same sentences (names both places).
    """
    from nertool.scoring.bootstrap import compare
    from nertool.scoring.prediction_files import check_same
    from nertool.scoring.scorer import Scorer

    scorers = Scorer(scheme, keep_sentences=True), Scorer(scheme, keep_sentences=True)
    for sentence, other in zip_longest(tagged, others):
        check_same(sentence, path, other, other_path)
        scorers[0].add(sentence.gold, sentence.predicted)
        scorers[1].add(sentence.gold, other.predicted)
    lead = compare(scorers[0].sentence_counts(), scorers[1].sentence_counts())
    scores = {"metric": scorers[0].metric, "ours": scorers[0].headline, "other": scorers[1].headline}
    found = {**scores, "difference": lead.value, "interval": lead.interval, "p": lead.p}
    return {**found, "other_results": scorers[1].results()}


def find_other(
    workspace: Workspace, name: str, split: str, splits: Sequence[str], trust_remote_code: bool = False
) -> OtherModel:
    """The other model's tags of a split: a model directory, here or elsewhere, tags it; else there is a file of them.

    Args:
        name: what --compare names.
        splits: all that are compared.
        trust_remote_code: run code that comes with a model.

    Raises:
        InvalidOption: one file for several splits.
        MissingInput: there is nothing of the kind.
    """
    from nertool.scoring.prediction_files import read_tagged

    inside = workspace / name
    place = inside if not Path(name).exists() and inside.exists() else Path(name)
    if (place / "config.json").is_file():
        with Workspace(place.parent).reading():
            files = {path.name: path for path in sorted(place.iterdir()) if path.is_file()}
        return OtherModel(lambda: _tagged_by(place, workspace / f"{split}.txt", trust_remote_code), files)
    if place.is_file() and len(splits) > 1:
        raise InvalidOption(f"--compare {name}: one file, but {len(splits)} splits", f"Name its split: --split {split}")
    path = predictions_of(workspace, name, split, "--compare")
    return OtherModel(lambda: read_tagged(path), {"predictions": path})


def _tagged_by(directory: Path, path: Path, trust_remote_code: bool) -> Iterator[Tagged]:
    from nertool.models.load_tagger import load_tagger
    from nertool.scoring.prediction_files import Tagged

    tagger = load_tagger(directory, trust_remote_code=trust_remote_code)
    tags = tagger.tag(sentence.tokens for sentence in read_sentences(path))
    for sentence, predicted in zip(read_sentences(path), tags, strict=True):
        yield Tagged(sentence.tokens, sentence.tags, predicted, sentence.line)


def predictions_of(workspace: Workspace, name: str, split: str, option: str) -> Path:
    """The file of a split's predictions: itself, in a directory of them, or in a workspace.

    Args:
        option: that names it, for the message.

    Raises:
        MissingInput: there is none.
    """
    file = f"{split}_predictions.txt"
    for place in (Path(name), workspace / name):
        with Workspace(place).reading():  # finishes what a kill left
            pass
        for path in (place, place / file, place / EVALUATION / file):
            if path.is_file():
                return path
    raise MissingInput(
        f"{option} {name}: neither a predictions file nor a workspace or directory with {file}",
        f"Make them first: {command(Path(name), 'evaluate')}",
    )
