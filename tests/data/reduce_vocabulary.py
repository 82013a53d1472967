"""Write the small tokenizer of the preprocess edge cases: the word pieces of a published one that they use.

python tests/data/reduce_vocabulary.py FOLDER_OF_BERT_BASE_MULTILINGUAL_CASED
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

DATA = Path(__file__).parent / "preprocess"
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def main(published: Path) -> None:
    """Keep the order of the published vocabulary, and check that each token is cut as before."""
    from transformers import BertTokenizerFast

    whole = BertTokenizerFast.from_pretrained(published)
    lines = (DATA / "edge.txt.tmp").read_text(encoding="utf-8").split("\n")
    tokens = {line.split()[0] for line in lines if line.split()}
    used = {piece for token in tokens for piece in whole.tokenize(token)}
    vocabulary = (published / "vocab.txt").read_text(encoding="utf-8").splitlines()
    kept = [piece for piece in vocabulary if piece in used or piece in SPECIAL]

    folder = DATA / "tokenizer"
    folder.mkdir(exist_ok=True)
    (folder / "vocab.txt").write_text("".join(f"{piece}\n" for piece in kept), encoding="utf-8")
    for name in ("config.json", "tokenizer_config.json"):
        shutil.copyfile(published / name, folder / name)

    small = BertTokenizerFast.from_pretrained(folder)
    for token in tokens:
        assert small.tokenize(token) == whole.tokenize(token), token


if __name__ == "__main__":
    main(Path(sys.argv[1]))
