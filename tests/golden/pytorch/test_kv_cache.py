"""Caches that are quantized once: a token never changes, and every layer's outputs are those of its integers."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import transformers
from tests.golden.pytorch.tiny import make, tokens

from fusioncim_golden import engine as golden
from fusioncim_golden.config import Config
from fusioncim_golden.errors import InputError
from fusioncim_golden.job import widened
from fusioncim_golden.pytorch import huggingface as hf
from fusioncim_golden.pytorch.calibration import calibrated, factors
from fusioncim_golden.pytorch.engine import output_unit
from fusioncim_golden.pytorch.kv_cache import Format, written
from fusioncim_golden.quantize import LOG2_E, Heads, operand_max, quantize, snap_scale
from fusioncim_golden.schedule import Job
from fusioncim_golden.sinks import sinks_of
from fusioncim_golden.slopes import slope_words
from fusioncim_golden.token_scale import code_values

CONFIG = hf.DEFAULT_CONFIG.override(token_scale_bits=8)
EXPERTS = {"num_local_experts": 2, "num_experts_per_tok": 1}


def heads(seed=0, shape=(1, 2, 24, 32), group=3):
    random = torch.Generator().manual_seed(seed)
    k, v = (torch.randn(shape, generator=random) for _ in range(2))
    q = torch.randn(shape[0], shape[1] * group, *shape[2:], generator=random)
    return q, k * torch.randn(shape[2], 1, generator=random).exp() + 2, v


class Layer(torch.nn.Identity):
    layer_idx = 0


@pytest.mark.parametrize("cache", ["int8_per_token", "int4_per_token"])
def test_what_is_written_never_changes(cache):
    model = make()
    attention = calibrated(model, tokens(2, 40, 3), hf.Attention(CONFIG, cache=cache))
    hf.register("cached", attention)
    model.set_attn_implementation("cached")
    ids, grown, once = tokens(2), attention.empty_cache(), attention.empty_cache()
    model(ids, past_key_values=once)
    before = []
    for start, end in ((0, 12), (12, 17), (17, 18), (18, 20)):
        model(ids[:, start:end], past_key_values=grown)
        for layer, old in zip(grown.layers, before, strict=False):
            assert torch.equal(layer.keys[:, :, :start], old[0])
            assert torch.equal(layer.values[:, :, :start], old[1])
        before = [(layer.keys.clone(), layer.values.clone()) for layer in grown.layers]
    # The first layer gets the very tokens that it gets at once; behind it the order of the blocks is another one.
    assert torch.equal(grown.layers[0].keys, once.layers[0].keys)
    assert torch.equal(grown.layers[0].values, once.layers[0].values)
    size = 32 if cache == "int8_per_token" else 16
    assert grown.layers[1].keys.shape == (2, 2, 20, size + 2)
    assert grown.layers[1].keys.element_size() == 1


@pytest.mark.parametrize("form", [Format(8, 8), Format(8, 1), Format(4, 8), Format(4, 1)], ids=str)
def test_a_token_is_what_it_was_but_for_rounding(form):
    q, k, v = heads()
    own = factors(q, k, v, form)
    sides = (k, own.mean_k, own.factor_k, own.unit_k), (v, own.mean_v, own.factor_v, own.unit_v)
    for (x, mean, factor, unit), stored in zip(sides, written(form, own, k, v), strict=True):
        operands, codes = form.read(stored)
        scale = unit[:, None] * torch.from_numpy(code_values(codes.long().numpy(), form.token_scale_bits))
        back = operands * scale[..., None]
        want = (x.double() - mean[:, None]) / factor[:, None]
        assert ((back - want).abs() <= scale[..., None] * form.step / 2 * (1 + 1e-9)).all()
        assert operands.abs().max() <= form.largest()
        assert not (operands % form.step).any()
        largest = operands.abs().amax(dim=-1)
        assert (largest > form.largest() / (2.1 if form.token_scale_bits == 1 else 1.2)).all()


def golden_outputs(attention, q, k, v, sinks=None, slopes=None):
    """The scalar golden model on what is stored of one sequence."""
    own, config = attention.factors[0], hf.fitting(attention.config, k.shape[-1])
    stored = written(attention.form, own, k[None], v[None])
    (k, of_k), (v, of_v) = ([x[0].long().numpy() for x in attention.form.read(each)] for each in stored)
    group, made = len(q) // len(k), []
    for n in range(len(k)):
        mine = slice(n * group, (n + 1) * group)
        x = (q[mine].double() * own.factor_k[n]).numpy()
        unit = float(own.unit_k[n]) * x.shape[-1] ** -0.5 * LOG2_E
        mantissa, shift = snap_scale(np.abs(x).max(axis=(1, 2)) / operand_max(8) * unit, up=True)
        scale = (mantissa * 0.5**shift / unit)[:, None, None]
        shape = x.shape[:2]
        wide = ((0, 0), (0, 0), (0, config.columns - x.shape[-1]))
        one = Heads(
            q=np.pad(np.rint(x / scale).astype(np.int64), wide),
            k=np.pad(k[n], wide[1:]),
            v=np.pad(v[n], wide[1:]),
            mantissa=np.broadcast_to(mantissa[:, None], shape),
            shift=np.broadcast_to(shift[:, None], shape),
            scale_q=np.ones(shape),
            scale_k=1.0,
            scale_v=1.0,
            softmax_scale=1.0,
            token_scales=np.stack([of_k[n], of_v[n]], axis=-1),
            centred=own.centred,
            sinks=None if sinks is None else sinks_of(sinks[mine].double().numpy()),
            slopes=None if slopes is None else slope_words(slopes[mine].double().numpy()),
        )
        out = golden.run(config, one, Job(queries=shape[1], keys=len(k[n]), heads=group)).out
        unit = (own.factor_v[n] * own.unit_v[n]).numpy() * output_unit(config)
        made.append(out[..., : v.shape[-1]] * unit + own.mean_v[n].numpy())
    return np.concatenate(made)


@pytest.mark.parametrize("form", [("int8_per_token", 8), ("int8_per_token", 1), ("int4_per_token", 8)], ids=str)
@pytest.mark.parametrize("terms", ["none", "sinks", "slopes"])
def test_outputs_are_those_of_the_golden_model(form, terms):
    cache, bits = form
    attention = hf.Attention(CONFIG.override(token_scale_bits=bits, alibi=True), cache=cache)
    q, k, v = heads()
    sinks = torch.linspace(-3, 5, 6) if terms == "sinks" else None
    slopes = 2.0 ** -torch.arange(1, 7) if terms == "slopes" else None
    own = factors(q, k, v, attention.form, subtract_mean_k=sinks is None, subtract_mean_v=sinks is None)
    attention = replace(attention, factors={0: own})
    out, _ = attention(Layer().eval(), q, k, v, None, s_aux=sinks, alibi_slopes=slopes)
    same = golden_outputs(attention, q[0], k[0], v[0], sinks, slopes)
    assert out[0].transpose(0, 1).numpy() == pytest.approx(same, rel=1e-6, abs=1e-12)
    stored = written(attention.form, own, k, v)
    again, _ = attention(Layer().eval(), q, *stored, None, s_aux=sinks, alibi_slopes=slopes)
    assert torch.equal(again, out)


@pytest.mark.parametrize("terms", ["sinks", "slopes"])
def test_recomputed_outputs_are_those_of_the_golden_model(terms):
    """With sinks the mean key and value stay, with slopes they may go."""
    q, k, v = heads(shape=(1, 1, 24, 32))
    sinks, slopes = (torch.linspace(-3, 5, 3), None) if terms == "sinks" else (None, 2.0 ** -torch.arange(1, 4))
    attention = hf.Attention(CONFIG.override(columns=64, alibi=True), equal=False, subtract_mean_v=False)
    out, _ = attention(Layer().eval(), q, k, v, None, s_aux=sinks, alibi_slopes=slopes)
    one = quantize(q[0].double().numpy(), *(x[0, 0].double().numpy() for x in (k, v)), subtract_mean_k=sinks is None)
    one = replace(
        widened(one, 64),
        sinks=None if sinks is None else sinks_of(sinks.double().numpy()),
        slopes=None if slopes is None else slope_words(slopes.double().numpy()),
    )
    same = golden.run(attention.config, one, Job(queries=24, keys=24, heads=3)).out[..., :32]
    unit = one.scale_v * output_unit(attention.config)
    assert out[0].transpose(0, 1).numpy() == pytest.approx(same * unit, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("kind", [transformers.LlamaConfig, transformers.GptOssConfig])
def test_factors_of_float_attention_are_nearly_the_same(kind):
    model = make(kind, **EXPERTS if kind is transformers.GptOssConfig else {})
    ids, attention = tokens(2, 40, 3), hf.Attention(CONFIG, cache="int8_per_token")
    exact, near = (calibrated(model, ids, attention, floats=floats).factors for floats in (False, True))
    assert exact.keys() == near.keys() == {0, 1}
    for name, value in vars(exact[0]).items():
        assert torch.equal(value, vars(near[0])[name])  # the first layer gets the very same
    for name in ("unit_k", "unit_v", "factor_k", "factor_v"):
        first, second = (getattr(each[1], name) for each in (exact, near))
        assert torch.allclose(first, second, rtol=0.1)
    assert torch.equal(exact[1].unit_k, near[1].unit_k) == (kind is transformers.GptOssConfig)


def test_factors_of_float_attention_are_refused_alike():
    model, attention = make(transformers.Gemma2Config), hf.Attention(CONFIG, cache="int8_per_token")
    with pytest.raises(InputError, match="the engine has no soft-capping"):
        calibrated(model, tokens(), attention, floats=True)


def float_outputs(q, k, v, sinks=None, slopes=None):
    score = q @ k.repeat_interleave(3, dim=1).transpose(2, 3) * k.shape[-1] ** -0.5
    place = torch.arange(k.shape[2])
    if slopes is not None:
        score = score - slopes[:, None, None] * (place[:, None] - place).abs()
    score = score.masked_fill(place > place[:, None], -torch.inf)
    if sinks is not None:
        score = torch.cat([score, sinks[:, None, None].expand(*score.shape[1:3], 1)[None]], dim=-1)
    weight = score.softmax(dim=-1)[..., : k.shape[2]]
    return (weight @ v.repeat_interleave(3, dim=1)).transpose(1, 2)


@pytest.mark.parametrize(("cache", "error"), [("recomputed", 0.02), ("int8_per_token", 0.02), ("int4_per_token", 0.25)])
@pytest.mark.parametrize("terms", ["sinks", "slopes"])
def test_outputs_stay_close_to_floats(cache, error, terms):
    q, k, v = heads()
    sinks = torch.linspace(-3, 5, 6) if terms == "sinks" else None
    slopes = 2.0 ** -torch.arange(1, 7) if terms == "slopes" else None
    attention = hf.Attention(CONFIG.override(alibi=True), cache=cache)
    if attention.form.bits:
        own = factors(q, k, v, attention.form, subtract_mean_k=sinks is None, subtract_mean_v=sinks is None)
        attention = replace(attention, factors={0: own})
    out, _ = attention(Layer().eval(), q, k, v, None, s_aux=sinks, alibi_slopes=slopes)
    assert (out - float_outputs(q, k, v, sinks, slopes)).abs().max() < error * v.abs().max()


@pytest.mark.parametrize("cache", ["int8_per_token", "int4_per_token"])
def test_text_is_generated_from_stored_tokens(cache):
    model = make()
    attention = calibrated(model, tokens(2, 40, 3), hf.Attention(CONFIG, cache=cache))
    assert model.config._attn_implementation == "fusioncim"
    hf.register("cached", attention)
    model.set_attn_implementation("cached")
    mask = torch.ones(2, 5, dtype=torch.int64)
    mask[1, :2] = 0
    made = model.generate(
        tokens(2, 5),
        attention_mask=mask,
        past_key_values=attention.empty_cache(),
        max_new_tokens=4,
        do_sample=False,
        pad_token_id=0,
    )
    assert made.shape == (2, 9)


@pytest.mark.parametrize("kind", [transformers.GptOssConfig, transformers.FlintConfig])
def test_a_model_with_sinks_keeps_its_mean_key(kind):
    model = make(kind, **EXPERTS if kind is transformers.GptOssConfig else {})
    for layer in model.model.layers:
        layer.self_attn.sinks.copy_(torch.linspace(-2, 2, 6))
    ids = tokens()
    own = model(ids).logits
    attention = calibrated(model, tokens(2, 40, 3), hf.Attention(CONFIG, cache="int8_per_token"))
    assert not any(mean.any() for each in attention.factors.values() for mean in (each.mean_k, each.mean_v))
    hf.register("cached", attention)
    model.set_attn_implementation("cached")
    stored = model(ids, past_key_values=attention.empty_cache()).logits
    model.set_attn_implementation("eager")
    exact = model(ids).logits
    for layer in model.model.layers:
        layer.self_attn.sinks.fill_(-100)
    without = (model(ids).logits - exact).abs().mean()
    assert (own - exact).abs().mean() < 0.1 * without
    assert (stored - exact).abs().mean() < 0.1 * without


@pytest.mark.parametrize("cache", ["recomputed", "int8_per_token"])
def test_padding_takes_no_part(cache):
    """Distances count from the first token, and the sinks of a row are those of its head."""
    q, k, v = heads(shape=(1, 2, 24, 32))
    attention = hf.Attention(CONFIG.override(alibi=True), cache=cache)
    if attention.form.bits:
        own = factors(q, k, v, attention.form, subtract_mean_k=False, subtract_mean_v=False)
        attention = replace(attention, factors={0: own})
    terms = {"s_aux": torch.linspace(-3, 5, 6), "alibi_slopes": 2.0 ** -torch.arange(1, 7)}
    alone, _ = attention(Layer().eval(), *(x[:, :, 7:] for x in (q, k, v)), None, **terms)
    mask = torch.ones(24, 24, dtype=torch.bool).tril() & (torch.arange(24) >= 7)
    padded, _ = attention(Layer().eval(), q, k, v, mask[None, None], **terms)
    assert torch.equal(padded[:, 7:], alone)
    assert not padded[:, :7].any()


def call(attention=None, **options):
    q, k, v = heads()
    given = {"query": q, "key": k, "value": v} | options
    (attention or hf.Attention(CONFIG))(
        Layer().eval(), *(given.pop(name) for name in ("query", "key", "value")), None, **given
    )


def cached(cache="int8_per_token", **options):
    q, k, v = heads()
    attention = hf.Attention(CONFIG, cache=cache)
    return replace(attention, factors={0: factors(q, k, v, attention.form, **options)})


def stored(attention):
    _, k, v = heads()
    return dict(zip(("key", "value"), written(attention.form, attention.factors[0], k, v), strict=True))


REFUSED = {
    "an engine without scales per token": (
        lambda: hf.Attention(cache="int8_per_token"),
        "int8_per_token must have an engine with token_scale_bits 1 or 8, operand_bits 8, not 0 and 8",
    ),
    "an engine of 4 bits": (
        lambda: hf.Attention(Config(token_scale_bits=8, operand_bits=4, softmax_lanes=8), cache="int4_per_token"),
        "int4_per_token must have .* operand_bits 8, not 8 and 4",
    ),
    "another cache": (lambda: hf.Attention(cache="fp8"), "cache must be one of recomputed, int8_per_token, .* not fp8"),
    "no cache": (lambda: hf.Attention().empty_cache(), "one of int8_per_token, int4_per_token, not recomputed"),
    "not calibrated": (
        lambda: call(hf.Attention(CONFIG, cache="int8_per_token")),
        "int8_per_token must be calibrated: .* factors of layer 0, not none, in layer 0",
    ),
    "sinks and a mean key": (
        lambda: call(cached(), s_aux=torch.zeros(6)),
        "learned sinks must keep its mean key",
    ),
    "sinks beyond range": (lambda: call(s_aux=torch.full((6,), 100.0)), "a sink must be .* not 100"),
    "sinks of other heads": (
        lambda: call(s_aux=torch.zeros(2)),
        r"s_aux must be one per query head, \(6,\), not \(2,\)",
    ),
    "slopes without alibi": (lambda: call(alibi_slopes=torch.ones(6)), "an engine with alibi = true, not false"),
    "slopes beyond range": (
        lambda: call(hf.Attention(CONFIG.override(alibi=True)), alibi_slopes=torch.full((6,), 1.5)),
        "a slope times log2.e. must be .* not 2.16",
    ),
    "soft-caps": (lambda: call(softcap=50.0), "the engine has no soft-capping of scores"),
    "stored tokens of another cache": (
        lambda: call(hf.Attention(CONFIG), **stored(cached())),
        "keys must be floats",
    ),
    "stored tokens of other columns": (
        lambda: call(cached("int4_per_token"), **stored(cached())),
        r"keys must have the key heads and columns of the calibration = \(2, 32\), not \(2, 64\)",
    ),
    "values that are not finite": (
        lambda: call(cached(), value=torch.full((1, 2, 24, 32), torch.inf)),
        "v must be finite",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name):
    do, message = REFUSED[name]
    with pytest.raises(InputError, match=message):
        do()


def test_an_odd_dimension_is_refused():
    q, k, v = heads(shape=(1, 2, 4, 31))
    with pytest.raises(InputError, match="an INT4 cache must be even, not 31"):
        written(Format(4, 8), factors(q, k, v, Format(4, 8)), k, v)
