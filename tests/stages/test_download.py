"""Download: the README's own shell pipelines as oracle, byte for byte, and what a failure leaves behind."""

from __future__ import annotations

import hashlib
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from helpers import AWKWARD, CONLL, DATA, GERMEVAL, PIPELINES, PUBLISHED, as_bytes, shell
from hypothesis import given, settings

from nertool.errors import DownloadFailed, InvalidOption
from nertool.sources.recipes import RECIPES
from nertool.stages import download
from nertool.workspace.workspace import Workspace

SPLITS = ("train", "dev", "test")


def filtered(recipe: str, published: bytes) -> bytes:
    target = io.BytesIO()
    RECIPES[recipe].filters.apply(io.BytesIO(published), target)
    return target.getvalue()


def publish(folder: Path, recipe: str, *contents: str | bytes) -> Path:
    folder.mkdir(exist_ok=True)
    for split, content in zip(SPLITS, contents, strict=True):
        (folder / RECIPES[recipe].files[split].name).write_bytes(as_bytes(content))
    return folder


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("content", AWKWARD.values(), ids=AWKWARD)
@pytest.mark.parametrize("recipe", PIPELINES)
def test_awkward_files_become_the_bytes_of_the_pipeline(recipe: str, content: str | bytes) -> None:
    assert filtered(recipe, as_bytes(content)) == shell(recipe, as_bytes(content))


@pytest.mark.parametrize("recipe", PIPELINES)
@settings(max_examples=40, deadline=None)
@given(published=PUBLISHED)
def test_any_bytes_become_the_bytes_of_the_pipeline(recipe: str, published: bytes) -> None:
    assert filtered(recipe, published) == shell(recipe, published)


@pytest.mark.parametrize("recipe", PIPELINES)
def test_a_folder_of_published_files_is_kept_as_it_is_and_filtered(recipe: str, tmp_path: Path) -> None:
    contents = [as_bytes(AWKWARD[name]) for name in ("not UTF-8", "carriage returns", "documents")]
    source = publish(tmp_path / "published", recipe, *contents)
    workspace = Workspace(tmp_path / "workspace")
    download.run(workspace, download.Options(recipe=recipe, source=str(source)))
    for split, content in zip(SPLITS, contents, strict=True):
        assert (workspace / "raw" / RECIPES[recipe].files[split].name).read_bytes() == content
        assert (workspace / f"{split}.txt.tmp").read_bytes() == shell(recipe, content)
    assert not (workspace / ".download").exists()


@pytest.mark.parametrize(
    ("recipe", "content", "counts"),
    [
        ("germeval2014", GERMEVAL + "# x\n1\t#x\tO\tO\n\n\n", {"sentences": 2, "tokens": 3, "dropped_lines": 2}),
        ("wnut17", "#x\tO\ny\tO\n\t\n\t\nz\tB-person", {"sentences": 2, "tokens": 3, "dropped_lines": 0}),
        ("conll2003", CONLL, {"sentences": 2, "tokens": 3, "dropped_lines": 2}),
    ],
)
def test_sentences_tokens_and_dropped_lines_are_counted(
    recipe: str, content: str, counts: dict[str, int], tmp_path: Path
) -> None:
    source = publish(tmp_path / "published", recipe, content, content, "")
    result = download.run(Workspace(tmp_path / "w"), download.Options(recipe=recipe, source=str(source)))
    assert result.facts["train"] == result.facts["dev"] == counts
    assert result.facts["test"] == dict.fromkeys(counts, 0)


def test_a_second_run_is_fresh_and_a_changed_source_runs_again(tmp_path: Path) -> None:
    source = publish(tmp_path / "published", "wnut17", "a\tO\n", "b\tO\n", "c\tO\n")
    workspace, options = Workspace(tmp_path / "w"), download.Options(recipe="wnut17", source=str(source))
    assert not download.run(workspace, options).fresh
    record = (workspace / "workspace.json").read_bytes()
    assert download.run(workspace, options).fresh
    assert (workspace / "workspace.json").read_bytes() == record
    (source / "emerging.dev.conll").write_text("new\tB-person\n")
    again = download.run(workspace, options)
    assert (again.fresh, again.why) == (False, "again: emerging.dev.conll changed")
    assert (workspace / "dev.txt.tmp").read_text() == "new B-person\n"


