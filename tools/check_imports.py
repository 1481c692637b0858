"""Check the import rules of docs/architecture.md against the source: `tools/check_imports.py [ROOT]`.

The document is the only place where the rules stand; this file reads them from it, so the two cannot drift apart.
Five rules: a module belongs to a layer; a layer imports only what is below it; some layers never reach some others,
not even through a third; only some may load torch when imported; some module names say nothing and are not used.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

PACKAGE = "perceptlm"
HEADING = "## Who may import whom"
TORCH = ("torch", "safetensors.torch")


@dataclass(frozen=True)
class Rules:
    """What docs/architecture.md says. `never` holds (importer, imported); `rank` counts lines from the bottom."""

    rank: dict[str, int]
    separate: frozenset[frozenset[str]]
    never: tuple[tuple[str, str], ...]
    torch_layers: frozenset[str]
    banned_names: frozenset[str]


@dataclass
class Module:
    """One source file: what it imports anywhere (name -> line), and what importing it loads at once."""

    name: str
    path: Path
    imports: dict[str, int] = field(default_factory=dict)
    loads: dict[str, int] = field(default_factory=dict)

    @property
    def layer(self) -> str:
        """The part of the name that the layers speak of; '' for the package itself."""
        parts = self.name.split(".")
        return parts[1] if len(parts) > 1 else ""


def parse_rules(text: str) -> Rules:
    """Read the rules from the text of docs/architecture.md; ValueError says what is missing."""
    _, found, section = text.partition(HEADING)
    block = re.search(r"```\n(.*?)```(.*?)(?:\n## |\Z)", section, flags=re.DOTALL)
    if not found or block is None:
        raise ValueError(f"docs/architecture.md: no block of layers under '{HEADING}'")
    lines = [line for line in block.group(1).splitlines() if line.strip()]
    rank: dict[str, int] = {}
    separate: set[frozenset[str]] = set()
    for height, line in enumerate(reversed(lines)):
        names = re.findall(r"[a-z_]+", line)
        if again := rank.keys() & set(names):
            raise ValueError(f"docs/architecture.md: {sorted(again)} stand in two layers")
        rank.update(dict.fromkeys(names, height))
        if "|" in line:
            separate |= {frozenset((a, b)) for a in names for b in names if a != b}
    prose = " ".join(block.group(2).split())
    clause = r"((?:`\w+`(?:, | and )?)+) never import ((?:`\w+`(?:, | or )?)+)"
    never = [
        (importer, imported)
        for left, right in re.findall(clause, prose.replace("never imports", "never import"))
        for importer in _quoted(left)
        for imported in _quoted(right)
    ]
    return Rules(
        rank=rank,
        separate=frozenset(separate),
        never=tuple(never),
        torch_layers=frozenset(_sentence(prose, r"Only ([^.]*) may load torch")),
        banned_names=frozenset(_sentence(prose, r"No module is named ([^.]*)\.")),
    )


def _quoted(text: str) -> list[str]:
    return re.findall(r"`(\w+)`", text)


def _sentence(prose: str, pattern: str) -> list[str]:
    match = re.search(pattern, prose)
    if match is None:
        raise ValueError(f"docs/architecture.md: no sentence like '{pattern}'")
    return _quoted(match.group(1))


def read_modules(source: Path) -> dict[str, Module]:
    """Read every module of the package under `source`, imports resolved to full names."""
    paths = sorted((source / PACKAGE).rglob("*.py"))
    names = {_module_name(path.relative_to(source)): path for path in paths}
    return {name: _read_module(name, path, set(names)) for name, path in names.items()}


def _module_name(relative: Path) -> str:
    parts = list(relative.with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _read_module(name: str, path: Path, known: set[str]) -> Module:
    module = Module(name, path)
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node, at_once in _walk(tree, at_once=True):
        for target in _targets(node, package, known):
            module.imports.setdefault(target, node.lineno)
            if at_once:
                module.loads.setdefault(target, node.lineno)
    return module


def _walk(node: ast.AST, *, at_once: bool) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    """Yield every import and whether it runs when the module is imported."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child, at_once
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            yield from _walk(ast.Module(child.body, []), at_once=False)
            yield from _walk(ast.Module(child.orelse, []), at_once=at_once)
        else:
            inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from _walk(child, at_once=at_once and not inside)


