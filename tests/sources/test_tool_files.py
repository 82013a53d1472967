"""Files of annotation tools: brat, WebAnno and INCEpTION, spaCy; what is not read is refused with the way out."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import pytest
from own_file import taken, taken_from

from nertool.errors import InvalidData, InvalidOption, NertoolError
from nertool.stages import download
from nertool.workspace.workspace import Workspace

# -- brat ------------------------------------------------------------------------------------------

TEXT = "Anna Keller left Nordbank.\nRain in Linburg.\n"
ENTITIES = "T1\tPER 0 11\tAnna Keller\nT2\tORG 17 25\tNordbank\n"
TAGGED = "Anna B-PER Keller I-PER left O Nordbank B-ORG . O / Rain O in O Linburg O . O / "


def brat(folder: Path, text: str, annotations: str, name: str = "doc") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.txt").write_bytes(text.encode())
    (folder / f"{name}.ann").write_bytes(annotations.encode())
    return folder / f"{name}.ann"


@pytest.mark.parametrize("named", [".ann", ".txt"])
def test_a_pair_of_brats_is_read_by_either_name(named: str, tmp_path: Path) -> None:
    path = brat(tmp_path, TEXT, ENTITIES)
    assert taken_from(path.with_suffix(named)) == (TAGGED, {})


@pytest.mark.parametrize("names", [("doc.ANN", "doc.TXT"), ("doc.ann", "doc.TXT"), ("doc.ANN", "doc.txt")])
def test_names_of_brats_files_may_be_in_capitals(names: tuple[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    folder.mkdir()
    for name, content in zip(names, (ENTITIES, TEXT), strict=True):
        (folder / name).write_text(content)
    for path in (folder, folder / names[0], folder / names[1]):
        assert taken_from(path, force=True) == (TAGGED, {})


def test_a_folder_of_pairs_is_read_in_order_and_lonely_texts_are_counted(tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    brat(folder, "Bern\n", "T1\tLOC 0 4\tBern\n", "b")
    brat(folder, "Anna\n", "T1\tPER 0 4\tAnna\n", "a")
    brat(folder / "more", "Rain\n", "", "c")
    (folder / "README.txt").write_text("about")
    found, counts = taken_from(folder)
    assert found == "Anna B-PER / Bern B-LOC / Rain O / "
    assert counts == {"texts without an .ann file left out": 1}


def test_a_changed_text_makes_the_download_stale(tmp_path: Path) -> None:
    path = brat(tmp_path, TEXT, ENTITIES)
    workspace = Workspace(tmp_path / "w")
    options = download.Options(train_file=str(path))
    assert not download.run(workspace, options).fresh
    assert download.run(workspace, options).fresh
    path.with_suffix(".txt").write_text(TEXT + "Snow.\n")
    assert not download.run(workspace, options).fresh
    assert set(workspace.records()["download"]["sources"]) == {"train.ann", "train.txt"}


OTHERS_OF_BRAT = {"relations": 2, "events": 1, "attributes": 2, "normalizations": 1, "notes": 1}


@pytest.mark.parametrize(
    ("annotations", "wanted", "counts"),
    [
        ("T1\tPER 0 4;17 25\tAnna Nordbank", "", {"discontinuous spans left out": 1}),
        ("T1\tPER 0 4;5 11\tAnna Keller", "Anna B-PER Keller I-PER", {}),
        ("T1\tORG 0 11\tAnna Keller\nT2\tPER 0 4\tAnna", "Anna B-ORG Keller I-ORG", {"overlapping spans left out": 1}),
        ("T1\tPER 0 3\tAnn", "", {"spans off the token borders left out": 1}),
        ("T1\tORG 5 13\tNordbank", "Nordbank B-ORG", {"spans found by their own text": 1}),
        ("", "", {}),
        (
            f"{ENTITIES}R1\tat Arg1:T1 Arg2:T2\t\n*\tEquiv T1 T2\nE1\tx:T1\nA1\tOld T1\nM1\tOld E1\n"
            "N1\tRef T1 W:1\tA\n#1\tNote T1\tx",
            "B-ORG",
            {f"{name} left out": n for name, n in OTHERS_OF_BRAT.items()},
        ),
    ],
)
def test_what_brat_knows_beside_simple_entities_is_counted(
    annotations: str, wanted: str, counts: dict[str, int], tmp_path: Path
) -> None:
    found, told = taken_from(brat(tmp_path, TEXT, annotations + "\n"))
    assert (wanted or "Anna O Keller O left O Nordbank O") in found
    assert told == counts


@pytest.mark.parametrize("before", ["", "\ufeff", "😀 "])
def test_brats_offsets_behind_other_line_ends_are_found(before: str, tmp_path: Path) -> None:
    start, end = len(before) + 4, len(before) + 8
    path = brat(
        tmp_path,
        f"{before}Hi\r\n\r\nAnna saw Bern",
        f"T1\tPER {start} {end}\tAnna\nT2\tLOC {end + 5} {end + 9}\tBern\n",
    )
    found, counts = taken_from(path)
    assert "Anna B-PER saw O Bern B-LOC" in found
    assert [kind for kind in counts if kind.startswith("texts with spans counted")]


@pytest.mark.parametrize(
    ("text", "annotations", "message"),
    [
        (None, ENTITIES, r"doc\.ann: no doc\.txt beside it"),
        (TEXT, ENTITIES + "T3 PER 0 4 Anna\n", r"doc\.ann:3: no line of brat's"),
        (TEXT, "T1 PER 0 11 Anna Keller\n", r"doc\.ann:1: no line of brat's"),
        (TEXT, "T1\tPER SON 0 11\tAnna Keller\n", r"doc\.ann:1: no line of brat's"),
        (TEXT, "T1\t0 11\tAnna Keller\n", r"doc\.ann:1: no line of brat's"),
        (TEXT, "T1\tPER 4 4\t\n", r"doc\.ann:1: span 4 to 4"),
        (TEXT, "T1\tPER 0 999\n", r"span 0 to 999 PER lies outside"),
    ],
)
def test_what_is_not_brats_is_refused(text: str | None, annotations: str, message: str, tmp_path: Path) -> None:
    path = brat(tmp_path, text or "", annotations)
    if text is None:
        path.with_suffix(".txt").unlink()
    with pytest.raises(InvalidData, match=message):
        taken_from(path)


def test_a_folder_without_pairs_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidData, match="without .ann files") as error:
        taken_from(tmp_path / "empty")
    assert "--dataset" in error.value.hint


def test_columns_named_ann_are_columns(tmp_path: Path) -> None:
    assert taken(tmp_path, "own.ann", "Anna B-PER\nleft O\n")[0] == "Anna B-PER left O / "


def test_text_of_another_encoding_is_read_by_the_option(tmp_path: Path) -> None:
    path = brat(tmp_path, "", "")
    path.with_suffix(".txt").write_bytes("Zoë left".encode("cp1252"))
    path.write_bytes("T1\tPER 0 3\tZoë\n".encode("cp1252"))
    assert taken_from(path, encoding="cp1252") == ("Zoë B-PER left O / ", {})
    content = '[{"text": "Zoë left", "spans": [[0, 3, "PER"]]}]'.encode("cp1252")
    assert taken(tmp_path, "own.json", content, encoding="cp1252") == ("Zoë B-PER left O / ", {})


# -- WebAnno ---------------------------------------------------------------------------------------

HEAD = "#FORMAT=WebAnno TSV {}\n#T_SP=de.tudarmstadt.ukp.dkpro.core.api.ner.type.NamedEntity|identifier|value\n\n\n"
NAMED = HEAD.format("3.3") + "#Text=x\n"
TWO_LAYERS = (
    "#FORMAT=WebAnno TSV 3.2\n#T_SP=x.type.pos.POS|coarseValue|PosValue\n#T_SP=x.ner.NamedEntity|value\n"
    "#T_RL=x.Dependency|DependencyType|BT_x.pos.POS\n\n#Text=Anna left\n"
    "1-1\t0-4\tAnna\tNOUN\tNNP\tPER\tnsubj\t1-2\t\n1-2\t5-9\tleft\tVERB\tVBD\t_\t_\t_\t\n"
)


@pytest.mark.parametrize("version", ["3", "3.1", "3.2", "3.3"])
def test_each_version_of_tsv_3_is_read(version: str, tmp_path: Path) -> None:
    rows = (
        "#Text=Anna Keller left\n1-1\t0-4\tAnna\t*[1]\tPER[1]\t\n1-2\t5-11\tKeller\t*[1]\tPER[1]\t\n"
        "1-3\t12-16\tleft\t_\t_\t\n\n#Text=# Bern Rom\n2-1\t17-18\t#\t_\t_\t\n"
        "2-2\t19-23\tBern\t*\tLOC\t\n2-3\t24-27\tRom\t*\tLOC\t\n"
    )
    wanted = "Anna B-PER Keller I-PER left O / # O Bern B-LOC Rom B-LOC / "
    assert taken(tmp_path, "own.tsv", HEAD.format(version) + rows) == (wanted, {})
    assert taken(tmp_path, "own.txt", (HEAD.format(version) + rows).replace("\n", "\r\n"))[0] == wanted


def test_text_of_another_encoding_has_its_form_told_too(tmp_path: Path) -> None:
    content = (NAMED + "1-1\t0-4\tAnna\t*\tPER\t\n").encode("utf-16")
    assert taken(tmp_path, "own.tsv", content, encoding="utf-16")[0] == "Anna B-PER / "


@pytest.mark.parametrize(
    ("rows", "wanted", "counts"),
    [
        ("*[1]|*\tORG[1]|PER\n*[1]\tORG[1]", "a B-ORG b I-ORG / ", {"overlapping spans left out": 1}),
        ("*\tPER\n*[2]|*[3]\tORG[2]|LOC[3]", "a B-PER b B-ORG / ", {"overlapping spans left out": 1}),
        ("*[1]\tPER[1]\n*[2]\tPER[2]", "a B-PER b B-PER / ", {}),
        ("*[1]\t*[1]\n*[1]\t*[1]", "a O b O / ", {"spans without a label left out": 1}),
        ("*\tcreative\\_work\n*\tA\\|B", "a B-creative_work b B-A|B / ", {}),
    ],
)
def test_stacked_and_unlabelled_annotations_are_counted(
    rows: str, wanted: str, counts: dict[str, int], tmp_path: Path
) -> None:
    content = NAMED
    for number, (token, cells) in enumerate(zip("ab", rows.split("\n"), strict=True), start=1):
        content += f"1-{number}\t0-1\t{token}\t{cells}\t\n"
    assert taken(tmp_path, "own.tsv", content) == (wanted, counts)


def test_a_part_of_a_token_is_no_token(tmp_path: Path) -> None:
    content = NAMED + "1-1\t0-6\tAnna's\t_\t_\t\n1-1.1\t0-4\tAnna\t*\tPER\t\n1-2\t7-8\tx\t_\t_\t\n"
    assert taken(tmp_path, "own.tsv", content) == ("Anna's O x O / ", {"spans inside a token left out": 1})


def test_the_feature_is_that_of_the_task_or_the_one_that_is_named(tmp_path: Path) -> None:
    assert taken(tmp_path, "ner.tsv", TWO_LAYERS)[0] == "Anna B-PER left O / "
    assert taken(tmp_path, "pos.tsv", TWO_LAYERS, task="pos")[0] == "Anna NNP left VBD / "
    assert (
        taken(tmp_path, "coarse.tsv", TWO_LAYERS, task="pos", tag_column="coarseValue")[0] == "Anna NOUN left VERB / "
    )
    with pytest.raises(InvalidOption, match="no feature nowhere") as error:
        taken(tmp_path, "bad.tsv", TWO_LAYERS, tag_column="nowhere")
    assert "POS.PosValue, NamedEntity.value" in error.value.hint
    with pytest.raises(InvalidOption, match="the usual one for chunk"):
        taken(tmp_path, "chunk.tsv", TWO_LAYERS, task="chunk")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("#FORMAT=WebAnno TSV 2\n", "WebAnno TSV 2 is not read"),
        (NAMED + "1-1\t0-4\tAnna\t_\n", r"own\.tsv:6: 4 columns, the head names 5"),
        (NAMED + "Anna\tPER\n", r"own\.tsv:6: no line of WebAnno's"),
    ],
)
def test_what_is_not_tsv_3_is_refused(content: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match=message):
        taken(tmp_path, "own.tsv", content)


# -- forms that are not read -----------------------------------------------------------------------

OTHERS: dict[str, tuple[str, str]] = {
    "XML": ("own.xml", '<?xml version="1.0"?>\n<doc>Anna</doc>\n'),
    "GATE": ("own.txt", '<GateDocument version="3">\n<TextWithNodes><Node id="0"/>Anna</TextWithNodes>\n'),
    "UIMA": ("own.xmi", '<xmi:XMI xmlns:xmi="x">\n <cas:NULL/>\n</xmi:XMI>\n'),
    "BioC": ("bioc.xml", '<!DOCTYPE collection SYSTEM "BioC.dtd">\n<collection></collection>\n'),
    "PubTator": ("own.txt", "123|t|Anna left\n123|a|She left Bern.\n123\t0\t4\tAnna\tPER\t-\n"),
    "i2b2": ("own.con", 'c="anna keller" 1:0 1:1||t="person"\n'),
    "tags in the text": ("own.txt", "<PER>Anna Keller</PER> left <LOC>Bern</LOC> in May .\n"),
    "tags in short texts": ("own.txt", "<PER>Anna</PER> left\n<PER>Bo</PER> ran\n"),
    "tags behind each word": ("own.txt", "Anna/NNP left/VBD ./.\nRain/NN fell/VBD ./.\n"),
    "WikiNER": ("own.txt", "Anna|NNP|I-PER left|VBD|O .|.|O\n\nRain|NN|O .|.|O\n"),
    "OpenNLP": ("own.train", "<START:person> Anna Keller <END> left .\nRain fell .\n"),
    "CNEC": ("own.txt", "Byl v <gu Praze> a <P<pf Jan> <ps Novak>> .\n"),
    "Flair": ("own.txt", "Anna <B-PER> Keller <E-PER> left Bern <S-LOC> .\nRain in Bern <S-LOC> .\n"),
    "Flair, printed": ("own.txt", 'Sentence[2]: "Anna left" → ["Anna"/PER]\n'),
    "Rasa": ("own.yml", 'nlu:\n- intent: x\n  examples: |\n    - I saw [Anna]{"entity": "PER"} there\n'),
    "Python": ("own.py", 'TRAIN = [\n    ("Anna left", {"entities": [(0, 4, "PER")]}),\n]\n'),
    "NIF": ("own.ttl", "@prefix nif: <http://x#> .\n<http://a> a nif:Context ;\n"),
    "BioCreative": ("own.eval", "P1T76|14 33|alkaline phosphatases\nP2T0|10 19|isocitrate\n"),
    "XML in UTF-16": ("own.xml", '<?xml version="1.0"?>\n<a>x y</a>'),
    "tags in brackets": ("own.txt", "[PER Anna Keller] left [ORG Nordbank] .\n"),
    "tags behind a colon in brackets": ("own.txt", "[Anna Keller:PER] left [Nordbank:ORG] .\n"),
    "tags in braces": ("own.txt", "{Anna Keller|PER} left {Nordbank|ORG} .\n"),
    "tags behind number signs": ("own.txt", "Anna##B-PER left##O .##O\nRain##O fell##O\n"),
    "tags behind words": ("own.md", "[Anna](PER) left [Bern](LOC) in May\n"),
    "MUC": ("own.muc", 'She met <ENAMEX TYPE="PERSON">Anna</ENAMEX> in May .\n'),
}


@pytest.mark.parametrize("form", OTHERS)
def test_other_forms_are_refused_with_the_way_out(form: str, tmp_path: Path) -> None:
    name, content = OTHERS[form]
    encoding = "utf-16" if form.endswith("UTF-16") else "utf-8"
    with pytest.raises(InvalidData, match="which is not read") as error:
        taken(tmp_path, name, content.encode(encoding), encoding=encoding)
    assert '{"text": ' in error.value.hint and '"spans": ' in error.value.hint
    assert "\n" not in error.value.message + error.value.hint


NAMED_OTHERWISE = {
    "JSON Lines": ("own.manifest", '{"text": "Anna left", "spans": []}\n', ".jsonl"),
    "a list of JSON": ("own.txt", '[\n  {\n    "text": "Anna"\n  }\n]\n', ".json"),
    "training tuples": ("own.txt", '["Anna left", {"entities": [[0, 4, "PER"]]}]\n', ".jsonl"),
    "brat": ("own.a1", "T1\tPER 0 11\tAnna Keller\n", ".ann"),
    "Git LFS": ("own.txt", "version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 1\n", "git lfs pull"),
}


@pytest.mark.parametrize(("name", "content", "hint"), NAMED_OTHERWISE.values(), ids=NAMED_OTHERWISE)
def test_a_form_under_another_name_is_refused_with_the_name_it_should_have(
    name: str, content: str, hint: str, tmp_path: Path
) -> None:
    with pytest.raises(InvalidData, match="which is not read") as error:
        taken(tmp_path, name, content)
    assert hint in error.value.hint


@pytest.mark.parametrize(
    "content",
    ["< O\nAnna B-PER\n", "<b>x</b> O\n. O\n", "<b>x</b> NN NP O\n. . O O\n", "1 O\n| O\n", 'c="a" O\n', "#a O\n"]
    + ["a/b B/PER\nc O\n", '{ O\n" O\n', "[ ( O\n", "T1 B-DNA\n", "a_b B_X\nc d\n"],
)
def test_tokens_that_look_a_little_like_another_form_are_tokens(content: str, tmp_path: Path) -> None:
    found, _ = taken(tmp_path, "own.txt", content)
    assert found.split()[0] == content.split()[0]


# -- spaCy -----------------------------------------------------------------------------------------


def documents(path: Path, *makers: Any) -> Path:
    spacy = pytest.importorskip("spacy")
    from spacy.tokens import DocBin

    vocab = spacy.blank("xx").vocab
    DocBin(docs=[make(vocab) for make in makers], store_user_data=True).to_disk(path)
    return path


def with_sentences(vocab: Any) -> Any:
    from spacy.tokens import Doc

    words = ["Anna", "Keller", "left", "\n", "Bern", "Rom"]
    tags = ["B-PER", "I-PER", "O", "O", "B-LOC", "B-LOC"]
    starts = [True, False, False, False, True, False]
    return Doc(vocab, words=words, ents=tags, sent_starts=starts, pos=["PROPN"] * 6)


def without_sentences(vocab: Any) -> Any:
    from spacy.tokens import Doc

    return Doc(vocab, words=["Anna", "left", "\n\n", "Bern"], ents=["B-PER", "O", "O", "B-LOC"])


def test_documents_of_spacy_3_are_read(tmp_path: Path) -> None:
    path = documents(tmp_path / "own.spacy", with_sentences, without_sentences)
    wanted = "Anna B-PER Keller I-PER left O / Bern B-LOC Rom B-LOC / Anna B-PER left O / Bern B-LOC / "
    assert taken_from(path) == (wanted, {})
    assert taken_from(documents(tmp_path / "pos.spacy", with_sentences), task="pos")[0].startswith("Anna PROPN")


@pytest.mark.parametrize("content", [b"", b"no", zlib.compress(b"no"), zlib.compress(b"\x81\xa1a\x01")])
def test_a_damaged_file_of_spacy_is_refused(content: bytes, tmp_path: Path) -> None:
    pytest.importorskip("spacy")
    with pytest.raises(InvalidData, match=r"own\.spacy is no whole file of spaCy 3"):
        taken(tmp_path, "own.spacy", content)


def test_without_spacy_the_error_installs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "spacy", None)
    with pytest.raises(NertoolError) as error:
        taken(tmp_path, "own.spacy", b"x")
    assert "nertool[spacy]" in error.value.hint


def test_a_text_of_another_name_is_asked_for_with_the_candidates(tmp_path: Path) -> None:
    """Label Studio's JSON-MIN has the text under the name that the project gives it."""
    region = {"start": 0, "end": 4, "text": "Anna", "labels": ["PER"]}
    record = {"id": 1, "title": "News", "my note": "Anna left Bern.", "label": [region], "annotator": 1}
    with pytest.raises(InvalidOption, match="spans, but no text under a known key") as raised:
        taken(tmp_path, "own.json", [record])
    assert "--text-column 'my note' or --text-column title" in raised.value.hint
    assert taken(tmp_path, "own.json", [record], text_column="my note")[0] == "Anna B-PER left O Bern O . O / "


