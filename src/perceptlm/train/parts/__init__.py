"""Pretraining of the tiny model's parts: a vision encoder from pixels, a decoder from written-out scenes."""
