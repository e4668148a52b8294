"""Splits text into words."""

LETTERS = "abcdefghijklmnopqrstuvwxyz'"


def words(text):
    """Yields the words of a text in lower case; an apostrophe inside a word belongs to it."""
    found = []
    current = ""
    for character in text.lower():
        if character in LETTERS:
            current = current + character
        elif current:
            found.append(current.strip("'"))
            current = ""
    if current:
        found.append(current.strip("'"))
    return [word for word in found if word]
