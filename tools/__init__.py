"""Maintenance of the lessons: pairing, execution, strict validation, answered and student editions.

Each tool is a module with a command line: ``python -m tools.NAME --help``, run from the root of
the repository.
"""
