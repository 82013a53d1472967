"""Scores: entity F1 as conlleval and seqeval count it, intervals, errors, comparisons."""
