"""Write docs/life-of-a-sample.md: what `plm trace` tells about one Sample of the small demo.

The page holds text, shapes and whole numbers only, so that every machine writes the same one; a test compares it with
what the code tells today. Run it with `make docs` when that test says that the page is old.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

PAGE = Path(__file__).resolve().parent.parent / "docs" / "life-of-a-sample.md"
PREFACE = """\
<!-- Written by tools/make_docs.py (`make docs`). Change the code or workflow/trace.py, not this page. -->

This is what `plm trace` tells about the first RTLoc record of the world that `plm demo --smoke` makes, as its `sft`
model meets it. The files it names lie beside its `life.md`: for your own, run `plm trace --out out/trace`.

"""


def main() -> int:
    """Make the small demo in a temporary directory, trace one Sample, write the page."""
    from perceptlm.recipes.demo import smoke
    from perceptlm.workflow.demo import run_demo
    from perceptlm.workflow.trace import trace

    with tempfile.TemporaryDirectory() as scratch:
        demo = run_demo(Path(scratch, "demo"), smoke(), seed=0)
        traced = trace(Path(scratch, "trace"), world=demo / "world", model=demo / "sft")
        PAGE.write_text(page(traced), encoding="utf-8")
    print(f"wrote {PAGE}")
    return 0


def page(traced: Path) -> str:
    """Return the page for a folder that `plm trace` wrote: its title, where it comes from, its story."""
    title, _, story = (traced / "life.md").read_text(encoding="utf-8").partition("\n")
    return f"{title}\n\n{PREFACE}{story.lstrip()}"


if __name__ == "__main__":
    sys.exit(main())
