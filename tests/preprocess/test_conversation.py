"""The layout, token by token, and its twin for transformers."""

from __future__ import annotations

import json

import pytest
from jinja2.sandbox import ImmutableSandboxedEnvironment

from perceptlm.errors import DataError
from perceptlm.preprocess.adopted_tokenizer import adopt_tokenizer
from perceptlm.preprocess.chat_format import CHATML, LLAMA_3, ChatFormat, chat_template
from perceptlm.preprocess.configuration import DEFAULT_SYSTEM_TEXT
from perceptlm.preprocess.conversation import (
    prefix_ids,
    prompt_branch,
    system_text,
    training_branch,
)
from perceptlm.preprocess.tokenizer import Tokenizer, train_tokenizer
from perceptlm.schema import Turn


def user(text: str) -> Turn:
    return Turn(role="user", text=text)


def assistant(text: str) -> Turn:
    return Turn(role="assistant", text=text)


DIALOGUE = (user("Who?"), assistant("It."), user("And\nwhy? "), assistant("So."))


def render(turns: tuple[Turn, ...], *, num_images: int, add_generation_prompt: bool, chat: ChatFormat = LLAMA_3) -> str:
    """Render our template as `transformers` does."""
    messages: list[dict[str, object]] = []
    for turn in turns:
        parts: list[dict[str, str]] = [{"type": "text", "text": turn.text}]
        if turn.role == "user" and not any(message["role"] == "user" for message in messages):
            parts += [{"type": "image"}] * num_images
        messages.append({"role": turn.role, "content": turn.text if turn.role == "system" else parts})
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(chat_template(chat, DEFAULT_SYSTEM_TEXT))
    return template.render(
        messages=messages, bos_token="<|begin_of_text|>", add_generation_prompt=add_generation_prompt
    )


def test_the_training_layout_is_that_of_the_reference(tokenizer: Tokenizer) -> None:
    prefix = tokenizer.decode(prefix_ids(tokenizer, "plm_sft", DEFAULT_SYSTEM_TEXT), keep_special=True)
    assert prefix == (
        "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nYou are a helpful language and vision "
        "assistant. You are able to understand the visual content that the user provides, and assist the user with a "
        "variety of tasks using natural language.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\n"
    )
    run = training_branch(tokenizer, "plm_sft", DIALOGUE)
    assert tokenizer.decode(run.ids, keep_special=True) == (
        "Who?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\nIt.<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\nAnd\nwhy?<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\nSo.<|eot_id|><|end_of_text|>"
    )
    learnt = [token for token, supervised in zip(run.ids, run.supervised, strict=True) if supervised]
    assert tokenizer.decode(learnt, keep_special=True) == (
        "<|start_header_id|>assistant<|end_header_id|>\n\nIt.<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\nSo.<|eot_id|><|end_of_text|>"
    )


def test_warmup_is_the_caption_and_a_line_break(tokenizer: Tokenizer) -> None:
    assert prefix_ids(tokenizer, "warmup", DEFAULT_SYSTEM_TEXT) == []
    run = training_branch(tokenizer, "warmup", (user("Ignored"), assistant("A red circle. ")))
    assert tokenizer.decode(run.ids, keep_special=True) == "A red circle.\n"
    assert all(run.supervised)


@pytest.mark.parametrize("answer", ["It stops.", "\nleading break", "  12 times", "é<|eot_id|>", ""])
def test_a_prompt_is_a_prefix_of_its_training_example(tokenizer: Tokenizer, answer: str) -> None:
    prompt = prompt_branch(tokenizer, "plm_sft", DIALOGUE[:3])
    trained = training_branch(tokenizer, "plm_sft", (*DIALOGUE[:3], assistant(answer)))
    assert trained.ids[: len(prompt.ids)] == prompt.ids
    assert not any(prompt.supervised)


@pytest.mark.parametrize("head", [(), (Turn(role="system", text=" Be <|image|> brief.\n"),)])
@pytest.mark.parametrize("num_turns", [1, 3])
def test_the_chat_template_gives_the_same_text(tokenizer: Tokenizer, head: tuple[Turn, ...], num_turns: int) -> None:
    turns = (*head, *DIALOGUE[:num_turns])
    prefix = prefix_ids(tokenizer, "plm_sft", system_text(turns))
    branch = prompt_branch(tokenizer, "plm_sft", turns).ids
    ours = tokenizer.decode([*prefix, *[tokenizer.special_id("<|image|>")] * 2, *branch], keep_special=True)
    assert render(turns, num_images=2, add_generation_prompt=True) == ours


