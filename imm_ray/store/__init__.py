"""SQL: tables, transactions, ownership. The only package that imports SQLAlchemy.

Every function takes an open transaction (`Tx`) first, so that its caller decides what commits
together.
"""
