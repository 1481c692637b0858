"""provenance: what a manifest says about code, packages and machine, and what it leaves out."""

import platform
import re

from perceptlm.provenance import describe_code, describe_environment, describe_hardware


def test_code_is_described_by_version_commit_and_digest():
    code = describe_code()
    assert re.fullmatch(r"[0-9a-f]{64}", str(code["source_digest"]))
    assert code["commit"] is None or re.fullmatch(r"[0-9a-f]{40}", str(code["commit"]))
    assert code == describe_code()


def test_environment_names_what_decides_the_bytes():
    found = describe_environment()
    assert found["python"] == platform.python_version()
    assert {"numpy", "av", "pillow", "tokenizers"} <= set(found)


def test_hardware_is_a_kind_of_machine_not_a_host():
    assert set(describe_hardware()) == {"machine", "processor", "num_cores"}
