"""What is left of deleted files besides their own rows, and how it goes.

Deleting a file (`files.delete`) takes its row, figures, vectors, labels and places in clusters away
at once. Left are ids of its figures in the history and in edits (`scrub`), its URI in messages,
requests and tasks (`redact`), and old pages in the log of the database (`compact`).
"""
