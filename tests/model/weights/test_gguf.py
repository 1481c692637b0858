"""GGUF files of a Llama become what `transformers` makes of them: the same tensors, shape, tokens and logits."""

import json

import gguf
import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType as Type
from oracle import transformers
from safetensors.torch import load_file
from tokenizers import pre_tokenizers

from perceptlm.cli.main import run
from perceptlm.errors import ConfigError, UsageError, WeightsError
from perceptlm.model import DecoderConfig, RopeScaling
from perceptlm.model.rope import decoder_frequencies
from perceptlm.model.weights import gguf_files
from perceptlm.model.weights.convert import convert, plan

WIDTH, LAYERS, HEADS, KV_HEADS, MLP = 256, 2, 4, 2, 256
TYPES = [Type[name] for name in gguf_files.TYPES]
WORDS = ["What", "Ġis", "Ġit", "<|im_start|>", "<|im_end|>"]


def vocabulary():
    """Every byte, some words and the merges that lead to them, two special tokens."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = ["W h", "Wh a", "Wha t", "Ġ i", "Ġi s", "Ġi t"]
    tokens = list(dict.fromkeys([*letters, *(merge.replace(" ", "") for merge in merges), *WORDS]))
    return tokens, merges, [3 if token.startswith("<|") else 1 for token in tokens]


def quantised(values, kind):
    """Return the bytes of values as a type; of types that gguf cannot write, random blocks with a small scale."""
    if kind.name not in ("Q4_K", "Q6_K"):
        return gguf.quants.quantize(values, kind)
    block_size, num_bytes = gguf.GGML_QUANT_SIZES[kind]
    random = np.random.default_rng(0)
    blocks = random.integers(0, 256, (len(values), values.shape[1] // block_size, num_bytes), dtype=np.uint8)
    scale = np.array([0.001], np.float16).view(np.uint8)
    for start in (0, 2) if kind.name == "Q4_K" else (num_bytes - 2,):
        blocks[..., start : start + 2] = scale
    return blocks.reshape(len(values), -1)


def write(path, kind=Type.F32, *, tied=True, architecture="llama", rule="smollm", factors=None, without=()):
    """Write a small Llama with random values."""
    random = np.random.default_rng(1)
    tokens, merges, types = vocabulary()
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_context_length(128)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(MLP)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(50000.0)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(rule)
    writer.add_token_list(tokens)
    writer.add_token_merges(merges)
    writer.add_token_types(types)
    writer.add_bos_token_id(tokens.index("<|im_start|>"))
    writer.add_eos_token_id(tokens.index("<|im_end|>"))
    writer.add_chat_template("{% for m in messages %}{{ m['content'] }}{% endfor %}")
    shapes = {"token_embd.weight": (len(tokens), WIDTH), "output_norm.weight": (WIDTH,)}
    if not tied:
        shapes["output.weight"] = (len(tokens), WIDTH)
    for i in range(LAYERS):
        kv = KV_HEADS * WIDTH // HEADS
        sizes = {"attn_q": (WIDTH, WIDTH), "attn_k": (kv, WIDTH), "attn_v": (kv, WIDTH), "attn_output": (WIDTH, WIDTH)}
        sizes |= {"ffn_gate": (MLP, WIDTH), "ffn_up": (MLP, WIDTH), "ffn_down": (WIDTH, MLP)}
        sizes |= {"attn_norm": (WIDTH,), "ffn_norm": (WIDTH,)}
        shapes |= {f"blk.{i}.{name}.weight": shape for name, shape in sizes.items()}
    for name, shape in shapes.items():
        if name in without:
            continue
        values = random.normal(0, 0.06, shape).astype(np.float32)
        if len(shape) == 1:
            writer.add_tensor(name, 1 + values)
        else:
            writer.add_tensor(name, quantised(values, kind), raw_dtype=kind)
    if factors is not None:
        writer.add_tensor("rope_freqs.weight", factors.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.name)
@pytest.mark.parametrize("tied", [True, False])
@torch.no_grad()
def test_tensors_and_logits_are_those_of_transformers(tmp_path, kind, tied):
    source = write(tmp_path / "model.gguf", kind, tied=tied)
    convert(plan(source, "transformers"), tmp_path / "out")
    ours = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "out", dtype=torch.float32).eval()
    theirs = transformers.AutoModelForCausalLM.from_pretrained(
        tmp_path, gguf_file=source.name, dtype=torch.float32
    ).eval()
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    assert all(torch.equal(tensor, theirs.state_dict()[name]) for name, tensor in ours.state_dict().items())
    input_ids = torch.arange(40)[None] % 90
    torch.testing.assert_close(ours(input_ids).logits, theirs(input_ids).logits, rtol=0, atol=2e-5)


def test_the_tokenizer_is_that_of_transformers(tmp_path):
    source = write(tmp_path / "model.gguf")
    convert(plan(source, "transformers"), tmp_path / "out")
    ours = transformers.AutoTokenizer.from_pretrained(tmp_path / "out")
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path, gguf_file=source.name)
    for text in ("What is it 12:30, 猫\n\t", "<|im_start|>What<|im_end|> is"):
        assert ours(text).input_ids == theirs(text).input_ids
        assert ours.decode(ours(text).input_ids) == text
    assert (ours.bos_token, ours.eos_token) == ("<|im_start|>", "<|im_end|>")
    said = [{"role": "user", "content": "What"}]
    assert ours.apply_chat_template(said, tokenize=False) == "What"


def test_stretched_positions_are_recognised(tmp_path):
    scaling = RopeScaling(factor=32.0)
    decoder = DecoderConfig(
        vocab_size=300, width=WIDTH, num_layers=LAYERS, num_heads=HEADS, num_kv_heads=KV_HEADS, head_dim=64,
        mlp_width=MLP, max_positions=128, rope_theta=50000.0,
    )  # fmt: skip
    stretched = decoder.model_copy(update={"rope_scaling": scaling})
    factors = (decoder_frequencies(decoder) / decoder_frequencies(stretched)).numpy()
    found = gguf_files.GgufReader(write(tmp_path / "llama3.gguf", factors=factors, rule="llama-bpe")).config()
    assert found.rope_scaling == scaling
    with pytest.raises(ConfigError, match="otherwise than Llama 3 does"):
        gguf_files.GgufReader(write(tmp_path / "odd.gguf", factors=factors + 0.5)).config()


def test_the_type_of_values_can_be_chosen(tmp_path, capsys):
    source = write(tmp_path / "model.gguf", Type.Q8_0)
    arguments = ["weights", "convert", str(source), str(tmp_path / "out"), "--dtype", "bfloat16", "--json"]
    assert run(arguments) == 0
    assert json.loads(capsys.readouterr().out)["from"] == "gguf"
    tensors = load_file(tmp_path / "out" / "model.safetensors")
    assert {tensor.dtype for tensor in tensors.values()} == {torch.bfloat16}
    assert json.loads((tmp_path / "out" / "config.json").read_text())["dtype"] == "bfloat16"


def test_what_is_not_supported_is_named(tmp_path):
    with pytest.raises(ConfigError, match="the architecture is 'gemma'"):
        plan(write(tmp_path / "a.gguf", architecture="gemma"), "transformers")
    with pytest.raises(ConfigError, match="cuts words by 'qwen2'"):
        plan(write(tmp_path / "b.gguf", rule="qwen2"), "transformers")
    with pytest.raises(WeightsError, match=r"blk\.1\.attn_q\.weight is missing"):
        plan(write(tmp_path / "c.gguf", without=["blk.1.attn_q.weight"]), "transformers")
    with pytest.raises(WeightsError, match=r"is of the type Q5_0; known are F32"):
        plan(write(tmp_path / "d.gguf", Type.Q5_0), "transformers")
    with pytest.raises(UsageError, match="converted to transformers only"):
        plan(write(tmp_path / "e.gguf"), "original")
    (tmp_path / "f.gguf").write_bytes(b"GGUF and no more")
    with pytest.raises(WeightsError, match="not a readable GGUF file"):
        plan(tmp_path / "f.gguf", "transformers")
    with pytest.raises(WeightsError, match="not a readable GGUF file"):
        plan(tmp_path / "none.gguf", "transformers")
