"""Answering many requests with a local model: batches, shared pictures, the GenerationClient interface."""

from perceptlm.inference.client import LocalClient

__all__ = ["LocalClient"]
