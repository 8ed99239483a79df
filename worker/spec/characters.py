"""Messages about characters that are invisible or look like another one."""

import re
import unicodedata
from collections.abc import Iterable, Iterator

from worker.spec.problem import Problem

_PLAIN = {
    "\uff1a": ":", "\uff0c": ",", "\uff1b": ";", "\uff0d": "-", "\u2010": "-", "\u2011": "-", "\u2012": "-",
    "\u2013": "-", "\u2014": "-", "\u2212": "-", "\u201c": '"', "\u201d": '"', "\u201e": '"', "\u00ab": '"',
    "\u00bb": '"', "\u2018": "'", "\u2019": "'", "\u201a": "'", "\u2032": "'", "\u00b4": "'", "\uff3b": "[",
    "\uff3d": "]", "\uff5b": "{", "\uff5d": "}", "\uff03": "#", "\uff0e": ".", "\uff0b": "+",
}  # fmt: skip
"""Characters that editors and web pages use instead of those of YAML and CSV."""
_INVISIBLE = ("Zs", "Zl", "Zp", "Cf", "Cc")
_COMMENT = re.compile(r"(?:^|(?<=\s))#.*", re.DOTALL)


def sentence(line: str) -> str | None:
    """Return a sentence about the first such character of a line: column (from 1), name, what to write; else None."""
    for column, character in enumerate(_COMMENT.sub("", line), start=1):
        if character.isascii() and (character.isprintable() or character in "\t\r"):
            continue
        digit = unicodedata.decimal(character, None)
        plain = _PLAIN.get(character) if digit is None else str(digit)
        if plain is None and unicodedata.category(character) not in _INVISIBLE:
            continue
        if plain is None and unicodedata.category(character) == "Zs":
            plain = " "
        if character == "\0":
            return f"column {column}: found the character U+0000; save the file as UTF-8 text"
        cure = "remove it" if plain is None else "write a plain blank" if plain == " " else f"write {plain}"
        name = unicodedata.name(character, "").lower()  # control characters have none
        called = f" ({name})" if name else ""
        return f"column {column}: found the character U+{ord(character):04X}{called}; {cure}"
    return None


def first(text: str, last: int) -> Problem | None:
    """Return a problem for the first line with such a character, up to line `last`."""
    for number, line in enumerate(text.split("\n")[:last], start=1):
        text_found = sentence(line)
        if text_found is not None:
            return Problem((), number, text_found)
    return None


def on_lines(text: str, numbers: Iterable[int]) -> Iterator[Problem]:
    """Yield a problem for each of the lines `numbers` (from 1) that has such a character."""
    lines = text.split("\n")
    for number in sorted(set(numbers)):
        text_found = sentence(lines[number - 1]) if 0 < number <= len(lines) else None
        if text_found is not None:
            yield Problem((), number, text_found)
