"""Seeded bugs in the durability code: do the tests catch them?"""
