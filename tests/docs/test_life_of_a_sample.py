"""docs/life-of-a-sample.md says what the code does today."""

import re
import runpy
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "life-of-a-sample.md"


def test_the_page_is_what_trace_tells(traced):
    make_page = runpy.run_path(str(ROOT / "tools" / "make_docs.py"))["page"]
    assert PAGE.read_text(encoding="utf-8") == make_page(traced), "run `make docs`"


def test_the_page_holds_nothing_that_differs_between_machines():
    text = PAGE.read_text(encoding="utf-8")
    assert not re.search(r"\d\.\d{3}|\de-\d", text)
    assert str(ROOT) not in text
    assert "/tmp" not in text