def test_the_chat_template_gives_the_training_text(tokenizer: Tokenizer) -> None:
    prefix = prefix_ids(tokenizer, "plm_sft", DEFAULT_SYSTEM_TEXT)
    ours = tokenizer.decode(prefix + training_branch(tokenizer, "plm_sft", DIALOGUE).ids, keep_special=True)
    assert render(DIALOGUE, num_images=0, add_generation_prompt=False) + "<|end_of_text|>" == ours


@pytest.fixture(scope="module")
def chatml() -> Tokenizer:
    """A tokenizer as of a decoder that was taught ChatML, with placeholders."""
    values = json.loads(train_tokenizer(["system user assistant Who? It. And why? So."] * 9, 300).to_json())
    names = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<repo_name>", "<reponame>")
    for token, name in zip(values["added_tokens"], names, strict=False):
        token["content"] = name
    values["added_tokens"] = values["added_tokens"][: len(names)]
    return adopt_tokenizer(json.dumps(values), source="tokenizer.json")


@pytest.mark.parametrize("num_images", [0, 2])
def test_a_decoder_taught_chatml_is_spoken_to_in_it(chatml: Tokenizer, num_images: int) -> None:
    turns = (Turn(role="system", text=" Be brief.\n"), *DIALOGUE)
    images = [chatml.special_id("<|image|>")] * num_images
    ids = [*prefix_ids(chatml, "plm_sft", system_text(turns)), *images]
    trained = training_branch(chatml, "plm_sft", turns)
    assert chatml.decode([*ids, *trained.ids], keep_special=True) == (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n" + "<|image|>" * num_images + "Who?<|im_end|>\n"
        "<|im_start|>assistant\nIt.<|im_end|>\n<|im_start|>user\nAnd\nwhy?<|im_end|>\n"
        "<|im_start|>assistant\nSo.<|im_end|>\n"
    )
    learnt = [token for token, supervised in zip(trained.ids, trained.supervised, strict=True) if supervised]
    assert chatml.decode(learnt, keep_special=True) == (
        "<|im_start|>assistant\nIt.<|im_end|>\n<|im_start|>assistant\nSo.<|im_end|>\n"
    )
    for asked, chosen in ((turns[:-1], prompt_branch(chatml, "plm_sft", turns[:-1])), (turns, trained)):
        ours = chatml.decode([*ids, *chosen.ids], keep_special=True)
        generating = asked is not turns
        theirs = render(asked, num_images=num_images, add_generation_prompt=generating, chat=CHATML)
        assert theirs == ours


def test_names_of_chatml_stay_text(chatml: Tokenizer) -> None:
    special = {chatml.special_id(name) for name in CHATML.special_tokens}
    for name in (*CHATML.special_tokens, *LLAMA_3.special_tokens, *CHATML.spare):
        assert not special & set(chatml.encode(f"a {name}b"))
        assert chatml.decode(chatml.encode(f"a {name}b")) == f"a {name}b"


def test_special_names_in_any_turn_stay_text(tokenizer: Tokenizer) -> None:
    name = "<|eot_id|>"
    plain = training_branch(tokenizer, "plm_sft", (user("a"), assistant("b")))
    hostile = training_branch(tokenizer, "plm_sft", (user(name), assistant(name)))
    number = tokenizer.special_id(name)
    assert hostile.ids.count(number) == plain.ids.count(number)
    prefix = prefix_ids(tokenizer, "plm_sft", "<|image|>")
    assert tokenizer.special_id("<|image|>") not in prefix


@pytest.mark.parametrize("turns", [(), (assistant("a"),), DIALOGUE, (user("a"), user("b"))])
def test_a_prompt_ends_with_the_user(tokenizer: Tokenizer, turns: tuple[Turn, ...]) -> None:
    with pytest.raises(DataError, match="end with the user"):
        prompt_branch(tokenizer, "plm_sft", turns)


def test_a_late_system_turn_is_refused() -> None:
    with pytest.raises(DataError, match="beginning"):
        system_text((user("a"), Turn(role="system", text="obey")))
