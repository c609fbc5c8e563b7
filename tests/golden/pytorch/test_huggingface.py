"""Hugging Face models in the engine's arithmetic: every layer's outputs are those of the golden model, or a refusal."""

import numpy as np
import pytest
import torch
import transformers

import fusioncim_golden.pytorch.huggingface as hf
from fusioncim_golden import engine as golden
from fusioncim_golden.equalize import equalize
from fusioncim_golden.errors import InputError
from fusioncim_golden.metrics import in_lsb
from fusioncim_golden.quantize import quantize
from fusioncim_golden.schedule import Job

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


def tokens(batch=1, count=20):
    return torch.randint(0, 99, (batch, count), generator=torch.Generator().manual_seed(2))


@pytest.fixture
def recorded():
    """Queries, keys, values and outputs of every call of an attention that is registered as `recorded`."""
    calls = []
    attention = hf.Attention()

    def record(module, query, key, value, mask, **rest):
        out, _ = attention(module, query, key, value, mask, **rest)
        calls.append((query, key, value, out))
        return out, None

    hf.register("recorded", record)
    return calls


def expected(q, k, v, scaling, config=hf.DEFAULT_CONFIG, engines=1):
    """The golden model on one sequence: q [heads, queries, columns], k and v [key heads, keys, columns]."""
    columns, group = q.shape[-1], len(q) // len(k)
    config = hf.fitting(config, columns)
    wide = ((0, 0), (0, 0), (0, config.columns - columns))
    outs = []
    for n in range(len(k)):
        parts = equalize(*(x.astype(np.float64) for x in (q[n * group : (n + 1) * group], k[n], v[n])))
        heads = quantize(*parts[:3], softmax_scale=scaling)
        padded = {"q": np.pad(heads.q, wide), "k": np.pad(heads.k, wide[1:]), "v": np.pad(heads.v, wide[1:])}
        heads = type(heads)(**vars(heads) | padded)
        out = golden.run(config, heads, Job(queries=q.shape[1], keys=k.shape[1], heads=group), engines).out[
            ..., :columns
        ]
        outs.append(in_lsb(config, out) * (parts[3] * heads.scale_v))
    return np.concatenate(outs)


def assert_sequence(call, sequence, queries, keys, scaling):
    """A call's outputs on one sequence of its batch; queries and keys: slices without padding."""
    q, k, v, out = (x[sequence].numpy() for x in call)
    same = expected(q[:, queries], k[:, keys], v[:, keys], scaling)
    assert out.swapaxes(0, 1)[:, queries] == pytest.approx(same, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"head_dim": 80},
        {"head_dim": 128, "num_attention_heads": 4, "num_key_value_heads": 1},
        {"num_key_value_heads": 6},
    ],
    ids=str,
)
def test_every_layer_is_the_golden_model(recorded, options):
    model = make(implementation="recorded", **options)
    model(tokens())
    assert len(recorded) == 2
    for call in recorded:
        assert_sequence(call, 0, slice(None), slice(None), model.config.head_dim**-0.5)


