"""Asking models for what items of a served project need: a client of the service, run beside it by an operator.

It talks to the server over HTTP with an API key, and to models through a GenerationClient. It knows no database.
"""
