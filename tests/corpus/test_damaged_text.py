"""Damaged tokens: words of many languages misread on purpose are told, and the same words as they should be are not."""

from __future__ import annotations

import pytest

from nertool.corpus.damaged_text import HTML_ENTITY, MOJIBAKE, damage

WORDS = [
    *("ändern", "Zoë", "garçon", "Łódź", "Öl", "don’t", "“well”", "20°", "€5", "Anna™"),
    *("Анна", "Αθήνα", "東京", "😀"),
]
SOUND = ("„Spaß“", "Spaß“", "BÖ”", "AMANHÃ”", "passé…", "Â", "Ã", "«Å»", "naïve", "5½", "à»")
ENTITIES = ("&amp;", "AT&amp;T", "&#39;", "it&#x27;s", "&quot;", "&lt", "sagen&ldquo;", "&nbsp;")
OTHER_AMPERSANDS = ("&", "AT&T", "R&D;", "&c", "a&b;c", "&#;", "#39;", "?a=1&copy=2")


def misread(word: str, encoding: str) -> str:
    """The word's UTF-8 as programs read it in another encoding: bytes that it lacks become control characters."""
    characters = []
    for byte in word.encode():
        try:
            characters.append(bytes([byte]).decode(encoding))
        except UnicodeDecodeError:
            characters.append(chr(byte))
    return "".join(characters)


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("encoding", ["cp1252", "latin-1"])
def test_misread_words_are_told_from_sound_ones(word: str, encoding: str) -> None:
    assert damage(misread(word, encoding)) == (MOJIBAKE,)
    assert damage(word) == ()


@pytest.mark.parametrize("token", SOUND)
def test_quotes_and_signs_behind_letters_are_sound(token: str) -> None:
    assert damage(token) == ()


@pytest.mark.parametrize("token", [*ENTITIES, *OTHER_AMPERSANDS])
def test_entities_of_html_are_told_from_other_ampersands(token: str) -> None:
    assert damage(token) == ((HTML_ENTITY,) if token in ENTITIES else ())


def test_a_token_may_be_damaged_twice() -> None:
    assert damage("&quot;Ã¤ndern") == (MOJIBAKE, HTML_ENTITY)
