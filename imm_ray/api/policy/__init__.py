"""RAM policies: their grammar, their evaluation, and the gate that asks them for every request."""
