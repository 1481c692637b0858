"""The open-weights list: exact names, sources for everything, and what licences say of output."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from perceptlm.data.open_weights import (
    OpenWeights,
    OpenWeightsFile,
    expand,
    licence_says_nothing,
    moves,
    open_weights,
)


def licence_of(name: str) -> str | None:
    model = open_weights().find(name)
    return None if model is None else model.licence_id


@pytest.mark.parametrize(
    ("name", "licence"),
    [
        ("Llama-3.2-90B-Vision-Instruct", "LicenseRef-Llama-3.2"),
        ("meta-llama/Llama-3.3-70B-Instruct", "LicenseRef-Llama-3.3"),
        (" llama 3.3 70b instruct ", "LicenseRef-Llama-3.3"),
        ("META-LLAMA/meta_llama_3.1_405b_instruct", "LicenseRef-Llama-3.1"),
        ("Meta-Llama-3-70B", "LicenseRef-Llama-3"),
        ("Qwen2.5-7B-Instruct", "Apache-2.0"),
        ("Qwen/Qwen2.5-VL-72B-Instruct", "LicenseRef-Qwen"),
        ("Qwen2.5-VL-3B-Instruct", "LicenseRef-Qwen-Research"),
        ("Qwen2-72B", "LicenseRef-Tongyi-Qianwen"),
        ("openai/gpt-oss-120b", "Apache-2.0"),
        ("allenai/Molmo-7B-D-0924", "Apache-2.0"),
        ("OpenGVLab/InternVL2_5-8B", "MIT"),
        ("facebook/Perception-LM-8B", "LicenseRef-FAIR-Noncommercial-Research"),
    ],
)
def test_names_are_found_however_they_are_spelt(name: str, licence: str) -> None:
    assert licence_of(name) == licence


@pytest.mark.parametrize(
    "name",
    ["Llama", "Llama-3.2", "Llama-3.3-70B-Instruct-abliterated", "someone/Llama-3.3-70B-Instruct", "xLlama-3.1-8B",
     "Llama-3.1-8B-Instruct/x", "gpt-4o", "gpt-oss", "", "Qwen2.5-7B-Instruct-GPT4o"],
)  # fmt: skip
def test_a_part_of_a_name_is_no_name(name: str) -> None:
    assert open_weights().find(name) is None


@pytest.mark.parametrize(
    ("name", "company"),
    [("GPT-4o", "OpenAI"), ("gpt 4v", "OpenAI"), ("openai/gpt-4o-2024-08-06", "OpenAI"), ("o1-preview", "OpenAI"),
     ("claude-3-5-sonnet-20241022", "Anthropic"), ("Claude 3 Opus", "Anthropic"), ("Gemini-1.5-Pro", "Google")],
)  # fmt: skip
def test_a_closed_model_is_refused_with_the_reason(name: str, company: str) -> None:
    reason = open_weights().why_refused(name)
    assert reason is not None
    assert reason.startswith(f"it is one of {company}'s models: its weights cannot be had")
    assert open_weights().why_refused("Llama-3.1-8B") is None


def test_what_licences_say_of_output() -> None:
    use = {licence_id: licence.output for licence_id, licence in open_weights().file.licences.items()}
    assert use["Apache-2.0"] == use["MIT"] == "allowed"
    assert use["LicenseRef-Llama-2"] == use["LicenseRef-Llama-3"] == use["LicenseRef-Tongyi-Qianwen"] == "not_allowed"
    assert {use[f"LicenseRef-Llama-3.{minor}"] for minor in (1, 2, 3)} == {"naming"}
    for licence in open_weights().file.licences.values():
        assert licence.source.startswith("https://")
        assert licence.output == "allowed" or licence.note
    for family in open_weights().file.families:
        assert family.source.startswith("https://huggingface.co/")


@pytest.mark.parametrize(
    ("model", "licence", "carries"),
    [
        ("Llama-3.2-90B-Vision-Instruct", "LicenseRef-Llama-3.2", True),
        ("Llama-3.2-90B-Vision-Instruct", "llama3.2", True),
        ("Llama-3.2-90B-Vision-Instruct", "Llama 3.2 Community License", True),
        ("Llama-3.3-70B-Instruct", "llama3.2", True),
        ("Llama-3.2-90B-Vision-Instruct", "CC-BY-4.0 AND LicenseRef-Llama-3.2", True),
        ("Llama-3.2-90B-Vision-Instruct", "CC-BY-4.0 OR LicenseRef-Llama-3.2", False),
        ("Llama-3.2-90B-Vision-Instruct", "CC-BY-4.0", False),
        ("Llama-3.2-90B-Vision-Instruct", "LicenseRef-Llama-3", False),
        ("Qwen2.5-72B-Instruct", "Apache-2.0", False),
        ("Qwen2.5-72B-Instruct", "qwen", True),
        ("gemma-3-27b-it", "Gemma", True),
        ("Qwen2.5-7B-Instruct", "CC-BY-4.0", True),
    ],
)
def test_duties_go_on_with_the_data(model: str, licence: str, carries: bool) -> None:
    found = open_weights().find(model)
    assert found is not None
    assert open_weights().carries_duties(found, licence) is carries


def test_words_that_say_nothing() -> None:
    assert all(map(moves, ["latest", " Main ", "HEAD", "refs/heads/main", "unknown", " "]))
    assert not any(map(moves, ["0e9e39f249a16976918f6564b8830bc894c89659", "v0.3", "2024-09-25", "mainline-7"]))
    assert all(map(licence_says_nothing, ["", "  ", "Unknown", "NOASSERTION", "MIT AND unknown", "LicenseRef-other"]))
    assert not any(map(licence_says_nothing, ["MIT", "(MIT OR Apache-2.0)", "llama3.2"]))


def test_patterns() -> None:
    assert list(expand("a-{b,c}{,-d}")) == ["a-b", "a-b-d", "a-c", "a-c-d"]
    assert list(expand("plain")) == ["plain"]
    assert len(open_weights().models) == len({model.name.casefold() for model in open_weights().models}) > 150


def test_a_list_that_contradicts_itself_is_refused() -> None:
    licences = {"MIT": {"title": "MIT", "output": "allowed", "source": "s"}}
    family = {"name": "f", "owner": "o", "licence": "MIT", "models": ["m"], "source": "s"}
    again = {"licences": licences, "families": [family], "closed": [{"name": "c", "models": ["M"], "reason": "r"}]}
    with pytest.raises(ValueError, match="'M' stands twice on the open-weights list"):
        OpenWeights(OpenWeightsFile.model_validate(again))
    with pytest.raises(ValueError, match="'m' stands twice"):
        OpenWeights(OpenWeightsFile.model_validate(again | {"families": [family, family]}))
    with pytest.raises(ValidationError, match="licences that are not listed: BSD"):
        OpenWeightsFile.model_validate(again | {"families": [family | {"licence": "BSD"}]})
