"""Float attention that follows the masks: transformers' own, softmax on the engine's integers, and row maxima."""

import numpy as np
import pytest
import torch
import transformers

from fusioncim_golden import engine as golden
from fusioncim_golden.config import Config
from fusioncim_golden.key_order import ORDERS
from fusioncim_golden.mask import CAUSAL, FULL, Mask
from fusioncim_golden.pytorch import engine
from fusioncim_golden.quantize import quantize
from fusioncim_golden.reference import dequantized_attention, visible
from fusioncim_golden.schedule import Job
from fusioncim_golden.softmax import exact_rescales as exact_of_integers
from fusioncim_sim.heads.read import fixture, load_heads
from fusioncim_sim.heads.rescales import scores_in_order
from fusioncim_sim.llm.float_attention import Beside, ErrorAlone, RoundedOperands, SameOperands, float_attention
from fusioncim_sim.llm.losses import logits
from fusioncim_sim.llm.row_maxima import exact_rescales

HEADS = {head.name: head.first(100) for head in load_heads(fixture(), Config())}
MASKS = {
    "causal": CAUSAL,
    "full": FULL,
    "window": Mask(window=20),
    "both_sides": Mask(window=9, ahead=8),
    "chunk": Mask(chunk=32),
    "prefix": Mask(prefix=40),
}


@pytest.fixture(params=MASKS)
def job(request):
    return Job(queries=100, keys=100, mask=MASKS[request.param])


@pytest.fixture
def mask(job):
    return torch.from_numpy(visible(job))[None, None]


def test_float_attention_follows_the_mask(mask, parts_of):
    q, k, v = parts_of(HEADS["wide"])
    score = torch.where(mask, q @ k.mT * 0.125, -torch.inf)
    exact = (score.softmax(dim=-1) @ v).transpose(1, 2)
    assert torch.allclose(float_attention(q, k, v, 0.125, mask), exact, atol=1e-5)
    added = torch.where(mask, 0.0, torch.finfo(torch.float32).min)
    assert torch.allclose(float_attention(q, k, v, 0.125, added), exact, atol=1e-5)


@pytest.mark.parametrize(("causal", "mask"), [(True, CAUSAL), (False, FULL)])
def test_without_a_mask_the_layer_decides(causal, mask, parts_of):
    q, k, v = parts_of(HEADS["wide"])
    q = q[:, :, 60:] if causal else q
    shown = torch.from_numpy(visible(Job(queries=q.shape[2], keys=100, mask=mask)))
    exact = float_attention(q, k, v, 0.125, shown[None, None])
    assert torch.allclose(float_attention(q, k, v, 0.125, causal=causal), exact, atol=1e-6)


def test_same_operands_are_dequantized_attention_of_the_job(job, mask, causal, parts_of):
    parts = parts_of(HEADS["mixed"])
    out, _ = SameOperands(equal=False, subtract_mean_v=False)(causal, *parts, mask, 0.125)
    heads = quantize(parts[0][0].double().numpy(), *(x[0, 0].double().numpy() for x in parts[1:]), subtract_mean_k=True)
    exact = dequantized_attention(heads, job) * heads.scale_v
    assert out[0].transpose(0, 1).numpy() == pytest.approx(exact, abs=2e-5 * np.abs(exact).max())


def test_the_error_is_added_to_attention_with_the_same_mask(mask, causal, parts_of):
    parts = parts_of(HEADS["local"])
    out, _ = ErrorAlone()(causal, *parts, mask, 0.125)
    assert torch.allclose(out, float_attention(*parts, 0.125, mask), atol=0.05 * parts[2].abs().max())
    fine, _ = RoundedOperands(20)(causal, *parts, mask, 0.125)
    assert torch.allclose(fine, float_attention(*parts, 0.125, mask), atol=2e-4)


@pytest.mark.parametrize("order", ORDERS)
def test_row_maxima_and_rescales_are_of_the_keys_that_a_row_sees(order, job, mask, causal, parts_of):
    config = Config(schedule=order, rows=16, softmax_lanes=2)
    parts = parts_of(HEADS["mixed"])
    operands = SameOperands(config, equal=False, subtract_mean_v=False).quantized(causal, *parts, mask, 0.125, {})
    found, place = exact_rescales(config, operands)
    heads = quantize(parts[0][0].double().numpy(), *(x[0, 0].double().numpy() for x in parts[1:]), subtract_mean_k=True)
    tiles = golden.trace(config, heads, job)
    assert found == sum(exact_of_integers(*scores_in_order(config, tile)) for tile in tiles)
    score = (operands.q[0] @ operands.k[0].T).masked_fill_(~mask[0, 0], -torch.inf)
    assert torch.equal(score.gather(1, place[0, :, None].long())[:, 0], score.amax(dim=1))


class Kept(Beside):
    """The model's own attention."""

    def look(self, module, operands):
        """The engine computes with it, too."""
        assert engine.attend(Config(), operands).any()


def test_a_model_with_windows_keeps_its_own_attention():
    torch.manual_seed(1)
    sizes = {"vocab_size": 50, "hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 2}
    config = transformers.MistralConfig(**sizes, num_attention_heads=2, num_key_value_heads=1, sliding_window=16)
    model = transformers.AutoModelForCausalLM.from_config(config).eval()
    tokens = torch.randint(0, 50, (1, 80), generator=torch.Generator().manual_seed(2))
    kept = logits(model, Kept(), tokens)
    assert torch.allclose(kept, logits(model, None, tokens), atol=1e-5)
    model.config.sliding_window = 80
    assert not torch.allclose(kept, logits(model, None, tokens), atol=1e-4)