def _targets(node: ast.Import | ast.ImportFrom, package: str, known: set[str]) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    origin = node.module or ""
    if node.level:
        parents = package.split(".")[: len(package.split(".")) - node.level + 1]
        origin = ".".join([*parents, origin] if origin else parents)
    inner = [f"{origin}.{alias.name}" for alias in node.names]
    return [name if name in known or name in TORCH else origin for name in inner]


def check(modules: dict[str, Module], rules: Rules) -> list[str]:
    """Return every violation as `file:line: sentence`."""
    problems: list[str] = []
    for module in modules.values():
        problems += _check_names(module, rules)
        if module.layer in rules.rank:
            problems += _check_layers(module, rules)
            problems += _check_never(module, modules, rules)
        if module.layer not in rules.torch_layers:
            problems += _check_torch(module, modules)
    return problems


def _check_names(module: Module, rules: Rules) -> list[str]:
    problems = []
    if bad := rules.banned_names & set(module.name.split(".")):
        problems.append(f"{module.path}:1: a name such as '{min(bad)}' says nothing; name what the module is for")
    if module.layer not in rules.rank and module.layer not in ("", "__main__"):
        problems.append(f"{module.path}:1: '{module.layer}' stands in no layer of docs/architecture.md")
    return problems


def _check_layers(module: Module, rules: Rules) -> list[str]:
    problems = []
    for target, line in module.imports.items():
        other = Module(target, module.path).layer
        if not target.startswith(PACKAGE + ".") or other == module.layer or other not in rules.rank:
            continue
        if rules.rank[other] > rules.rank[module.layer]:
            problems.append(f"{module.path}:{line}: {module.layer} is below {other} and may not import it")
        elif frozenset((other, module.layer)) in rules.separate:
            problems.append(f"{module.path}:{line}: {module.layer} and {other} may not import each other")
    return problems


def _check_never(module: Module, modules: dict[str, Module], rules: Rules) -> list[str]:
    problems = []
    for importer, imported in rules.never:
        if module.layer == importer:
            chain = _chain(module, modules, "imports", lambda name, layer=imported: _layer_of(name) == layer)
            if chain:
                problems.append(_describe(chain, module, f"{importer} never imports {imported}", "imports"))
    return problems


def _check_torch(module: Module, modules: dict[str, Module]) -> list[str]:
    chain = _chain(module, modules, "loads", lambda name: name in TORCH or name.startswith("torch."))
    return [_describe(chain, module, "importing this loads torch", "loads")] if chain else []


def _layer_of(name: str) -> str:
    return name.split(".")[1] if name.startswith(PACKAGE + ".") else ""


def _chain(module: Module, modules: dict[str, Module], kind: str, is_wanted: object) -> list[str]:
    """Return the shortest chain of imports from `module` to a wanted name, or []. Importing a.b also runs a."""
    assert callable(is_wanted)
    queue, seen = deque([[module.name]]), {module.name}
    while queue:
        chain = queue.popleft()
        last = modules.get(chain[-1])
        targets = list(getattr(last, kind)) if last else []
        parents = [".".join(name.split(".")[:depth]) for name in targets for depth in range(1, name.count(".") + 1)]
        for name in [*targets, *parents]:
            if is_wanted(name):
                return [*chain, name]
            # The package's own __init__ may import anything lazily; it is checked as a module of its own.
            if name in modules and name not in seen and name != PACKAGE:
                seen.add(name)
                queue.append([*chain, name])
    return []


def _describe(chain: list[str], module: Module, sentence: str, kind: str) -> str:
    found: dict[str, int] = getattr(module, kind)
    line = next((line for name, line in found.items() if name.startswith(chain[1])), 1)
    return f"{module.path}:{line}: {sentence}: " + " -> ".join(chain)


def main(arguments: list[str]) -> int:
    """Check the project at ROOT (default: this one); print violations; return the exit code."""
    root = Path(arguments[0]) if arguments else Path(__file__).resolve().parent.parent
    rules = parse_rules((root / "docs" / "architecture.md").read_text(encoding="utf-8"))
    modules = read_modules(root / "src")
    problems = check(modules, rules)
    for problem in problems:
        print(problem)
    print(f"imports: {len(modules)} modules, {len(problems)} violations")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
