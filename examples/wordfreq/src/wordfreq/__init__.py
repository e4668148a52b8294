"""Counts words and says which are the most frequent."""

from .count import top_words

__all__ = ["top_words"]
