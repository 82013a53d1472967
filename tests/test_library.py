"""nertool as a library: the public names, when they are loaded, and what they do in a few lines."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import FrozenInstanceError
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

import nertool

PUBLIC = {
    "__version__",
    "Workspace",
    "NertoolError",
    "load_tagger",
    "Tagger",
    "Entity",
    "Span",
    "spans",
    "score",
    "Scorer",
    "RECIPES",
}
HEAVY = {"torch", "transformers", "datasets", "numpy", "pandas", "pyarrow", "matplotlib", "scipy", "typer", "rich"}
TEXT = "anna visited  new lisbon.\n\nbruno left oslo ."


def modules_after(code: str) -> set[str]:
    """Top-level modules that a fresh interpreter has loaded after `code`."""
    code += "; import sys; print(*{name.partition('.')[0] for name in sys.modules})"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_the_public_names_are_listed_and_there() -> None:
    assert set(nertool.__all__) == PUBLIC
    assert set(dir(nertool)) >= PUBLIC
    assert nertool.__version__ == version("nertool")
    with pytest.raises(AttributeError, match="module 'nertool' has no attribute 'nothing'"):
        nertool.nothing  # noqa: B018


def test_the_package_is_typed() -> None:
    assert (Path(nertool.__file__).parent / "py.typed").exists()


@pytest.mark.parametrize("code", ["import nertool", "import nertool; nertool.Workspace; nertool.NertoolError"])
def test_importing_loads_nothing_heavy(code: str) -> None:
    assert modules_after(code) & HEAVY == set()


def test_spans_and_scores_need_no_model() -> None:
    assert "torch" not in modules_after("import nertool; nertool.spans; nertool.score; nertool.Scorer; nertool.RECIPES")
    assert list(nertool.spans(["B-PER", "I-PER", "O"])) == [nertool.Span("PER", 0, 2)]
    gold, predicted = ["B-PER", "O", "B-LOC"], ["B-PER", "O", "O"]
    assert nertool.score([(gold, predicted)]).results()["f1"] == pytest.approx(2 / 3)
    assert "germeval2014" in nertool.RECIPES


@pytest.mark.model
def test_a_tagger_finds_entities_in_a_text(trained: Path) -> None:
    tagger = nertool.load_tagger(str(trained / "model"))
    assert isinstance(tagger, nertool.Tagger)
    entities = tagger.entities(TEXT)
    assert [(entity.label, entity.text) for entity in entities] == [
        ("PER", "anna"),
        ("LOC", "new lisbon"),
        ("PER", "bruno"),
        ("LOC", "oslo"),
    ]
    for entity in entities:
        assert TEXT[entity.start : entity.end] == entity.text
        assert 0.5 < entity.score <= 1
    with pytest.raises(FrozenInstanceError):
        entities[0].label = "LOC"  # type: ignore[misc]
    assert tagger.entities("") == tagger.entities(" \n\n") == []


@pytest.mark.model
def test_a_tagger_tags_words(trained: Path) -> None:
    tagger = nertool.load_tagger(trained / "model")
    assert list(tagger.tag([["anna", "left", "oslo"], []])) == [["B-PER", "O", "B-LOC"], []]


@pytest.mark.model
def test_a_text_is_no_sentence_of_words(trained: Path) -> None:
    tagger = nertool.load_tagger(trained / "model")
    for sentences in (["anna left"], "anna left"):
        with pytest.raises(nertool.NertoolError, match="got a text") as error:
            list(tagger.tag(sentences))
        assert "`entities`" in error.value.hint
    with pytest.raises(nertool.NertoolError, match="`entities` takes one text, and got a list") as error:
        tagger.entities(["anna", "left"])  # type: ignore[arg-type]
    assert "`tag`" in error.value.hint


@pytest.mark.parametrize(
    "pair", [(["B-PER"], ["B-PER", "O"]), ("B-PER", "B-LOC"), (["O", "O"], "OO")], ids=["lengths", "texts", "one text"]
)
def test_what_is_no_pair_of_tags_is_not_scored(pair: Any) -> None:
    with pytest.raises(nertool.NertoolError, match="a sentence with") as error:
        nertool.score([pair])
    assert "for each sentence" in error.value.hint


@pytest.mark.model
def test_a_workspace_in_place_of_a_model_is_told_what_it_holds(tmp_path: Path) -> None:
    for name in ("quantized", "model"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}")
    with pytest.raises(nertool.NertoolError) as error:
        nertool.load_tagger(tmp_path)
    assert error.value.hint.endswith(f": {tmp_path / 'model'} or {tmp_path / 'quantized'}")


def test_a_directory_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(nertool.NertoolError, match="nowhere holds no model: there is no such directory"):
        nertool.load_tagger(tmp_path / "nowhere")
