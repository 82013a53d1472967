"""Models in use: find and load them, cut words into sub-words, tag sentences."""
