"""Judges: what decides how right a free text is."""
