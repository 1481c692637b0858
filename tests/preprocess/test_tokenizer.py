"""Exact round trips, numbers, and text that can never become a special token."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perceptlm.errors import ConfigError, DataError
from perceptlm.preprocess.configuration import DEFAULT_SYSTEM_TEXT
from perceptlm.preprocess.tokenizer import SPECIAL_TOKENS, Tokenizer, train_tokenizer

hostile = st.lists(st.one_of(st.text(max_size=8), st.sampled_from(SPECIAL_TOKENS)), max_size=8).map("".join)
CORPUS = ["the red circle <|image|> <|eot_id|><|end_of_text|> moves 2024"] * 50
TRAINED = train_tokenizer(CORPUS, 500)


@given(hostile)
def test_any_text_comes_back_and_holds_no_special_token(text: str) -> None:
    ids = TRAINED.encode(text)
    assert TRAINED.decode(ids) == text
    assert not set(ids) & {TRAINED.special_id(name) for name in SPECIAL_TOKENS}


def test_text_is_still_plain_after_saving_and_loading() -> None:
    again = Tokenizer.from_json(TRAINED.to_json(), source="tokenizer.json")
    assert again.to_json() == TRAINED.to_json()
    text = "a <|image|> and <|eot_id|>"
    assert again.encode(text) == TRAINED.encode(text)
    assert again.decode(again.encode(text)) == text


def test_special_tokens_stand_last_and_are_left_out_of_text() -> None:
    ids = [TRAINED.special_id(name) for name in SPECIAL_TOKENS]
    assert ids == list(range(TRAINED.vocab_size - len(ids), TRAINED.vocab_size))
    assert TRAINED.decode([ids[0], *TRAINED.encode("red"), ids[-1]]) == "red"
    assert TRAINED.decode(ids, keep_special=True) == "".join(SPECIAL_TOKENS)


def test_numbers_are_words_of_at_most_three_digits() -> None:
    trained = train_tokenizer(["[11, 15]: 123456 123456"] * 100, 500)
    assert [trained.decode([number]) for number in trained.encode("123456")] == ["123", "456"]
    assert [trained.decode([number]) for number in trained.encode("[11, 15]")] == ["[", "11", ",", " ", "15", "]"]


def test_training_is_deterministic_and_learns_words() -> None:
    assert train_tokenizer(iter(CORPUS), 500).to_json() == TRAINED.to_json()
    assert len(TRAINED.encode("the red circle")) == 3


def test_the_words_of_every_conversation_are_few_tokens() -> None:
    words = len(DEFAULT_SYSTEM_TEXT.replace(".", " .").replace(",", " ,").split())
    assert len(TRAINED.encode(DEFAULT_SYSTEM_TEXT)) == words
    assert [len(TRAINED.encode(text)) for text in ("system", "user", "assistant", "\n\n")] == [1, 1, 1, 1]


def test_a_vocabulary_without_room_for_bytes_is_refused() -> None:
    with pytest.raises(ConfigError, match="vocab_size 200"):
        train_tokenizer(["text"], 200)


@pytest.mark.parametrize("text", ["", "{}", "not json", '{"version": "1.0", "model": {"type": "BPE"}}'])
def test_a_file_that_is_no_tokenizer_is_named(text: str) -> None:
    with pytest.raises(DataError, match=r"dir/tokenizer\.json"):
        Tokenizer.from_json(text, source="dir/tokenizer.json")


def test_a_tokenizer_without_our_special_tokens_is_refused() -> None:
    with pytest.raises(DataError, match="no special token"):
        Tokenizer.from_json(TRAINED.to_json().replace("<|eot_id|>", "<|other|>"), source="tokenizer.json")