def test_the_record_is_the_same_wherever_the_files_came_from(tmp_path: Path) -> None:
    records = []
    for name in ("one", "two"):
        source = publish(tmp_path / f"source-{name}", "wnut17", "a\tO\n", "b\tO\n", "c\tO\n")
        workspace = Workspace(tmp_path / name)
        download.run(workspace, download.Options(recipe="wnut17", source=str(source)))
        records.append((workspace / "workspace.json").read_bytes())
    assert records[0] == records[1]
    assert str(tmp_path).encode() not in records[0]


def test_another_recipe_takes_the_place_of_the_first_with_all_its_files(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "w")
    for recipe in ("germeval2014", "wnut17"):
        source = publish(tmp_path / recipe, recipe, "1\ta\tO\tO\n", "1\tb\tO\tO\n", "1\tc\tO\tO\n")
        download.run(workspace, download.Options(recipe=recipe, source=str(source)))
    published = sorted(file.name for file in RECIPES["wnut17"].files.values())
    assert sorted(path.name for path in (workspace / "raw").iterdir()) == published
    assert (workspace / "test.txt.tmp").read_text() == "1 c O O\n"


def test_missing_published_files_are_named_and_nothing_is_recorded(tmp_path: Path) -> None:
    source = publish(tmp_path / "published", "wnut17", "", "", "")
    (source / "wnut17train.conll").unlink()
    (source / "emerging.test.annotated").unlink()
    workspace = Workspace(tmp_path / "w")
    with pytest.raises(InvalidOption, match=r"wnut17train\.conll, emerging\.test\.annotated not there") as error:
        download.run(workspace, download.Options(recipe="wnut17", source=str(source)))
    assert "emerging.dev.conll" in error.value.hint
    assert not (workspace / "workspace.json").exists()


@pytest.mark.parametrize(
    ("recipe", "source", "message", "helps"),
    [
        ("wnut17", "/no/such/folder", "--source /no/such/folder: no such folder", "folder"),
        ("wnut17", "ftp://example.org/x", "no such folder", "http"),
        ("germeval", None, "no recipe 'germeval'", "germeval2014"),
    ],
)
def test_options_that_make_no_sense_are_refused_with_what_helps(
    recipe: str, source: str | None, message: str, helps: str, tmp_path: Path
) -> None:
    workspace = Workspace(tmp_path / "w")
    with pytest.raises(InvalidOption, match=message) as error:
        download.run(workspace, download.Options(recipe=recipe, source=source))
    assert helps in error.value.hint
    assert not workspace.path.exists()


