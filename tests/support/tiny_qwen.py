"""A tiny random model of `transformers` with processor, tokenizer and chat template, saved as a real one would be."""

from __future__ import annotations

from pathlib import Path

import tokenizers
from oracle import transformers

WORDS = "What does the red circle do ? It stops ( A ) B"
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif part['type'] == 'video' %}<|vision_start|><|video_pad|><|vision_end|>"
    "{% else %}{{ part['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}<|im_start|>assistant\n"
)


def save_tiny_qwen(directory: Path) -> Path:
    """Write a random Qwen2-VL of a few thousand weights, with a tokenizer of a few words; return the directory."""
    special = ["<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"]
    names = dict.fromkeys(["[UNK]", *special, *WORDS.split(), "user", "assistant", "system"])
    model = tokenizers.models.WordLevel({word: number for number, word in enumerate(names)}, unk_token="[UNK]")
    tokenizer = tokenizers.Tokenizer(model)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    wrapped = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="[UNK]", eos_token="<|im_end|>", pad_token="<|im_end|>",
        additional_special_tokens=special, model_max_length=4096,
    )  # fmt: skip
    ids = {name: wrapped.convert_tokens_to_ids(name) for name in special}
    text = {
        "vocab_size": len(wrapped), "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 4096,
        "rope_parameters": {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 10000.0},
        "bos_token_id": None, "eos_token_id": ids["<|im_end|>"], "pad_token_id": ids["<|im_end|>"],
    }  # fmt: skip
    config = transformers.Qwen2VLConfig(
        text_config=text,
        vision_config={"depth": 1, "embed_dim": 32, "num_heads": 2, "hidden_size": 32, "mlp_ratio": 2},
        image_token_id=ids["<|image_pad|>"], video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"], vision_end_token_id=ids["<|vision_end|>"],
    )  # fmt: skip
    transformers.set_seed(0)
    transformers.Qwen2VLForConditionalGeneration(config).save_pretrained(directory)
    pixels = {"size": {"shortest_edge": 28 * 28, "longest_edge": 56 * 56}}
    transformers.Qwen2VLProcessor(
        transformers.Qwen2VLImageProcessor(**pixels), wrapped, transformers.Qwen2VLVideoProcessor(**pixels),
        chat_template=TEMPLATE,
    ).save_pretrained(directory)  # fmt: skip
    return directory
