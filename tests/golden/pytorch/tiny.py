"""Tiny random language models, and tokens for them."""

import torch
import transformers

SIZES = {
    "vocab_size": 99,
    "hidden_size": 96,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "max_position_embeddings": 64,
}


def make(kind=transformers.LlamaConfig, implementation="fusioncim", **options):
    torch.manual_seed(1)
    config = kind(**SIZES | options)
    return transformers.AutoModelForCausalLM.from_config(config, attn_implementation=implementation).eval()


def tokens(batch=1, count=20, seed=2):
    return torch.randint(0, 99, (batch, count), generator=torch.Generator().manual_seed(seed))
