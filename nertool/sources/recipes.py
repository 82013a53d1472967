"""Named data sets: their files and columns, model and hyperparameters, and published scores."""

from __future__ import annotations

import difflib
import os
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from nertool.counts import Counts
from nertool.errors import InvalidOption
from nertool.sources.shell_filters import Filters

_DRIVE = "https://drive.google.com/uc?export=download&id="
_WNUT = "https://raw.githubusercontent.com/leondz/emerging_entities_17/master/"
_CONLL2000 = "https://www.clips.uantwerpen.be/conll2000/chunking/"
_UD = "https://raw.githubusercontent.com/UniversalDependencies/"

TREEBANKS = {
    "UD_Arabic-PADT": "ar_padt",
    "UD_Chinese-GSD": "zh_gsd",
    "UD_Danish-DDT": "da_ddt",
    "UD_Dutch-Alpino": "nl_alpino",
    "UD_English-ATIS": "en_atis",
    "UD_English-EWT": "en_ewt",
    "UD_English-GUM": "en_gum",
    "UD_Finnish-TDT": "fi_tdt",
    "UD_French-GSD": "fr_gsd",
    "UD_German-GSD": "de_gsd",
    "UD_Hindi-HDTB": "hi_hdtb",
    "UD_Italian-ISDT": "it_isdt",
    "UD_Japanese-GSD": "ja_gsd",
    "UD_Portuguese-Bosque": "pt_bosque",
    "UD_Spanish-AnCora": "es_ancora",
    "UD_Swedish-Talbanken": "sv_talbanken",
}
"""Repositories of Universal Dependencies, and the prefix of their files' names."""


@dataclass(frozen=True)
class Published:
    """A file by its publisher's name, and its URL; empty if the file comes from the Hub or is generated."""

    name: str
    url: str = ""


@dataclass(frozen=True)
class Recipe:
    """A named data set.

    Attributes:
        name: name that the user types.
        title: description in one line.
        files: the published file of each split.
        filters: turn a published file into `token, space, tag` lines; None if a reader is chosen by the file's name.
        columns: names of the tag columns and their 1-based numbers, for `filters`; the first one is the default.
        tasks: tasks that its tags serve; the first one is the default.
        defaults: option values; they take precedence over nertool's defaults, the user's own over them.
        task_defaults: option values by task; they take precedence over `defaults`.
        tuned: option values by model that `train --search` found on dev; they take precedence over both.
        note: remark on the published scores, shown in the report.
        scores: published entity counts by split, with the model of `defaults`.
        metric: ranking of its shared task, if that is not plain F1: `surface_forms` or `both_layers`; else empty.
        hub: data set of the Hub that holds the splits, if the files have no URL of their own; else empty.
        generate: makes the files (name -> bytes) that nobody publishes.
        editions: for each known edition of the files, SHA-256 of `{split}.txt.tmp` by split.
    """

    name: str
    title: str
    files: Mapping[str, Published]
    filters: Filters | None
    columns: Mapping[str, int] = field(default_factory=dict)
    tasks: tuple[str, ...] = ("ner",)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    task_defaults: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    tuned: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    note: str = ""
    scores: Mapping[str, Counts] = field(default_factory=dict)
    metric: str = ""
    hub: str = ""
    generate: Callable[[], dict[str, bytes]] | None = None
    editions: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def home(self) -> str:
        """The host that publishes the files, or `generated`."""
        url = self.files["train"].url
        return urlsplit(url).hostname or "generated"

    def values(self, task: str | None) -> dict[str, Any]:
        """Option values for a task; None stands for the recipe's default task."""
        return {**self.defaults, **self.task_defaults.get(task or self.tasks[0], {})}

    def check_task(self, task: str | None) -> str:
        """The task, or the recipe's default if it is None.

        Raises:
            InvalidOption: the data set has no tags for it.
        """
        if task is not None and task not in self.tasks:
            raise InvalidOption(f"{self.name} has no tags for --task {task}", f"It has {', '.join(self.tasks)}.")
        return task or self.tasks[0]

    def filters_for(self, task: str, tag_column: str) -> Filters | None:
        """Filters that keep a tag column, given by name or number; None if a reader is chosen by the file's name.

        Raises:
            InvalidOption: the column does not exist.
        """
        if self.filters is None:
            return None
        if not self.columns or self.filters.fields is None:
            if tag_column:
                raise InvalidOption(f"{self.name} has one tag column", "Leave --tag-column out.")
            return self.filters
        numbers = dict(self.columns)
        for number in self.columns.values():
            numbers[str(number)] = number
        column = tag_column or (task if task in self.columns else next(iter(self.columns)))
        if column not in numbers:
            raise InvalidOption(
                f"{self.name} has no column {tag_column!r}", f"--tag-column takes {', '.join(self.columns)}."
            )
        return replace(self.filters, fields=(self.filters.fields[0], numbers[column]))


def _sample_files() -> dict[str, bytes]:
    from nertool.sources.sample import published_files

    return published_files()


