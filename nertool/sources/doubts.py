"""Doubts about data: what tokens and tags look like where a file was not read as it was meant."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator

from nertool.corpus.column_files import (
    ENTITY_TAG,
    INVISIBLE,
    TAG_NAMES,
    TOKEN_NAMES,
    Sentence,
    is_entity_tag,
    is_part_of_speech,
)
from nertool.corpus.numbering import EntityNumbers, count_up
from nertool.errors import InvalidData
from nertool.progress import logger
from nertool.sources.readers.sentence_ends import FULL_STOPS
from nertool.spelling import ALWAYS_OUTSIDE, NOTHING, mixed_spellings, stands_for_outside, unread_prefixes
from nertool.tags import OUTSIDE, PREFIXES, split_tag

SENTENCES = 2000
"""Sentences of a split that are looked at; a file that is read wrong is wrong from its beginning."""
FEW_TOKENS, FEW_SENTENCES = 30, 6
"""Less than that tells nothing of the tags, or of the sentences."""
LEAST_TOKENS = 2
"""Less than that tells nothing of the tokens."""
LEAST_LINES = 4
"""Less than that tells nothing of lines of tokens and lines of tags; `O gato` is Portuguese."""
FEW_PARTS = 20
"""Parts in which one of what no sound file has is too many."""
LONG_SENTENCE = 400
"""Tokens of a single sentence that are likely those of a whole file."""
LONGEST_TOKEN = 10_000
"""Characters of a token that are not looked through; a file with longer ones throughout has no words."""
LISTED = re.compile(r"[\[{].+[\]}]", re.DOTALL)
LISTED_TAG = re.compile(r"\"?[\[{].*[\]}]\"?$", re.DOTALL)
NUMBERED_TAG = re.compile(r"(\*|\w[\w-]*)\[\d+\](\||$)")
WITH_TAG = re.compile(r".+[|/_](O|[BIESLUMW]-[\w-]+)")
ONE_TAG = r"(?:O|[BIESLUMW]-[^\s|+,;&#/~]+)"
SEVERAL_TAGS = re.compile(rf"{ONE_TAG}(?:\s*[|+,;&#/~\s]\s*{ONE_TAG})+")
"""Tags of nested entities in one field, such as B-PER|B-LOC."""
MORE_THAN_A_TYPE = re.compile(r"[BIESLUMW]-[^\s#@\[({]+(?:[|;,:/]|[#@]\w+|\[.*\]|\{.*\}|\([\d.]+\))")
"""Tags with an id, a score or what is left of a delimiter behind the type, such as B-PER#12."""
BLANK_INSIDE = re.compile(r"[BIESLUMW](?:\s+-|-\s)\s*\S")
"""A tag with a blank beside its hyphen, such as B - PER."""
TWICE_PREFIXED = re.compile(r"[BI]-([BIESLUMW])-(\S.*)")
"""What becomes of a span whose label has a prefix of its own."""
BRACKETS = re.compile(r"\(\S*\*|\S*\*\)|\([^()\s]+\)?$|[^()\s]+\)$")
"""What opens or closes in a column of brackets, as CoNLL-2012, CoNLL-2005 and CorefUD have."""
NAME = re.compile(r"[A-Z]?[a-z]+(?:[_ ][a-z]+)*")
"""A column's name in small letters, and no tag in capitals."""
NUMBERED_CHARACTER = re.compile(r"[\u3400-\u9fff][0-3]")
"""A character with its place in a word behind it, as the corpus of Weibo has."""
WITH_ENTITY = re.compile(r"(?:[^\s|/_+=:]+[|/_+=:]|[^\w\s]+|_+)(?:O|[BIESLUMW]-[\w-]+)(?:\|.*|[^\w\s]+)?")
"""The tag of an entity behind its name or a part of speech, or in brackets, as NER=B-PER, NNP/B-PER and <B-PER>."""
WORD_WITH_STOP = re.compile(r"[^\W\d_]{2,}[.!?]$")
"""The last word of a line of prose."""
WORD = re.compile(r"[^\W\d_]*[^\W\d_A-Z][^\W\d_]*")
"""A word that is no tag in capitals."""
LEAST_WORDS = 4
"""Lines of prose with as many words each, or one fewer if a word is repeated."""
LEAST_COUNTING = 4
"""Tokens of a sentence that count up, where those of most do not."""
SHOWN = 5
"""Tags that a warning names."""
PRINTED = re.compile(r"""[(\[]?[bu]?(['"]).+\1[,)\]]*""")
"""A token in quotes, such as Python prints in tuples."""
MARK = re.compile(r"\[(?:CLS|SEP|PAD|BOS|EOS)\]|</?[sS]>|<(?:CLS|SEP|PAD|BOS|EOS|START|STOP)>", re.IGNORECASE)
"""What models and scripts put around a sentence, and around its padding."""
PART = re.compile(r"##.+|\u2581.*|.+@@", re.DOTALL)
"""A part of a word as WordPiece, SentencePiece and subword-nmt write it; ▁ stands in front of whole words too."""
BYTE_PART = "\u0120"
"""What byte-level BPE has in front of words; in Maltese it is a letter."""
EXPRESSION = re.compile(r"\d+:[A-Za-z][\w.]*(?:;|$)")
"""A tag of PARSEME, which numbers the expressions of a sentence, as 1:VID."""
DELIMITERS = ",;:|="
"""What may be left of a delimiter at the end of a token."""
SENTENCES_HELP = "blank lines end sentences, or a token does (--sentence-end .)"
TEXTS_HELP = "Write JSON Lines of tokens and tags, or of text and spans; a table whose cells are quoted is named .csv"
BRACKETS_HELP = "Take another column: --tag-column; or write B-PER, I-PER and O in their place"
SPANS_HELP = "Write one span for a whole entity, with the type alone as its label"
PREFIXES_HELP = "Write B-, I-, E- and S- in their place"
COLUMNS_HELP = "Say which columns hold tokens and tags: --token-column, --tag-column"
INSIST = "to take them as they are: --accept-as-is."


