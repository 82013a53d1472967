"""Data sets of the Hub and in folders: splits, columns, configurations, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from helpers import snapshot
from own_file import run, stored

from nertool.errors import DownloadFailed, InvalidData, InvalidOption, NertoolError
from nertool.workspace.workspace import Workspace


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache of the test's own."""
    from datasets import config

    monkeypatch.setattr(config, "HF_DATASETS_CACHE", tmp_path / "cache")


def data_set(*words: str) -> Any:
    """A sentence a word, tagged by integers with names in three columns."""
    from datasets import ClassLabel, Dataset, Features, Sequence, Value

    def tags(*names: str) -> Any:
        return Sequence(ClassLabel(names=list(names)))

    features = Features(
        {
            "tokens": Sequence(Value("string")),
            "pos_tags": tags("NN", "VB"),
            "chunk_tags": tags("O", "B-NP"),
            "ner_tags": tags("O", "B-X"),
        }
    )
    rows = [{"tokens": [word, "!"], "pos_tags": [1, 0], "chunk_tags": [1, 0], "ner_tags": [1, 0]} for word in words]
    return Dataset.from_list(rows, features=features)


def saved(folder: Path, **splits: Any) -> str:
    """A folder as `save_to_disk` writes it."""
    from datasets import DatasetDict

    DatasetDict(splits).save_to_disk(folder)
    return str(folder)


def as_parquet(folder: Path, **splits: Any) -> str:
    folder.mkdir(exist_ok=True)
    for split, rows in splits.items():
        rows.to_parquet(folder / f"{split}.parquet")
    return str(folder)


@pytest.mark.parametrize("write", [saved, as_parquet])
@pytest.mark.parametrize("dev", ["validation", "dev", "valid"])
def test_a_data_set_in_a_folder_gives_the_splits_by_our_names(
    dev: str, write: Any, w: Workspace, tmp_path: Path, cache: None
) -> None:
    folder = write(tmp_path / "set", train=data_set("a", "b"), **{dev: data_set("c")}, test=data_set("d"))
    result = run(w, dataset=folder)
    assert stored(w) == {
        "train": "a B-X\n! O\n\nb B-X\n! O\n\n",
        "dev": "c B-X\n! O\n\n",
        "test": "d B-X\n! O\n\n",
    }
    assert result.facts["train"] == {"sentences": 2, "tokens": 4}
    assert result.facts["source"] == "set"
    assert run(w, dataset=folder).fresh
    assert str(tmp_path) not in (w / "workspace.json").read_text()


def test_a_single_data_set_saved_to_disk_is_train(w: Workspace, tmp_path: Path, cache: None) -> None:
    data_set("a").save_to_disk(tmp_path / "set")
    run(w, dataset=str(tmp_path / "set"))
    assert stored(w) == {"train": "a B-X\n! O\n\n"}


@pytest.mark.parametrize(
    ("options", "tags"),
    [({"task": "pos"}, "VB NN"), ({"task": "chunk"}, "B-NP O"), ({"tag_column": "pos_tags"}, "VB NN")],
)
def test_the_task_chooses_the_column_of_a_data_set(
    options: Any, tags: str, w: Workspace, tmp_path: Path, cache: None
) -> None:
    run(w, dataset=saved(tmp_path / "set", train=data_set("a", "b")), limit=1, **options)
    first, second = tags.split()
    assert stored(w) == {"train": f"a {first}\n! {second}\n\n"}


def test_a_column_that_a_data_set_does_not_have_is_told_with_those_it_has(
    w: Workspace, tmp_path: Path, cache: None
) -> None:
    with pytest.raises(InvalidOption, match="no column 'nowhere'") as error:
        run(w, dataset=saved(tmp_path / "set", train=data_set("a")), tag_column="nowhere")
    assert "tokens, pos_tags, chunk_tags, ner_tags" in error.value.hint
    assert stored(w) == {} and w.records() == {}


def test_a_changed_data_set_runs_again(w: Workspace, tmp_path: Path, cache: None) -> None:
    for write in (saved, as_parquet):
        for word in ("a", "b"):
            folder = write(tmp_path / write.__name__, train=data_set(word))
            assert not run(w, dataset=folder).fresh
            assert stored(w) == {"train": f"{word} B-X\n! O\n\n"}


def test_locked_refuses_a_data_set_that_changed(w: Workspace, tmp_path: Path, cache: None) -> None:
    run(w, dataset=as_parquet(tmp_path / "set", train=data_set("a")))
    before = snapshot(w.path)
    folder = as_parquet(tmp_path / "set", train=data_set("b"))
    with pytest.raises(InvalidData, match=r"train\.parquet is not the file of the record"):
        run(w, dataset=folder, locked=True)
    assert snapshot(w.path) == before


