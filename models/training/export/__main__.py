"""Writes tests/fixtures/heads.json again: `python -m export`."""

from . import fixtures

if __name__ == "__main__":
    fixtures.PATH.write_text(fixtures.text(), encoding="utf-8")
