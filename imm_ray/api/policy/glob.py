"""Patterns with ``*`` and ``?``, matched in time that no pattern can blow up."""


class Glob:
    """A pattern: ``*`` stands for any number of characters, ``?`` for exactly one.

    Nothing else is special; a ``*`` reaches over ``/`` and ``:`` as in RAM.

    Parameters
    ----------
    fold
        Compare without regard to case.

    Notes
    -----
    The pieces between the stars are looked for from the left, each behind the one before, which
    finds a match whenever there is one. Each character is left behind once for each piece: at worst
    the length of the text times that of the pattern, never a power of it.

    Examples
    --------
    >>> Glob("project/p?*").matches("project/p1/dataset/d")
    True
    >>> Glob("imm:get*").matches("imm:GetTask")
    False
    """

    __slots__ = ("_fold", "_pieces")

    def __init__(self, pattern: str, *, fold: bool = False) -> None:
        self._fold = fold
        self._pieces = tuple((pattern.lower() if fold else pattern).split("*"))

    def matches(self, text: str) -> bool:
        """Return whether all of ``text`` has the form of the pattern."""
        text = text.lower() if self._fold else text
        first, *rest = self._pieces
        if not rest:
            return len(first) == len(text) and _stands_at(text, 0, first)
        *middle, last = rest
        at, end = len(first), len(text) - len(last)
        if end < at or not (_stands_at(text, 0, first) and _stands_at(text, end, last)):
            return False
        for piece in middle:
            at = _find(text, piece, at, end)
            if at < 0:
                return False
            at += len(piece)
        return True


def _stands_at(text: str, at: int, piece: str) -> bool:
    if "?" not in piece:
        return text.startswith(piece, at)
    return all(
        wanted in ("?", found)
        for wanted, found in zip(piece, text[at : at + len(piece)], strict=True)
    )


def _find(text: str, piece: str, start: int, end: int) -> int:
    """Return where ``piece`` first stands in ``text[start:end]``, -1 if nowhere."""
    if "?" not in piece:
        return text.find(piece, start, end)
    places = range(start, end - len(piece) + 1)
    return next((at for at in places if _stands_at(text, at, piece)), -1)
