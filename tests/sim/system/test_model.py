"""Whole models: what the command prints, writes and refuses."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fusioncim_golden.errors import InputError
from fusioncim_golden.mask import CAUSAL, FULL
from fusioncim_golden.presets import PRESETS
from fusioncim_sim.cli.app import app
from fusioncim_sim.studies.system import CASES, case, compared
from fusioncim_sim.system import energy, energy_table, model
from fusioncim_sim.system.cycles import run
from fusioncim_sim.system.dram import dram
from fusioncim_sim.system.models import changed
from fusioncim_sim.system.models import model as model_of
from fusioncim_sim.system.workload import CONTIGUOUS, Cache, Phase, job_of

PAPER, SMALL = PRESETS["paper"], PRESETS["small"]
TABLE = energy_table.read_table(energy_table.default_table())


def evaluated(chip=PAPER, name="llama3-8b", changes=(), cache=CONTIGUOUS, **phase):
    this = changed(model_of(name), dict(changes))
    table = TABLE if chip is PAPER else None
    return model.evaluate(
        chip, this, Phase(**phase), dram=dram("lpddr5"), table=table, at=energy_table.corner("28 nm, 0.9 V"),
        cache=cache,
    )  # fmt: skip


PHASES = {
    "prefill": {"tokens": 256},
    "chunks": {"tokens": 300, "chunk": 128},
    "decode": {"tokens": 700, "new": 8},
    "one token": {"tokens": 1},
}


@pytest.mark.parametrize("name", PHASES)
def test_shares_are_of_all_engine_cycles(name):
    result = evaluated(**PHASES[name])
    assert result.exact
    assert sum(result.shares.values()) == pytest.approx(1)
    assert min(result.shares.values()) >= 0
    assert result.shares["padded"] == 0
    used = 2 * 32 * result.model.key_size * result.pairs // 32
    assert result.macs == used


def test_a_model_with_sinks_adds_what_values_add_that_are_not_centred():
    """The same counters: its OP-CIM takes more, all else as much."""
    result = evaluated(tokens=512)
    memory, at = dram("lpddr5"), energy_table.corner("28 nm, 0.9 V")
    own = replace(result, model=replace(result.model, sinks=True)).with_energy(TABLE, memory, at).energy
    assert own["OP-CIM"] > 1.08 * result.energy["OP-CIM"]
    assert own | {"OP-CIM": 0} == result.energy | {"OP-CIM": 0}


def test_an_image_before_the_text():
    """The 256 patches see each other: 256 * 255 / 2 scores of a head more than without an image."""
    image, text = (evaluated(name="next-gpt", changes=changes, tokens=512) for changes in ((), {"mask": CAUSAL}))
    assert image.pairs - text.pairs == 32 * 256 * 255 // 2
    assert image.counters.mac_cycles > text.counters.mac_cycles
    assert evaluated(name="next-gpt", tokens=512, chunk=256).pairs == image.pairs
    with pytest.raises(InputError, match=r"^a chunk of next-gpt must hold its prefix of 256 tokens, not 255$"):
        evaluated(name="next-gpt", tokens=512, chunk=255)


def test_a_layer_is_a_job_and_the_model_its_layers():
    result = evaluated(tokens=256)
    job = job_of(PAPER, result.model, 256, 0, 256)
    assert result.counters == run(PAPER, [job], dram("lpddr5").behind(PAPER, 400.0))
    data = result.as_dict()
    assert data["whole"]["cycles"] == 32 * data["layer"]["cycles"] == 32 * result.counters.cycles
    assert data["whole"]["seconds"] == pytest.approx(32 * result.counters.cycles / 400e6)
    assert sum(data["whole"]["energy_j"].values()) == pytest.approx(32 * result.joules)
    assert data["whole"]["tops_per_w"] == pytest.approx(2 * result.macs / result.joules * 1e-12)
    moved = {name: value for name, value in result.bytes.items() if name.startswith("memory")}
    assert sum(moved.values()) == energy.moved(result.counters)


def test_chunks_add_up():
    whole, chunks = evaluated(tokens=300), evaluated(tokens=300, chunk=128)
    assert chunks.pairs == whole.pairs
    assert chunks.counters.bytes_output == whole.counters.bytes_output
    assert chunks.counters.cycles > whole.counters.cycles


def test_a_short_head_dimension_leaves_columns_without_work():
    """BERT's 64 elements fill half of the columns; vectors in memory are no longer than that."""
    result = evaluated(name="bert-base", tokens=128)
    assert result.shares["padded"] == pytest.approx(result.shares["working"])
    assert result.counters.bytes_query == 128 * 12 * 64
    assert result.model.mask == FULL
    assert result.pairs == 12 * 128 * 128


