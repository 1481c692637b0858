"""Clients that reach a model: the protocol, scripted answers, and OpenAI-compatible HTTP."""

from perceptlm.clients.protocol import (
    GenerationClient,
    GenerationRequest,
    GenerationResult,
    MediaInput,
    ModelIdentity,
    Picture,
)

__all__ = [
    "GenerationClient",
    "GenerationRequest",
    "GenerationResult",
    "MediaInput",
    "ModelIdentity",
    "Picture",
]
