"""Which form a file has, by its name, and by its beginning where the name says too little."""

from __future__ import annotations

import re
from pathlib import Path

from nertool.corpus.column_files import CONLL2012_BEGINNING, CONLLU_COLUMNS, CONLLU_ID
from nertool.corpus.files import PACKED, open_bytes, translate_read_errors
from nertool.corpus.records import BYTE_ORDER_MARK
from nertool.errors import InvalidData
from nertool.sources.readers import brat, conllu, webanno
from nertool.sources.readers.char_spans import SPANS_WAY
from nertool.sources.readers.layout import Layout

BEGINNING = 1 << 16
"""Bytes of a file that are looked at."""
FIRST_LINES = 50
TAG = re.compile(r"O|[BIESLU]-\S+")
TAGGED_WORDS = re.compile(
    r"<([A-Za-z][\w.-]*)(?: [^<>]*)?>[^<>\n]+</\1>"
    r"|<\w+ [^<>\n]+>"
    r"|<START(?::[^<>\s]+)?> [^<>\n]+ <END>"
    r"|\S <[BIESLU]-[^<>\s]+>"
    r"|\[[^\[\]\n]+\](\([A-Za-z][\w-]*\)|\{\s*\"entity\")"
    r"|\[[A-Z]{2,} [^\[\]\n]+\]|\[[^\[\]\n:]+:[A-Z]{2,}\]|\{[^{}\n|]+\|[A-Z]{2,}\}"
)
"""Words with a tag around or behind them, such as <PER>Anna Keller</PER> and [Anna Keller](PER)."""
SEPARATORS = "/|_#^~"
"""What may stand between each word and its tag, in lines of whole sentences: Anna/PER left/O."""
TEXT_WITH_TAGS = "this looks like text with tags in it, which is not read"
JSON_WAY = "Give it the name that tells its form: .jsonl if each line holds a record, else .json."
NO_DATA: dict[str, tuple[re.Pattern[str], str]] = {
    "a pointer of Git LFS": (re.compile(r"version https://git-lfs\."), "Fetch the file itself: git lfs pull."),
    "a page of HTML": (
        re.compile(r"\s*<(!DOCTYPE html|html)\b", re.IGNORECASE),
        "Fetch the file itself, not its page.",
    ),
}
OTHER_FORMS: dict[str, tuple[re.Pattern[str], str]] = {
    **NO_DATA,
    "XML": (re.compile(r"\s*<(\?xml|!DOCTYPE|!--|[A-Za-z][\w:.-]*(\s[^<>]*)?>\s*<)"), SPANS_WAY),
    "JSON": (re.compile(r'\s*(\{\s*"[^"\n]*"\s*:|\[\s*(\[\s*)*(\{|"(?:[^"\\\n]|\\.)*"\s*,\s*\{))'), JSON_WAY),
    "PubTator": (re.compile(r"\s*\d+\|[ta]\|"), SPANS_WAY),
    "i2b2's list of concepts": (re.compile(r'\s*c="[^"\n]*" \d+:\d+ \d+:\d+\|\|t="'), SPANS_WAY),
    "BioCreative's list of genes": (re.compile(r"\S+\|\d+ \d+\|"), SPANS_WAY),
    "WebAnno TSV 1 or 2": (re.compile(r"\s*#\s*(webanno\.custom|de\.tudarmstadt\.ukp)\."), SPANS_WAY),
    "brat's annotations": (
        re.compile(r"T\d+\t\S+ \d+ \d+"),
        "Give it a name that ends in .ann, and put its text beside it as .txt.",
    ),
    "RDF": (re.compile(r"\s*@prefix\s"), SPANS_WAY),
    "a program in Python": (
        re.compile(r"\s*(#.*\n\s*|(from|import) .*\n\s*)*\w+ *= *[\[({]\s*[\[({]"),
        SPANS_WAY,
    ),
    "sentences that Flair printed": (re.compile(r'Sentence(\[\d+\])?: "'), SPANS_WAY),
}
"""Forms that are not read: how their files begin, and the way out."""


