"""Hypothesis settings of all tests: the same examples in every run, and no limit on a slow machine."""

from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, deadline=None, database=None, print_blob=False)
settings.load_profile("repeatable")
