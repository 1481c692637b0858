"""The model: PE vision transformer, projector and Llama decoder over Batches. Knows no tokenizer and no training."""

from perceptlm.model.configuration import DecoderConfig, PLMConfig, RopeScaling, VisionConfig
from perceptlm.model.plm import Loss, PerceptionLM

__all__ = ["DecoderConfig", "Loss", "PLMConfig", "PerceptionLM", "RopeScaling", "VisionConfig"]
