"""Pretrained parts shipped with the package, one artifact per folder, and where they lie."""

from __future__ import annotations

from pathlib import Path

from perceptlm.errors import ConfigError

_ROOT = Path(__file__).parent


def part_path(name: str) -> Path:
    """Return the directory of a shipped part; ConfigError names those there are."""
    known = sorted(path.parent.name for path in _ROOT.glob("*/manifest.json"))
    if name not in known:
        raise ConfigError(f"there is no shipped part '{name}'", hint=f"shipped parts: {', '.join(known)}")
    return _ROOT / name
