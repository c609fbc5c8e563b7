"""Tests that need the extra `llm`, in one thread: operations are small, and the tests run beside each other."""

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
