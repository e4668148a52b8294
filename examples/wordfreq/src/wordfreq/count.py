"""Counts words."""

from .tokens import words


def counts(text):
    """How often each word stands in the text, in the order of its first place."""
    seen = []
    for word in words(text):
        for entry in seen:
            if entry[0] == word:
                entry[1] += 1
                break
        else:
            seen.append([word, 1])
    return seen


def top_words(text, many=10):
    """The most frequent words with their counts; of equally frequent ones the alphabetically first."""
    return [tuple(entry) for entry in sorted(counts(text), key=lambda entry: (-entry[1], entry[0]))[:many]]
