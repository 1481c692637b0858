"""What the code of the service never does: read as a syntax tree, so that a new line that does it fails here.

Deserialisation of code (CVAT CVE-2025-23045, LS-ML CVE-2025-5173), archives (zip-slip), connections beside the one
guarded way out, programs, and SQL put together from text.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import perceptlm.annotate

ROOT = Path(perceptlm.annotate.__file__).parent
CODE_READERS = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "jsonpickle"}
ARCHIVES = {"zipfile", "tarfile", "zipimport", "py7zr", "rarfile"}
PROGRAMS = {"subprocess", "pty", "commands", "popen2"}
CONNECTIONS = {"socket", "http", "urllib", "requests", "httpx", "aiohttp", "urllib3", "ftplib", "smtplib", "telnetlib"}
MAY_CONNECT = {"egress.py": "the guarded way out", "serving.py": "asks whether its port is free"}
BUILT_IN = {"eval", "exec", "compile", "__import__"}
CALLS = {"os.system", "os.popen", "yaml.load", "yaml.unsafe_load", "yaml.full_load", "torch.load", "pd.read_pickle",
         "pandas.read_pickle", "shutil.unpack_archive"}  # fmt: skip


def files():
    return sorted(path for path in ROOT.rglob("*.py") if "web" not in path.relative_to(ROOT).parts)


def imported(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield str(node.module)


def faults(source, name):
    tree = ast.parse(source)
    modules = {module.partition(".")[0] for module in imported(tree)}
    found = sorted(modules & (CODE_READERS | ARCHIVES | PROGRAMS))
    if name not in MAY_CONNECT and not name.startswith(("simulate/", "asking/")):  # clients, run by an operator
        found += sorted(modules & CONNECTIONS)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called in CALLS or called in BUILT_IN:
                found.append(called)
            if called == "text" and node.args and not isinstance(node.args[0], ast.Constant):
                found.append("SQL put together")
            if any(key.arg in ("allow_pickle", "shell") for key in node.keywords):
                found.append(f"{called} with {[key.arg for key in node.keywords]}")
    return found


def test_the_service_reads_no_code_no_archives_and_connects_in_one_place():
    assert len(files()) > 60
    wrong = {str(path.relative_to(ROOT)): faults(path.read_text(), str(path.relative_to(ROOT))) for path in files()}
    assert {name: found for name, found in wrong.items() if found} == {}


@pytest.mark.parametrize(
    "line",
    ["import pickle", "from zipfile import ZipFile", "import yaml\nyaml.load(x)", "eval(x)", "text(f'{x}')",
     "np.load(p, allow_pickle=True)", "import http.client", "from urllib.request import urlopen", "os.system(x)"],
)  # fmt: skip
def test_the_search_finds_what_it_looks_for(line):
    assert faults(line, "services/new.py") != []
