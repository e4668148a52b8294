import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

from wordfreq import top_words
from wordfreq.tokens import words


def test_the_most_frequent_words_come_first():
    assert top_words("b a b c b a", 2) == [("b", 3), ("a", 2)]


def test_equally_frequent_words_are_in_alphabetical_order():
    assert top_words("pear fig apple", 3) == [("apple", 1), ("fig", 1), ("pear", 1)]


def test_case_does_not_matter():
    assert top_words("The the THE", 1) == [("the", 3)]


def test_an_apostrophe_inside_a_word_belongs_to_it():
    assert words("don't 'quote' it's") == ["don't", "quote", "it's"]


def test_counting_splits_as_the_words_do():
    assert top_words("don't, don't 'don't' stop.", 2) == [("don't", 3), ("stop", 1)]


def test_digits_and_punctuation_separate_words():
    assert words("one2two, three... four-five") == ["one", "two", "three", "four", "five"]


def test_an_empty_text_has_no_words():
    assert top_words("", 5) == []
    assert words("... 123 '' ") == []
