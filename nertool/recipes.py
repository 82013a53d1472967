"""Named data sets: which files, which columns, which model and hyperparameters, and the scores published for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from nertool.columns import Filters
from nertool.errors import InvalidOption
from nertool.scoring import Counts

_DRIVE = "https://drive.google.com/uc?export=download&id="
_WNUT = "https://raw.githubusercontent.com/leondz/emerging_entities_17/master/"


@dataclass(frozen=True)
class Published:
    """A file as its publisher names it, and where it can be had; without a URL it comes from elsewhere."""

    name: str
    url: str = ""


@dataclass(frozen=True)
class Recipe:
    """A named data set.

    Attributes:
        name: what the user types.
        title: one line for people.
        files: the published file of each split.
        filters: how a published file becomes `token, space, tag` lines.
        defaults: option values below the user's own and above nertool's.
        scores: published entity counts by split.
        hub: hub data set that holds the splits, for recipes whose files have no URL of their own.
        generate: makes the files (name -> bytes) where nobody publishes them.
    """

    name: str
    title: str
    files: Mapping[str, Published]
    filters: Filters
    defaults: Mapping[str, Any] = field(default_factory=dict)
    scores: Mapping[str, Counts] = field(default_factory=dict)
    hub: str = ""
    generate: Callable[[], dict[str, bytes]] | None = None

    @property
    def home(self) -> str:
        """The host that publishes the files, or `generated`."""
        url = self.files["train"].url
        return urlsplit(url).hostname or "generated"


def _sample_files() -> dict[str, bytes]:
    from nertool.sample import published_files

    return published_files()


GERMEVAL_FILTERS = Filters(drop_comments=True, fields=(2, 3))

RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            "sample",
            "small generated corpus with GermEval's columns and labels; needs no network",
            {split: Published(f"sample-{split}.tsv") for split in ("train", "dev", "test")},
            GERMEVAL_FILTERS,
            {"model": "minilm", "learning_rate": 1e-4, "pieces": 4, "tolerance": 0.02},
            generate=_sample_files,
        ),
        Recipe(
            "germeval2014",
            "GermEval 2014, German named entities, 12 types",
            {
                "train": Published("NER-de-train.tsv", _DRIVE + "1Jjhbal535VVz2ap4v4r_rN1UEHTdLK5P"),
                "dev": Published("NER-de-dev.tsv", _DRIVE + "1ZfRcQThdtAR5PPRjIDtrVP7BtXSCUBbm"),
                "test": Published("NER-de-test.tsv", _DRIVE + "1u9mb7kNJHWQCWyweMDRMuTFoOHOfeBTH"),
            },
            GERMEVAL_FILTERS,
            {"model": "bert-base-multilingual-cased"},
            {"dev": Counts(2349, 2774, 2674), "test": Counts(5328, 6192, 6178)},
        ),
        Recipe(
            "wnut17",
            "WNUT'17 emerging and rare entities, English, 6 types",
            {
                "train": Published("wnut17train.conll", _WNUT + "wnut17train.conll"),
                "dev": Published("emerging.dev.conll", _WNUT + "emerging.dev.conll"),
                "test": Published("emerging.test.annotated", _WNUT + "emerging.test.annotated"),
            },
            Filters(),
            {"model": "bert-large-cased", "save_steps": 425},
            {"dev": Counts(424, 605, 836), "test": Counts(431, 738, 1079)},
        ),
        Recipe(
            "conll2003",
            "CoNLL-2003, English newswire, 4 types (from the hub, or eng.train, eng.testa, eng.testb)",
            {"train": Published("eng.train"), "dev": Published("eng.testa"), "test": Published("eng.testb")},
            Filters(fields=(1, 4), delimiter=b" ", drop_docstart=True),
            {"model": "bert-base-uncased"},
            hub="tomaarsen/conll2003",
        ),
    )
}


def find_recipe(name: str) -> Recipe:
    """The recipe of that name.

    Raises:
        InvalidOption: there is none.
    """
    if name not in RECIPES:
        raise InvalidOption(f"no recipe {name!r}", f"Recipes: {', '.join(RECIPES)}")
    return RECIPES[name]
