"""Damages files of every form that is read, by a seeded generator, and reads them.

Run as `python tests/faults/mutations.py FORM FOLDER COUNT SEED`. It writes the number of each file before it is read,
so that a signal, too, shows which it was; and at the end a line `wrong TRACEBACKS`.
"""

from __future__ import annotations

import random
import shutil
import sys
import traceback
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

LARGE = [b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x00\x00\x00\x80", b"\x00\x00\x00\x10"]
"""Offsets and lengths that lead far away."""
ODD_TEXT = [
    *(b"\0", b"\r", b"\n", b"\n\n", b"\t", b" ", b'"', b"'", b"{", b"}", b"[", b"]", b",", b":", b"|", b"#", b"\\"),
    *(b"\xff", b"\xef\xbb\xbf", "\u2028".encode(), "\u200d".encode(), "\u0301".encode(), b"\xed\xa0\x80", b"\\ud800"),
    *(
        b"-1",
        b"1e999",
        b"NaN",
        b"null",
        b"true",
        b"9" * 400,
        b"[" * 3000,
        b'{"a":' * 3000,
        b"B-",
        b"-DOCSTART- -X- O O\n",
    ),
]
"""What parsers of text stumble over."""
TABLES = ("arrow", "feather", "parquet", "dataset")
TEXTS = ("columns", "conllu", "json", "jsonl", "csv", "brat", "webanno", "conll2012", "spacy")
FORMS = (*TABLES, *TEXTS)
SUFFIXES = {"arrow": ".arrow", "feather": ".feather", "parquet": ".parquet", "spacy": ".spacy", "brat": ".ann"}
PREDICTED = {
    ".txt": "auto",
    ".conllu": "conllu",
    ".json": "json",
    ".jsonl": "jsonl",
    ".csv": "csv",
    ".parquet": "parquet",
}
"""Suffixes of what `predict` reads too -> form of its reader."""
WEBANNO = (
    "#FORMAT=WebAnno TSV 3.3\n#T_SP=de.tudarmstadt.ukp.dkpro.core.api.ner.type.NamedEntity|identifier|value\n\n\n"
    "#Text=Anna Keller left\n1-1\t0-4\tAnna\t*[1]\tPER[1]\t\n1-2\t5-11\tKeller\t*[1]\tPER[1]\t\n"
    "1-3\t12-16\tleft\t_\t_\t\n\n#Text=Bern\n2-1\t17-21\tBern\t*\tLOC\t\n"
)
CONLL2012 = (
    "#begin document (a/b); part 000\n"
    "a/b 0 0 Anna NNP (TOP(S(NP*) - - - - (PERSON) (0)\na/b 0 1 left VBD (VP*)) leave 01 1 - * -\n\n#end document\n"
)
BRAT = (
    "T1\tPER 0 11\tAnna Keller\nT2\tORG 17 25\tNordbank\n"
    "R1\tworks Arg1:T1 Arg2:T2\nA1\tNeg T1\nT3\tLOC 0 4;5 11\tAnna\n"
)
BRAT_TEXT = "Anna Keller left Nordbank.\nRain in Linburg.\n"


# -- whole files -----------------------------------------------------------------------------------


def tables() -> list[Any]:
    """Tags that are texts, tags that are integers with names, texts with spans, dictionaries, large types."""
    import pyarrow as pa

    tokens = [["anna", "visited", "oslo"], ["bruno", "left"], ["."]] * 20
    tags = [["B-PER", "O", "B-LOC"], ["B-PER", "O"], ["O"]] * 20
    plain = pa.table({"tokens": tokens, "ner_tags": tags})
    integers = pa.table({"tokens": tokens, "ner_tags": [[len(tag) % 2 for tag in row] for row in tags]})
    names = b'{"info": {"features": {"ner_tags": {"feature": {"names": ["B-PER", "O"]}}}}}'
    texts = [{"text": " ".join(row), "entities": [{"start": 0, "end": 1, "label": "PER"}]} for row in tokens]
    coded = pa.ListArray.from_arrays(
        pa.array(range(61), pa.int32()), pa.array(["anna", "oslo"] * 30).dictionary_encode()
    )
    wide = pa.large_list(pa.large_string())
    return [
        plain,
        integers.replace_schema_metadata({b"huggingface": names}),
        pa.Table.from_pylist(texts),
        pa.table({"tokens": coded, "ner_tags": coded}),
        pa.table({"tokens": pa.array(tokens, wide), "ner_tags": pa.array(tags, wide)}),
    ]


def write_table(form: str, table: Any, path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    is_text = "text" in table.schema.names
    if form == "arrow":
        with pa.ipc.new_stream(str(path), table.schema) as out:
            out.write_table(table, max_chunksize=25)
    elif form == "feather":
        options = pa.ipc.IpcWriteOptions(compression="lz4" if is_text else None)
        with pa.ipc.new_file(str(path), table.schema, options=options) as out:
            out.write_table(table, max_chunksize=25)
    elif form == "parquet":
        parquet.write_table(table, path, row_group_size=25, use_dictionary=not is_text)
    else:
        import datasets

        datasets.disable_progress_bars()
        datasets.Dataset(table.replace_schema_metadata(None)).save_to_disk(str(path))


def whole_files(form: str, folder: Path) -> list[tuple[Path, dict[str, Any]]]:
    """Files of a form in a folder, with what has to be said of each (see `Layout`)."""
    folder.mkdir(parents=True, exist_ok=True)
    if form in TABLES:
        for number, table in enumerate(tables()):
            write_table(form, table, folder / f"{number}{SUFFIXES.get(form, '')}")
        return [(path, {}) for path in sorted(folder.iterdir())]
    found = []
    for number, (suffix, content, options) in enumerate(whole_texts(form)):
        path = folder / f"{number}{suffix}"
        path.write_bytes(content)
        found.append((path, options))
    return found


def whole_texts(form: str) -> list[tuple[str, bytes, dict[str, Any]]]:
    """Suffix, content and options of files of text."""
    if form == "spacy":
        return [(".spacy", spacy_documents(), {})]
    fixed = {"webanno": (".tsv", WEBANNO), "conll2012": (".txt", CONLL2012), "brat": (".ann", BRAT)}
    if form in fixed:
        suffix, text = fixed[form]
        return [(suffix, text.encode(), {})]
    from sources import test_readers

    suffixes = {"columns": (".txt", ".tsv", ".data", ".conll", "")}.get(form, (f".{form}",))
    return [
        (Path(name).suffix, write(test_readers.SENTENCES), options)
        for name, write, options in test_readers.FORMS.values()
        if Path(name).suffix in suffixes
    ]


def spacy_documents() -> bytes:
    import spacy
    from spacy.tokens import Doc, DocBin

    doc = Doc(spacy.blank("xx").vocab, words=["Anna", "Keller", "left"], ents=["B-PER", "I-PER", "O"])
    return bytes(DocBin(docs=[doc, doc], store_user_data=True).to_bytes())


# -- damage ----------------------------------------------------------------------------------------


def mutate(content: bytes, chance: random.Random, is_text: bool = False) -> bytes:
    """Cut a file short, flip bits, put large numbers into it, or take a piece out; at its ends, as often as within.

    Args:
        is_text: put in what parsers of text stumble over, or copy a piece, as often.
    """
    damaged, at = bytearray(content), chance.randrange(len(content))
    if chance.random() < 0.5:  # where the metadata are
        at = chance.choice([at % 1000, len(content) - 1 - at % 1000]) % len(content)
    kind = chance.randrange(8 if is_text else 5)
    if kind == 0:
        del damaged[at:]
    elif kind == 1:
        damaged[at] ^= 1 << chance.randrange(8)
    elif kind == 2:
        damaged[at : at + 4] = chance.choice(LARGE)
    elif kind == 3:
        damaged[at : at + 16] = chance.randbytes(16)
    elif kind == 4:
        del damaged[at : at + chance.choice([1, 8, 64])]
    elif kind == 5:
        damaged[at:at] = damaged[chance.randrange(len(content)) :][: chance.choice([1, 8, 64])]
    else:
        damaged[at : at + kind - 6] = chance.choice(ODD_TEXT)
    return bytes(damaged)


def mutated_files(form: str, folder: Path, seed: int) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Damaged files without end, each in the place of the one before."""
    whole, chance = whole_files(form, folder / "whole"), random.Random(seed)
    while True:
        for source, options in whole:
            path = folder / f"damaged{source.suffix}"
            if form == "dataset":
                shutil.rmtree(path, ignore_errors=True)
                shutil.copytree(source, path)
                damaged = chance.choice([*path.glob("*.arrow")] * 5 + [*path.glob("*.json")])
                damaged.write_bytes(mutate(damaged.read_bytes(), chance))
            else:
                path.write_bytes(mutate(source.read_bytes(), chance, is_text=form in TEXTS))
            if form == "brat":
                path.with_suffix(".txt").write_text(BRAT_TEXT)
            yield path, options


# -- readers ---------------------------------------------------------------------------------------


def read_file(path: Path, options: dict[str, Any]) -> None:
    """Read a file as `download` and `predict` do."""
    from nertool.documents.reader import Reader
    from nertool.sources import hub
    from nertool.sources.readers.read_file import Layout, Tally, read

    layout = Layout(**options)
    if path.is_dir():
        refuse_or_do(lambda: list(hub.read(hub.load(str(path))["train"], str(path), layout, Tally())))
        return
    refuse_or_do(lambda: list(read(path, layout, Tally())))
    if path.suffix in PREDICTED:
        refuse_or_do(lambda: list(Reader(PREDICTED[path.suffix]).read(str(path))))


def refuse_or_do(read: Callable[[], object]) -> None:
    """Read; an error in two lines is what there should be."""
    from nertool.errors import NertoolError

    try:
        read()
    except NertoolError as error:
        assert len(str(error).splitlines()) == 2


def main(form: str, folder: Path, count: int, seed: int) -> None:
    wrong = 0
    for number, (path, options) in enumerate(islice(mutated_files(form, folder, seed), count)):
        print(number, flush=True)
        try:
            read_file(path, options)
        except Exception:
            traceback.print_exc()
            wrong += 1
    print("wrong", wrong)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
