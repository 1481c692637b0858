"""Clients that reach a model: the protocol, scripted answers, predictions from a file, and OpenAI-compatible HTTP."""

from perceptlm.clients.openai_http import OpenAIClient
from perceptlm.clients.predictions import PredictionsClient
from perceptlm.clients.protocol import (
    EachAloneClient,
    GenerationClient,
    GenerationRequest,
    GenerationResult,
    MediaInput,
    ModelIdentity,
    Picture,
    answers_alone,
    needs_media,
)
from perceptlm.clients.scripted import ScriptedClient

__all__ = [
    "EachAloneClient",
    "GenerationClient",
    "GenerationRequest",
    "GenerationResult",
    "MediaInput",
    "ModelIdentity",
    "OpenAIClient",
    "Picture",
    "PredictionsClient",
    "ScriptedClient",
    "answers_alone",
    "needs_media",
]