@pytest.mark.parametrize("page_tokens", [None, 16])
def test_a_batch_is_one_job_of_all_its_sequences(page_tokens):
    one = evaluated(tokens=300, new=2)
    many = evaluated(tokens=300, new=2, cache=Cache(page_tokens=page_tokens), sequences=3)
    for name in ("bytes_query", "bytes_key", "bytes_value", "bytes_output", "slots", "mac_cycles"):
        assert getattr(many.counters, name) == 3 * getattr(one.counters, name), name
    assert many.pairs == 3 * one.pairs
    assert one.counters.cycles < many.counters.cycles < 3.1 * one.counters.cycles


def test_a_chip_of_the_models_own_size():
    result = evaluated(SMALL, "bert-base", tokens=64)
    assert result.shares["padded"] == 0
    assert result.joules is None
    assert result.as_dict()["layer"]["energy_j"] is None


def test_parallel_decode_fills_the_rows():
    """Eight new tokens cost hardly more than one: the keys pass once."""
    one, eight = (evaluated(tokens=2048, new=n) for n in (1, 8))
    assert eight.counters.cycles < 1.05 * one.counters.cycles
    assert eight.macs == pytest.approx(8 * one.macs, rel=0.01)


@pytest.mark.parametrize("columns", [576, 1024])
def test_latent_attention_reads_its_keys_once(columns):
    block = 2 * 8 * columns
    wide = PAPER.override(columns=columns, buffer_bytes=64 * block, engines=4, rows=32, softmax_lanes=4)
    result = evaluated(wide, "deepseek-v3", tokens=64, new=4)
    assert result.shares["padded"] / result.shares["working"] == pytest.approx(2 * columns / (576 + 512) - 1)
    assert result.pairs == 128 * (61 + 62 + 63 + 64)
    moved = result.bytes
    assert (moved["memory: values"], moved["memory: outputs"]) == (0, 128 * 4 * 512 * 2)
    assert moved["global buffer: written"] == result.counters.buffer_writes * block // 2
    assert moved["memory: keys"] == result.counters.buffer_writes * 8 * 576


@pytest.mark.parametrize("clock", [0.0, -1.0, float("nan"), 1e-9, 2e5, float("inf")])
def test_a_clock_must_be_one(clock):
    with pytest.raises(InputError, match=r"clock frequency must be from 0\.001 to 100000 MHz"):
        model.evaluate(
            PAPER, model_of("llama3-8b"), Phase(tokens=8), dram=dram("lpddr5"), table=None,
            at=energy_table.corner("28 nm, 0.9 V"), clock_mhz=clock,
        )  # fmt: skip


def test_the_stored_figures_are_of_all_cases():
    data = json.loads((Path(__file__).parents[3] / "measurements" / "system.json").read_text(encoding="utf-8"))
    assert data["chip"] == PAPER.as_dict()
    assert data["runs"].keys() == CASES.keys()


@pytest.mark.parametrize("name", ["llama3-8b, 1,024", "llama3-8b, decode of 8 over 8,192", "bert-base, 512"])
def test_the_stored_figures_are_found_again(name):
    stored = json.loads((Path(__file__).parents[3] / "measurements" / "system.json").read_text(encoding="utf-8"))[
        "runs"
    ][name]
    again = case(name)
    assert again["layer"]["counters"] == stored["layer"]["counters"]
    assert again["whole"]["energy_j"] == pytest.approx(stored["whole"]["energy_j"])


def test_the_stored_baselines_are_found_again():
    stored = json.loads((Path(__file__).parents[3] / "measurements" / "system.json").read_text(encoding="utf-8"))[
        "baselines"
    ]["512"]
    again = json.loads(json.dumps(compared(512)))
    assert again == stored


# The command.


def fusioncim(*arguments):
    return CliRunner(env={"COLUMNS": None}).invoke(app, [str(each) for each in arguments], prog_name="fusioncim")


