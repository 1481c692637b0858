"""Reading a judge's wording from the user's own lmms-eval, or from a file: never copied into this project.

lmms-eval holds both prompts in `lmms_eval/tasks/plm_videobench/eval_utils.py`, as functions that return a system and a
user message. That file is parsed, never imported: importing it starts downloads. What cannot be understood is refused
with what to do instead, which is a YAML or JSON file of the four texts (docs/judges.md). Asks no model.
"""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path

from perceptlm.config import load_yaml
from perceptlm.errors import ConfigError
from perceptlm.eval.judges.protocol import CallKind
from perceptlm.eval.judges.wording import FIELDS, Field, PromptPair, Wording

PLACE = Path("tasks") / "plm_videobench" / "eval_utils.py"
"""Within the package `lmms_eval`."""

_FUNCTIONS: dict[CallKind, str] = {"answer": "get_sgqa_judge_prompt", "caption": "get_caption_judge_prompt"}
_PARAMETERS: dict[str, Field] = {
    "question": "question", "gt": "reference", "target": "reference", "pred": "prediction",
}  # fmt: skip
_HINT = (
    "install lmms-eval beside perceptlm, or give --judge-wording PATH: its checkout or installed folder, its file "
    f"{PLACE.as_posix()}, or a YAML file of the texts (docs/judges.md)"
)


def read_wording(path: Path) -> Wording:
    """Return the wording in `path`: a YAML or JSON file, lmms-eval's Python file, or a folder that holds lmms-eval."""
    if path.is_dir():
        return _read_python(_inside(path))
    if path.suffix == ".py":
        return _read_python(path)
    return load_yaml(Wording, path)


def installed_wording() -> Wording:
    """Return the wording of the lmms-eval that is installed beside us; ConfigError says what to do if there is none."""
    found = importlib.util.find_spec("lmms_eval")
    for folder in (found.submodule_search_locations if found is not None else None) or ():
        if (Path(folder) / PLACE).is_file():
            return _read_python(Path(folder) / PLACE)
    raise ConfigError("a judge of lmms-eval's profile is asked in its words, and it is not installed", hint=_HINT)


def _inside(folder: Path) -> Path:
    """Return the file within an installed package, the folder it is installed in, or a checkout."""
    for inner in (folder, folder / "lmms_eval"):
        if (inner / PLACE).is_file():
            return inner / PLACE
    raise ConfigError(f"{folder}: holds no lmms_eval/{PLACE.as_posix()}", hint=_HINT)


def _read_python(path: Path) -> Wording:
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError) as error:
        raise ConfigError(f"{path}: cannot be read as Python: {error}", hint=_HINT) from error
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    pairs = {}
    for kind, name in _FUNCTIONS.items():
        if name not in functions:
            raise ConfigError(f"{path}: has no function {name}", hint=_HINT)
        try:
            pairs[kind] = _pair(functions[name], kind)
        except ValueError as error:
            raise ConfigError(f"{path}: {name}: {error}", hint=_HINT) from error
    return Wording(**pairs, source=f"lmms-eval, {PLACE.as_posix()}")


def _pair(function: ast.FunctionDef, kind: CallKind) -> PromptPair:
    """Return the two messages that a function makes of plain assignments; ValueError if it does anything else."""
    texts: dict[str, str] = {}
    messages: ast.expr | None = None
    assigned: dict[str, ast.expr] = {}
    for node in function.body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            assigned[node.targets[0].id] = node.value
        elif isinstance(node, ast.Return):
            messages = node.value
        elif not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            raise ValueError(f"line {node.lineno} is no assignment of a text")
    if isinstance(messages, ast.Name):
        messages = assigned.get(messages.id)
    if not isinstance(messages, ast.List):
        raise ValueError("does not return a list of messages")
    for message in messages.elts:
        if not isinstance(message, ast.Dict):
            raise ValueError("a message is no dictionary")
        keys = [key.value if isinstance(key, ast.Constant) else None for key in message.keys]
        entries = dict(zip(keys, message.values, strict=True))
        role = entries.get("role")
        if not isinstance(role, ast.Constant) or role.value not in ("system", "user") or "content" not in entries:
            raise ValueError("a message is not of the system or the user, or has no content")
        texts[role.value] = _text(entries["content"], assigned, kind, depth=0)
    if "user" not in texts:
        raise ValueError("has no message of the user")
    return PromptPair(system=texts.get("system", ""), user=texts["user"])


def _text(node: ast.expr, assigned: dict[str, ast.expr], kind: CallKind, *, depth: int) -> str:
    """Return the text an expression stands for, parameters as places to fill in."""
    if depth > 100:
        raise ValueError("texts refer to each other without end")
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(_text(part, assigned, kind, depth=depth + 1) for part in parts)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return "".join(_text(part, assigned, kind, depth=depth + 1) for part in (left, right))
        case ast.FormattedValue(value=ast.Name(id=name), conversion=-1, format_spec=None):
            return _place(name, kind)
        case ast.Name(id=name) if name in assigned:
            return _text(assigned[name], assigned, kind, depth=depth + 1)
        case ast.Name(id=name):
            return _place(name, kind)
    raise ValueError(f"line {node.lineno} is no plain text")


def _place(name: str, kind: CallKind) -> str:
    field = _PARAMETERS.get(name)
    if field is None or field not in FIELDS[kind]:
        raise ValueError(f"'{name}' is none of the texts that a judge is shown")
    return f"{{{field}}}"
