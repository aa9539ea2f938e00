"""Backups: all rows of one moment in one SQLite file, from and into either kind of store.

Layout of a backup: a SQLite database with the tables of the service in one of its schemas
(``alembic_version`` names it), and a table ``backup_manifest`` with one row and one column, a JSON
text (`manifest`). Nonces and ownership rows are left out: `restore` says what stands for them.
"""
