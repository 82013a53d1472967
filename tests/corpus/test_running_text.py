"""Running text and token lists: nothing is lost, places are true, the form is told early."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nertool.corpus.running_text import cut_of_tokens, cut_text, cut_words, cutter
from nertool.errors import InvalidOption


@given(st.text())
def test_cutting_leaves_out_white_space_and_nothing_else(line: str) -> None:
    assert "".join(cut_words(line).tokens) == "".join(char for char in line if not char.isspace())


@given(st.text() | st.text(alphabet="ab1.,:@#-'/ \t\u00a0é"))
def test_offsets_are_the_places_of_the_tokens_in_their_order(line: str) -> None:
    words = cut_words(line)
    assert [line[start:end] for start, end in words.offsets] == words.tokens
    edges = [edge for offset in words.offsets for edge in offset]
    assert edges == sorted(edges)


@pytest.mark.parametrize(
    ("line", "tokens"),
    [
        ("Anna left.", ["Anna", "left", "."]),
        ("1\ufe0f\u20e3 #\u20e3", ["1\ufe0f\u20e3", "#\u20e3"]),
        ("see https://a.example/x?y=1 now", ["see", "https://a.example/x?y=1", "now"]),
        ("@anna likes #oslo!", ["@anna", "likes", "#oslo", "!"]),
        ("1,000.50 at 10:30, ok", ["1,000.50", "at", "10:30", ",", "ok"]),
        ("Rock'n'Roll in Baden-Baden (AT&T)", ["Rock'n'Roll", "in", "Baden-Baden", "(", "AT&T", ")"]),
        ("„Zürich“ – schön…", ["„", "Zürich", "“", "–", "schön", "…"]),
        (" \t ", []),
        (
            "Donau\u00addampf An\u2060na \u05d0\u200f\u05d1, x\u200by",
            ["Donau\u00addampf", "An\u2060na", "\u05d0\u200f\u05d1", ",", "x", "\u200b", "y"],
        ),
        (
            "See https://a.example/x, (http://b.example/y_z).",
            ["See", "https://a.example/x", ",", "(", "http://b.example/y_z", ")", "."],
        ),
        ("A 3D film, 13D, 1.5D, 10 km", ["A", "3D", "film", ",", "13D", ",", "1.5D", ",", "10", "km"]),
        ("한국은행 韓國 이다", ["한국은행", "韓國", "이다"]),
        ("他去了北京 한국", ["他", "去", "了", "北", "京", "한국"]),
    ],
)
def test_words_numbers_addresses_and_signs_are_tokens(line: str, tokens: list[str]) -> None:
    assert cut_words(line).tokens == tokens


@pytest.mark.parametrize("name", ["characters", "words", "white", "characters:'s,l',n't", "words:'s,l'"])
@given(text=st.text() | st.text(alphabet="ab1., \n中文กำ한국e\u0301") | st.text(alphabet="aslnt'’.- é"))
def test_however_text_is_cut_places_are_those_of_the_tokens(name: str, text: str) -> None:
    words = cutter(name)(text, 0, len(text))
    assert [text[start:end] for start, end in words.offsets] == words.tokens
    assert "".join(words.tokens) == "".join(text.split())


@pytest.mark.parametrize("name", ["characters", "words", "characters:'s,l',n't"])
@pytest.mark.parametrize(
    "text",
    ["l'n't's" * 10_000, "1," * 10_000 + "1A", "1," * 10_000 + "1Aé", "\U0001f1e9" * 20_001, ("1:" * 19 + "1A ") * 500],
)
def test_no_text_takes_a_time_that_grows_with_its_square(name: str, text: str) -> None:
    begun = time.process_time()
    assert "".join(cutter(name)(text, 0, len(text)).tokens) == text.replace(" ", "")
    assert time.process_time() - begun < 1


def test_flags_in_a_row_are_cut_one_by_one() -> None:
    german, french = "\U0001f1e9\U0001f1ea", "\U0001f1eb\U0001f1f7"
    flags = [german, french, german, f"{french}\u0301", german, "\U0001f1e9"]
    assert cut_words("".join(flags)).tokens == flags


def test_text_is_cut_in_the_named_way() -> None:
    text = "Anna's 北京 (ok)."
    cut = {name: cutter(name)(text, 0, len(text)).tokens for name in ("characters", "words", "white")}
    assert cut["characters"] == ["Anna's", "北", "京", "(", "ok", ")", "."]
    assert cut["words"] == ["Anna's", "北京", "(", "ok", ")", "."]
    assert cut["white"] == ["Anna's", "北京", "(ok)."]
    with pytest.raises(InvalidOption, match="--tokenizer nltk"):
        cutter("nltk")


@pytest.mark.parametrize(
    ("line", "tokens"),
    [
        ("Anna's U.S.'s @anna's 1990's Anna’S", "Anna 's U.S. 's @anna 's 1990 's Anna ’S"),
        ("don't can't DON’T", "do n't ca n't DO N’T"),
        ("L'ONU d'État, qu’il l'homme's", "L' ONU d' État , qu’ il l' homme 's"),
        ("aujourd'hui O'Neill rock'n'roll it's-a", "aujourd'hui O'Neill rock'n'roll it's-a"),
        ("'s l' d'", "' s l ' d '"),
    ],
)
def test_parts_of_words_that_are_named_are_tokens(line: str, tokens: str) -> None:
    assert cutter("characters:'s,n't,l',d',qu'")(line, 0, len(line)).tokens == tokens.split()


@pytest.mark.parametrize("clitics", ["", "s", "'", "'s,", "(a+)+'", "'s'", ",".join(["'s"] * 51)])
def test_what_is_no_part_of_words_is_refused(clitics: str) -> None:
    with pytest.raises(InvalidOption, match="--tokenizer characters:"):
        cutter(f"characters:{clitics}")


def test_spacy_cuts_as_its_tokenizer_for_the_language_does() -> None:
    spacy = pytest.importorskip("spacy")
    text = "Don't  go to St. Gallen."
    words = cutter("spacy:en")(text, 6, len(text))
    assert words.tokens == [token.text for token in spacy.blank("en")(text[6:]) if not token.is_space]
    assert [text[start:end] for start, end in words.offsets] == words.tokens


@pytest.mark.parametrize(
    ("sentences", "name"),
    [
        ([["Anna", "left"]], "characters"),
        ([["北", "京", "很", "大"], ["กำ"]], "characters"),
        ([["北京", "很", "大城市", "上海"]], "words"),
        ([], "characters"),
        ([["Germany", "'s", "is", "n't"], ["’s"]] * 3, "characters:'s,n't"),
        ([["Anna", "'s"], ["Don't"], ["Anna's"], ["Bo's"]] * 3, "characters"),
        ([["Anna", "'s"]] * 2, "characters"),
        ([["l'", "ONU", "d’", "aujourd'hui"], ["L'Oréal"]] * 3, "characters:d'"),
        ([["北京", "很", "大城市", "上海", "'s"]] * 3, "words:'s"),
    ],
)
def test_tokens_tell_how_text_was_cut(sentences: list[list[str]], name: str) -> None:
    assert cut_of_tokens(sentences) == name


@given(st.text(), st.data())
def test_places_of_a_piece_are_places_in_the_whole(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    words = cut_text(text, start, len(text))
    assert [text[begin:end] for begin, end in words.offsets] == words.tokens
    assert all(begin >= start for begin, _ in words.offsets)
