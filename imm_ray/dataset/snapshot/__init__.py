"""Snapshots: an engine's memory in files, from which a restart goes on."""
