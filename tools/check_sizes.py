"""Check that files and functions stay small and that every module says what it is for: `tools/check_sizes.py [ROOT]`.

A file has at most 400 lines, a function at most 60 (decorators apart), a module opens with a docstring.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60
FOLDERS = ("src", "tools")


def check_file(path: Path) -> list[str]:
    """Return what is wrong with one Python file, as `file:line: sentence`."""
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text, filename=str(path))
    problems = []
    num_lines = len(text.splitlines())
    if num_lines > MAX_FILE_LINES:
        problems.append(f"{path}:1: {num_lines} lines, at most {MAX_FILE_LINES}")
    if not ast.get_docstring(tree):
        problems.append(f"{path}:1: the module does not say what it is for (no docstring)")
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > MAX_FUNCTION_LINES:
                problems.append(f"{path}:{node.lineno}: {node.name} has {length} lines, at most {MAX_FUNCTION_LINES}")
    return problems


def main(arguments: list[str]) -> int:
    """Check the project at ROOT (default: this one); print problems; return the exit code."""
    root = Path(arguments[0]) if arguments else Path(__file__).resolve().parent.parent
    paths = sorted(path for folder in FOLDERS for path in (root / folder).rglob("*.py"))
    problems = [problem for path in paths for problem in check_file(path)]
    for problem in problems:
        print(problem)
    print(f"sizes: {len(paths)} files, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
