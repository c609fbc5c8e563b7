"""Capturing heads: which are stored and with what, on a small random model; what is missing is said."""

import numpy as np
import pytest
import torch

from fusioncim_golden.config import Config
from fusioncim_golden.errors import InputError
from fusioncim_golden.pytorch.huggingface import Attention
from fusioncim_sim.heads.read import load_heads
from fusioncim_sim.llm import capture, language_model
from fusioncim_sim.llm.language_model import find_model

TOKENS = 80


@pytest.fixture(scope="module")
def grouped(tmp_path_factory):
    """A random model whose key-value heads have three query heads."""
    import transformers

    torch.manual_seed(5)
    shape = {"num_attention_heads": 6, "num_key_value_heads": 2, "head_dim": 32}
    config = transformers.LlamaConfig(
        vocab_size=50, hidden_size=96, intermediate_size=64, num_hidden_layers=2, initializer_range=0.1, **shape
    )
    folder = tmp_path_factory.mktemp("model") / "grouped"
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    return find_model(str(folder))


@pytest.fixture
def short(monkeypatch):
    """Heads of few tokens, in this process; the model has no tokenizer."""
    monkeypatch.setattr(capture, "TOKENS", TOKENS)
    monkeypatch.setattr(capture, "tokenize", lambda _, text: np.arange(200) * 7 % 50)
    monkeypatch.setattr(capture, "run_all", lambda work, **_: {name: each() for name, each in work.items()})


def test_stored_operands_become_those_of_the_default_flow(grouped, short, tmp_path, causal):
    """The backend sees all query heads of a key-value head, the file one of them; also of the first tokens only."""
    names, statistics = capture.write_heads(tmp_path / "heads.npz", grouped, prefix="own_")
    assert set(names) == {f"own_{name}" for name in ("sink", "local", "mixed", "wide", "group0", "group1", "group2")}
    assert len(statistics) == 12
    heads = {head.name: head for head in load_heads(tmp_path / "heads.npz")}
    model, config = capture.run_model(grouped, "", TOKENS), Config(columns=32)
    for name, place in names.items():
        members = model.members(place)
        for tokens in (TOKENS, 30):
            q = torch.stack([torch.from_numpy(each.q[:tokens].astype(np.float16)) for each in members])[None]
            k, v = (torch.from_numpy(x[:tokens].astype(np.float16))[None, None] for x in members[0][1:])
            operands = Attention(config).quantized(causal, q.float(), k.float(), v.float(), None, None, {})
            found = heads[name].first(tokens).quantized(config)
            for part in "kv":
                assert np.array_equal(getattr(found, part), getattr(operands, part)[0].numpy())
            rows = operands.q[0].view(tokens, len(members), -1)[:, place[1] % 3]
            assert np.array_equal(found.q[0], rows.numpy())


def test_heads_are_stored_by_name(grouped, short, tmp_path):
    names, _ = capture.write_heads(tmp_path / "heads.npz", grouped, ["wide", "sink"])
    assert [head.name for head in load_heads(tmp_path / "heads.npz")] == ["sink", "wide"] == sorted(names)
    with pytest.raises(InputError, match=r"the captured head must be one of sink, local, .*, not tail"):
        capture.write_heads(tmp_path / "heads.npz", grouped, ["tail"])


def test_a_text_that_is_too_short_is_refused(grouped, short):
    with pytest.raises(InputError, match="the text must have at least 300 tokens, not 200"):
        capture.run_model(grouped, "", 300)


def test_missing_packages_are_named(monkeypatch):
    monkeypatch.setattr(language_model, "find_spec", lambda name: None if name == "torch" else name)
    with pytest.raises(InputError, match=r"^torch is missing: install it with pip install 'fusioncim\[llm\]'$"):
        find_model("smollm2")
