"""What converters write, the catalogue names and the audit accepts are the same things."""

from __future__ import annotations

from typing import get_args

import pytest

from perceptlm.data.audit_rules import faults_of
from perceptlm.data.catalogue import Format, catalogue
from perceptlm.data.converters.formats import FORMATS
from perceptlm.data.open_weights import open_weights
from perceptlm.schema import Origin


@pytest.mark.parametrize("name", [name for name, found in FORMATS.items() if found.owner is not None])
def test_the_audit_resolves_the_origin_of_every_format(name: str) -> None:
    owner = FORMATS[name].owner
    assert owner is not None
    kind, writer, revision, licence = owner
    origin = Origin(kind=kind, name=writer, revision=revision or f"sha256:{'0' * 64}", licence=licence)
    assert faults_of(origin, open_weights()) == ()


def test_the_catalogue_names_formats_that_there_are() -> None:
    named = {item.format for item in catalogue().datasets if item.format is not None}
    assert named <= FORMATS.keys()
    assert set(get_args(Format)) <= FORMATS.keys()
    assert {name for name, found in FORMATS.items() if "benchmark" not in found.splits} - set(get_args(Format)) == set()
