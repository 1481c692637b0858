"""Imports the oracle, `transformers` with timm, open_clip and PEFT, which compute the same models independently of us.

timm needs torchvision, of which there is no CPU build in every registry: where its compiled part does not load, the
operators it would bring are only named. No model here uses one.
"""

from __future__ import annotations

import importlib
import sys
import warnings

import torch

_OPERATORS = ("nms", "qnms", "roi_align", "ps_roi_align", "roi_pool", "ps_roi_pool", "deform_conv2d")
_OPERATORS += tuple(f"_{name}_backward" for name in _OPERATORS[2:])
_named: list[torch.library.Library] = []


def _import_torchvision() -> None:
    try:
        importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "DEF")
        for name in _OPERATORS:
            library.define(f"{name}(Tensor a) -> Tensor")
        _named.append(library)  # the names last as long as it does
        importlib.import_module("torchvision")


with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    _import_torchvision()
    import open_clip
    import peft
    import timm
    import transformers

__all__ = ["open_clip", "peft", "timm", "transformers"]
