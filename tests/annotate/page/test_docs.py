"""The page's manual names every shortcut of the page's own table."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_every_shortcut_is_in_the_manual() -> None:
    table = (ROOT / "ui" / "src" / "pure" / "keys.ts").read_text(encoding="utf-8")
    manual = (ROOT / "docs" / "annotation-page.md").read_text(encoding="utf-8")
    found = re.findall(r'what: "([^"]+)"', table)
    assert len(found) > 30
    rows = {row.split("|")[2].strip() for row in manual.splitlines() if row.startswith("| `")}
    assert rows == set(found)
