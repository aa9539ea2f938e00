"""Queries over the files of a dataset: a checked tree of conditions, compiled to one statement."""