class Doubts:
    """Looks at sentences as they go by.

    Args:
        place: the file or split, for messages.
        task: of the tags; parts of speech may be words that few tokens share.
    """

    def __init__(self, place: str, task: str = "ner") -> None:
        self.place, self.task = place, task
        self.kinds: Counter[str] = Counter()
        self.tags: Counter[str] = Counter()
        self.ends: Counter[str] = Counter()
        self.sentences = self.tokens = self.words = self.longest = self.stops = 0
        self.few_tokens: set[str] = set()
        self.first_tags: Counter[str] = Counter()
        self.numbers = EntityNumbers()
        self.first: Sentence | None = None
        self.mark = ""

    def watch(self, sentences: Iterable[Sentence]) -> Iterator[Sentence]:
        """Give the sentences on, as they are."""
        for sentence in sentences:
            self.sentences += 1
            self.longest = max(self.longest, len(sentence.tokens))
            if sentence.tokens and self.sentences <= SENTENCES:
                self._look(sentence)
            yield sentence

    def _look(self, sentence: Sentence) -> None:
        self.first = self.first or sentence
        tokens = sentence.tokens
        self.tokens += len(tokens)
        self.stops += sum(token in FULL_STOPS for token in tokens[:-1])
        self.tags.update(INVISIBLE.sub("", tag).strip() for tag in sentence.tags)
        if len(self.few_tokens) < FEW_TOKENS:
            self.few_tokens.update(tokens[:FEW_TOKENS])
        counting = len(tokens) if count_up(tokens) else 0
        self.kinds["counting"] += counting
        self.kinds["counting in places"] += counting if counting >= LEAST_COUNTING else 0
        self.kinds["capitals"] += sum(token[:1].isupper() for token in tokens)
        self.kinds["tags counting"] += len(tokens) if count_up(sentence.tags) else 0
        self.numbers.look(sentence.tags)
        self.first_tags.update(sentence.tags[:1] if len(tokens) > 1 else [])
        for token in tokens:
            if len(token) > LONGEST_TOKEN:
                continue
            self.kinds["sub-words"] += PART.fullmatch(token) is not None
            self.kinds["words of BPE"] += token.startswith(BYTE_PART)
            self.words += len(token.split())
            self.ends[token[-1:]] += 1
            self.kinds["signs"] += not any(map(str.isalnum, token))
            token = token.strip()
            self.kinds["tags in any case"] += is_entity_tag(token.upper())
            if is_entity_tag(token):
                self.kinds["tags"] += 1
            elif MARK.fullmatch(token):
                self.kinds["marks"] += 1
                self.mark = token
            elif is_part_of_speech(token):
                self.kinds["parts of speech"] += 1
            elif token.isdecimal():
                self.kinds["numbers"] += 1
            elif LISTED.fullmatch(token):
                self.kinds["lists"] += 1
            elif WITH_TAG.fullmatch(token):
                self.kinds["with tags"] += 1
            elif PRINTED.fullmatch(token):
                self.kinds["in quotes"] += 1
            elif NUMBERED_CHARACTER.fullmatch(token):
                self.kinds["numbered characters"] += 1

    @property
    def is_settled(self) -> bool:
        """Whether no sentence that follows can change the judgement."""
        return self.sentences > SENTENCES and self.longest > 1

    def check(self) -> None:
        """Judge what went by; a single sentence that is long, or has full stops inside, is only told.

        Raises:
            InvalidData: it cannot be right; the hint names the option that mends it.
        """
        if is_long(self.sentences, self.longest) or (self.sentences == 1 and self.stops):
            logger.warning("%s: one sentence of %s tokens: %s", self.place, f"{self.longest:,}", SENTENCES_HELP)
        found = self.find()
        if found:
            what, mend = found
            raise InvalidData(f"{self.place}: {what}", f"{mend}; {INSIST}")
        self._tell_odd_tags()

    def _tell_odd_tags(self) -> None:
        """Say which tags are not spelled as those of entities, where most are; and where there is no entity."""
        if self.tags.keys() == {OUTSIDE}:
            logger.info("%s: all tags are O: no entity is read from it", self.place)
        odd = {tag: count for tag, count in self.tags.items() if tag and not is_entity_tag(tag)}
        odd = {tag: count for tag, count in odd.items() if tag not in (*ALWAYS_OUTSIDE, *NOTHING)}
        if odd and sum(odd.values()) <= self._count(ENTITY_TAG):
            shown = ", ".join(sorted(odd, key=odd.__getitem__, reverse=True)[:SHOWN])
            told = "%s: %s tags are not spelled as most: %s: nertool check shows where they stand"
            logger.warning(told, self.place, f"{sum(odd.values()):,}", shown)

    def find(self) -> tuple[str, str] | None:
        """What cannot be right and how it is mended; None where nothing is wrong."""
        return self._wrong_tokens() or self._wrong_tags() or self._wrong_sentences()

    def _wrong_tokens(self) -> tuple[str, str] | None:
        if self.first and self._begins_with_names(self.first):
            return (
                f"the first token is {self.first.tokens[0]!r}, as if it were a column's name",
                "Take that line out, or use the names: --token-column, --tag-column",
            )
        kinds = {
            "counting": ("the tokens count up: they number the words", COLUMNS_HELP),
            "tags": ("most tokens are tags", COLUMNS_HELP),
            "parts of speech": ("most tokens are parts of speech", COLUMNS_HELP),
            "lists": ("most tokens are lists: a row holds a whole sentence", "Write JSON Lines of tokens and tags"),
            "with tags": ("most tokens end with a tag", "Say what separates the two: --delimiter"),
            "numbered characters": ("most tokens are characters with a number behind them", "Take the number off"),
            "in quotes": ("most tokens stand in quotes", "Write lines of a token and its tag, without quotes"),
        }
        enough = self.tokens >= LEAST_TOKENS
        for kind, told in kinds.items():
            if enough and 2 * self.kinds[kind] > self.tokens:
                return told
        in_small_letters = any(ENTITY_TAG.match(token.upper()) for token in self.few_tokens)
        if enough and in_small_letters and 2 * self.kinds["tags in any case"] > self.tokens:
            return kinds["tags"]
        if self.tokens >= LEAST_LINES and 2 * self.kinds["tags"] == self.tokens:
            return "half of the tokens are tags: they stand in lines of their own", TEXTS_HELP
        if enough and FEW_PARTS * self.kinds["counting in places"] > self.tokens:
            return "the tokens of some sentences count up: files with other columns may have been joined", COLUMNS_HELP
        end = next((end for end in DELIMITERS if enough and self.ends[end] == self.tokens), "")
        if end:
            return f"all tokens end with {end}", f"Say what separates the columns: --delimiter '{end}'"
        if self.words > 2 * self.tokens:
            return "the tokens hold several words: a row holds a whole text or a span", TEXTS_HELP
        only = next(iter(self.few_tokens), "")
        if self.longest >= LEAST_LINES and len(self.few_tokens) == 1 < len(self.tags) and not only.isalpha():
            return f"all tokens are {only!r}, whatever their tags", COLUMNS_HELP
        if self.tokens >= LEAST_LINES and self.few_tokens <= {OUTSIDE, *PREFIXES}:
            return "all tokens are prefixes of tags, such as B and I", COLUMNS_HELP
        if FEW_PARTS * self.kinds["marks"] > self.tokens:
            return f"tokens such as {self.mark} are marks of a model, and no words", "Leave them out"
        if FEW_PARTS * self.kinds["sub-words"] > self.tokens or 2 * self.kinds["words of BPE"] > self.tokens:
            return "tokens such as ##ing are parts of words", "Join them to the word in front, which keeps its tag"
        if enough and self.kinds["numbers"] == self.tokens:
            return "all tokens are numbers", f"{COLUMNS_HELP}; which one numbers the sentences: --sentence-column"
        return None

    def _begins_with_names(self, first: Sentence) -> bool:
        """Whether the first tag is a column's name, or the only one that is no entity's among entities."""
        name = first.tags[0]
        if self.tags[name] != 1 or is_entity_tag(name) or name in (*ALWAYS_OUTSIDE, *NOTHING):
            return False
        if first.tokens[0].lower() in TOKEN_NAMES and NAME.fullmatch(name) and len(self.tags) > 1:
            return True
        others = self.tags.keys() - {name, "O"}
        among_entities = bool(others) and all(map(ENTITY_TAG.match, others))
        return among_entities or name.lower() in TAG_NAMES or name.lower().endswith(("_tags", "_tag", "_label"))

    def _wrong_tags(self) -> tuple[str, str] | None:
        outside = self.tags["O"] + self.tags["_"]
        entities = self.tokens - outside
        if 2 * self._count(NUMBERED_TAG) > entities > 0:
            return "tags such as PER[1] are WebAnno's", "Give the file the name of its form: .tsv of WebAnno TSV 3"
        if unread := unread_prefixes(self.tags):
            return f"tags such as {unread} have prefixes that are not read", PREFIXES_HELP
        if mixed := mixed_spellings(self.tags):
            return f"tags have several spellings: {', '.join(mixed)}", "Write all of them alike, as B-PER"
        if 2 * self._count(PRINTED) > self.tokens >= LEAST_TOKENS:
            return f"tags such as {next(filter(PRINTED.match, self.tags))} stand in quotes", "Write them without quotes"
        if FEW_PARTS * self._count(EXPRESSION) > entities - self.tags["*"] > 0:
            return "tags such as 1:VID number expressions, as PARSEME does", "Write B-VID and I-VID in their place"
        if 2 * self._count(TWICE_PREFIXED) > entities > 0 and self._has_labels_with_prefixes():
            return "tags such as B-B-PER: the labels of spans have prefixes", SPANS_HELP
        if 2 * self._count(BRACKETS) > entities - self.tags["*"] - self.tags["-"] > 0:
            return "tags such as (PER* are brackets over several tokens", BRACKETS_HELP
        only_signs = self.kinds["signs"] == self.tokens
        if not only_signs and not any(any(map(str.isalnum, tag)) for tag in self.tags):
            return f"no tag has a letter: {' '.join(sorted(self.tags)[:5])}", COLUMNS_HELP
        return self._more_than_tags(entities) or self._wrong_outside() or self._too_many_tags() or self._numbers()

    def _numbers(self) -> tuple[str, str] | None:
        """Numbers of words in place of tags, or numbers of entities behind types."""
        if self.tokens >= LEAST_TOKENS and 2 * self.kinds["tags counting"] > self.tokens:
            return "the tags count up: they number the words", COLUMNS_HELP
        if self.numbers.count:
            return f"tags such as {', '.join(self.numbers.shown)} number the entities", "Take the number off each tag"
        return None

    def _more_than_tags(self, entities: int) -> tuple[str, str] | None:
        """Tags with something else beside a prefix and a type, or words in their place.

        Args:
            entities: tokens of entities.
        """
        more = [tag for tag in self.tags if MORE_THAN_A_TYPE.fullmatch(tag)]
        if 2 * sum(self.tags[tag] for tag in more) > entities > 0:
            return f"tags such as {more[0]} hold more than a prefix and a type", "Write them alone, as B-PER"
        if FEW_PARTS * self._count(SEVERAL_TAGS) > entities > 0:
            return "tags such as B-PER|B-LOC hold several", "Keep one of them for each token, the outer entity's"
        if 2 * self._count(BLANK_INSIDE) > entities > 0:
            return f"tags such as {next(filter(BLANK_INSIDE.match, self.tags))} hold blanks", "Write them as B-PER"
        behind = [tag for tag in self.tags if WITH_ENTITY.fullmatch(tag)]
        if 2 * sum(self.tags[tag] for tag in behind) > self.tokens:
            return f"tags such as {behind[0]} hold something around an entity's tag", "Write that tag alone"
        if 2 * self._count(WORD_WITH_STOP) > self.tokens:
            return "tags end with a full stop: lines hold text, and no tokens with tags", TEXTS_HELP
        if 2 * self._count(LISTED_TAG) > self.tokens:
            return "most tags are lists: a row holds a whole text with its spans", TEXTS_HELP
        if wide := next((tag for tag in self.tags if not tag.isascii() and _is_wide_tag(tag)), ""):
            return f"tags such as {wide} are in full-width letters", "Write them as B-PER"
        return None

    def _wrong_outside(self) -> tuple[str, str] | None:
        """Tags beside those of entities that are neither O nor read."""
        if stray := stands_for_outside(self.tags):
            return f"the tags of entities have no O, and {stray} stands beside them", "Write O in its place"
        types = {split_tag(tag)[1] for tag in self.tags if ENTITY_TAG.match(tag)}
        if OUTSIDE not in self.tags and OUTSIDE in types:
            return f"there is no O, and the type {OUTSIDE} of an entity stands for it", "Write O without a prefix"
        odd = {tag: count for tag, count in self.tags.items() if len(tag) > 2 and tag[1] == "-"}
        odd = {tag: count for tag, count in odd.items() if tag[0].upper() not in PREFIXES and tag[2:] in types}
        if FEW_PARTS * sum(odd.values()) > self.tokens - self.tags["O"]:
            return f"tags such as {next(iter(odd))} have prefixes that are not read", PREFIXES_HELP
        return None

    def _too_many_tags(self) -> tuple[str, str] | None:
        odd = [tag for tag in self.tags if not ENTITY_TAG.match(tag)]
        if self.tokens >= FEW_TOKENS and 2 * len(odd) > self.tokens:
            shown = ", ".join(odd[:5])
            return f"{len(odd):,} different tags for {self.tokens:,} tokens: {shown}, ...", COLUMNS_HELP
        if self.task == "pos":
            return None
        words = [tag for tag in odd if WORD.fullmatch(tag) and not is_part_of_speech(tag.upper())]
        again = any(tag in self.few_tokens for tag in words)
        numbers = [tag for tag in odd if tag.isdecimal()]
        if LEAST_WORDS - again <= len(odd) == self.tokens < FEW_TOKENS and 2 * len(words + numbers) > len(odd):
            return f"each token has a tag of its own, such as {odd[0]}: lines hold text, and no tags", TEXTS_HELP
        are_lines = self.sentences == 1 and self.kinds["capitals"] == self.tokens >= LEAST_WORDS
        if are_lines and 2 * sum(self.tags[tag] for tag in words) > self.tokens:
            return f"all tokens have a capital, and tags such as {words[0]} are words: lines hold text", TEXTS_HELP
        return None

    def _has_labels_with_prefixes(self) -> bool:
        """Whether types such as B-PER are labels with a prefix; B-cell and E-MAIL are types."""
        found = [match for match in map(TWICE_PREFIXED.fullmatch, self.tags) if match]
        types = {match[2] for match in found}
        begins = any(match[1] in "BSU" for match in found)
        return begins and (len(types) > 1 or all(map(str.isupper, types)))

    def _count(self, pattern: re.Pattern[str]) -> int:
        """Number of tokens whose tag begins like this."""
        return sum(count for tag, count in self.tags.items() if pattern.match(tag))

    def _wrong_sentences(self) -> tuple[str, str] | None:
        in_front = [tag for tag, count in self.first_tags.items() if count == self.tags[tag] and not is_entity_tag(tag)]
        in_front = [tag for tag in in_front if tag not in (*ALWAYS_OUTSIDE, *NOTHING)]
        lines = sum(self.first_tags[tag] for tag in in_front)
        if self._count(ENTITY_TAG) and 2 <= lines >= self.sentences / 2:
            what = f"lines in front of sentences, such as one that ends with {in_front[0]!r}, hold no token"
            return what, "Say how they begin: --comment"
        if self.sentences >= FEW_SENTENCES and self.longest == 1:
            return (
                f"all {self.sentences:,} sentences have one token",
                "Take out the blank line behind each token, or say which column holds the sentence: --sentence-column",
            )
        return None


def _is_wide_tag(tag: str) -> bool:
    """Whether the tag of an entity is written in letters or with a hyphen of full width."""
    plain = unicodedata.normalize("NFKC", tag)
    return plain[:2] != tag[:2] and ENTITY_TAG.match(plain) is not None


def is_long(sentences: int, tokens: int) -> bool:
    """Whether a split is a single sentence that is likely a whole file."""
    return sentences == 1 and tokens > LONG_SENTENCE