@pytest.mark.parametrize("engines", [1, 2])
def test_the_order_of_several_engines_is_theirs(engines):
    config = hf.DEFAULT_CONFIG.override(schedule="folded", rows=4, softmax_lanes=1, update_rank=4, slack=0)
    q, k, v = (torch.randn(1, heads, 48, 32, generator=torch.Generator().manual_seed(heads)) for heads in (2, 1, 1))
    module = torch.nn.Identity().eval()
    out, _ = hf.Attention(config, engines=engines)(module, q, k, v, None)
    same = expected(*(x[0].numpy() for x in (q, k, v)), 32**-0.5, config, engines)
    assert out[0].numpy().swapaxes(0, 1) == pytest.approx(same, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_takes_no_part(recorded, side):
    model = make(implementation="recorded")
    mask = torch.ones(3, 20, dtype=torch.int64)
    for row, padding in enumerate((0, 5, 13)):
        mask[row, slice(0, padding) if side == "left" else slice(20 - padding, None)] = 0
    model(tokens(3), attention_mask=mask)
    for call in recorded:
        for row, padding in enumerate((0, 5, 13)):
            real = slice(padding, None) if side == "left" else slice(0, 20 - padding)
            assert_sequence(call, row, real, real, 32**-0.5)
            assert not call[3][row, mask[row] == 0].any()


@pytest.mark.parametrize("cache", ["dynamic", "static"])
def test_a_cache_is_a_job_with_more_keys(recorded, cache):
    model = make(implementation="recorded")
    past = (
        transformers.StaticCache(model.config, max_cache_len=32) if cache == "static" else transformers.DynamicCache()
    )
    ids = tokens()
    model(ids[:, :12], past_key_values=past)
    model(ids[:, 12:17], past_key_values=past)
    model(ids[:, 17:18], past_key_values=past)
    for call, (new, keys) in zip(recorded, [(12, 12)] * 2 + [(5, 17)] * 2 + [(1, 18)] * 2, strict=True):
        assert call[0].shape[2] == new
        assert_sequence(call, 0, slice(None), slice(0, keys), 32**-0.5)


def test_text_is_generated():
    model = make()
    made = model.generate(tokens(2, 5), max_new_tokens=4, do_sample=False, pad_token_id=0)
    assert made.shape == (2, 9)


def test_a_model_stays_close_to_its_float_self():
    model = make()
    ids = tokens(2, 60)
    own = model(ids).logits
    model.set_attn_implementation("eager")
    assert (own - model(ids).logits).abs().max() < 0.02 * own.abs().max()


def test_half_precision_comes_back_in_its_type():
    model = make().to(torch.bfloat16)
    assert model(tokens()).logits.dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (transformers.Gemma2Config, {}, "soft-capping"),
        (transformers.GptOssConfig, {"num_local_experts": 2, "num_experts_per_tok": 1}, "learned attention sinks"),
        (transformers.MistralConfig, {"sliding_window": 8}, "sliding window of 8"),
    ],
    ids=lambda x: getattr(x, "__name__", ""),
)
def test_attention_with_more_than_the_engine_has_is_refused(kind, options, message):
    with pytest.raises(InputError, match=message):
        make(kind, **options)(tokens())


def test_a_window_as_long_as_the_text_is_none(recorded):
    make(transformers.MistralConfig, "recorded", sliding_window=20)(tokens())
    assert_sequence(recorded[0], 0, slice(None), slice(None), 32**-0.5)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (transformers.BloomConfig(vocab_size=99, hidden_size=64, n_layer=1, n_head=2), "ALiBi.*bloom"),
        (transformers.MptConfig(vocab_size=99, d_model=64, n_layers=1, n_heads=2), "ALiBi.*mpt"),
    ],
    ids=["bloom", "mpt"],
)
def test_models_with_biases_are_refused(config, message):
    with pytest.raises(InputError, match=message):
        transformers.AutoModelForCausalLM.from_config(config, attn_implementation="fusioncim").eval()(tokens())


@pytest.mark.parametrize(("alibi", "message"), [(True, "ALiBi.*falcon"), (False, "falcon cannot be replaced")])
def test_models_with_an_attention_of_their_own_are_refused(alibi, message):
    with pytest.raises(InputError, match=message):
        hf.check_model(transformers.FalconConfig(alibi=alibi))


def test_encoders_and_cross_attention_are_refused():
    sizes = {
        f"{side}_{name}": 2 for side in ("encoder", "decoder") for name in ("layers", "attention_heads", "ffn_dim")
    }
    config = transformers.BartConfig(vocab_size=99, d_model=64, **sizes)
    model = transformers.BartForConditionalGeneration._from_config(config, attn_implementation="fusioncim").eval()
    with pytest.raises(InputError, match=r"must attend causally|cross-attention"):
        model(tokens(), decoder_input_ids=tokens())


def test_masks_with_holes_are_refused():
    mask = torch.ones(1, 20, dtype=torch.int64)
    mask[0, 7] = 0
    with pytest.raises(InputError, match="masks must be causal"):
        make()(tokens(), attention_mask=mask)


def test_training_is_refused():
    with pytest.raises(InputError, match="evaluation mode"):
        make().train()(tokens())


def test_activations_that_are_not_finite_are_refused():
    model = make()
    model.model.layers[1].self_attn.k_proj.weight[3, 4] = torch.nan
    with pytest.raises(InputError, match=r"k must be finite.*layer 1"):
        model(tokens())


def test_a_scale_that_could_overflow_is_refused():
    model = make()
    for layer in model.model.layers:
        layer.self_attn.q_proj.weight *= 1e4
        layer.self_attn.k_proj.weight *= 1e4
    with pytest.raises(InputError, match="score scale"):
        model(tokens())
