"""A model that speaks through the Verilog: every logit as the golden backend's, bit for bit, and a cache that grows."""

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import tokenizers
import torch
import transformers
from tests.cases import ALL
from typer.testing import CliRunner

from fusioncim_golden.errors import InputError
from fusioncim_golden.presets import PRESETS
from fusioncim_golden.pytorch.huggingface import register
from fusioncim_sim.cli.app import app
from fusioncim_sim.library.binding import ChipModel
from fusioncim_sim.library.build import build_library
from fusioncim_sim.llm.cache_places import Layer
from fusioncim_sim.llm.chat import TEXT_SIGNS, prepared
from fusioncim_sim.llm.chat_chip import CHAT_CHIP
from fusioncim_sim.llm.chat_layers import Layers, Watched, layers_of
from fusioncim_sim.llm.chat_text import Answer, Speech
from fusioncim_sim.llm.language_model import find_model, load_model, text_of
from fusioncim_sim.rtl.driver import JobError

CHANGES = {"update_rank": 4, "columns": 32, "buffer_bytes": 1 << 12, "token_scale_bits": 8, "flush": 4}
CHIP = PRESETS["tiny"].override(**CHANGES)
SIZES = {
    "vocab_size": 50,
    "hidden_size": 48,
    "intermediate_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "eos_token_id": None,
}
TEXT = np.random.default_rng(4).integers(0, 50, 40).tolist()
PROMPTS = [np.random.default_rng(n).integers(0, 50, length).tolist() for n, length in enumerate((19, 3, 34))]


def made(kind=transformers.LlamaConfig, **options):
    """A random model whose queries are so large that rows leave keys out."""
    torch.manual_seed(1)
    model = transformers.AutoModelForCausalLM.from_config(kind(**SIZES | options)).eval()
    for layer in model.model.layers:
        layer.self_attn.q_proj.weight *= 30
    return model


def talk_of(model=None, prompts=PROMPTS, tokens=4, chip=CHIP, **options):
    return prepared(model or made(), prompts, chip, **{"tokens": tokens, "cache_tokens": 48, "text": TEXT} | options)


@pytest.fixture(scope="module")
def library():
    return build_library(CHIP)


def on_chip(talk, library):
    with ChipModel(library, talk.chip) as hardware:
        return list(talk.on_chip(hardware))


def assert_same(found, golden):
    assert len(found) == len(golden)
    for own, same in zip(found, golden, strict=True):
        assert (own.sequences, own.tokens) == (same.sequences, same.tokens)
        assert torch.equal(own.logits, same.logits)
        assert own.work == same.work


EXPERTS = {"num_local_experts": 2, "num_experts_per_tok": 1}
MODELS = {
    "llama": {},
    "windows": {"kind": transformers.MistralConfig, "sliding_window": 7},
    "some windows": {
        "kind": transformers.Gemma3TextConfig,
        "sliding_window": 6,
        "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
    },
    "sinks": {"kind": transformers.GptOssConfig, "sliding_window": 6, **EXPERTS},
}


@pytest.mark.parametrize("cache", ["int8_per_token", "int4_per_token"])
@pytest.mark.parametrize("name", MODELS)
def test_tokens_and_logits_are_those_of_the_golden_backend(name, cache, library):
    """And what the chip did is what the cycle model says."""
    talk = talk_of(made(**MODELS[name]), cache=cache)
    found = on_chip(talk, library)
    assert_same(found, list(talk.on_golden()))
    assert len(found) == 4
    assert found[0].work.jobs == 3
    assert found[0].work.counts.cycles > found[1].work.counts.cycles > 0
    # Keys that the new token sees, in six heads and all layers.
    lengths = [len(prompt) + 1 for prompt in PROMPTS]
    seen = [min(n, each or n) for n in lengths for each in layers_of(talk.model.config).windows.elements()]
    assert found[1].work.pairs == 6 * sum(seen)


@pytest.mark.parametrize("prompt", PROMPTS, ids=len)
def test_the_cache_in_pages_is_that_of_the_backend(prompt):
    """Its own cache, with masks that transformers makes, gives the same logits."""
    talk = talk_of(prompts=[prompt])
    register("plain", talk.attention)
    talk.model.set_attn_implementation("plain")
    cache, new = talk.attention.empty_cache(), prompt
    for step in talk.on_golden():
        talk.model.set_attn_implementation("plain")
        logits = talk.model(torch.tensor([new]), past_key_values=cache, logits_to_keep=1).logits[0]
        assert torch.equal(step.logits, logits)
        new = step.tokens


