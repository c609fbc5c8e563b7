"""Configurations of models: kinds of layers, heads, masks, and what is refused by name."""

import json

import pytest

from fusioncim_golden.errors import InputError
from fusioncim_golden.mask import CAUSAL, FULL
from fusioncim_sim.system.model_config import language_model, read_model

PLAIN = {"num_hidden_layers": 2, "num_attention_heads": 8, "hidden_size": 512}
KINDS = {
    "no type": (PLAIN, [(2, 8, 8, 64, "causal")]),
    "grouped": ({**PLAIN, "num_key_value_heads": 2}, [(2, 8, 2, 64, "causal")]),
    "head_dim": ({**PLAIN, "hidden_size": 100, "head_dim": 32}, [(2, 8, 8, 32, "causal")]),
    "a whole number as a float": ({**PLAIN, "head_dim": 32.0}, [(2, 8, 8, 32, "causal")]),
    "gpt2": ({"model_type": "gpt2", "n_layer": 12, "n_head": 12, "n_embd": 768}, [(12, 12, 12, 64, "causal")]),
    "bert": ({**PLAIN, "model_type": "bert"}, [(2, 8, 8, 64, "full")]),
    "bert that decodes": ({**PLAIN, "model_type": "bert", "is_decoder": True}, [(2, 8, 8, 64, "causal")]),
    "with pictures": (
        {"model_type": "mistral3", "text_config": {**PLAIN, "model_type": "mistral"}},
        [(2, 8, 8, 64, "a window of 4,096 tokens")],
    ),
    "multi_query": ({**PLAIN, "model_type": "gpt_bigcode", "multi_query": True}, [(2, 8, 1, 64, "causal")]),
    "falcon, old": (
        {**PLAIN, "model_type": "falcon", "multi_query": True, "num_kv_heads": 8},
        [(2, 8, 1, 64, "causal")],
    ),
    "falcon, new": (
        {**PLAIN, "model_type": "falcon", "multi_query": True, "new_decoder_architecture": True, "num_kv_heads": 2},
        [(2, 8, 2, 64, "causal")],
    ),
    "a window": (
        {**PLAIN, "model_type": "mistral", "sliding_window": 4096},
        [(2, 8, 8, 64, "a window of 4,096 tokens")],
    ),
    "no window": ({**PLAIN, "model_type": "mistral", "sliding_window": None}, [(2, 8, 8, 64, "causal")]),
    "an unused window": (
        {**PLAIN, "model_type": "qwen2", "sliding_window": 4096, "use_sliding_window": False},
        [(2, 8, 8, 64, "causal")],
    ),
    "windows of late layers": (
        {**PLAIN, "model_type": "qwen2", "sliding_window": 64, "use_sliding_window": True, "max_window_layers": 1},
        [(1, 8, 8, 64, "causal"), (1, 8, 8, 64, "a window of 64 tokens")],
    ),
    "listed layers": (
        {**PLAIN, "model_type": "qwen3_next", "layer_types": ["linear_attention", "full_attention"]},
        [(1, 8, 2, 256, "causal")],
    ),
    "kv heads by layer": (
        {**PLAIN, "num_key_value_heads": [2, 4]},
        [(1, 8, 2, 64, "causal"), (1, 8, 4, 64, "causal")],
    ),
    "chunks": (
        {**PLAIN, "model_type": "llama4_text", "num_hidden_layers": 4, "attention_chunk_size": 8192},
        [(3, 8, 8, 128, "chunks of 8,192 tokens"), (1, 8, 8, 128, "causal")],
    ),
    "windows to both sides": (
        {**PLAIN, "model_type": "modernbert", "num_hidden_layers": 4, "local_attention": 128},
        [(2, 8, 8, 64, "full"), (2, 8, 8, 64, "a window of 65 tokens and 64 ahead")],
    ),
    "pattern": (
        {**PLAIN, "model_type": "gemma3_text", "num_hidden_layers": 12, "sliding_window": 512},
        [(10, 8, 4, 256, "a window of 512 tokens"), (2, 8, 4, 256, "causal")],
    ),
    "wide full layers": (
        {**PLAIN, "model_type": "gemma4_text", "num_hidden_layers": 6, "sliding_window": 512, "head_dim": 256,
         "num_key_value_heads": 4, "num_global_key_value_heads": 1, "attention_k_eq_v": True},
        [(5, 8, 4, 256, "a window of 512 tokens"), (1, 8, 1, 512, "causal")],
    ),
    "what Gemma 3 leaves out": (
        {"model_type": "gemma3", "text_config": {"model_type": "gemma3_text", "hidden_size": 2560,
         "num_hidden_layers": 34, "sliding_window": 1024}},
        [(29, 8, 4, 256, "a window of 1,024 tokens"), (5, 8, 4, 256, "causal")],
    ),
    "what Mistral leaves out": ({**PLAIN, "model_type": "mistral"}, [(2, 8, 8, 64, "a window of 4,096 tokens")]),
    "what Falcon leaves out": ({**PLAIN, "model_type": "falcon"}, [(2, 8, 1, 64, "causal")]),
    "what StarCoder leaves out": (
        {"model_type": "gpt_bigcode", "n_layer": 2, "n_head": 8, "n_embd": 512},
        [(2, 8, 1, 64, "causal")],
    ),
    "another name of KV heads": (
        {"model_type": "mistral", "n_layers": 2, "n_heads": 8, "n_kv_heads": 4, "dim": 512, "sliding_window": 64},
        [(2, 8, 4, 64, "a window of 64 tokens")],
    ),
}  # fmt: skip


