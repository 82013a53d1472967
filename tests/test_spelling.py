"""Spellings of tags: which one a corpus has, and what its tags are as B-PER, I-PER and O."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nertool.spelling import (
    CANONICAL,
    PLAIN,
    Reading,
    Spelling,
    Tags,
    find_spelling,
    mixed_spellings,
    read_corpus,
    spelling_of_labels,
    stands_for_outside,
    unread_prefixes,
)
from nertool.tags import Span, pairs, spans

CANON = "B-PER I-PER O O B-LOC O"


def read(*sentences: str, tags: Tags = "auto") -> Reading:
    counts = Counter(pair for sentence in sentences for pair in pairs(sentence.split()))
    return read_corpus(counts, len(sentences), tags)


@pytest.mark.parametrize(
    ("written", "shown", "canonical"),
    [
        ("PER PER O O LOC O", "PER without a prefix", "I-PER I-PER O O I-LOC O"),
        ("PERSON O O Date_of-birth O", "PER without a prefix", "I-PERSON O O I-Date_of-birth O"),
        ("person _ _ place _", "PER without a prefix, _ for O", "I-person O O I-place O"),
        ("B I O O B O", "B without a type", "B-ENTITY I-ENTITY O O B-ENTITY O"),
        ("B M E S O O", "B without a type", "B-ENTITY M-ENTITY E-ENTITY S-ENTITY O O"),
        ("b i o o o", "b without a type, o for O", "B-ENTITY I-ENTITY O O O"),
        ("PER-B PER-I O O LOC-B O", "PER-B", CANON),
        ("creative-work-B creative-work-I O", "PER-B", "B-creative-work I-creative-work O"),
        ("per-b per-i o", "per-b, o for O", "B-per I-per O"),
        ("PER_B PER_E O PER_S O", "PER_B", "B-PER E-PER O S-PER O"),
        ("B_PER I_PER O O B_LOC O", "B_PER", CANON),
        ("B:PER I:PER O O B:LOC O", "B:PER", CANON),
        ("B/PER I/PER O O B/LOC O", "B/PER", CANON),
        ("B.PER I.PER O", "B.PER", "B-PER I-PER O"),
        ("B–PER I–PER O", "B–PER", "B-PER I-PER O"),  # a dash for the hyphen
        ("B\u2010PER I\u2010PER O", "B\u2010PER", "B-PER I-PER O"),  # a hyphen of Unicode
        ("B\u2212PER I\u2212PER O", "B\u2212PER", "B-PER I-PER O"),  # a minus
        ("B-PER I-PER NONE NONE B-LOC NONE", "B-PER, NONE for O", CANON),
        ("PER_B PER_I OUT OUT LOC_B OUT", "PER_B, OUT for O", CANON),
        ("b-per i-per O O b-loc O", "b-per", "B-per I-per O O B-loc O"),
        ("B-PER i-PER O O b-LOC O", "b-per", CANON),
        ("b_PER i_PER o", "b_per, o for O", "B-PER I-PER O"),
        ("B-PER I-PER o o B-LOC o", "B-PER, o for O", CANON),
        ("B-PER I-PER 0 0 B-LOC O", "B-PER, 0 for O", CANON),
        ("B-PER I-PER _ _ B-LOC _", "B-PER, _ for O", CANON),
        ("B-PER I-PER - - B-LOC -", "B-PER, - for O", CANON),
        ("B-PER I-PER nan nan B-LOC nan", "B-PER, nan for O", CANON),
        ("B-PER I-PER OTHER OTHER B-LOC OTHER", "B-PER, OTHER for O", CANON),
        ("PER_B PER_I other other LOC_B other", "PER_B, other for O", CANON),
        ("B_CLS E_CLS B_CLS I_CLS E_CLS", "B_PER", "B-CLS E-CLS B-CLS I-CLS E-CLS"),
        (
            "MM_O BB_O_PER B_PER E_PER EE_O_PER W_LOC",
            "B_PER, MM_O for O, BB_O_PER for O, EE_O_PER for O",
            "O O B-PER E-PER O W-LOC",
        ),
        (
            "BB_O_PER B-PER M-PER E-PER EE_O_PER WW_O_EOS MM_O",
            "B-PER, MM_O for O, BB_O_PER for O, EE_O_PER for O, ...",
            "O B-PER M-PER E-PER O O O",
        ),
        ("PER PER * * LOC *", "PER without a prefix, * for O", "I-PER I-PER O O I-LOC O"),
    ],
)
def test_a_spelling_is_recognised_and_read(written: str, shown: str, canonical: str) -> None:
    spelling = read(written).spelling
    assert (str(spelling), spelling.is_canonical) == (shown, False)
    assert spelling.read(written.split()) == canonical.split()
    assert spelling.entities(written.split()) == list(spans(canonical.split()))


@pytest.mark.parametrize(
    ("written", "scheme"),
    [
        ("PER PER O O LOC O", "io"),
        ("PER-I PER-I O PER-B LOC-I O", "iob1"),
        ("PER_I PER_E O LOC_E O", "ioe2"),
        ("I_PER I_PER O I_LOC E_LOC I_LOC O", "ioe1"),
        ("b-per e-per o s-loc", "iobes"),
        ("B:PER L:PER O U:LOC", "bilou"),
        ("B M E O W O O", "bmewo"),
        ("BB_O_PER B_PER M_PER E_PER EE_O_PER MM_O BB_O_LOC W_LOC EE_O_LOC", "bmewo"),
        ("B-PER I-PER O B-LOC I-LOC O B- I-", "iob2"),
    ],
)
def test_the_scheme_is_that_of_the_tags_as_they_are_read(written: str, scheme: str) -> None:
    assert read(written).scheme == scheme


@pytest.mark.parametrize(
    "written",
    [
        "NOUN VERB DET NOUN PUNCT",
        "N O V O N A V D N",  # Twitter's O is a pronoun
        "NN_S VB_S NN_S DT",  # suffixes, but no O
        "B I",
        "B_X B_Y NN",
        "PER PER OTHER OTHER LOC OTHER",  # OTHER may be a type as others are
        "NN_O VB_O DT_O",
        "1 2 0 0 0 3",  # numbers of tags
        "O O",
        "_ _ _",
        "",
    ],
)
def test_parts_of_speech_and_the_like_are_plain_and_have_no_entities(written: str) -> None:
    assert read(written, written) == (PLAIN, "plain")
    assert PLAIN.read(written.split()) == written.split()
    assert PLAIN.entities(written.split()) == []


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("B-PER I-PER X X", "X"),
        ("B_PER I_PER none_of_them B_LOC", "none_of_them"),
        ("B-PER I-PER O X", ""),  # a stray tag, which check tells
        ("B-PER NONE NONE", ""),  # which is read as O
        ("PER LOC E-MAIL PER", ""),  # types of parts of speech or the like
        ("NN_S VB_S NN_S DT", ""),
        ("B-NP I-NP B-VP", ""),
    ],
)
def test_a_tag_that_may_stand_for_o_is_found(written: str, told: str) -> None:
    assert stands_for_outside(Counter(written.split())) == told


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("BPER IPER O BLOC", "BPER"),
        ("BODY IDEA O", ""),
        ("PER-START PER-END O", "PER-START"),
        ("BEGIN_PER INSIDE_PER O", "BEGIN_PER"),
        ("B-UNIT B-UNIT I-UNIT B-START O", ""),  # prefixes that are read, in front of such a type
        ("B_date.start B_date.end O", ""),
        ("LAST_NAME UNIT_PRICE O", ""),  # types, of which none has two such words
        ("B--PER I--PER O", "B--PER"),
        ("B_PER I_PER O", ""),
        ("O O", ""),
    ],
)
def test_prefixes_that_are_not_read_are_found(written: str, told: str) -> None:
    assert unread_prefixes(Counter(written.split())) == told


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("B-PER I-PER O B_LOC I_LOC", ("B-PER", "B_LOC")),
        ("B-PER I-PER O LOC-B LOC-I", ("B-PER", "LOC-B")),
        ("B-PER I-PER O b-loc i-loc", ()),
        ("B-creative_work I-creative_work B-PER I-PER", ()),
        ("B-x_B I-x_B B_LOC", ()),
    ],
)
def test_several_spellings_of_one_corpus_are_found(written: str, told: tuple[str, ...]) -> None:
    assert mixed_spellings(Counter(written.split())) == told


def test_letters_in_both_cases_are_one_spelling() -> None:
    reading = read(*["B-PER I-PER O b-loc i-loc o"] * 3)
    assert (reading.spelling, reading.scheme) == (CANONICAL, "iob2")


def test_the_end_of_a_sentence_is_no_evidence_for_o() -> None:
    assert read(*["N_S V_S"] * 9).scheme == "plain"
    assert read(*["NOUN"] * 9).scheme == "plain"


def test_what_the_tags_stand_for_may_be_said() -> None:
    assert read("N O V O N A V D N", tags="entities").scheme == "io"
    assert read("PER PER OTHER OTHER LOC OTHER", tags="entities").spelling.outside == ("OTHER",)
    assert read("B I", tags="entities").scheme == "iob2"
    assert read("1 2 0 0 0 3", tags="entities").spelling.outside == ("0",)
    assert read("PER PER O O LOC O", tags="plain") == (PLAIN, "plain")
    assert read(CANON, tags="plain") == (PLAIN, "plain")
    assert read(CANON, tags="entities") == (CANONICAL, "iob2")


@pytest.mark.parametrize("stray", ["X", "_", "[CLS]", "PER", "B-", "B", "x-PER"])
def test_a_stray_tag_beside_typed_ones_stays_as_it_is(stray: str) -> None:
    reading = read(CANON, stray)
    assert reading == (CANONICAL, "iob2")
    assert reading.spelling.read([stray]) == [stray]


def test_most_tags_decide() -> None:
    spelling = read("PER-B PER-I O", "PER-B PER-I O B-PER X").spelling
    assert spelling.read(["PER-B", "B-PER", "X"]) == ["B-PER", "B-PER", "X"]


def test_the_labels_of_a_model_are_enough() -> None:
    assert spelling_of_labels(["O", "PER", "LOC"]).entities(["PER", "PER", "LOC"]) == [
        Span("PER", 0, 2),
        Span("LOC", 2, 3),
    ]
    assert spelling_of_labels(["B-PER", "I-PER", "o"]).entities(["B-PER", "o"]) == [Span("PER", 0, 1)]
    assert spelling_of_labels(["NOUN", "VERB", "X"]) == PLAIN


@given(st.lists(st.sampled_from(["O", *(f"{prefix}-{label}" for prefix in "BIESLUMW" for label in ("PER", "a-b"))])))
def test_canonical_tags_are_read_as_they_are(tags: list[str]) -> None:
    spelling = find_spelling(Counter(tags))
    assert spelling in (CANONICAL, PLAIN)
    assert spelling.read(tags) is tags


@pytest.mark.parametrize("stray", ["o", "0"])
def test_an_o_in_small_letters_as_frequent_as_o_hides_no_prefixes(stray: str) -> None:
    counts = {"B-PER": 20, "I-PER": 10, stray: 100, "O": 120}
    assert find_spelling(counts) == Spelling("prefix", outside=(stray,))
    assert find_spelling({"B-PER": 20, stray: 1, "O": 120}) == Spelling("prefix")
