"""What SQL says differently in SQLite and PostgreSQL, under one name each.

``imm_fold`` is registered on every SQLite connection (`register`): SQLite's own ``lower`` knows
ASCII only.
"""

from typing import Any

from sqlalchemy import Boolean, ColumnElement, Float, Integer, Text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement


class Folded(FunctionElement[str]):
    """A text without the case of its letters."""

    type = Text()
    name = "imm_fold"
    inherit_cache = True


class Place(FunctionElement[int]):
    """Where a text first occurs in another, from 1; 0 if nowhere. No character is special."""

    type = Integer()
    name = "imm_place"
    inherit_cache = True


class Elements(FunctionElement[Any]):
    """The elements of a JSON array as rows with the column ``value`` (object, name of array)."""

    name = "imm_elements"
    inherit_cache = True


class Texts(FunctionElement[Any]):
    """The texts of a JSON array, given as text, as rows with the column ``value``."""

    name = "imm_texts"
    inherit_cache = True


class Member(FunctionElement[str]):
    """A member of a JSON object as text (object, name)."""

    type = Text()
    name = "imm_member"
    inherit_cache = True


class Begins(FunctionElement[bool]):
    """Whether a text begins with another (text, beginning); an index on the text serves."""

    type = Boolean()
    name = "imm_begins"
    inherit_cache = True

    def self_group(self, against: Any = None) -> Any:
        """Return it as it is: ``= 1`` behind it, as SQLite has no truth values, hides the index."""
        return self


class Rare(FunctionElement[bool]):
    """A condition as it is, told to hold for few rows to a database without statistics."""

    type = Boolean()
    name = "imm_rare"
    inherit_cache = True

    def self_group(self, against: Any = None) -> Any:
        """Return it as it is, as `Begins` does."""
        return self


class KindOfMember(FunctionElement[str]):
    """The type of a member of a JSON object (object, name): true, false or another; NULL if none.

    A boolean's type is its value.
    """

    type = Text()
    name = "imm_kind_of_member"
    inherit_cache = True


class InByteOrder(FunctionElement[str]):
    """A text as it is, compared and sorted by its bytes whatever the database's language."""

    type = Text()
    name = "imm_in_byte_order"
    inherit_cache = True


class DatabaseTime(FunctionElement[float]):
    """The database's clock in seconds since 1970, at this very moment."""

    type = Float()
    name = "imm_database_time"
    inherit_cache = True


def fold(text: str) -> str:
    """Return ``text`` without the case of its letters.

    >>> fold("Straße ΟΔΟΣ")
    'strasse οδοσ'
    """
    return text.casefold()


def occurs(text: ColumnElement[Any], part: Any) -> ColumnElement[bool]:
    """Return the condition that ``part`` occurs in ``text``."""
    found: ColumnElement[bool] = Place(text, part) > 0
    return found


def register(dbapi: Any) -> None:
    """Give a SQLite connection the functions that it lacks."""
    dbapi.create_function("imm_fold", 1, _fold, deterministic=True)


def _fold(text: str | None) -> str | None:
    return None if text is None else fold(text)


@compiles(Folded, "sqlite")
def _(element: Folded, compiler: Any, **options: Any) -> str:
    return f"imm_fold({compiler.process(element.clauses, **options)})"


@compiles(Folded, "postgresql")
def _(element: Folded, compiler: Any, **options: Any) -> str:
    # ICU's upper makes SS of a sharp s; its lower knows a final sigma, which folding does not.
    text = f'({compiler.process(element.clauses, **options)}) COLLATE "und-x-icu"'
    return f"""(replace(lower(upper({text})), U&'\\03C2', U&'\\03C3') COLLATE "C")"""


@compiles(Place, "sqlite")
def _(element: Place, compiler: Any, **options: Any) -> str:
    return f"instr({compiler.process(element.clauses, **options)})"


@compiles(Place, "postgresql")
def _(element: Place, compiler: Any, **options: Any) -> str:
    text, part = (compiler.process(part, **options) for part in element.clauses)
    return f'strpos(({text}) COLLATE "C", {part})'


@compiles(Begins, "sqlite")
def _(element: Begins, compiler: Any, **options: Any) -> str:
    # Texts are ordered by code point, and U+10FFFF is the last and no character.
    text, start = element.clauses
    return "({} >= {} AND {} < {} || char(1114111))".format(
        *(compiler.process(part, **options) for part in (text, start, text, start))
    )


@compiles(Begins, "postgresql")
def _(element: Begins, compiler: Any, **options: Any) -> str:
    text, start = (compiler.process(part, **options) for part in element.clauses)
    text = f'({text}) COLLATE "C"'
    return f"({text} >= {start} AND {text} < {start} || chr(1114111))"


@compiles(Rare, "sqlite")
def _(element: Rare, compiler: Any, **options: Any) -> str:
    return f"unlikely({compiler.process(element.clauses, **options)})"


@compiles(Rare, "postgresql")
def _(element: Rare, compiler: Any, **options: Any) -> str:
    return f"({compiler.process(element.clauses, **options)})"


@compiles(Elements, "sqlite")
def _(element: Elements, compiler: Any, **options: Any) -> str:
    json, name = (compiler.process(part, **options) for part in element.clauses)
    return f"json_each({json}, '$.' || {name})"


@compiles(Elements, "postgresql")
def _(element: Elements, compiler: Any, **options: Any) -> str:
    json, name = (compiler.process(part, **options) for part in element.clauses)
    return f"json_array_elements({json} -> {name})"


@compiles(Texts, "sqlite")
def _(element: Texts, compiler: Any, **options: Any) -> str:
    return f"json_each({compiler.process(element.clauses, **options)})"


@compiles(Texts, "postgresql")
def _(element: Texts, compiler: Any, **options: Any) -> str:
    json = compiler.process(element.clauses, **options)
    return f"json_array_elements_text(CAST({json} AS JSON))"


@compiles(Member, "sqlite")
def _(element: Member, compiler: Any, **options: Any) -> str:
    json, name = (compiler.process(part, **options) for part in element.clauses)
    return f"json_extract({json}, '$.' || {name})"


@compiles(Member, "postgresql")
def _(element: Member, compiler: Any, **options: Any) -> str:
    json, name = (compiler.process(part, **options) for part in element.clauses)
    return f"({json} ->> {name})"


@compiles(KindOfMember, "sqlite")
def _(element: KindOfMember, compiler: Any, **options: Any) -> str:
    json, name = (compiler.process(part, **options) for part in element.clauses)
    return f"""json_type({json}, '$."' || {name} || '"')"""


@compiles(KindOfMember, "postgresql")
def _(element: KindOfMember, compiler: Any, **options: Any) -> str:
    json, name = (compiler.process(part, **options) for part in element.clauses)
    member = f"({json} -> {name})"
    kind = f"json_typeof({member})"
    return f"(CASE {kind} WHEN 'boolean' THEN CAST({member} AS TEXT) ELSE {kind} END)"


@compiles(InByteOrder, "sqlite")
def _(element: InByteOrder, compiler: Any, **options: Any) -> str:
    return str(compiler.process(element.clauses, **options))


@compiles(InByteOrder, "postgresql")
def _(element: InByteOrder, compiler: Any, **options: Any) -> str:
    return f'(({compiler.process(element.clauses, **options)}) COLLATE "C")'


@compiles(DatabaseTime, "sqlite")
def _(element: DatabaseTime, compiler: Any, **options: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(DatabaseTime, "postgresql")
def _(element: DatabaseTime, compiler: Any, **options: Any) -> str:
    return "CAST(extract(epoch FROM clock_timestamp()) AS DOUBLE PRECISION)"