def test_the_command_says_and_writes_it(tmp_path):
    out = tmp_path / "out.json"
    result = fusioncim("evaluate", "--tokens", 128, "--layers", 3, "--json", out)
    assert result.exit_code == 0, result.output
    data = json.loads(out.read_text(encoding="utf-8"))
    assert data["model"]["name"] == "llama3-8b, changed"
    assert data["whole"]["layers"] == 3
    (kind,) = data["kinds"]
    assert data["whole"]["cycles"] == 3 * kind["layer"]["cycles"]
    assert f"{kind['layer']['cycles']:,} cycles per layer" in result.stdout
    for name in ("working", "imbalance", "memory: keys", "network: delivered", "OP-CIM", "DRAM", "TOPS/W"):
        assert name in result.stdout
    assert fusioncim("evaluate", "--tokens", 64, "--json", out).exit_code == 0


def test_a_model_with_layers_of_two_kinds(tmp_path):
    values = {"model_type": "qwen3_next", "num_hidden_layers": 4, "num_attention_heads": 4, "head_dim": 64}
    layers = ["full_attention", "sliding_attention", "linear_attention", "full_attention"]
    (tmp_path / "config.json").write_text(
        json.dumps({**values, "num_key_value_heads": 2, "layer_types": layers, "sliding_window": 128}), encoding="utf-8"
    )
    out = tmp_path / "out.json"
    result = fusioncim("evaluate", "--model", tmp_path, "--tokens", 128, "--json", out)
    assert result.exit_code == 0, result.output
    data = json.loads(out.read_text(encoding="utf-8"))
    assert [each["model"]["layers"] for each in data["kinds"]] == [2, 1]
    assert data["model"]["left_out"] == {"linear attention": 1}
    assert "1 layers of linear attention are left out" in result.stdout
    cycles = data["kinds"][0]["layer"]["cycles"]
    assert data["whole"]["cycles"] == 3 * cycles
    energy = data["kinds"][1]["layer"]["energy_j"]["DRAM"]
    assert data["whole"]["energy_j"]["DRAM"] == pytest.approx(3 * energy)
    longer = fusioncim("evaluate", "--model", tmp_path, "--tokens", 1024, "--json", out)
    assert longer.exit_code == 0, longer.output
    full, window = json.loads(out.read_text(encoding="utf-8"))["kinds"]
    assert window["model"]["mask"]["window"] == 128
    assert window["layer"]["macs"] < full["layer"]["macs"] / 2


def test_without_energy():
    result = fusioncim("evaluate", "--preset", "small", "--head-dimension", 64, "--tokens", 64, "--no-energy")
    assert result.exit_code == 0, result.output
    assert "TOPS/W" not in result.stdout


REFUSED = {
    "unknown model": (("--model", "llama9"), "not llama9"),
    "no configuration": (("--model", "none.json"), "none.json"),
    "heads that do not divide": (("--heads", 30), "kv_heads must divide heads = 30, not 8"),
    "no tokens": (("--tokens", 0), "tokens must be from 1 to 1048575, not 0"),
    "too many tokens": (("--tokens", 1 << 20), "not 1048576"),
    "beyond the address space": (
        ("--preset", "small", "--head-dimension", 64, "--no-energy", "--tokens", (1 << 20) - 1),
        "must fit into the 4,294,967,296 bytes",
    ),
    "chunk of a decode": (("--chunk", 8, "--new-tokens", 8), "a decode has no chunks"),
    "vectors too long": (("--model", "deepseek-v3"), "not 128"),
    "no energy table": (("--energy-table", "none.json"), "none.json"),
    "unknown memory": (("--dram", "core"), "dram must be one of lpddr4, lpddr5, gddr5, hbm2, not core"),
    "unknown corner": (("--corner", "7 nm"), "not 7 nm"),
    "no clock": (("--clock-mhz", 0), "must be from 0.001 to 100000 MHz, not 0"),
    "a clock that stands": (("--clock-mhz", "1e-9"), "must be from 0.001 to 100000 MHz, not 1e-09"),
    "a clock that is no number": (("--clock-mhz", "nan"), "must be from 0.001 to 100000 MHz, not nan"),
    "an endless clock": (("--clock-mhz", "inf"), "must be from 0.001 to 100000 MHz, not inf"),
    "json into nothing": (("--json", "none/out.json"), "none/out.json"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_bad_input_is_one_line(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments, text = REFUSED[name]
    result = fusioncim("evaluate", *arguments)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert text in result.stderr
    assert list(tmp_path.iterdir()) == []
