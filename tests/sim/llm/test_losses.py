"""Figures of a language model: on models small enough to know the answer, and on SmolLM2 within bounds."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from fusioncim_golden.config import Config
from fusioncim_golden.errors import InputError
from fusioncim_golden.pytorch.huggingface import Attention
from fusioncim_golden.quantize import quantize
from fusioncim_golden.reference import dequantized_attention
from fusioncim_golden.schedule import Job
from fusioncim_sim.cli.app import app
from fusioncim_sim.heads import rescales
from fusioncim_sim.heads.read import fixture, load_heads
from fusioncim_sim.heads.rescales import count_moves, rule_name
from fusioncim_sim.llm import added_blocks as additions
from fusioncim_sim.llm import row_maxima as patterns
from fusioncim_sim.llm.float_attention import ErrorAlone, Nudged, RoundedOperands, SameOperands, float_attention
from fusioncim_sim.llm.language_model import find_model, load_model
from fusioncim_sim.llm.losses import compare, evaluate, logits, summarize
from fusioncim_sim.llm.row_maxima import Watched, add, exact_rescales, figures, places
from fusioncim_sim.studies.preset_candidates import LONG
from fusioncim_sim.studies.quality import STUDY, speed
from fusioncim_sim.studies.quality import measure as quality_measure
from fusioncim_sim.studies.quality.variants import legal
from fusioncim_sim.studies.study import Request, run

HEADS = {head.name: replace(head, range_q=None) for head in load_heads(fixture(), Config())}
"""Each shares its keys with no other query head here."""


@pytest.fixture
def read(tiny):
    """The model, and two windows of tokens."""
    load_model.cache_clear()
    return find_model(str(tiny)), np.random.default_rng(1).integers(0, 50, (2, 300))


def own(module, query, key, value, mask, scaling, **rest):
    return float_attention(query, key, value, scaling, mask), None


def test_figures_of_known_distributions():
    p = torch.tensor([[0.5, 0.25, 0.25], [0.1, 0.8, 0.1]])
    q = torch.tensor([[0.25, 0.5, 0.25], [0.1, 0.8, 0.1]])
    one = compare(q.log() + 7, p.log(), torch.tensor([0, 1]))
    assert one.loss == pytest.approx([np.log(4), -np.log(0.8)])
    assert one.reference == pytest.approx([np.log(2), -np.log(0.8)])
    assert one.kl == pytest.approx([0.25 * np.log(2), 0], abs=1e-7)
    assert one.agree.tolist() == [0, 1]
    both = summarize([one, one])
    assert both.tokens == 4
    assert both.difference == pytest.approx(np.log(2) / 2)
    assert both.perplexity == pytest.approx(np.sqrt(4 / 0.8))
    assert both.reference_perplexity == pytest.approx(np.sqrt(2 / 0.8))
    assert (both.top1, both.interval) == (0.5, 0)


def test_the_interval_is_of_segments_not_of_tokens():
    random = np.random.default_rng(4)
    steps = random.normal(0, 1, 64).repeat(128)  # a segment is all one difference
    part = compare(torch.zeros(1, 2), torch.zeros(1, 2), torch.tensor([0]))
    part = type(part)(steps, np.zeros_like(steps), np.zeros_like(steps), np.ones_like(steps))
    assert summarize([part]).interval == pytest.approx(1.96 * steps[::128].std(ddof=1) / 8)


def test_losses_that_are_not_finite_are_refused():
    part = compare(torch.full((3, 2), torch.nan), torch.zeros(3, 2), torch.zeros(3, dtype=torch.int64))
    with pytest.raises(InputError, match="losses must be finite, but 3 of 3 are not"):
        summarize([part])


def test_ways_are_compared_with_every_reference(read):
    ways = {"own": own, "operands": SameOperands(), "engine": Attention()}
    done = evaluate(*read, ways, ("float", "own"), jobs=1)
    assert done["own"].keys() == {"float"}
    assert done["engine"].keys() == {"float", "own"}
    assert done["own"]["float"].kl == pytest.approx(0, abs=1e-7)
    assert done["own"]["float"].top1 == 1
    assert done["engine"]["float"].tokens == 2 * 299
    assert done["engine"]["float"].kl == pytest.approx(done["engine"]["own"].kl, rel=1e-2)
    assert 1e-8 < done["engine"]["float"].kl < 1e-3


def test_batches_of_ways_change_nothing(read, monkeypatch):
    ways = {str(bits): RoundedOperands(bits) for bits in (4, 6, 8)}
    whole = evaluate(*read, ways, ("float",), jobs=1)
    monkeypatch.setattr("fusioncim_sim.llm.losses.BATCH", 2)
    assert evaluate(*read, ways, ("float",), jobs=1) == whole
    assert whole["4"]["float"].kl > whole["6"]["float"].kl > whole["8"]["float"].kl


def test_a_model_that_does_not_attend_through_the_interface_is_refused(read, monkeypatch):
    model = load_model(read[0])
    monkeypatch.setattr(model.config, "num_hidden_layers", 3)
    with pytest.raises(InputError, match="must attend through transformers' interface: 3, not 2 of llama"):
        logits(model, own, torch.from_numpy(read[1][:1]))


def test_same_operands_are_dequantized_attention(causal, parts_of):
    parts = parts_of(HEADS["mixed"].first(100))
    attention = SameOperands(equal=False, subtract_mean_v=False)
    out, _ = attention(causal, *parts, None, 0.125)
    heads = quantize(parts[0][0].double().numpy(), *(x[0, 0].double().numpy() for x in parts[1:]), subtract_mean_k=True)
    exact = dequantized_attention(heads, Job(queries=100, keys=100)) * heads.scale_v
    assert out[0].transpose(0, 1).numpy() == pytest.approx(exact, abs=2e-5 * np.abs(exact).max())
    nudged, _ = Nudged(equal=False, subtract_mean_v=False)(causal, *parts, None, 0.125)
    assert 0 < (nudged - out).abs().max() < 2e-6 * out.abs().max()


def test_the_error_alone_is_what_the_engine_adds(causal, parts_of):
    parts = parts_of(HEADS["wide"].first(100))
    found, _ = ErrorAlone()(causal, *parts, None, 0.125)
    engine, same = (kind()(causal, *parts, None, 0.125)[0] for kind in (Attention, SameOperands))
    assert torch.allclose(found, engine - same + float_attention(*parts, 0.125), atol=1e-6)
    assert (engine - same).abs().max() > 0


@pytest.mark.parametrize("scale", ["tensor", "head", "token", "column"])
def test_rounded_operands_share_a_scale(scale, causal, parts_of):
    q, k, v = parts_of(HEADS["local"].first(60))
    rounded = RoundedOperands(8, q=scale, k=scale, v=scale)
    axes = {"tensor": (1, 2, 3), "head": (2, 3), "token": (3,), "column": (2,)}[scale]
    steps = rounded.rounded(v, scale) / (v.abs().amax(dim=axes, keepdim=True) / 127)
    assert (steps - steps.round()).abs().max() < 1e-3
    assert (rounded.rounded(v, scale) - v).abs().max() <= (v.abs().amax(dim=axes, keepdim=True) / 254 * 1.001).max()
    fine, _ = RoundedOperands(20, balance=True, q=scale, k=scale, v=scale)(causal, q, k, v, None, 0.125)
    assert torch.allclose(fine, float_attention(q, k, v, 0.125), atol=2e-4)


def test_an_unknown_scale_is_refused():
    with pytest.raises(InputError, match="k must be one of tensor, head, token, column, not row"):
        RoundedOperands(k="row")


@pytest.mark.parametrize("name", ["sink", "local", "wide"])
def test_moves_are_those_of_the_integer_model(name, causal, parts_of, monkeypatch):
    """Both count on the same integers; every rule that either is asked for."""
    rules = sorted({*patterns.RULES, *rescales.RULES})
    for module in (patterns, rescales):
        monkeypatch.setattr(module, "RULES", rules)
    watched = Watched(Config())
    watched(causal, *parts_of(HEADS[name].first(200)), None, 0.125)
    layer = watched.layers[0]
    counted = count_moves(Config(), HEADS[name].first(200))
    assert layer.exact.keys() - {"folded_16_engines"} == counted.exact.keys()
    for order, exact in counted.exact.items():
        assert layer.exact[order] == exact
        assert {rule_name(slack, False) for slack in (0, 2, 4, 5, 6)} <= layer.events[order].keys()
        assert counted.rules[order] == {rule: (one.rescales, one.halvings) for rule, one in layer.events[order].items()}
    shown = figures(Config(slack=3), add([layer, layer]))
    assert shown["exact"]["in_order"] == 2 * counted.exact["in_order"]
    assert sum(shown["maxima_percent"].values()) == pytest.approx(100, abs=0.03)


def test_places_of_the_largest_scores(causal, parts_of):
    attention = Attention(equal=False)
    for name, largest in (("sink", 0), ("local", 1)):
        operands = attention.quantized(causal, *parts_of(HEADS[name].first(200)), None, 0.125, {})
        _, place = exact_rescales(Config(schedule="in_order"), operands)
        score = (operands.q[0] @ operands.k[0].T).masked_fill_(torch.ones(200, 200).triu(1).bool(), -torch.inf)
        assert torch.equal(place[0], score.argmax(dim=1))
        counts = places(operands, place)
        assert sum(counts) == 200 - 64
        assert counts.index(max(counts)) == largest


@pytest.mark.parametrize(
    ("changes", "forced"),
    [
        ({"fraction_bits": 4}, {"lut_size": 16}),
        ({"operand_bits": 4}, {"softmax_lanes": 32}),
        ({"accumulator_bits": 16}, {"flush": 2}),
        ({"flush": 20}, {"flush": 20}),
    ],
)
def test_changes_force_others(changes, forced):
    config = legal(changes).as_dict()
    assert {name: config[name] for name in changes | forced} == changes | forced


def test_weights_that_are_missing_or_broken_are_refused(tiny, tmp_path):
    for name, content, message in (
        ("no", None, "must be smollm2, a directory or a GGUF file"),
        ("a.gguf", b"junk", "begins with GGUF"),
        ("b.gguf", b"GGUF" + bytes(100), "the model cannot be loaded"),
    ):
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(InputError, match=message):
            load_model(find_model(str(path)))
    folder = tmp_path / "model"
    folder.mkdir()
    with pytest.raises(InputError, match=r"must hold config\.json"):
        find_model(str(folder))
    (folder / "config.json").write_bytes((tiny / "config.json").read_bytes())
    with pytest.raises(InputError, match="must hold weights"):
        find_model(str(folder))
    (folder / "model.safetensors").write_bytes((tiny / "model.safetensors").read_bytes()[:2000])
    with pytest.raises(InputError, match="the model cannot be loaded"):
        load_model(find_model(str(folder)))


def test_a_model_without_its_tokenizer_is_refused(tiny):
    result = CliRunner().invoke(app, ["quality", "--model", str(tiny), "--quick"])
    assert result.exit_code == 2
    assert "the tokenizer cannot be loaded" in result.stderr
    assert "\n" not in result.stderr.strip()


def test_parts_are_written_one_by_one(tiny, tmp_path, monkeypatch):
    random = np.random.default_rng(1).integers(0, 50, 700)
    monkeypatch.setattr(quality_measure, "tokenize", lambda source, text: random)
    for module in (quality_measure, speed):
        monkeypatch.setattr(module, "SIZES", dict.fromkeys(("default", "large"), (150, 2)))
    monkeypatch.setattr(speed, "QUICK", (50, 2))
    monkeypatch.setattr(additions, "LENGTHS", (100, 150))
    for part in ("default", "long", "speed", "seed", "patterns", "additions"):
        run(STUDY, Request(output=tmp_path, jobs=1, parts=[part], model=str(tiny)))
    data = json.loads((tmp_path / "quality_tiny.json").read_text(encoding="utf-8"))
    assert data.keys() == {"model", "config", "default", "long", "speed", "patterns", "additions", "alone"}
    assert data["alone"].keys() == {"seed"}
    assert data["default"]["nudged operands"].keys() == {"float", "operands"}
    assert data["long"].keys() - data["default"].keys() == LONG.keys()
    assert data["speed"]["ratio"] > 0
    assert len(data["patterns"]["layers"]) == 2
    assert data["additions"]["per_key"].keys() == {"100", "150"}
    with pytest.raises(InputError, match=r"the parts are .*, not other"):
        run(STUDY, Request(output=tmp_path, jobs=1, parts=["other"], model=str(tiny)))


@pytest.mark.timeout(900)
def test_smollm2_is_within_bounds(tmp_path):
    """What CI runs: the bounds of the whole evaluation, with the allowance that a twentieth of its tokens needs."""
    path = tmp_path / "quality.json"
    result = CliRunner().invoke(app, ["quality", "--quick", "--json", str(path)])
    assert result.exit_code == 0, result.output
    ways = json.loads(path.read_text(encoding="utf-8"))["ways"]
    assert ways["arithmetic"]["tokens"] == 4 * 255
    assert abs(ways["arithmetic"]["difference"]) <= 0.002
    assert ways["arithmetic"]["top1"] >= 0.99
    assert abs(ways["engine"]["difference"]) <= 0.01 + ways["engine"]["interval"]
    assert ways["engine"]["top1"] >= 0.97
    assert ways["engine"]["kl"] < 0.005
