"""What `export` writes; `tag.py`, `tagger.py` and `decoder.py` are copied, and import nothing of nertool."""
