"""Names and shapes of PE-Core's tensors in its own checkpoints: text tower, vision transformer and scale (facts 1.1).

The text tower's names are CLIP's; those of the vision transformer begin with `visual.`. See `rules`.
"""

from __future__ import annotations

from perceptlm.model.configuration import TextTowerConfig, VisionConfig
from perceptlm.model.weights.rules import Rule, same, transposed, within
from perceptlm.model.weights.vision_layouts import original_block, original_layout


def text_tower_layout(config: TextTowerConfig) -> list[Rule]:
    """Return the rules for a text tower alone."""
    rules = [
        same("embedding", "token_embedding.weight"),
        same("position_embedding", "positional_embedding"),
        transposed("output.weight", "text_projection"),
        same("norm_post.weight", "ln_final.weight"),
        same("norm_post.bias", "ln_final.bias"),
    ]
    for i in range(config.num_layers):
        rules += original_block(f"blocks.{i}.", f"transformer.resblocks.{i}.", gains=False)
    return rules


def picture_text_layout(vision: VisionConfig, text: TextTowerConfig) -> list[Rule]:
    """Return the rules for a whole PE-Core checkpoint."""
    return [
        same("logit_scale", "logit_scale"),
        *within(original_layout(vision), memory="vision.", file="visual."),
        *within(text_tower_layout(text), memory="text.", file=""),
    ]
