"""How JSON columns are written and read: compact, and the same text in every database."""

import json
from typing import Any


def to_json(value: Any) -> str:
    """Return a document as text."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def from_json(text: str | bytes) -> Any:
    """Return the document of a text; PostgreSQL's driver hands over its bytes."""
    # Most documents are empty, and a page of clusters holds 300 of them.
    if text in ("{}", b"{}"):
        return {}
    return _decode(text if isinstance(text, str) else text.decode())


_decode = json.JSONDecoder().decode
