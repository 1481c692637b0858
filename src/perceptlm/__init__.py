"""perceptlm: an open, reproducible Perception Language Model stack.

Importing this package loads neither torch nor a web framework; `load` does so when it is called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from perceptlm.pretrained import load

__version__ = "0.1.0"
__all__ = ["__version__", "load"]


def __getattr__(name: str) -> Any:
    if name == "load":
        from perceptlm.pretrained import load

        return load
    raise AttributeError(f"module 'perceptlm' has no attribute '{name}'")