def written(tmp_path, values):
    path = tmp_path / "some.json"
    path.write_text(json.dumps(values), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", KINDS)
def test_every_layer_gets_its_kind(name, tmp_path):
    values, expected = KINDS[name]
    found = read_model(written(tmp_path, values))
    assert [(x.layers, x.heads, x.kv_heads, x.key_size, x.mask.words) for x in found.kinds] == expected
    assert found.name == "some"


def test_layers_without_attention_are_counted(tmp_path):
    values = {**PLAIN, "model_type": "jamba", "num_hidden_layers": 16, "attn_layer_period": 8, "attn_layer_offset": 4}
    found = read_model(written(tmp_path, values))
    assert [each.layers for each in found.kinds] == [2]
    assert found.left_out == {"Mamba": 14}


@pytest.mark.parametrize(
    ("parts", "left_out"),
    [
        ({"vision_config": {"num_hidden_layers": 27}}, {"vision": 27}),
        ({"vision_config": {"depth": 32}, "audio_config": {"num_hidden_layers": 12}}, {"vision": 32, "hearing": 12}),
        ({"vision_config": {}, "audio_config": None}, {}),
    ],
    ids=str,
)
def test_layers_that_see_or_hear_are_counted(parts, left_out, tmp_path):
    text = {**PLAIN, "model_type": "gemma3_text", "sliding_window": 512}
    found = read_model(written(tmp_path, {"model_type": "gemma3", "text_config": text, **parts}))
    assert sum(each.layers for each in found.kinds) == 2
    assert found.left_out == left_out


def test_layers_of_experts_alone_are_left_out(tmp_path):
    values = {**PLAIN, "model_type": "nemotron_h", "layer_types": ["moe", "full_attention"]}
    assert read_model(written(tmp_path, values)).left_out == {"no attention": 1}


def test_latent_attention(tmp_path):
    values = {"model_type": "deepseek_v3", "num_hidden_layers": 61, "num_attention_heads": 128, "kv_lora_rank": 512}
    (kind,) = read_model(written(tmp_path, {**values, "qk_rope_head_dim": 64})).kinds
    assert (kind.layers, kind.heads, kind.kv_heads, kind.key_size, kind.value_size) == (61, 128, 1, 576, 512)
    assert kind.latent


@pytest.mark.parametrize(
    ("values", "sinks", "slopes"),
    [
        ({"model_type": "falcon", "alibi": True}, False, True),
        ({"model_type": "falcon", "alibi": False}, False, False),
        ({"model_type": "mpt"}, False, True),
        ({"model_type": "mpt", "attn_config": {"alibi": False}}, False, False),
        ({"model_type": "bert", "position_embedding_type": "alibi"}, False, True),
        ({"model_type": "gpt_oss"}, True, False),
        ({"model_type": "llama"}, False, False),
    ],
)
def test_sinks_and_slopes_are_those_of_the_model(values, sinks, slopes, tmp_path):
    (kind,) = read_model(written(tmp_path, PLAIN | values)).kinds
    assert (kind.sinks, kind.slopes) == (sinks, slopes)


REFUSED = {
    "t5": ({"model_type": "t5", "num_layers": 6, "num_heads": 8, "d_model": 512}, "no relative position biases"),
    "bert with relative positions": (
        {**PLAIN, "model_type": "bert", "position_embedding_type": "relative_key"},
        "no relative position biases",
    ),
    "bart": (
        {**PLAIN, "model_type": "bart", "is_encoder_decoder": True},
        "no cross-attention, which the model type bart",
    ),
    "soft-caps": (
        {**PLAIN, "model_type": "gemma2", "attn_logit_softcapping": 50.0},
        "no soft-capping of scores at 50.0",
    ),
    "mamba": ({"model_type": "mamba"}, "must have layers of attention"),
    "only convolutions": ({**PLAIN, "model_type": "lfm2", "full_attn_idxs": []}, "not only of convolution"),
    "sparse": ({**PLAIN, "model_type": "deepseek_v3", "index_topk": 2048}, "no sparse attention"),
    "unknown type": (
        {**PLAIN, "model_type": "llama9"},
        r"model type must be known here \(did you mean llama4?\?\), or --causal or --full .* not llama9",
    ),
    "a type like none": ({**PLAIN, "model_type": "weather"}, "model type must be known here, or .* not weather"),
    "unknown kind": ({**PLAIN, "layer_types": ["full_attention", "magic"]}, "must be of a known kind, not magic"),
    "too few kinds": ({**PLAIN, "layer_types": ["full_attention"]}, "an entry for each of the 2 layers, not 1"),
    "kinds that are none": ({**PLAIN, "layer_types": "full"}, "layer_types must be a list of names, not full"),
    "no number": (
        {**PLAIN, "num_hidden_layers": "two"},
        'num_hidden_layers must be a whole number of at least 1, not "two"',
    ),
    "a string": ({**PLAIN, "head_dim": "64"}, 'head_dim must be a whole number of at least 1, not "64"'),
    "a list": ({**PLAIN, "head_dim": [64]}, r"head_dim must be a whole number of at least 1, not \[64\]"),
    "a fraction": ({**PLAIN, "head_dim": 64.5}, "head_dim must be a whole number of at least 1, not 64.5"),
    "no kv heads": (
        {**PLAIN, "num_key_value_heads": 0},
        "num_key_value_heads must be a whole number of at least 1, not 0",
    ),
    "missing": (
        {"model_type": "llama"},
        r"missing: num_hidden_layers .*--layers\), num_attention_heads .*--heads\), hidden_size .*--head-dimension\), ",
    ),
    "missing or null": (
        {**PLAIN, "num_hidden_layers": None, "head_dim": 64, "hidden_size": None},
        r"missing: num_hidden_layers \(evaluate --layers\), in",
    ),
    "misspelt": (
        {"num_hidden_layer": 2, "num_attention_heads": 8, "hidden_size": 512},
        r"missing: num_hidden_layers \(evaluate --layers; the file has num_hidden_layer\), in",
    ),
    "too many layers": ({**PLAIN, "num_hidden_layers": 10**9}, "num_hidden_layers must be at most 10000"),
    "heads that do not divide": ({**PLAIN, "num_key_value_heads": 3}, "kv_heads must divide heads = 8, not 3"),
    "size that does not divide": (
        {**PLAIN, "hidden_size": 100},
        "hidden_size must be a multiple of the 8 heads, not 100",
    ),
    "no object": ([1], "must be a JSON object"),
    "text that is none": ({"text_config": 3}, "text_config must be a JSON object, not 3"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_is_named(name, tmp_path):
    values, text = REFUSED[name]
    path = written(tmp_path, values)
    with pytest.raises(InputError, match=text) as error:
        read_model(path)
    assert str(error.value).endswith(str(path))


def test_files_that_are_none(tmp_path):
    with pytest.raises(InputError, match=r"cannot be read \(No such file"):
        read_model(tmp_path / "none.json")
    (tmp_path / "text.json").write_text("layers: 3", encoding="utf-8")
    with pytest.raises(InputError, match="is no JSON"):
        read_model(tmp_path / "text.json")
    (tmp_path / "deep.json").write_text("[" * 100_000, encoding="utf-8")
    with pytest.raises(InputError, match=r"is no JSON \(RecursionError"):
        read_model(tmp_path / "deep.json")


def test_a_directory_is_taken(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(PLAIN), encoding="utf-8")
    assert language_model(str(tmp_path)).name == tmp_path.name


def test_what_is_given_is_not_missing(tmp_path):
    path = written(tmp_path, {"model_type": "llama"})
    with pytest.raises(InputError, match=r"missing: num_attention_heads \(evaluate --heads\), in"):
        read_model(path, {"layers": 2, "key_size": 64})
    (kind,) = read_model(path, {"layers": 2, "heads": 4, "key_size": 64}).kinds
    assert (kind.layers, kind.heads, kind.kv_heads, kind.key_size) == (2, 4, 4, 64)


def test_numbers_that_are_given_replace_and_complete(tmp_path):
    path = written(tmp_path, {"model_type": "llama9", "num_hidden_layers": 3})
    (kind,) = read_model(path, {"heads": 4, "kv_heads": 2, "key_size": 64, "mask": FULL, "layers": None}).kinds
    assert (kind.layers, kind.heads, kind.kv_heads, kind.key_size, kind.mask) == (3, 4, 2, 64, FULL)


@pytest.mark.parametrize("size", [3, 1000, 1 << 20])
def test_chunks_that_are_no_power_of_two_are_refused(size, tmp_path):
    kinds = ["chunked_attention"] * 2
    values = {**PLAIN, "model_type": "llama4_text", "attention_chunk_size": size, "layer_types": kinds}
    with pytest.raises(InputError, match=f"must be a power of two below 2.20, not {size}"):
        read_model(written(tmp_path, values))


def test_a_window_beyond_the_longest_sequence_is_none(tmp_path):
    (kind,) = read_model(written(tmp_path, {**PLAIN, "model_type": "mistral", "sliding_window": 1 << 24})).kinds
    assert kind.mask == CAUSAL
