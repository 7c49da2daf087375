"""Writes tests/fixtures/heads.json again: `python -m export`."""

from pathlib import Path

from derm_standin.export import json_text

from . import fixtures

FIXTURE = Path(__file__).resolve().parents[3] / "tests/fixtures/heads.json"

if __name__ == "__main__":
    FIXTURE.write_text(json_text(fixtures.document()), encoding="utf-8")
