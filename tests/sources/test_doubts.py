"""Files as people have them: columns told from the first lines; what cannot be right is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from own_file import download_own, train_lines, write

from nertool.errors import InvalidData, InvalidOption
from nertool.workspace.workspace import Workspace
from tests.own_file import taken

WORDS = ["Anna", "left", "Nordbank"]
TAGS = ["B-PER", "O", "B-ORG"]
WANTED = "Anna B-PER\nleft O\nNordbank B-ORG\n\n"


def read(folder: Path, name: str, content: str | bytes, **options: object) -> str:
    """What `train.txt.tmp` holds after a download of one file."""
    workspace, _ = download_own(write(folder, name, content), **options)
    return train_lines(workspace)


def facts(folder: Path) -> dict[str, Any]:
    train: dict[str, Any] = Workspace(folder / "workspace").facts("download")["train"]
    return train


READ = {
    "an index from 0": ("own.tsv", "0\tAnna\tB-PER\n1\tleft\tO\n2\tNordbank\tB-ORG\n", {}),
    "an index from 1": ("own.txt", "1 Anna B-PER\n2 left O\n3 Nordbank B-ORG\n", {}),
    "an index through the file": ("own.txt", "7 Anna B-PER\n8 left O\n9 Nordbank B-ORG\n", {}),
    "outer and inner tags": ("own.tsv", "1\tAnna\tB-PER\tO\n2\tleft\tO\tO\n3\tNordbank\tB-ORG\tB-LOC\n", {}),
    "names of columns": ("own.txt", "Word Tag\nAnna B-PER\nleft O\nNordbank B-ORG\n", {}),
    "names in another order": ("own.tsv", "label\ttoken\nB-PER\tAnna\nO\tleft\nB-ORG\tNordbank\n", {}),
    "comments before a sentence": ("own.txt", "# id 1 x=y\n# text\nAnna _ B-PER\nleft _ O\nNordbank _ B-ORG\n", {}),
    "a document begins in the column of tokens": (
        "own.txt",
        "0 -DOCSTART- O\n\n0 Anna B-PER\n1 left O\n2 Nordbank B-ORG\n",
        {},
    ),
    "three columns of a chunker": ("own.txt", "Anna NNP B-PER\nleft VBD O\nNordbank NNP B-ORG\n", {"task": "chunk"}),
    "an index with a colon": ("own.txt", "1: Anna B-PER\n2: left O\n3: Nordbank B-ORG\n", {}),
    "an index of sentence and token": ("own.txt", "4-1 Anna B-PER\n4-2 left O\n4-3 Nordbank B-ORG\n", {}),
    "prefix and type apart": ("own.tsv", "Anna\tB\tPER\nleft\tO\tO\nNordbank\tB\tORG\n", {}),
    "prefix and type apart, no type": ("own.tsv", "Anna\tB\tPER\nleft\tO\t\nNordbank\tB\tORG\n", {}),
    "prefix and type apart, named": ("own.txt", "word iob ner\nAnna B PER\nleft O _\nNordbank B ORG\n", {}),
    "columns of dashes": ("own.iob2", "1\tAnna\tB-PER\t-\t-\n2\tleft\tO\t-\t-\n3\tNordbank\tB-ORG\t-\t-\n", {}),
    "lines that cannot be read": ("own.txt", "Anna B-PER\nx\nleft O\na b c\nNordbank B-ORG\n", {"line_errors": "skip"}),
    "CSV of pandas": ("own.csv", ",sentence_id,word,tag\n0,a,Anna,B-PER\n1,a,left,O\n2,a,Nordbank,B-ORG\n", {}),
    "CSV without ids": ("own.csv", "word,tag\nAnna,B-PER\nleft,O\nNordbank,B-ORG\n,\n", {}),
    "CSV with two columns of tags": (
        "own.csv",
        "sentence_id,token,ner_tag,pos_tag\na,Anna,B-PER,NNP\na,left,O,VBD\na,Nordbank,B-ORG,NNP\n",
        {},
    ),
    "CSV of lists": ("own.csv", f'id,tokens,ner_tags\n0,"{WORDS}","{TAGS}"\n', {}),
    "CoNLL-U Plus": (
        "own.conllup",
        "# global.columns = ID FORM X:NE\n1\tAnna\tB-PER\n2\tleft\tO\n3\tNordbank\tB-ORG\n",
        {},
    ),
}


@pytest.mark.parametrize(("name", "content", "options"), READ.values(), ids=READ)
def test_what_people_have_is_read_without_more_options(
    name: str, content: str, options: dict[str, object], tmp_path: Path
) -> None:
    assert read(tmp_path, name, content, **options) == WANTED


SOUND = {
    "a sentence that begins with an article of Portuguese": "O DET\ngato NOUN\n\n",
    "a type that is a word for a prefix": "10 B-QTY\ng B-UNIT\nof O\n5 B-QTY\nml I-UNIT\n\n",
    "words in capitals that parts of speech are called too": "IN O\nTO O\nBern B-LOC\nTO O\nPART O\n\n",
    "an O in lower case in front": "left o\nAnna B-PER\nleft O\nBern B-LOC\n\n",
    "types with numbers in any order": "Anna B-ARG1\nsaw O\nBern B-ARG0\nnow B-ARG2\n\n",
    "types with two numbers": "Anna B-E1\nsaw O\nBern B-E2\n\nEva B-E1\nleft O\nLinz B-E2\n\n",
    "types with numbers that come in order first": "x B-C1\n. O\n\ny B-C2\nz B-C3\n\nu B-C4\n. O\n\n"
    + "v B-C2\n. O\n\n" * 20,
    "one mistyped tag in front of a sentence": "Anna B-PER\nleft O\n\nRain o-\nfell O\n\nBern B-LOC\nslept O\n\n",
    "an article that is written as O is": "o DET\ngato NOUN\no DET\nrato NOUN\n\n",
    "tags in small letters": "Anna noun\nleft verb\nBern noun\nnow adverb\n\n",
    "lines that are alike": "Anna B-PER\n\nAnna B-PER\nleft O\n\nAnna B-PER\n\n",
    "words with numbers behind them": "A1 B-ROAD\nto O\nA2 B-ROAD\n\nA3 B-ROAD\nand O\nA4 B-ROAD\n\n",
    "types with words for prefixes": "Keller LAST_NAME\npays O\n9.99 UNIT_PRICE\n. O\n\n",
}


@pytest.mark.parametrize("content", SOUND.values(), ids=SOUND)
def test_sound_data_that_resemble_unsound_ones_are_read(content: str, tmp_path: Path) -> None:
    assert read(tmp_path, "own.txt", content) == content


SPLIT = {
    "a full stop ends sentences": ("own.txt", "Anna B-PER\n. O\nRain O\n. O\n", {"sentence_end": "."}),
    "CSV, a full stop ends sentences": ("own.csv", "word,tag\nAnna,B-PER\n.,O\nRain,O\n.,O\n", {"sentence_end": "."}),
    "ids begin again": ("own.conllu", "", {"tag_column": "misc:NE"}),
}


@pytest.mark.parametrize(("name", "content", "options"), SPLIT.values(), ids=SPLIT)
def test_sentences_end_without_blank_lines(name: str, content: str, options: dict[str, object], tmp_path: Path) -> None:
    if name.endswith(".conllu"):
        rows = [("1", "Anna", "NE=B-PER"), ("2", ".", "_"), ("1", "Rain", "SpaceAfter=No"), ("2", ".", "_")]
        content = "".join(f"{number}\t{word}" + "\t_" * 7 + f"\t{misc}\n" for number, word, misc in rows)
    assert read(tmp_path, name, content, **options) == "Anna B-PER\n. O\n\nRain O\n. O\n\n"


def test_a_token_that_is_a_hash_stays_whatever_begins_comments(tmp_path: Path) -> None:
    content = "# sent_id = 1\n#\tO\n1\tO\n\n#Bern\tB-LOC\nis\tO\n"
    for options in ({}, {"comment": "#"}):
        assert read(tmp_path, "own.tsv", content, force=True, **options) == "# O\n1 O\n\n#Bern B-LOC\nis O\n\n"
        assert facts(tmp_path)["changes"]["comment lines left out"] == 1


@pytest.mark.parametrize(("encoding", "word"), [("cp1252", "Käthe"), ("gb18030", "李明"), ("utf-16", "Zoë")])
def test_other_encodings_are_named(encoding: str, word: str, tmp_path: Path) -> None:
    content = f"{word} B-PER\nleft O\n".encode(encoding)
    with pytest.raises(InvalidData, match="not UTF-8|UTF-16, not text in UTF-8") as raised:
        read(tmp_path, "own.txt", content)
    assert f"--encoding {encoding}".lower() in raised.value.hint.lower()
    assert read(tmp_path, "own.txt", content, encoding=encoding).lstrip("\ufeff") == f"{word} B-PER\nleft O\n\n"


def test_all_lines_that_cannot_be_read_are_counted(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match=r"own\.txt:2: .*\(2 more: line 4, 5\)") as raised:
        read(tmp_path, "own.txt", "Anna B-PER\nleft\nRain O\nx y z\nx\n")
    assert "--on-error skip" in raised.value.hint


GOOD = "Anna B-PER\nleft O\n\n"
BAD_LINE = {
    "column text": ("own.txt", f"{GOOD}Rain\n\n" + GOOD * 150, {}),
    "CSV": ("own.csv", "sentence_id,word,tag\n1,Anna\n" + "".join(f"{n},Anna,O\n" for n in range(2, 300)), {}),
    "CoNLL-U": ("own.conllu", "1\tAnna\n" + ("1\tAnna\t_\tNOUN" + "\t_" * 6 + "\n\n") * 300, {}),
    "JSON Lines": (
        "own.jsonl",
        '{"tokens": ["x"], "tags": ["O"]}\n{"tokens\n' + '{"tokens": ["x"], "tags": ["O"]}\n' * 300,
        {},
    ),
    "texts": ("own.jsonl", '{"text": "x", "spans": []}\n{"spans": []}\n' + '{"text": "x", "spans": []}\n' * 300, {}),
}


@pytest.mark.parametrize(("name", "content", "options"), BAD_LINE.values(), ids=BAD_LINE)
def test_a_bad_line_among_the_first_sentences_stops_a_quick_try_too(
    name: str, content: str, options: dict[str, object], tmp_path: Path
) -> None:
    with pytest.raises(InvalidData, match=rf"{name}:[12345]: "):
        read(tmp_path, name, content, limit=20, accept_as_is=True, **options)
    assert not (tmp_path / "workspace/train.txt.tmp").exists()


def test_numbers_of_thousands_of_digits_and_long_tokens_are_tokens(tmp_path: Path) -> None:
    number, word = "7" * 5000, "[a" * 30_000
    content = f"{number} O x O\n{number} O x O\n{word} O x O\nAnna B-PER x B-PER\n"
    assert read(tmp_path, "own.txt", content, tag_column="2").split("\n")[0] == f"{number} O"


@pytest.mark.parametrize("name", ["own.tsv", "own.csv"])
def test_a_token_that_is_blank_ends_no_sentence(name: str, tmp_path: Path) -> None:
    header, delimiter = ("word,tag\n", ",") if name == "own.csv" else ("", "\t")
    rows = [("Anna", "B-PER"), ("", "O"), ("left", "O"), ("Bern", "B-LOC")]
    content = header + "".join(f"{token}{delimiter}{tag}\n" for token, tag in rows) + (",\n" if header else "")
    assert read(tmp_path, name, content).count("\n\n") == 1


ROW = '{"tokens": ["Anna"], "tags": ["B-PER"]}\n'
BAD_ROW = {
    "JSON Lines, no object": ("own.jsonl", f"{ROW}7\n{ROW}"),
    "JSON Lines, lists of unlike length": ("own.jsonl", ROW + '{"tokens": ["a", "b"], "tags": ["O"]}\n' + ROW),
    "JSON, no list": ("own.json", f"[{ROW}, " + '{"tokens": "a", "tags": ["O"]}, ' + f"{ROW}]"),
    "CSV of lists": ("own.csv", "tokens,tags\n\"['Anna']\",\"['B-PER']\"\nx,y\n\"['Anna']\",\"['B-PER']\"\n"),
}


@pytest.mark.parametrize(("name", "content"), BAD_ROW.values(), ids=BAD_ROW)
def test_a_row_that_cannot_be_read_is_an_error_or_left_out(name: str, content: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match=rf"{name}:[23]: ") as raised:
        read(tmp_path, name, content, accept_as_is=True)
    assert raised.value.hint.endswith("--on-error skip leaves such lines out.")
    assert read(tmp_path, name, content, line_errors="skip", accept_as_is=True) == "Anna B-PER\n\n" * 2
    assert facts(tmp_path)["changes"]["lines that cannot be read, left out"] == 1


LIST = '["Anna", "left"]'
REFUSED = {
    "tokens that count": ("own.txt", "1 O\n2 B-X\n3 O\n4 O\n", "tokens count up"),
    "tags first": ("own.txt", "B-PER Anna\nO left\nB-ORG Nordbank\nO now\n", "most tokens are tags"),
    "a list a line": ("own.tsv", f"{LIST}\tx\n\n{LIST}\tx\n\n" * 3, "most tokens are lists"),
    "token and tag joined": (
        "own.txt",
        "Anna|B-PER left|O\nin|O Bern|B-LOC\nRain|O fell|O\nx|O y|O\n",
        "text with tags in it",
    ),
    "few tokens and tags joined": ("own.txt", "Anna/B-PER left/O\nBern/B-LOC waits/O\n", "text with tags in it"),
    "tags behind tokens and alone": ("own.txt", "Anna/B-PER x O\nBern/B-LOC y O\n", "end with a tag"),
    "a list with tabs": (
        "own.tsv",
        "tokens\ttags\n['Anna', 'left']\t['B-PER', 'O']\n['x', 'y']\t['O', 'O']\n",
        "lists",
    ),
    "other names of columns": ("own.txt", "Wort Marke\nAnna B-PER\nleft O\n", "'Wort', as if it were a column's name"),
    "names of columns behind #": ("own.txt", "#token tag\nAnna NNP\nleft VBD\n", "as if it were a column's name"),
    "numbers": ("own.txt", "7 Anna O\n2 left O\n3 Bern O\n9 waits O\n", "all tokens are numbers"),
    "lines of tokens, and of tags": (
        "own.txt",
        "Anna left\nB-PER O\nRain fell\nO O\n",
        "half of the tokens are tags",
    ),
    "words for prefixes": (
        "own.txt",
        "Anna BEGIN-PER\nKeller INSIDE-PER\nleft O\n",
        "BEGIN-PER have prefixes that are not read",
    ),
    "prefixes behind another sign": ("own.txt", "Anna B#PER\nleft O\n", "B#PER have prefixes that are not read"),
    "prefixes in angle brackets": ("own.txt", "Anna B<PER>\nleft O\n", "B<PER> have prefixes that are not read"),
    "words for prefixes behind types": (
        "own.txt",
        "Anna PER-BEGIN\nKeller PER-IN\nleft O\n",
        "PER-BEGIN have prefixes",
    ),
    "prefixes without a separator": (
        "own.txt",
        "Anna BPER\nKeller IPER\nleft O\nBern BLOC\n",
        "BPER have prefixes that are not read",
    ),
    "a prefix that no scheme has": ("own.txt", "Anna B-PER\nKeller X-PER\nleft O\n", "X-PER have prefixes"),
    "tags in quotes": ("own.txt", 'Anna "B-PER"\nleft "O"\n', '"B-PER" stand in quotes'),
    "no O but another word": ("own.txt", "Anna B-PER\nKeller I-PER\nleft null_tag\n", "no O, and null_tag stands"),
    "a comma behind each tag": ("own.txt", "Anna B-PER,\nleft O,\n", "no O, and O, stands"),
    "full-width tags": ("own.txt", "Anna \uff22\uff0d\uff30\nleft \uff2f\n", "full-width letters"),
    "a part of speech in the tag": ("own.txt", "Anna NNP/B-PER\nleft VBD/O\n", "NNP/B-PER hold something"),
    "files with other columns that were joined": (
        "own.txt",
        "Anna NNP B-PER\nleft VBD O\nBern NNP B-LOC\n. . O\n\n1 Rain O\n2 fell O\n3 there O\n4 . O\n",
        "the tokens of some sentences count up",
    ),
    "lines of prose that repeat words": (
        "own.txt",
        "Anna went home\nBern was there\nThey went home\nRain was there\nWe went home\n",
        "all tokens have a capital",
    ),
    "numbers of words in a list": ("own.txt", "the 100\nof 90\nand 80\nto 70\n", "a tag of its own, such as 100"),
    "tags in angle brackets": ("own.txt", "Anna <B-PER>\nleft <O>\n", "<B-PER> hold something around"),
    "tags in square brackets": ("own.txt", "Anna [B-PER]\nleft [O]\n", "hold something around"),
    "tags behind a colon": ("own.txt", "Anna NER:B-PER\nleft NER:O\n", "hold something around"),
    "an O with a prefix": ("own.txt", "Anna B-PER\nleft B-O\nnow I-O\n", "the type O of an entity"),
    "CoNLL-U between blanks": ("own.txt", "1 Anna NER=B-PER|X=Y\n2 left NER=O\n3 . NER=O\n", "around an entity"),
    "a line of prose": ("own.txt", "Anna Keller left .\n", "no tag has a letter"),
    "prose of as many words": ("own.txt", "Anna left.\nRain fell.\n", "lines hold text"),
    "characters with numbers": ("own.txt", "科0 O\n技1 O\n北0 B-LOC\n", "a number behind them"),
    "names of words": ("own.txt", "s1.w1 Anna B-PER\ns1.w2 left O\ns1.w3 . O\n", "the tokens count up"),
    "times of words": ("own.txt", "00:01 Anna B-PER\n00:02 left O\n00:03 . O\n", "the tokens count up"),
    "a full-width O": ("own.txt", "Anna B-PER\nleft \uff2f\n", "no O, and \uff2f stands"),
    "parts of speech in front": (
        "own.txt",
        "NNP Anna B-PER\nVBD left O\nNNP Nordbank B-ORG\n",
        "most tokens are parts of speech",
    ),
    "names of words of a letter and a number": (
        "own.txt",
        "t1 Anna B-PER\nt2 left O\n\nt3 Rain O\nt4 fell O\n",
        "tokens count",
    ),
    "names of words in place of tags": ("own.txt", "Anna t1\nleft t2\n. t3\n\nRain t1\nfell t2\n", "the tags count up"),
    "numbers of entities behind types": (
        "own.txt",
        "Anna PER_1\nKeller PER_1\nleft O\nNordbank ORG_2\n\nBern LOC_1\nrains O\n",
        "PER_1, ORG_2, LOC_1 number the entities",
    ),
    "numbers of entities in the file": (
        "own.txt",
        "Anna B-PER1\nleft O\n\nBern B-PER2\nBob B-PER3\n\nsaw O\nEva B-PER4\n",
        "B-PER1, B-PER2, B-PER3 number the entities",
    ),
    "names of a document in each line": (
        "own.txt",
        "d1\t0\t0\tAnna\tB-PER\nd1\t0\t1\tleft\tO\nd1\t1\t0\tRain\tO\nd1\t1\t1\tfell\tO\n",
        "all tokens are numbers",
    ),
    "a list of YAML": ("own.txt", "- Anna: B-PER\n- left: O\n- Bern: B-LOC\n- fell: O\n", "all tokens end with :"),
    "tags in small letters in front": (
        "own.txt",
        "b-per Anna\no left\no now\nb-org Nordbank\n",
        "most tokens are tags",
    ),
    "the same token everywhere": ("own.txt", "- B-PER\n- O\n- B-LOC\n- O\n", "all tokens are '-'"),
    "prefixes in front": ("own.txt", "B Anna B-PER\nI Keller I-PER\nI left O\nB Rain O\n", "all tokens are prefixes"),
    "a JSON list behind a text": ("own.tsv", 'id\ttext\tlabel\n1\tAnna left\t[{"start": 0}]\n', "most tags are lists"),
    "blanks around hyphens": ("own.tsv", "Anna\tB - PER\nleft\tO\n", "tags such as B - PER hold blanks"),
    "few lines of prose": (
        "own.txt",
        "Anna left\nRain fell\nBern slept\nThey came\n",
        "a tag of its own, such as left",
    ),
    "few lines of prose that repeat a word": (
        "own.txt",
        "Anna left Bern\nRain fell there\nBern slept well\n",
        "of its own",
    ),
    "lines in front of sentences": (
        "own.txt",
        "SENTENCE 1\nAnna B-PER\nleft O\n\nSENTENCE 2\nRain O\nfell O\n",
        "ends with '1', hold no token",
    ),
    "tags of XML in front of sentences": (
        "own.txt",
        '<s id="0">\nAnna B-PER\nleft O\n\n<s id="1">\nRain O\nfell O\n',
        "hold no token",
    ),
    "numbers of expressions": ("own.txt", "Anna *\ntook 1:VID\npart 1\n", "1:VID number expressions"),
    "sentences of as many words": ("own.txt", "Anna left Bern .\nRain fell today .\n", r"no tag has a letter: \."),
    "marks of models": ("own.txt", "[CLS] O\nAnna B-PER\nleft O\n[SEP] O\n", r"\[SEP\] are marks of a model"),
    "marks of sentences": ("own.txt", "<s> O\nAnna B-PER\nleft O\n</s> O\n", "</s> are marks of a model"),
    "parts of SentencePiece": ("own.txt", "\u2581Anna B-PER\n\u2581le O\nft O\n", "parts of words"),
    "parts of BPE": ("own.txt", "\u0120Anna B-PER\n\u0120le O\nft O\n", "parts of words"),
    "parts of subword-nmt": ("own.txt", "Anna B-PER\nle@@ O\nft O\n", "parts of words"),
    "bytes of Python": ("own.txt", "b'Anna' B-PER\nb'left' O\n", "most tokens stand in quotes"),
    "two spellings": (
        "own.txt",
        "Anna B-PER\nKeller I-PER\nleft O\nBern B_LOC\nx I_LOC\n",
        "several spellings: B-PER, B_LOC",
    ),
    "tags joined by #": ("own.txt", "Anna B-PER#B-LOC\nleft O\n", "hold several"),
    "tuples of Python": ("own.txt", "('Anna', 'B-PER')\n('left', 'O')\n", "most tokens stand in quotes"),
    "a comma and a blank": ("own.txt", "Anna, B-PER\nleft, O\n", "all tokens end with ,"),
    "brackets of CorefUD": ("own.txt", "Anna (PER\nKeller PER)\nleft -\nBern (LOC)\n", "are brackets"),
    "dashes for tags": ("own.txt", "Anna NNP -\nleft VBD -\n", "no tag has a letter: -"),
    "underscores for tags": (
        "own.conll",
        "1\tAnna\tanna\t_\t_\n2\tleft\tleave\t_\t_\n3\tnow\tnow\t_\t_\n",
        "no tag has a letter: _",
    ),
    "tags that differ": ("own.txt", "".join(f"word{n} lemma{n}\n" for n in range(40)), "40 different tags"),
    "WebAnno's tags": ("own.txt", "Anna PER[1]\nKeller PER[1]\nleft _\nBern LOC[2]\n" * 3, "WebAnno"),
    "a token a sentence": ("own.txt", "Anna B-PER\n\nleft O\n\nBern B-LOC\n\n" * 3, "sentences have one token"),
}


@pytest.mark.parametrize("line", [" B-PER", "\tB-PER", "\u00a0 B-PER"])
def test_a_token_that_is_empty_leaves_the_rest_of_its_entity_sound(line: str, tmp_path: Path) -> None:
    assert read(tmp_path, "own.txt", f"Anna O\n{line}\nKeller I-PER\nleft O\n") == "Anna O\nKeller B-PER\nleft O\n\n"
    assert facts(tmp_path)["changes"]["tokens of white space left out"] == 1


def test_a_token_behind_a_blank_without_a_tag_is_no_tag(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match="no tag behind the token: ' left'"):
        read(tmp_path, "own.txt", "Anna B-PER\n left\nnow O\n")


@pytest.mark.parametrize(("name", "content", "told"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_right_is_refused_unless_one_insists(name: str, content: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match=told) as raised:
        read(tmp_path, name, content)
    assert raised.value.hint.endswith("--accept-as-is.")
    assert not (tmp_path / "workspace/train.txt.tmp").exists()
    assert read(tmp_path, name, content, accept_as_is=True)


def test_rows_of_a_sentence_that_do_not_stand_together_are_refused(tmp_path: Path) -> None:
    content = "sentence_id,word,tag\n0,Anna,B-PER\n1,Rain,O\n0,left,O\n"
    with pytest.raises(InvalidData, match=r"own\.csv:4: sentence '0' goes on here"):
        read(tmp_path, "own.csv", content)
    assert read(tmp_path, "own.csv", content, accept_as_is=True) == "Anna B-PER\n\nRain O\n\nleft O\n\n"


def test_csv_in_which_nothing_ends_a_sentence_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidOption, match="no column of sentence ids and no empty row") as raised:
        read(tmp_path, "own.csv", "word,tag\nAnna,B-PER\nleft,O\n")
    assert "--sentence-end" in raised.value.hint


@pytest.mark.parametrize("cell", ["['Anna' 'left']", "[__import__('os')]", "[" * 5000 + "]" * 5000, "{1: 2}[3]"])
def test_a_cell_that_is_no_list_of_python_is_refused_and_never_run(cell: str, tmp_path: Path) -> None:
    content = f"tokens,ner_tags\n\"{cell}\",\"['O', 'O']\"\n"
    with pytest.raises((InvalidData, InvalidOption)):
        read(tmp_path, "own.csv", content)


def test_what_was_found_out_is_recorded_without_a_path(tmp_path: Path) -> None:
    read(tmp_path, "own.txt", "0 Anna B-PER\n1 left O\n2 Nordbank B-ORG\n")
    (note,) = facts(tmp_path)["notes"]
    assert note.startswith("own.txt: the first column counts")


def test_the_first_sentences_are_recorded_as_a_person_reads_them(tmp_path: Path) -> None:
    read(tmp_path, "own.txt", "Anna B-PER\nleft O\n\nRain O\n")
    assert Workspace(tmp_path / "workspace").facts("download")["first_sentences"] == ["Anna[B-PER] left", "Rain"]


def test_signs_alone_have_signs_for_parts_of_speech(tmp_path: Path) -> None:
    assert taken(tmp_path, "own.txt", "! .\n? .\n", task="pos")[0] == "! . ? . / "


@pytest.mark.parametrize("tags", [("det", "noun", "verb", "punct"), ("dt", "nn", "vbz", "stop")])
def test_few_tokens_may_have_parts_of_speech_of_their_own(tags: tuple[str, ...], tmp_path: Path) -> None:
    content = "".join(f"{token} {tag}\n" for token, tag in zip(["the", "cat", "sits", "."], tags, strict=True))
    assert read(tmp_path, "own.txt", content, task="pos") == f"{content}\n"


def test_tags_that_are_not_spelled_as_most_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    read(tmp_path, "own.txt", "Anna B-PER\nKeller I-PER\nleft O\n\nBern LOC\nrains O\n")
    assert "1 tags are not spelled as most: LOC" in caplog.text


def test_names_of_columns_in_front_of_a_later_sentence_are_left_out(tmp_path: Path) -> None:
    content = "Anna B-PER\nleft O\n\ntoken tag\nBern B-LOC\nrains O\n"
    assert read(tmp_path, "own.txt", content) == "Anna B-PER\nleft O\n\nBern B-LOC\nrains O\n\n"
    assert list(facts(tmp_path)["changes"].values()) == [1]


def test_a_first_column_that_is_the_same_throughout_holds_no_tokens(tmp_path: Path) -> None:
    content = "en\tAnna\tB-PER\nen\tleft\tO\n\nen\tBern\tB-LOC\nen\trains\tO\n"
    assert read(tmp_path, "own.tsv", content) == "Anna B-PER\nleft O\n\nBern B-LOC\nrains O\n\n"
    assert "column 1 is the same throughout" in facts(tmp_path)["notes"][0]


def test_data_without_an_entity_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    read(tmp_path, "own.txt", "Rain O\nfell O\n")
    assert "all tags are O: no entity is read" in caplog.text


def test_a_first_column_of_few_forms_in_front_of_words_is_asked_for(tmp_path: Path) -> None:
    words = ["Anna", "went", "home", "Bern", "slept", "well", "Rain", "fell"]
    content = "".join(f"{kind} {word} O\n" for kind, word in zip(["NE", "VVFIN", "ADV", "NE"] * 2, words, strict=True))
    with pytest.raises(InvalidOption, match="column 2 looks more like words") as error:
        read(tmp_path, "own.txt", content)
    assert "--token-column 2" in error.value.hint
    assert read(tmp_path, "own.txt", content, token_column="2").startswith("Anna O\nwent O\n")
    assert read(tmp_path, "own.txt", content, accept_as_is=True, force=True).startswith("NE O\n")


@pytest.mark.parametrize("names", [["0.10", "0.31", "0.52", "0.73"], ["a0f", "1bc", "d2e", "4f0"]])
def test_names_with_digits_in_front_of_words_are_asked_for(names: list[str], tmp_path: Path) -> None:
    rows = ["Anna B-PER", "left O", "Bern B-LOC", ". O"]
    content = "".join(f"{name} {row}\n" for name, row in zip(names, rows, strict=True))
    with pytest.raises(InvalidOption, match="column 2 looks more like words than column 1"):
        read(tmp_path, "own.txt", content)
    assert read(tmp_path, "own.txt", content, token_column="2").startswith("Anna B-PER\nleft O\n")


def test_tokens_with_digits_may_stand_before_parts_of_speech(tmp_path: Path) -> None:
    content = "w0x1 NNP B-PER\nw0x2 VBD O\nw0x3 NN O\nw0x4 DT O\n"
    assert read(tmp_path, "own.txt", content).startswith("w0x1 B-PER\n")