def test_the_sample_needs_no_source_and_is_the_same_each_time(tmp_path: Path) -> None:
    files = {}
    for name in ("one", "two"):
        workspace = Workspace(tmp_path / name)
        facts = download.run(workspace, download.Options(recipe="sample")).facts
        assert all(facts[split]["tokens"] > facts[split]["sentences"] > 0 for split in SPLITS)
        paths = [path for path in workspace.path.rglob("*") if path.is_file() and path.name != "runs.jsonl"]
        files[name] = {path.relative_to(workspace.path).as_posix(): path.read_bytes() for path in paths}
    assert files["one"] == files["two"]
    for split in SPLITS:
        assert files["one"][f"{split}.txt.tmp"] == shell("germeval2014", files["one"][f"raw/sample-{split}.tsv"])


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of parquet files in the place of the hub's CoNLL-2003, and a cache of the test's own."""
    from datasets import ClassLabel, Dataset, Features, Sequence, Value, config

    tags = Sequence(ClassLabel(names=["O", "B-PER", "I-PER", "B-LOC"]))
    features = Features({"id": Value("string"), "tokens": Sequence(Value("string")), "ner_tags": tags})
    rows = {
        "train": [(["Anna", "Höß", "left"], [1, 2, 0]), (["Oslo"], [3])],
        "validation": [(["#", "Anna"], [0, 1])],
        "test": [([".", "\x96", "\ufeff"], [0, 0, 0])],
    }
    monkeypatch.setattr(config, "HF_DATASETS_CACHE", tmp_path / "cache")
    folder = tmp_path / "hub"
    for name, pairs in rows.items():
        table = [{"id": str(n), "tokens": tokens, "ner_tags": ids} for n, (tokens, ids) in enumerate(pairs)]
        folder.mkdir(exist_ok=True)
        Dataset.from_list(table, features=features).to_parquet(folder / f"{name}.parquet")
    monkeypatch.setitem(RECIPES, "conll2003", replace(RECIPES["conll2003"], hub=str(folder)))
    return folder


def test_a_hub_data_set_is_written_with_the_names_of_its_tags(hub: Path, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "w")
    result = download.run(workspace, download.Options(recipe="conll2003"))
    assert {split: (workspace / f"{split}.txt.tmp").read_text(encoding="utf-8") for split in SPLITS} == {
        "train": "Anna B-PER\nHöß I-PER\nleft O\n\nOslo B-LOC\n\n",
        "dev": "# O\nAnna B-PER\n\n",
        "test": ". O\n\x96 O\n\ufeff O\n\n",
    }
    assert result.facts["train"] == {"sentences": 2, "tokens": 4}


def test_a_source_folder_goes_before_the_hub(hub: Path, tmp_path: Path) -> None:
    source = publish(tmp_path / "published", "conll2003", CONLL, CONLL, CONLL)
    workspace = Workspace(tmp_path / "w")
    download.run(workspace, download.Options(recipe="conll2003", source=str(source)))
    assert (workspace / "dev.txt.tmp").read_text() == "EU B-ORG\nrejects O\n\nPeter B-PER\n"


@pytest.mark.parametrize("name", ["nobody/has-this-data-set", "./no/such/folder"])
def test_a_hub_out_of_reach_is_told_with_the_files_that_help(
    name: str, hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(RECIPES, "conll2003", replace(RECIPES["conll2003"], hub=name))
    workspace = Workspace(tmp_path / "w")
    with pytest.raises(DownloadFailed, match=f"{name} cannot be had from the hub") as error:
        download.run(workspace, download.Options(recipe="conll2003"))
    assert "eng.train, eng.testa, eng.testb" in error.value.hint
    assert workspace.records() == {}
    assert not list(workspace.path.glob("*.tmp"))


@pytest.mark.parametrize("recipe", ["germeval2014", "wnut17"])
def test_real_data_becomes_what_the_published_pipeline_makes_of_it(recipe: str, shared: Path, tmp_path: Path) -> None:
    digests = json.loads((DATA / "digests.json").read_text())[recipe]
    downloaded = {name: digest for name, digest in digests.items() if name.endswith(".tmp")}
    assert len(downloaded) == 3
    workspace = Workspace(tmp_path / "w")
    download.run(workspace, download.Options(recipe=recipe, source=str(shared / "data" / recipe)))
    assert {name: sha256(workspace / name) for name in downloaded} == downloaded


@pytest.mark.parametrize(("recipe", "edition"), [("germeval2014", "GermEval 2014"), ("wnut17", "WNUT 2017")])
def test_real_data_are_a_known_edition(
    recipe: str, edition: str, shared: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = str(shared / "data" / recipe)
    result = download.run(Workspace(tmp_path / "w"), download.Options(recipe=recipe, source=source))
    assert (result.facts["edition"], caplog.messages) == (edition, [])


def test_a_real_treebank_gives_a_tag_to_every_word(shared: Path, tmp_path: Path) -> None:
    source = shared / "data" / "ud-english-atis"
    workspace = Workspace(tmp_path / "w")
    result = download.run(workspace, download.Options(recipe="ud-english-atis", source=str(source)))
    for split in SPLITS:
        published = (source / f"en_atis-ud-{split}.conllu").read_text(encoding="utf-8").splitlines()
        words = [line.split("\t") for line in published if re.match(r"\d+\t", line)]
        lines = (workspace / f"{split}.txt.tmp").read_text(encoding="utf-8").splitlines()
        assert [line for line in lines if line] == [f"{word[1]} {word[3]}" for word in words]
        sentences = sum(line.startswith("# sent_id") for line in published)
        assert result.facts[split] == {"sentences": sentences, "tokens": len(words)}