def test_tokens_are_appended_and_nothing_else_is_written(library):
    talk = talk_of()
    pools = min(job.k.address for job in talk.places.jobs.values())
    page = talk.places.jobs[0].pages
    per_token = sum(2 * job.kv_heads * (job.dimension + 2) for job in talk.places.jobs.values())
    with ChipModel(library, CHIP) as hardware:
        lent, map_memory = [], hardware.map
        hardware.map = lambda size: lent.append(map_memory(size)) or lent[0]
        before = None
        for step in talk.on_chip(hardware):
            (memory,) = lent
            if before is not None:
                changed = int(np.count_nonzero(memory[pools:] != before[pools:]))
                assert 0.8 * per_token < changed / len(step.tokens) <= per_token
                assert not before[pools:][memory[pools:] != before[pools:]].any()
            before = memory.copy()
    taken = sum(-(-(len(prompt) + 3) // page.tokens) for prompt in PROMPTS)
    words = memory[page.list : page.list + 4 * page.count].view("<u4")
    assert sorted(words[words > 0].tolist()) == list(range(1, taken))


def test_a_sequence_ends_with_its_stop(library):
    """What is behind it is the answer of the others alone, also on the chip."""
    talk = talk_of()
    first = next(iter(talk.on_golden())).tokens
    talk = replace(talk, stops=frozenset(first[:1]))
    golden = list(talk.on_golden())
    ended = [n for n, token in enumerate(first) if token == first[0]]
    assert golden[0].sequences == [0, 1, 2]
    assert [n for n in range(3) if n not in ended] == (golden[1].sequences if len(golden) > 1 else [])
    assert_same(on_chip(talk, library), golden)
    assert len(list(replace(talk, stops=frozenset(range(50))).on_golden())) == 1


def test_a_job_that_fails_is_named(library):
    """Where a list of pages names one beyond the pool, the chip says so."""
    talk = talk_of(prompts=PROMPTS[:1])
    with ChipModel(library, CHIP) as hardware:
        lent, map_memory = [], hardware.map
        hardware.map = lambda size: lent.append(map_memory(size)) or lent[0]
        steps = talk.on_chip(hardware)
        next(steps)
        (memory,) = lent
        memory[talk.places.list : talk.places.list + 4] = 255
        with pytest.raises((JobError, IndexError)):
            next(steps)


def llama4():
    options = {"num_local_experts": 1, "attention_chunk_size": 8, "intermediate_size_mlp": 32}
    return made(transformers.Llama4TextConfig, **options)


LAYER = Layer(heads=6, kv_heads=2, columns=32, value_columns=32)
REFUSED = {
    "no prompt": (lambda: talk_of(prompts=[]), "there must be at least one prompt, not none"),
    "a prompt of nothing": (lambda: talk_of(prompts=[[1], []]), "a prompt must have at least one token, not none"),
    "no token": (lambda: talk_of(tokens=0), "new tokens must be at least 1, not 0"),
    "a cache that is too short": (
        lambda: talk_of(tokens=15),
        r"prompt and new tokens must be at most the 48 tokens of the cache, not 34 \+ 15",
    ),
    "a context that is too short": (
        lambda: talk_of(made(max_position_embeddings=37)),
        r"at most the 37 tokens of the context of the model, not 34 \+ 4",
    ),
    "a cache that is too large": (
        lambda: talk_of(made(max_position_embeddings=1 << 20), cache_tokens=400_000),
        "at most 1,048,575 places for tokens, not 3 sequences of 400,000",
    ),
    "wide heads": (
        lambda: talk_of(made(head_dim=40)),
        "a key of layer 0 must have a multiple of 8 elements up to the columns of the chip = 32, not 40",
    ),
    "odd heads": (lambda: talk_of(made(head_dim=20)), "a multiple of 8 elements .* not 20"),
    "a chip without scales per token": (
        lambda: talk_of(chip=CHIP.override(token_scale_bits=0)),
        "int8_per_token must have an engine with token_scale_bits 1 or 8",
    ),
    "soft-caps": (
        lambda: talk_of(made(transformers.Gemma2Config)),
        "the engine has no soft-capping of scores at 50.0",
    ),
    "chunks": (lambda: talk_of(llama4()), "causal, with a window or without, not chunks of 8 tokens"),
    "layers without attention": (
        lambda: layers_of(transformers.Qwen3NextConfig(num_hidden_layers=4)),
        "every layer must have attention, not so",
    ),
    "latent vectors": (lambda: layers_of(transformers.DeepseekV3Config()), "must be of heads, not latent vectors"),
    "windows that are not handed over": (
        lambda: Watched(None, {0: None, 1: 7}).check(Layers(2, LAYER, Counter({7: 2}))),
        "must hand their windows to their attention: 2 with 7, not 1 without a window, 1 with 7",
    ),
    "another chip": (
        lambda: list(replace(talk_of(), chip=CHIP.override(slack=2)).on_golden()),
        "the chip must be the one whose arithmetic the backend has",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name):
    do, message = REFUSED[name]
    with pytest.raises(InputError, match=message):
        do()


# The command.


WORDS = ["?", *(f"w{n}" for n in range(48)), "."]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model of words, with a tokenizer that has no template."""
    path = tmp_path_factory.mktemp("model") / "words"
    made().save_pretrained(path)
    words = tokenizers.models.WordLevel({word: n for n, word in enumerate(WORDS)}, unk_token="?")
    tokenizer = tokenizers.Tokenizer(words)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="?").save_pretrained(path)
    return path


def chat(folder, *arguments, prompts=("w1 w2 w3",)):
    changes = [word for name, value in CHANGES.items() for word in ("--set", f"{name}={value}")]
    command = ("chat", *prompts, "--model", str(folder), "--preset", "tiny", *changes, *arguments)
    return CliRunner().invoke(app, command, prog_name="fusioncim")


def test_both_engines_answer_alike(folder, library):
    found = {}
    for engine in ("rtl", "golden"):
        result = chat(folder, "--engine", engine, "--tokens", "3", "--json", "-", prompts=("w1 w2 w3", "w4"))
        assert result.exit_code == 0, result.output
        found[engine] = json.loads(result.stdout)
        assert (found[engine].pop("engine"), found[engine].pop("seconds") > 0) == (engine, True)
    assert found["rtl"] == found["golden"]
    assert [len(each["tokens"]) for each in found["rtl"]["answers"]] == [3, 3]
    assert found["rtl"]["prompts"] == [{"text": "w1 w2 w3", "tokens": 3}, {"text": "w4", "tokens": 1}]
    taken = found["rtl"]["taken"]
    assert (taken["first"]["tokens"], taken["further"]["tokens"], taken["further"]["jobs"]) == (2, 4, 6)
    assert taken["further"]["seconds"] == pytest.approx(taken["further"]["cycles"] / 400e6)
    assert taken["estimate"].startswith("Energies are scaled from the measured chip in ")
    assert taken["first"]["energy_j"] > taken["first"]["per_token"]["energy_j"] > 0


def test_an_answer_is_shown_as_it_comes(folder, library):
    result = chat(folder, "--tokens", "2", "--library", str(library))
    assert result.exit_code == 0, result.output
    assert "Computed by the chip's Verilog" in result.stdout
    assert "Energies are scaled from the measured chip in " in result.stdout
    assert result.stdout.lstrip()[0] in "w?."


def test_what_the_command_refuses(folder, library):
    for arguments, said in {
        ("--cache-tokens", "4", "--tokens", "2"): "at most the 4 tokens of the cache, not 3 + 2",
        ("--library", str(library), "--set", "slack=3"): "the library must be built for slack = 3, not for 4",
        ("--set", "token_scale_bits=0"): "an engine with token_scale_bits 1 or 8",
    }.items():
        result = chat(folder, *arguments)
        assert (result.exit_code, result.stdout) == (2, ""), arguments
        assert result.stderr.count("\n") == 1
        assert said in result.stderr


def test_a_sign_of_several_tokens_is_shown_whole():
    class Bytes:
        def text(self, tokens):
            return bytes(tokens).decode(errors="replace")

    answer = Answer(Bytes())
    assert [answer.add(byte) for byte in "a\N{EURO SIGN}b".encode()] == ["a", "", "", "\N{EURO SIGN}", "b"]


# SmolLM2.


@pytest.mark.long
@pytest.mark.parametrize("case", ["short", "whole"] if ALL else ["short"])
def test_smollm2_speaks_through_the_verilog(case):
    """Whole: more than 32 tokens of a prompt and 16 that follow."""
    source = find_model("smollm2")
    speech, model = Speech(source), load_model(source)
    tokens = 16 if case == "whole" else 2
    prompt = speech.prompt("What is the capital of France?")
    asked = prompt if case == "whole" else prompt[-8:]
    assert case == "short" or len(asked) > 32
    text = speech.prompt(text_of(None)[: TEXT_SIGNS if case == "whole" else 100])
    talk = prepared(model, [asked], CHAT_CHIP, tokens=tokens, cache_tokens=64, text=text)
    talk = replace(talk, stops=frozenset())
    found = on_chip(talk, build_library(CHAT_CHIP))
    assert len(found) == tokens
    assert found[0].work.jobs == 30
    assert_same(found, list(talk.on_golden()))
