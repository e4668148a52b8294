"""Prints the most frequent words of a made-up text; its time is the measure."""

import argparse
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

from wordfreq import top_words

SYLLABLES = ["ka", "to", "mi", "ra", "ne", "so", "lu", "vi", "de", "po", "an", "el"]


def text(seed, many=60000, vocabulary=400):
    chance = random.Random(seed)
    known = ["".join(chance.choices(SYLLABLES, k=chance.randint(1, 4))) for _ in range(vocabulary)]
    weights = [1 / (place + 1) for place in range(vocabulary)]
    return " ".join(chance.choices(known, weights, k=many))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, required=True)
    for word, count in top_words(text(parser.parse_args().seed), 5):
        print(word, count)
