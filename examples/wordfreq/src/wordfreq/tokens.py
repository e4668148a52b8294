"""Splits text into words."""

LETTERS = list("abcdefghijklmnopqrstuvwxyz'")


def is_letter(character):
    """Whether the character belongs to a word."""
    return character.lower() in LETTERS


def words(text):
    """The words of a text in lower case; an apostrophe inside a word belongs to it."""
    found = []
    current = []
    for character in text:
        if is_letter(character):
            current.append(character.lower())
        elif current:
            found.append("".join(current).strip("'"))
            current = []
    if current:
        found.append("".join(current).strip("'"))
    return [word for word in found if word]
