#!/bin/sh
# Very fast, and wrong about apostrophes: a test fails.
set -eu
cat > src/wordfreq/count.py <<'PY'
"""Counts words."""

from collections import Counter


def top_words(text, many=10):
    found = Counter(text.lower().split())
    return sorted(found.items(), key=lambda entry: (-entry[1], entry[0]))[:many]
PY
echo "Split at white space and let the standard library count."