def form(path: Path) -> str:
    """The form of a file: the end of a name such as `.csv`, `.ann` for brat; empty for what only its text can tell.

    Raises:
        InvalidData: brat's file is packed.
    """
    suffix = suffix_of(path)
    if path.is_dir():
        return ".ann"
    annotation = brat.beside(path, ".ann") if path.suffix.lower() == ".txt" else path
    if suffix_of(annotation) != ".ann":
        return suffix
    if not annotation.is_file() or not brat.is_brat(annotation):
        return ""
    if path.suffix in PACKED:
        raise InvalidData(f"{path}: a packed file of brat's", "Unpack it, and the text beside it.")
    return ".ann"


def suffix_of(path: Path) -> str:
    """The end of a file's name, before that of the packing."""
    return (path.with_suffix("") if path.suffix in PACKED else path).suffix.lower()


def form_of_text(path: Path, layout: Layout) -> str:
    """The form of a file of text, as its beginning tells: `WebAnno`, `CoNLL-2012`, `CoNLL-U`; empty for column text.

    Columns that the layout names make it column text.

    Raises:
        InvalidData: it has a form of annotated text that is not read.
    """
    with translate_read_errors(path), open_bytes(path) as file:
        head = file.read(BEGINNING).decode(layout.encoding, "replace").lstrip(BYTE_ORDER_MARK)
    if webanno.FORMAT.match(head):
        return "WebAnno"
    if layout.delimiter:
        return ""
    if CONLL2012_BEGINNING.match(head) and not (layout.token_column or layout.tag_column):
        return "CoNLL-2012"
    if _is_conllu(head):
        return "CoNLL-U"
    _refuse_other_forms(path, head)
    if not layout.as_is:
        _refuse_pairs(path, head)
    return ""


def refuse_no_data(path: Path) -> None:
    """Refuse what comes in place of a file when it is fetched: a pointer of Git LFS, or a page of HTML.

    Raises:
        InvalidData: it is one.
    """
    with translate_read_errors(path), open_bytes(path) as file:
        head = file.read(BEGINNING).decode("utf-8", "replace").lstrip(BYTE_ORDER_MARK)
    for name, (beginning, way) in NO_DATA.items():
        if beginning.match(head):
            raise InvalidData(f"{path}:1: this looks like {name}, which is not read", way)


def _is_conllu(head: str) -> bool:
    """Whether the first word has the ten columns of CoNLL-U and no tag of an entity as the last one, or a comment names
    the columns of CoNLL-U Plus."""
    for line in head.split("\n"):
        if conllu.GLOBAL_COLUMNS.fullmatch(line.strip()):
            return True
        if line.strip() and not line.startswith("#"):
            fields = line.rstrip("\r").split("\t")
            with_id = len(fields) == len(CONLLU_COLUMNS) and CONLLU_ID.fullmatch(fields[0]) is not None
            return with_id and (fields[6].isdecimal() or fields[6] == "_") and not TAG.fullmatch(fields[9])
    return False


def _refuse_other_forms(path: Path, head: str) -> None:
    for name, (beginning, way) in OTHER_FORMS.items():
        if beginning.match(head):
            raise InvalidData(f"{path}:1: this looks like {name}, which is not read", way)
    tagged: list[int] = []
    lines = [line for line in head.split("\n")[:FIRST_LINES] if line.strip()]
    for line in lines:
        fields = line.split()
        if "\t" not in line and not TAG.fullmatch(fields[-1]) and TAGGED_WORDS.search(line):
            tagged.append(len(fields))
    if max(tagged, default=0) > 3 or 2 * len(tagged) > len(lines):
        raise InvalidData(f"{path}:1: {TEXT_WITH_TAGS}", SPANS_WAY)


def _refuse_pairs(path: Path, head: str) -> None:
    """Refuse sentences in which all words are written with a tag behind the same separator.

    Raises:
        InvalidData: these are such.
    """
    lines = [line for line in head.split("\n")[:FIRST_LINES] if line.strip()]
    words = [word for line in lines for word in line.split()]
    if len(words) < 3 or len(words) == len(lines):
        return
    if any(all(separator in word[1:-1] for word in words) for separator in SEPARATORS):
        hint = f"{SPANS_WAY} To take them as they are: --accept-as-is."
        raise InvalidData(f"{path}:1: {TEXT_WITH_TAGS}", hint)
