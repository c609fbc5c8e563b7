"""Tests that need the extra `llm`, in one thread: operations are small, and the tests run beside each other."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
torch.set_num_threads(1)
torch.set_grad_enabled(False)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """A small random model in a directory."""
    import transformers

    torch.manual_seed(3)
    config = transformers.LlamaConfig(
        vocab_size=50, hidden_size=64, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, head_dim=32
    )
    folder = tmp_path_factory.mktemp("model") / "tiny"
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def causal():
    """What an attention reads of the layer that calls it."""
    return type("Layer", (), {"training": False, "is_causal": True, "layer_idx": 0})()


@pytest.fixture(scope="session")
def parts_of():
    """Makes of a captured head what a layer hands over: q, k and v [1, heads, tokens, columns]."""
    return lambda head: [torch.from_numpy(x.astype(np.float32))[None, None] for x in (head.q, head.k, head.v)]
