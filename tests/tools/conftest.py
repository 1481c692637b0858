"""Fixtures: the project's tools as modules, and small projects to check."""

import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

LAYERS = """# Architecture

```
not the layers
```

## Who may import whom

```
top
train | eval
pretrained
left | right
low, also_low
```

`train` never imports `eval`; `eval` and `top` never import `left` or `right`.
Only `left` and `pretrained` may load torch when they are imported. No module is named `utils` or `misc`.

## Next

`left` never imports `low`.
"""


@pytest.fixture
def tool():
    """Return a loader: `tool("check_sizes")` is tools/check_sizes.py as a module."""

    def load(name):
        spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture
def project(tmp_path):
    """Return a maker of a small project with the layers above and the given files of the package."""

    def make(files):
        (tmp_path / "docs").mkdir()
        (tmp_path / "docs" / "architecture.md").write_text(LAYERS)
        for name, text in {"__init__.py": "", **files}.items():
            path = tmp_path / "src" / "perceptlm" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    return make