def _treebank(repository: str, code: str) -> Recipe:
    files = {split: f"{code}-ud-{split}.conllu" for split in ("train", "dev", "test")}
    language, _, treebank = repository.removeprefix("UD_").partition("-")
    return Recipe(
        repository.lower().replace("_", "-"),
        f"Universal Dependencies, {language}, {treebank} treebank: parts of speech",
        {split: Published(name, f"{_UD}{repository}/master/{name}") for split, name in files.items()},
        filters=None,
        tasks=("pos",),
        defaults={"model": "bert-base-uncased", "max_length": 200},
    )


GERMEVAL_FILTERS = Filters(drop_comments=True, fields=(2, 3))
GERMEVAL_COLUMNS = {"outer": 3, "inner": 4}

RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            "sample",
            "small generated corpus with GermEval's columns and labels; needs no network",
            {split: Published(f"sample-{split}.tsv") for split in ("train", "dev", "test")},
            GERMEVAL_FILTERS,
            GERMEVAL_COLUMNS,
            defaults={"model": "minilm", "learning_rate": 1e-4, "tolerance": 0.02},
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
            GERMEVAL_COLUMNS,
            defaults={"model": "bert-base-multilingual-cased"},
            scores={"dev": Counts(2349, 2774, 2674), "test": Counts(5328, 6192, 6178)},
            metric="both_layers",
            note="The README's TensorFlow tables (.8715 on dev, .8748 on test) are no target: that script moved every "
            "label by one place and counted runs of O as entities (5,968 on dev and 13,869 on test, in place of 2,674 "
            "and 6,178).",
            editions={
                "GermEval 2014": {
                    "train": "9c3f847e933d410120532b9400610e7d99db249a5d361060abbb42ecb398788e",
                    "dev": "3badce394b8ddcb30a32cf6c3ae8cb1f6e9827ce431ede31b4291d4ccfa054ad",
                    "test": "b0f977b4fad1a54b1ef4f6a2702716c373a6a8ec60c0f66e2e776eb9d688f98b",
                }
            },
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
            defaults={"model": "bert-large-cased", "save_steps": 425},
            tuned={"minilm": {"batch_size": 8, "num_epochs": 5.0}},  # by train --model minilm --search 6
            scores={"dev": Counts(424, 605, 836), "test": Counts(431, 738, 1079)},
            metric="surface_forms",
            editions={
                "WNUT 2017": {
                    "train": "c1f526ef741713676b2ba49efbffce18ddc013d17a4e3cd9fa94b4e555165331",
                    "dev": "b24b5eddb0fb1dc012adf25a66f7ea35494f7a9660e6d535c22a65ea34799167",
                    "test": "349d55e716aa84421cdbce5d28a080ba01b5321a1e224cfd0e46620540e72356",
                }
            },
        ),
        Recipe(
            "conll2003",
            "CoNLL-2003, English newswire, 4 types (from the hub, or eng.train, eng.testa, eng.testb)",
            {"train": Published("eng.train"), "dev": Published("eng.testa"), "test": Published("eng.testb")},
            Filters(fields=(1, 4), delimiter=b" ", drop_docstart=True),
            {"ner": 4, "pos": 2, "chunk": 3},
            tasks=("ner", "pos", "chunk"),
            defaults={"model": "bert-base-uncased"},
            task_defaults={"chunk": {"model": "bert-base-cased"}, "pos": {"max_length": 200}},
            hub="tomaarsen/conll2003",
        ),
        Recipe(
            "conll2000",
            "CoNLL-2000, English newswire: chunks, or parts of speech (train and test)",
            {
                "train": Published("train.txt.gz", _CONLL2000 + "train.txt.gz"),
                "test": Published("test.txt.gz", _CONLL2000 + "test.txt.gz"),
            },
            Filters(fields=(1, 3), delimiter=b" "),
            {"chunk": 3, "pos": 2},
            tasks=("chunk", "pos"),
            defaults={"model": "bert-base-cased", "keep": "last"},  # there is no dev to choose an epoch by
            task_defaults={"pos": {"model": "bert-base-uncased", "max_length": 200}},
        ),
        *(_treebank(repository, code) for repository, code in TREEBANKS.items()),
    )
}


def recipe_of(facts: Mapping[str, Any]) -> Recipe | None:
    """The recipe that the facts of a download name; None for data that are no recipe's."""
    return RECIPES.get(facts.get("recipe", ""))


def find_recipe(name: str) -> Recipe:
    """The recipe of that name.

    Raises:
        InvalidOption: there is none.
    """
    if name not in RECIPES:
        raise InvalidOption(f"no recipe {name!r}", _recipe_hint(name))
    return RECIPES[name]


def _recipe_hint(name: str) -> str:
    """How to name what was probably meant: a file, a data set in a folder or on the Hub, a recipe."""
    if os.path.isfile(name):
        return f"A file of your own is named by an option: --train-file {shlex.quote(name)}"
    if "/" in name or os.path.isdir(name):
        return f"Files are named by --train-file and --dev-file, a data set by --dataset {shlex.quote(name)}"
    near = difflib.get_close_matches(name.lower(), RECIPES, n=1)
    meant = f"Did you mean {near[0]}? " if near else ""
    return f"{meant}Recipes: {', '.join(RECIPES)}"


def recipe_names() -> list[str]:
    """The names of all recipes, for a shell that completes one."""
    return list(RECIPES)
