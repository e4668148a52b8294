#!/bin/sh
# Improves in two rounds: a dictionary instead of a search, then one regular expression instead of single letters.
set -eu
if ! grep -q "seen = {}" src/wordfreq/count.py; then
  cat > src/wordfreq/count.py <<'PY'
"""Counts words."""

from .tokens import words


def counts(text):
    """How often each word stands in the text, in the order of its first place."""
    seen = {}
    for word in words(text):
        seen[word] = seen.get(word, 0) + 1
    return list(seen.items())


def top_words(text, many=10):
    """The most frequent words with their counts; of equally frequent ones the alphabetically first."""
    return sorted(counts(text), key=lambda entry: (-entry[1], entry[0]))[:many]
PY
  echo "Counting by a dictionary instead of searching a list for every word."
  exit 0
fi
cat > src/wordfreq/tokens.py <<'PY'
"""Splits text into words."""

import re

RUN = re.compile("[a-z']+")


def words(text):
    """The words of a text in lower case; an apostrophe inside a word belongs to it."""
    stripped = (run.strip("'") for run in RUN.findall(text.lower()))
    return [word for word in stripped if word]
PY
echo "Splitting by one regular expression instead of letter by letter."
