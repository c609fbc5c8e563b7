"""Hugging Face models in the engine's arithmetic: every layer's outputs are those of the golden model, or a refusal."""

import numpy as np
import pytest
import torch
import transformers
from tests.golden.pytorch.tiny import make, tokens

from fusioncim_golden.errors import InputError
from fusioncim_golden.mask import CAUSAL, FULL, Mask
from fusioncim_golden.pytorch import huggingface as hf
from fusioncim_golden.pytorch.engine import GoldenEngine
from fusioncim_golden.reference import visible
from fusioncim_golden.schedule import Job


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
def test_every_layer_is_the_golden_model(recorded, options, assert_sequence):
    model = make(implementation="recorded", **options)
    model(tokens())
    assert len(recorded) == 2
    for call in recorded:
        assert_sequence(call, 0, slice(None), slice(None), model.config.head_dim**-0.5)


@pytest.mark.parametrize("seen", [CAUSAL, FULL, Mask(window=11), Mask(prefix=19)], ids=str)
@pytest.mark.parametrize("engines", [1, 2])
def test_the_order_of_several_engines_is_theirs(engines, seen, expected):
    config = hf.DEFAULT_CONFIG.override(schedule="folded", rows=4, softmax_lanes=1, update_rank=4, slack=0)
    q, k, v = (torch.randn(1, heads, 48, 32, generator=torch.Generator().manual_seed(heads)) for heads in (2, 1, 1))
    mask = torch.from_numpy(visible(Job(queries=48, keys=48, mask=seen)))[None, None]
    out, _ = hf.Attention(config, engines=engines)(torch.nn.Identity().eval(), q, k, v, mask)
    same = expected(*(x[0].numpy() for x in (q, k, v)), 32**-0.5, config, engines, mask=seen)
    assert out[0].numpy().swapaxes(0, 1) == pytest.approx(same, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_takes_no_part(recorded, side, assert_sequence):
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
def test_a_cache_is_a_job_with_more_keys(recorded, cache, assert_sequence):
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


class Asked:
    """An engine whose outputs are those of the golden one, and one more."""

    def __init__(self):
        self.calls = []

    def attend(self, config, operands, *, engines, layer):
        self.calls.append((config, engines, layer))
        return GoldenEngine().attend(config, operands, engines=engines, layer=layer) + 1


def test_another_engine_is_asked_layer_by_layer():
    engine, model, ids = Asked(), make(), tokens()
    own = model(ids).logits
    hf.register("asked", hf.Attention(engines=2, engine=engine))
    model.set_attn_implementation("asked")
    assert not torch.equal(model(ids).logits, own)
    assert engine.calls == [(hf.DEFAULT_CONFIG, 2, 0), (hf.DEFAULT_CONFIG, 2, 1)]


def test_without_masks_a_layer_sees_what_it_says():
    """Two sequences that are packed by their ends alone."""
    model, ids = make(), tokens(1, 12)
    alone = [model(part).logits for part in (ids[:, :5], ids[:, 5:])]
    hf.register("maskless", hf.Attention(), masks=False)
    model.set_attn_implementation("maskless")
    ends = torch.tensor([0, 5, 12])
    positions = torch.tensor([[*range(5), *range(7)]])
    packed = model(ids, position_ids=positions, cu_seq_lens_q=ends, cu_seq_lens_k=ends, use_cache=False).logits
    assert packed[0].argmax(dim=-1).tolist() == torch.cat(alone, dim=1)[0].argmax(dim=-1).tolist()
    assert (packed - torch.cat(alone, dim=1)).abs().max() < 0.05 * packed.abs().max()


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


def test_attention_with_more_than_the_engine_has_is_refused():
    with pytest.raises(InputError, match="soft-capping"):
        make(transformers.Gemma2Config)(tokens())


def test_a_window_as_long_as_the_text_is_none(recorded, assert_sequence):
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


OWN = {
    "falcon": (
        transformers.FalconForCausalLM,
        transformers.FalconConfig(hidden_size=64, num_hidden_layers=1, num_attention_heads=2),
    ),
    "openai-gpt": (transformers.OpenAIGPTLMHeadModel, transformers.OpenAIGPTConfig(n_embd=64, n_layer=1, n_head=2)),
    "gptj": (transformers.GPTJForCausalLM, transformers.GPTJConfig(n_embd=64, n_layer=1, n_head=2, rotary_dim=16)),
    "gpt_neo": (
        transformers.GPTNeoForCausalLM,
        transformers.GPTNeoConfig(hidden_size=64, num_layers=1, num_heads=2, attention_types=[[["global"], 1]]),
    ),
    "xlnet": (transformers.XLNetLMHeadModel, transformers.XLNetConfig(d_model=64, n_layer=1, n_head=2, d_inner=64)),
}


@pytest.mark.parametrize("name", OWN)
def test_models_with_an_attention_of_their_own_are_refused_when_they_are_made(name):
    kind, config = OWN[name]
    config.vocab_size = 99
    with pytest.raises(InputError, match=f"{name} cannot be replaced"):
        kind._from_config(config, attn_implementation="fusioncim")
    kind._from_config(config, attn_implementation="eager")


class CrossAttention(torch.nn.Identity):
    is_causal = False


class Resampler(torch.nn.Identity):
    is_causal = False


@pytest.mark.parametrize(("kind", "keys"), [(CrossAttention, 6), (Resampler, 9)])
def test_layers_that_attend_to_another_sequence_are_refused(kind, keys):
    q, k = torch.randn(1, 2, 6, 32), torch.randn(1, 2, keys, 32)
    with pytest.raises(InputError, match=rf"no cross-attention: .* in layer  \({kind.__name__}\)"):
        hf.Attention()(kind().eval(), q, k, k, None)


def test_models_with_cross_attention_are_refused():
    sizes = {
        f"{side}_{name}": 2 for side in ("encoder", "decoder") for name in ("layers", "attention_heads", "ffn_dim")
    }
    config = transformers.BartConfig(vocab_size=99, d_model=64, **sizes)
    with pytest.raises(InputError, match=r"no cross-attention, which the model type bart has"):
        transformers.BartForConditionalGeneration._from_config(config, attn_implementation="fusioncim")


def test_attention_weights_are_refused():
    with pytest.raises(InputError, match="output_attentions must be False"):
        make()(tokens(), output_attentions=True)


def by_head(mask):
    wide = mask.repeat(1, 6, 1, 1)
    wide[:, 3, 7, 2] = False
    return wide


MASKS = {
    "one per head": (by_head, "the same for all heads, not one of its own for each of 6"),
    "biases": (
        lambda mask: torch.where(mask, -0.5, torch.finfo(torch.float32).min),
        "no biases.*, not add -0.5",
    ),
    "a gap": (
        lambda mask: mask & ~torch.eye(8, dtype=torch.bool).roll(-2, dims=1),
        "not 3 of keys 0 to 3 with a gap, as query 3 of sequence 0 does, in layer 0",
    ),
    "last key hidden": (lambda mask: mask & (torch.arange(8) < 6) & (torch.arange(8)[:, None] != 7), None),
}


@pytest.mark.parametrize("name", MASKS)
def test_masks_of_the_caller(name, recorded, assert_sequence):
    change, message = MASKS[name]
    mask = change(torch.ones(8, 8).tril().bool()[None, None])
    model = make(implementation="recorded")
    if message is None:
        model(tokens(1, 8), attention_mask=mask)
        assert_sequence(recorded[0], 0, slice(0, 6), slice(0, 6), 32**-0.5)
        assert not recorded[0][3][0, 6:].any()
        return
    with pytest.raises(InputError, match=message):
        model(tokens(1, 8), attention_mask=mask)


@pytest.mark.parametrize("values", [torch.bool, torch.float32, torch.bfloat16])
def test_a_causal_mask_of_the_caller_is_taken_in_any_type(values, recorded, assert_sequence):
    mask = torch.ones(8, 8).tril().bool()[None, None]
    if values != torch.bool:
        mask = torch.where(mask, 0.0, torch.finfo(values).min).to(values)
    make(implementation="recorded")(tokens(1, 8), attention_mask=mask)
    assert_sequence(recorded[0], 0, slice(None), slice(None), 32**-0.5)


@pytest.mark.parametrize("cache", ["dynamic", "static"])
def test_new_tokens_follow_those_before_right_padding(cache, recorded, expected_of_batch):
    model, ids = make(implementation="recorded"), tokens(2, 11)
    past = (
        transformers.StaticCache(model.config, max_cache_len=16) if cache == "static" else transformers.DynamicCache()
    )
    mask = torch.ones(2, 11, dtype=torch.int64)
    mask[1, 5:8] = 0
    for start, end in ((0, 8), (8, 10), (10, 11)):
        model(ids[:, start:end], attention_mask=mask[:, :end], past_key_values=past)
    for q, k, v, out in recorded[2:]:
        new = 10 if q.shape[2] == 2 else 11
        for row, keys in enumerate(([*range(new)], [*range(5), *range(8, new)])):
            parts = [(np.arange(q.shape[2]), np.array(keys), {})]
            same = expected_of_batch(*(x[row].numpy() for x in (q, k, v)), 32**-0.5, parts)
            assert out[row].numpy().swapaxes(0, 1) == pytest.approx(same, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("side", ["left", "right"])
def test_text_that_is_generated_does_not_depend_on_padding(side):
    """The positions of the tokens are the same, and so is what they see."""
    model, ids = make(), tokens(1, 7)
    alone = model(ids).logits[0]
    wide, mask, places = (
        torch.zeros(1, 12, dtype=torch.int64),
        torch.zeros(1, 12),
        torch.zeros(1, 12, dtype=torch.int64),
    )
    real = slice(5, None) if side == "left" else slice(0, 7)
    wide[:, real], mask[:, real], places[:, real] = ids, 1, torch.arange(7)
    padded = model(wide, attention_mask=mask, position_ids=places).logits[0, real]
    assert (padded - alone).abs().max() < 1e-5


def test_the_output_can_be_viewed_as_one_vector_per_token():
    q, k, v = (torch.randn(2, 4, 8, 32, generator=torch.Generator().manual_seed(n)) for n in range(3))
    out, _ = hf.Attention()(torch.nn.Identity().eval(), q, k, v, None)
    assert out.view(2, 8, 128).shape == (2, 8, 128)


LAYOUTS = {
    "tokens first": lambda x: x.transpose(1, 2).contiguous().transpose(1, 2),
    "columns first": lambda x: x.transpose(2, 3).contiguous().transpose(2, 3),
    "every other column": lambda x: torch.stack([x, x], dim=-1).flatten(-2)[..., ::2],
    "one head for all": lambda x: x[:, :1].expand(x.shape),
    "one sequence for all": lambda x: x[:1].expand(x.shape),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_how_tensors_lie_in_memory_changes_no_bit(layout):
    module, attention = torch.nn.Identity().eval(), hf.Attention()
    laid = [LAYOUTS[layout](torch.randn(2, 3, 9, 32, generator=torch.Generator().manual_seed(n))) for n in range(3)]
    assert not any(x.is_contiguous() for x in laid)
    out, _ = attention(module, *laid, None)
    assert torch.equal(out, attention(module, *(x.contiguous() for x in laid), None)[0])


def test_a_batch_needs_no_cache():
    model, ids = make(), tokens(2)
    assert torch.equal(model(ids, use_cache=False).logits, model(ids).logits)


EMPTY = "must have at least one sequence, head, token and column, not shape "
SHAPES = {
    "no query": ((1, 2, 0, 32), (1, 2, 4, 32), rf"queries {EMPTY}\(1, 2, 0, 32\)"),
    "no key": ((1, 2, 1, 32), (1, 2, 0, 32), rf"keys {EMPTY}\(1, 2, 0, 32\)"),
    "no sequence": ((0, 2, 4, 32), (0, 2, 4, 32), rf"queries {EMPTY}\(0, 2, 4, 32\)"),
    "no key head": ((1, 2, 4, 32), (1, 0, 4, 32), rf"keys {EMPTY}\(1, 0, 4, 32\)"),
    "heads in groups of two sizes": ((1, 5, 4, 32), (1, 2, 4, 32), "multiple of the key heads = 2, not 5"),
    "other columns": ((1, 2, 4, 32), (1, 2, 4, 16), r"have the batch and columns of the queries = 1, 32, not 1, 16"),
    "other sequences": ((2, 2, 4, 32), (1, 2, 4, 32), r"have the batch and columns of the queries = 2, 32, not 1, 32"),
}


@pytest.mark.parametrize("name", SHAPES)
def test_shapes_that_are_no_attention_are_refused(name):
    query, key, message = SHAPES[name]
    with pytest.raises(InputError, match=message):
        hf.Attention()(torch.nn.Identity().eval(), torch.ones(query), torch.ones(key), torch.ones(key), None)


@pytest.mark.parametrize("shape", [(1, 2, 5, 32), (1, 1, 4, 32), (1, 2, 4, 0)])
def test_values_that_are_not_those_of_the_keys_are_refused(shape):
    with pytest.raises(InputError, match=r"(one shape but for their columns|values must have at least)"):
        hf.Attention()(torch.nn.Identity().eval(), *torch.ones(2, 1, 2, 4, 32), torch.ones(shape), None)


@torch.enable_grad()
def test_a_gradient_is_refused_where_it_is_asked_for():
    model = make()
    loss = model(tokens()).logits.sum()
    with pytest.raises(InputError, match=r"no gradient: compute under torch.no_grad"):
        loss.backward()


def test_autocast_changes_no_bit():
    q, k, v = (torch.randn(1, 2, 24, 32, generator=torch.Generator().manual_seed(n)) for n in range(3))
    module, attention = torch.nn.Identity().eval(), hf.Attention()
    alone, _ = attention(module, q, k, v, None)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside, _ = attention(module, q, k, v, None)
    assert torch.equal(alone, inside)


def test_a_precision_that_is_set_for_one_backend_changes_no_bit(monkeypatch):
    q, k, v = (torch.randn(1, 2, 24, 32, generator=torch.Generator().manual_seed(n)) for n in range(3))
    module, attention = torch.nn.Identity().eval(), hf.Attention()
    alone, _ = attention(module, q, k, v, None)
    before = torch.backends.cuda.matmul.fp32_precision
    torch.backends.cuda.matmul.fp32_precision = "tf32"
    try:
        other, _ = attention(module, q, k, v, None)
    finally:
        torch.backends.cuda.matmul.fp32_precision = before
    assert torch.equal(alone, other)


def nearly_equal(q, k, v):
    return q, k[:, :, :1] + 1e-4 * k, v


def tiny(q, k, v):
    return q * 1e-5, k * 1e-5, v


@pytest.mark.parametrize("change", [nearly_equal, tiny])
def test_weights_that_are_nearly_equal(change):
    q, k, v = change(*(torch.randn(1, 2, 48, 32, generator=torch.Generator().manual_seed(n)) for n in range(3)))
    if change is nearly_equal:
        q = q * 1e-3
    out, _ = hf.Attention()(torch.nn.Identity().eval(), q, k, v, None)
    mean = v.cumsum(dim=2) / torch.arange(1, 49)[:, None]
    assert (out.transpose(1, 2) - mean).abs().max() < 0.02 * v.abs().max()


def test_a_model_with_a_tiny_initialization():
    make(initializer_range=1e-6)(tokens())


@pytest.mark.parametrize("columns", [512, 1024])
def test_wide_heads_are_the_golden_model(columns, expected):
    shape = (2, 16, columns)
    q, k, v = (torch.randn(1, *shape, generator=torch.Generator().manual_seed(n)) for n in range(3))
    q, k = q.sign() * 3, k.sign()  # scores as large as they can be
    out, _ = hf.Attention(granularity="head")(torch.nn.Identity().eval(), q, k, v, None)
    same = expected(*(x[0].numpy() for x in (q, k, v)), columns**-0.5)
    assert out[0].numpy().swapaxes(0, 1) == pytest.approx(same, rel=1e-6, abs=1e-12)


@pytest.mark.timeout(300)
def test_a_compiled_model_gives_the_same_bits():
    model, ids = make(), tokens(1, 12)
    alone = model(ids).logits
    compiled = torch.compile(model, backend="eager")(ids).logits
    assert torch.equal(alone, compiled)


def test_tokens_that_a_mask_leaves_out_take_no_part(recorded, expected_of_batch):
    mask = torch.ones(1, 20, dtype=torch.int64)
    mask[0, 7] = 0
    make(implementation="recorded")(tokens(), attention_mask=mask)
    real = np.array([*range(7), *range(8, 20)])
    for q, k, v, out in recorded:
        same = expected_of_batch(*(x[0].numpy() for x in (q, k, v)), 32**-0.5, [(real, real, {})])
        assert out[0].numpy().swapaxes(0, 1) == pytest.approx(same, rel=1e-6, abs=1e-12)


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