def test_splits_that_are_none_of_ours_are_told(
    w: Workspace, tmp_path: Path, cache: None, caplog: pytest.LogCaptureFixture
) -> None:
    folder = saved(tmp_path / "set", train=data_set("a"), extra=data_set("b"), unlabelled=data_set("c"))
    run(w, dataset=folder)
    assert stored(w) == {"train": "a B-X\n! O\n\n"}
    assert [message for message in caplog.messages if "extra, unlabelled" in message]


def test_a_data_set_without_a_split_of_ours_is_refused(w: Workspace, tmp_path: Path, cache: None) -> None:
    with pytest.raises(InvalidOption, match="none of its splits.*: all, extra") as error:
        run(w, dataset=saved(tmp_path / "set", all=data_set("a"), extra=data_set("b")))
    assert "--train-file" in error.value.hint
    assert stored(w) == {} and w.records() == {}


def test_a_data_set_that_needs_a_loading_script_is_refused_with_the_way_out(
    w: Workspace, tmp_path: Path, cache: None
) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "set.py").write_text("raise SystemExit('never run')\n")
    with pytest.raises(DownloadFailed, match="set needs a loading script") as error:
        run(w, dataset=str(tmp_path / "set"))
    assert "save_to_disk" in error.value.hint and "--dataset-revision" in error.value.hint


@pytest.mark.parametrize("name", ["nobody/transcripts", "nobody/configurations", "./no/such/config", "./no/script"])
def test_a_data_set_that_is_not_there_is_told_so_whatever_its_name(name: str, w: Workspace, cache: None) -> None:
    with pytest.raises(DownloadFailed, match=f"{name} cannot be had"):
        run(w, dataset=name)


def two_configurations(folder: Path) -> str:
    for name, word in (("first", "a"), ("second", "b")):
        (folder / name).mkdir(parents=True)
        as_parquet(folder / name, train=data_set(word))
    lines = [f"- config_name: {name}\n  data_files: {name}/train.parquet\n" for name in ("first", "second")]
    (folder / "README.md").write_text(f"---\nconfigs:\n{''.join(lines)}---\n")
    return str(folder)


@pytest.mark.parametrize("wanted", [None, "third"])
def test_of_several_configurations_one_has_to_be_named(
    wanted: str | None, w: Workspace, tmp_path: Path, cache: None
) -> None:
    with pytest.raises(InvalidOption, match="first.*second") as error:
        run(w, dataset=two_configurations(tmp_path / "set"), dataset_config=wanted)
    assert "--dataset-config" in error.value.hint


def test_a_named_configuration_is_taken(w: Workspace, tmp_path: Path, cache: None) -> None:
    run(w, dataset=two_configurations(tmp_path / "set"), dataset_config="second")
    assert stored(w) == {"train": "b B-X\n! O\n\n"}


@pytest.mark.parametrize(
    "contents",
    [
        {},
        {"train.parquet": b"text"},
        {"train.jsonl": b'{"tokens": ["a"], "tags"'},
        {"dataset_dict.json": b"{"},
        {"dataset_dict.json": b"{}"},
        {"dataset_dict.json": b'{"splits": ["train"]}'},
        {"state.json": b"{}"},
        {"state.json": b'{"_data_files": []}', "dataset_info.json": b"{}"},
    ],
    ids=str,
)
def test_a_folder_that_holds_no_data_set_is_refused(
    contents: dict[str, bytes], w: Workspace, tmp_path: Path, cache: None
) -> None:
    (tmp_path / "set").mkdir()
    for name, content in contents.items():
        (tmp_path / "set" / name).write_bytes(content)
    with pytest.raises(NertoolError, match="set"):
        run(w, dataset=str(tmp_path / "set"))
    assert stored(w) == {} and w.records() == {}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"tokens": ["a", "b"], "tags": ["O"]}, "1 tags for 2 tokens"),
        ({"tokens": ["a"], "tags": [3]}, "integer without a name"),
        ({"tokens": "a", "tags": ["O"]}, "not a list"),
        ({"tokens": ["a"], "tags": None}, "nothing, not a list"),
    ],
)
def test_a_row_of_a_data_set_that_is_none_is_named(
    row: dict[str, Any], message: str, w: Workspace, tmp_path: Path, cache: None
) -> None:
    pytest.importorskip("datasets")
    from datasets import Dataset

    with pytest.raises(InvalidData, match=f"set: row 1: .*{message}"):
        run(w, dataset=saved(tmp_path / "set", train=Dataset.from_list([row])))
