"""Neighbours in, clusters out: figures by average link, similar images by complete link.

Nothing here does I/O or knows an index. Items are stable int64 slots that the caller numbers.
"""
