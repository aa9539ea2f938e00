"""File names as text that is safe to show: names come from strangers."""

import unicodedata


def plain(text: str) -> str:
    r"""Return ``text`` with everything escaped that does not print.

    Control characters could drive a terminal or turn the reading direction, and lone surrogates (a
    file name that is not UTF-8) cannot be written at all.

    >>> plain("a\x1b[2Jb")
    'a\\x1b[2Jb'
    >>> plain("Großmutter 奶奶.jpg")
    'Großmutter 奶奶.jpg'
    """
    return "".join(c if _prints(c) else c.encode("unicode_escape").decode() for c in text)


def _prints(character: str) -> bool:
    return character.isprintable() or unicodedata.category(character) == "Zs"