def test_of_several_texts_of_a_task_the_candidates_are_named(tmp_path: Path) -> None:
    region = {"type": "labels", "value": {"start": 0, "end": 4, "text": "Anna", "labels": ["PER"]}}
    data = {"title": "News", "note": "Anna left Bern."}
    task = {"id": 1, "created_at": "2024-05-01T00:00:00Z", "data": data, "annotations": [{"result": [region]}]}
    with pytest.raises(InvalidOption) as raised:
        taken(tmp_path, "own.json", [task])
    assert "--text-column note or --text-column title" in raised.value.hint
    assert "created_at" not in raised.value.hint


# -- what stands beside the spans ------------------------------------------------------------------


def test_brats_entities_may_stand_behind_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "own.txt").write_text("Anna left\n")
    found, counts = taken(tmp_path, "own.ann", "\ufeffT1\tPER 0 4\tAnna\n")
    assert found == "Anna B-PER left O / " and counts == {"byte order marks taken off": 1}


def test_notes_alone_are_brats_beside_a_text(tmp_path: Path) -> None:
    (tmp_path / "own.txt").write_text("Anna left\n")
    assert taken(tmp_path, "own.ann", "#1\tNote T1\tx\n") == ("Anna O left O / ", {"notes left out": 1})


def test_files_of_webanno_that_were_joined_have_a_head_each(tmp_path: Path) -> None:
    first = (
        "#FORMAT=WebAnno TSV 3.2\n#T_SP=x.Mention|kind\n#T_RL=x.Link|type|BT_x.Mention\n\n\n"
        "#Text=Anna\n1-1\t0-4\tAnna\tPER\tx\t1-1\t\n"
    )
    second = "#FORMAT=WebAnno TSV 3.3\n#T_SP=x.NamedEntity|identifier|value\n\n#Text=Bern\n1-1\t0-4\tBern\t*\tLOC\t\n"
    found, counts = taken(tmp_path, "own.tsv", first + second)
    assert found == "Anna B-PER / Bern B-LOC / " and counts == {"relations left out": 1}
