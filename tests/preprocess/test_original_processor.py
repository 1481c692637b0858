"""An original checkpoint's tokenizer file: the ids of byte-pair merging by rank, then PLM's special tokens."""

from __future__ import annotations

import base64
import json
import re
from itertools import pairwise
from pathlib import Path

import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import models, pre_tokenizers, trainers

from perceptlm.batch import VisionLayout
from perceptlm.errors import ConfigError, DataError
from perceptlm.preprocess.original_processor import read_original_processor, read_tokenizer_model

CORPUS = ["What does the red circle do? It stops after 12 jumps, naïve café über 東京."] * 20
LAYOUT = VisionLayout(tile_size=56, patch_size=14, pooling_ratio=2)
PARAMS = {
    "model": {"max_seqlen": 900},
    "data": {"vision_input_type": "thumb+tile", "max_num_tiles": 4, "max_video_frames": 8},
}


def learn_tokens() -> list[bytes]:
    """Return byte tokens in the order in which they were learnt, as a `tokenizer.model` has them."""
    backend = tokenizers.Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet, show_progress=False)
    backend.train_from_iterator(CORPUS, trainer)
    decoder = tokenizers.decoders.ByteLevel()
    vocabulary = sorted(backend.get_vocab().items(), key=lambda item: item[1])
    # Single bytes first: decoded one by one they are no UTF-8.
    words = [decoder.decode([text]).encode() for text, _ in vocabulary if len(text) > 1]
    whole = [word for word in words if b"\xef\xbf\xbd" not in word]
    return [bytes([byte]) for byte in range(256)] + whole


TOKENS = learn_tokens()
CONTENT = b"".join(base64.b64encode(token) + b" %d\n" % rank for rank, token in enumerate(TOKENS))
READ = read_tokenizer_model(CONTENT, source="tokenizer.model")
RANKS = {token: rank for rank, token in enumerate(TOKENS)}


def by_rank(word: bytes) -> list[int]:
    """Byte-pair merging as it is defined on ranks: again and again the first pair that makes the earliest token."""
    if word in RANKS:
        return [RANKS[word]]
    parts = [bytes([byte]) for byte in word]
    while True:
        made = [RANKS.get(a + b, 10**9) for a, b in pairwise(parts)]
        if not made or min(made) == 10**9:
            return [RANKS[part] for part in parts]
        place = made.index(min(made))
        parts[place : place + 2] = [parts[place] + parts[place + 1]]


def words(text: str) -> list[str]:
    """Llama 3's words, in Python's own regular expressions: letters and digits are of ASCII here."""
    rule = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\na-zA-Z0-9]?[a-zA-Z]+|[0-9]{1,3}| ?[^\sa-zA-Z0-9]+[\r\n]*"
    rule += r"|\s*[\r\n]+|\s+(?!\S)|\s+"
    return re.findall(rule, text)


@given(st.text(alphabet=st.characters(max_codepoint=126, min_codepoint=32), max_size=60))
def test_any_text_is_merged_by_rank(text):
    assert READ.encode(text) == [number for word in words(text) for number in by_rank(word.encode())]
    assert READ.decode(READ.encode(text)) == text


@given(st.text(max_size=40))
def test_any_text_comes_back(text):
    assert READ.decode(READ.encode(text)) == text


def test_words_that_were_learnt_are_one_token():
    assert len(READ.encode(" circle")) == 1
    assert READ.decode(READ.encode("café 東京")) == "café 東京"


def test_special_tokens_have_plm_s_places():
    first = len(TOKENS)
    named = {
        "<|begin_of_text|>": 0, "<|end_of_text|>": 1, "<|image|>": 2, "<|video|>": 3, "<|start_header_id|>": 6,
        "<|end_header_id|>": 7, "<|eot_id|>": 9,
    }  # fmt: skip
    assert {name: READ.special_id(name) - first for name in named} == named
    assert READ.vocab_size == first + 256
    assert READ.decode([first + 255], keep_special=True) == "<|reserved_special_token_250|>"
    assert not [number for number in READ.encode("<|image|><|eot_id|>") if number >= first]


def test_the_settings_are_those_of_the_record(tmp_path: Path):
    (tmp_path / "tokenizer.model").write_bytes(CONTENT)
    (tmp_path / "params.json").write_text(json.dumps(PARAMS))
    config = read_original_processor(tmp_path, LAYOUT).config
    assert config.layout == LAYOUT
    assert (config.max_tiles, config.num_frames, config.vision_input, config.max_tokens) == (4, 8, "thumb+tile", 900)
    assert (config.frame_choice, config.resize_backend) == ("one_per_second", "pil")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "256 bytes are no token"),
        (CONTENT.replace(b"AA== 0\n", b"", 1), ":1: not a token .*token 0 is expected"),
        (CONTENT.replace(b"AQ== 1\n", b"A! 1\n", 1), ":2: not a token"),
        (CONTENT.replace(b"AQ== 1\n", b"AQ== one\n", 1), ":2: not a token"),
        (CONTENT.replace(b"AQ== 1\n", b"AQ==\n", 1), ":2: not a token"),
        (CONTENT.replace(b"AQ== 1\n", b"AA== 1\n", 1), "1 bytes are no token"),
        (CONTENT + b"AA== %d\n" % len(TOKENS), "a token stands there twice"),
    ],
)
def test_a_damaged_file_is_named_with_its_line(content, message):
    with pytest.raises(DataError, match=rf"tokenizer\.model.*{message}"):
        read_tokenizer_model(content, source="tokenizer.model")


@pytest.mark.parametrize("params", [[], {"data": {"max_num_tiles": "many"}}, {"model": {"max_seqlen": 0}}])
def test_a_wrong_record_is_named(tmp_path: Path, params):
    (tmp_path / "tokenizer.model").write_bytes(CONTENT)
    (tmp_path / "params.json").write_text(json.dumps(params))
    with pytest.raises(ConfigError, match=r"params\.json.*(max_t|expected keys and values)"):
        read_original_processor(tmp_path, LAYOUT)
    (tmp_path / "params.json").unlink()
    with pytest.raises(ConfigError, match=r"params\.json: cannot be read"):
        read_original_processor(tmp_path, LAYOUT)
    (tmp_path / "tokenizer.model").unlink()
    with pytest.raises(DataError, match=r"tokenizer\.model: cannot be read"):
        read_original_processor(tmp_path, LAYOUT)
