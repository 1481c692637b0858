"""The shapes of the published Perception Encoders, by the name of their release (facts 1.1).

PE-Core ends in one vector per picture that a text tower's vectors are compared with; PE-Lang and PE-Spatial end in
tokens. Sizes only; `weights.vision_layouts` knows how their files name things.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from perceptlm.model.configuration import TextTowerConfig, VisionConfig

Size = Literal["T", "S", "B", "L", "G"]
_SIZES: Mapping[Size, dict[str, Any]] = {
    "T": {"patch_size": 16, "width": 192, "num_layers": 12, "num_heads": 3},
    "S": {"patch_size": 16, "width": 384, "num_layers": 12, "num_heads": 6},
    "B": {"patch_size": 16, "width": 768, "num_layers": 12, "num_heads": 12},
    "L": {"patch_size": 14, "width": 1024, "num_layers": 24, "num_heads": 16},
    "G": {
        "patch_size": 14,
        "width": 1536,
        "num_layers": 50,
        "num_heads": 16,
        "mlp_ratio": 8960 / 1536,
        "use_cls_token": False,
    },
}


def core(size: Size, image_size: int, output_width: int) -> VisionConfig:
    """Return the shape of a PE-Core vision transformer: a norm, a probe that pools, and an output map."""
    shape = _SIZES[size] | {"image_size": image_size, "output_width": output_width}
    return VisionConfig(**shape, layer_scale=None, norm_post=True, pool="attention")


def lang(size: Size, num_layers: int) -> VisionConfig:
    """Return the shape of a PE-Lang vision transformer, and of a PLM's: the last blocks are left out."""
    return VisionConfig(**_SIZES[size] | {"image_size": 448, "num_layers": num_layers}, layer_scale=0.1)


def spatial(size: Size, image_size: int) -> VisionConfig:
    """Return the shape of a PE-Spatial vision transformer."""
    return VisionConfig(**_SIZES[size], image_size=image_size, layer_scale=0.1 if size == "G" else None)


PERCEPTION_ENCODERS: Mapping[str, VisionConfig] = {
    "PE-Core-T16-384": core("T", 384, 512),
    "PE-Core-S16-384": core("S", 384, 512),
    "PE-Core-B16-224": core("B", 224, 1024),
    "PE-Core-L14-336": core("L", 336, 1024),
    "PE-Core-G14-448": core("G", 448, 1280),
    "PE-Lang-L14-448": lang("L", 23),
    "PE-Lang-G14-448": lang("G", 47),
    "PE-Spatial-T16-512": spatial("T", 512),
    "PE-Spatial-S16-512": spatial("S", 512),
    "PE-Spatial-B16-512": spatial("B", 512),
    "PE-Spatial-L14-448": spatial("L", 448),
    "PE-Spatial-G14-448": spatial("G", 448),
}
"""Release -> shape. PE-Lang's releases for tiles have the shape of those without."""


_TEXT_SIZES: Mapping[Size, dict[str, int]] = {
    "T": {"max_tokens": 32, "width": 512, "num_layers": 12, "num_heads": 8},
    "S": {"max_tokens": 32, "width": 512, "num_layers": 12, "num_heads": 8},
    "B": {"max_tokens": 32, "width": 1024, "num_layers": 24, "num_heads": 16},
    "L": {"max_tokens": 32, "width": 1024, "num_layers": 24, "num_heads": 16},
    "G": {"max_tokens": 72, "width": 1280, "num_layers": 24, "num_heads": 20},
}
TEXT_TOWERS: Mapping[str, TextTowerConfig] = {
    release: TextTowerConfig(**_TEXT_SIZES[size], output_width=config.output_width)
    for size in _TEXT_SIZES
    for release, config in PERCEPTION_ENCODERS.items()
    if release.startswith(f"PE-Core-{size}") and config.output_width is not None
}
"""Release of PE-Core -> shape of its text tower."""
