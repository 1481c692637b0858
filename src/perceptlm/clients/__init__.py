"""Clients that reach a model: the protocol, scripted answers, and OpenAI-compatible HTTP."""

from perceptlm.clients.openai_http import OpenAIClient
from perceptlm.clients.protocol import (
    GenerationClient,
    GenerationRequest,
    GenerationResult,
    MediaInput,
    ModelIdentity,
    Picture,
)
from perceptlm.clients.scripted import ScriptedClient

__all__ = [
    "GenerationClient",
    "GenerationRequest",
    "GenerationResult",
    "MediaInput",
    "ModelIdentity",
    "OpenAIClient",
    "Picture",
    "ScriptedClient",
]
