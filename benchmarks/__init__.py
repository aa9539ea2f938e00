"""Measurements: one module per question, one JSON line per result."""
