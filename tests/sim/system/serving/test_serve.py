"""Requests that are served: a tiny trace by hand, what is found and printed, what is refused."""

import json
from dataclasses import asdict, fields

import pytest
from typer.testing import CliRunner

from fusioncim_golden.descriptor import Sequence, Work
from fusioncim_golden.errors import InputError
from fusioncim_golden.mask import FULL, Mask
from fusioncim_golden.presets import PRESETS
from fusioncim_sim.cli.app import app
from fusioncim_sim.system import energy_table
from fusioncim_sim.system.cycles import Counts, run
from fusioncim_sim.system.dram import dram
from fusioncim_sim.system.model import evaluate
from fusioncim_sim.system.model_config import LanguageModel, language_model
from fusioncim_sim.system.models import changed, model
from fusioncim_sim.system.serving.figures import figures, spread
from fusioncim_sim.system.serving.serve import serve
from fusioncim_sim.system.serving.trace import Request, Trace
from fusioncim_sim.system.workload import Cache, Phase, batch_of

PAPER = PRESETS["paper"]
TABLE = energy_table.read_table(energy_table.default_table())
AT = energy_table.corner("28 nm, 0.9 V")
MEMORY = dram("lpddr5").behind(PAPER, 400.0)
LLAMA = language_model("llama3-8b", {"layers": 3})
PAGES_256 = Cache(page_tokens=256)
HAND = ((5, 2), (2, 3), (1, 1), (4, 1))
STEPS = [
    [(3, 0, 3), (2, 0, 2)],
    [(2, 3, 5), (1, 2, 3)],
    [(1, 5, 6), (1, 3, 4)],
    [(1, 0, 1), (3, 0, 3)],
    [(1, 3, 4)],
]
"""Queries, position of the first one and keys of every slot, with chunks of 3 tokens."""


def served(lengths=HAND, this=LLAMA, table=TABLE, chip=PAPER, **options):
    requests = tuple(Request(context=context, generated=generated) for context, generated in lengths)
    trace = Trace(name="mine", source="by hand", requests=requests)
    given = {"slots": 2, "chunk": 3, "dram": dram("lpddr5"), "table": table, "at": AT, **options}
    return serve(chip, this, trace, **given)


@pytest.fixture(scope="module")
def found():
    return served()


def test_steps_by_hand(found):
    assert [[share.size for share in step] for step in found.steps] == STEPS
    assert found.decodes == [2]
    assert found.full == [0, 1, 2, 3]


def test_a_step_is_one_job_of_the_chip_per_layer(found):
    """The second step: rows and keys of both sequences one behind the other."""
    work = batch_of(PAPER, LLAMA.kinds[0], STEPS[1])
    assert work.sequences == (
        Sequence(queries=2, keys=5, first_row=0, first_key=0, start=3),
        Sequence(queries=1, keys=3, first_row=2, first_key=5, start=2),
    )
    assert (work.job.queries, work.job.keys, work.job.sequences) == (3, 8, 2)
    ((layer,),) = found.layers[1:2]
    assert layer.counters == run(PAPER, [work], MEMORY)
    assert layer.pairs == 32 * (4 + 5 + 3)
    assert found.cycles[1] == 3 * layer.counters.cycles


def test_a_step_of_one_sequence_is_a_job_without_a_table(found):
    work = batch_of(PAPER, LLAMA.kinds[0], STEPS[4])
    assert work == Work(job=work.job)
    assert work.job.start == 3
    assert found.layers[4][0].counters == run(PAPER, [work], MEMORY)


def test_waits_by_hand(found):
    a, b, c, d, e = found.step_seconds
    first, later = found.waits
    assert first == pytest.approx([a + b, a, d, d + e])
    assert later == pytest.approx([c, (b + c) / 2])
    assert found.seconds == pytest.approx(a + b + c + d + e)


def test_rates_by_hand(found):
    a, b, c, d, e = found.step_seconds
    assert (found.prompt_tokens, found.generated) == (12, 7)
    assert found.generated_per_s(found.all) == pytest.approx(7 / (a + b + c + d + e))
    assert found.generated_per_s(found.full) == pytest.approx(6 / (a + b + c + d))
    assert found.generated_per_s([]) is None


def test_energy_is_that_of_all_layers_and_steps(found):
    whole = found.energy(found.all)
    for name in whole:
        assert whole[name] == pytest.approx(3 * sum(layer.energy[name] for (layer,) in found.layers))
        assert found.per_token(found.all)[name] == pytest.approx(whole[name] / 7)
        assert found.per_token(found.decodes)[name] == pytest.approx(3 * found.layers[2][0].energy[name] / 2)
    assert found.energy([]) is found.per_token([]) is found.idle_per_token([]) is None
    idle = found.idle_per_token(found.all)
    assert idle == pytest.approx({name: 3 * sum(layer.idle[name] for (layer,) in found.layers) / 7 for name in idle})


def test_one_request_is_a_prefill_and_decodes():
    """What is found for a sequence alone is what `evaluate` finds."""
    one = served([(300, 2)], chunk=300)
    phases = (Phase(tokens=300), Phase(tokens=301, new=1))
    for (layer,), phase in zip(one.layers, phases, strict=True):
        alone = evaluate(PAPER, LLAMA.kinds[0], phase, dram=dram("lpddr5"), table=TABLE, at=AT)
        assert layer.counters == alone.counters
        assert layer.pairs == alone.pairs
        assert layer.energy == pytest.approx(alone.energy)


def test_no_step_is_faster_than_its_roofline():
    found = served([(700, 3), (40, 5), (513, 2), (1, 9)], slots=3, chunk=128)
    assert all(n >= least for n, least in zip(found.cycles, found.least_cycles, strict=True))
    assert found.over_roofline == pytest.approx(sum(found.cycles) / sum(found.least_cycles))
    assert sum(found.bounds.values()) == pytest.approx(1)
    assert sum(found.shares.values()) == pytest.approx(1)


def test_every_kind_of_layer_is_walked_through():
    """Two layers that see everything, and four that see a window."""
    whole = LLAMA.kinds[0].times(2)
    window = changed(whole, {"mask": Mask(window=32)}).times(4)
    both = LanguageModel(name="both", kinds=(whole, window), left_out={})
    found = served([(200, 2)], both, chunk=150)
    alone = [served([(200, 2)], LanguageModel(name="one", kinds=(x,), left_out={}), chunk=150) for x in both.kinds]
    assert found.cycles == tuple(map(sum, zip(*(each.cycles for each in alone), strict=True)))
    assert found.least_cycles == pytest.approx([sum(x) for x in zip(*(y.least_cycles for y in alone), strict=True)])
    assert found.macs == sum(each.macs for each in alone)
    assert found.bytes == {name: sum(each.bytes[name] for each in alone) for name in found.bytes}
    assert found.energy(found.all) == pytest.approx(
        {name: sum(each.energy(each.all)[name] for each in alone) for name in found.energy(found.all)}
    )
    layers = [layer for (layer,) in alone[1].layers]
    assert alone[1].macs == 4 * 256 * sum(layer.pairs for layer in layers) < alone[0].macs
    assert alone[1].bytes["memory: keys"] == 4 * sum(layer.counters.bytes_key for layer in layers)


def test_pages_move_the_same_keys():
    plain, paged = served(table=None), served(table=None, cache=Cache(page_tokens=16))
    for one, other in zip(plain.layers, paged.layers, strict=True):
        for name in ("bytes_key", "bytes_value", "slots", "mac_cycles"):
            assert getattr(one[0].counters, name) == getattr(other[0].counters, name)
    assert paged.energy(paged.all) is None


def test_steps_that_are_alike_are_walked_through_once(monkeypatch):
    done = []
    monkeypatch.setattr(
        "fusioncim_sim.system.serving.serve.run",
        lambda chip, jobs, memory: done.append(jobs) or run(chip, jobs, memory),
    )
    found = served([(4, 2)] * 3, slots=1)
    assert len(found.steps) == 9
    assert len(done) == 3


def test_processes_find_the_same(found):
    assert served(jobs=2).layers == found.layers


def test_figures_are_json_and_add_up(found):
    data = json.loads(json.dumps(figures(found)))
    whole, (kind,) = data["whole"], data["kinds"]
    assert sum(each["cycles"] for each in data["steps"]) == whole["cycles"] == 3 * kind["layer"]["counters"]["cycles"]
    assert [each["sequences"] for each in data["steps"]] == [2, 2, 2, 2, 1]
    assert [each["prompt_tokens"] for each in data["steps"]] == [5, 2, 0, 4, 1]
    assert [each["generated"] for each in data["steps"]] == [1, 2, 2, 1, 1]
    assert [each["keys"] for each in data["steps"]] == [5, 8, 10, 4, 4]
    total = sum((layer.counters for (layer,) in found.layers), start=Counts())
    assert kind["layer"]["counters"] == asdict(total)
    assert {x.name for x in fields(Counts)} == kind["layer"]["counters"].keys()
    assert data["loop"] == {"slots": 2, "chunk": 3, "cache": {"page_tokens": None, "kv_bits": 0, "token_scales": False}}
    assert whole["sequences_per_step"] == 9 / 5
    assert whole["step_s"] == spread(found.step_seconds)


def test_spread():
    assert spread([]) is None
    assert spread([float(n) for n in range(101)]) == {"mean": 50, "median": 50, "p99": 99}


def test_a_request_of_one_token_has_no_later_one():
    assert figures(served([(1, 1)]))["whole"]["later_token_s"] is None


@pytest.mark.parametrize(
    ("lengths", "options", "said"),
    [
        ([(400_000, 1)] * 3, {"slots": 3, "chunk": 400_000}, r"--slots 2\), not 1,200,000"),
        (
            [(400_000, 1)] * 3,
            {"slots": 3, "chunk": 400_000, "cache": Cache(page_tokens=256)},
            r"--slots 2\), not 1,200,384",
        ),
        (
            [(1 << 19, 1)],
            {"chunk": 1 << 19, "chip": PAPER.override(address_bits=32), "table": None},
            "must fit into the",
        ),
        (HAND, {"cache": Cache(page_tokens=3)}, "keys of a page must be one of"),
        (HAND, {"this": LanguageModel(name="x", kinds=(changed(model("bert-base"), {}),), left_out={})}, "not so bert"),
        (HAND, {"this": language_model("llama3-8b", {"mask": FULL})}, "must see no later ones, not so llama3-8b"),
        (HAND, {"this": language_model("deepseek-v3")}, "choose a chip with more columns"),
        (HAND, {"clock_mhz": 0.0}, "clock frequency must be"),
    ],
)
def test_what_cannot_be_served_is_refused_before_a_step_runs(lengths, options, said, monkeypatch):
    monkeypatch.setattr("fusioncim_sim.system.serving.serve.run", None)
    with pytest.raises(InputError, match=said):
        served(lengths, **options)


# The command.


def fusioncim(*arguments):
    return CliRunner(env={"COLUMNS": None}).invoke(app, [str(each) for each in arguments], prog_name="fusioncim")


def test_the_command_says_and_writes_it(tmp_path):
    trace, out = tmp_path / "mine.json", tmp_path / "out.json"
    requests = [{"context": context, "generated": generated} for context, generated in HAND]
    trace.write_text(json.dumps({"requests": requests}), encoding="utf-8")
    command = ("evaluate", "--batch", trace, "--slots", 2, "--chunk", 3, "--layers", 3, "--jobs", 1, "--json", out)
    result = fusioncim(*command)
    assert result.exit_code == 0, result.output
    data = json.loads(out.read_text(encoding="utf-8"))
    assert data["trace"] == {"name": "mine", "source": "mine.json", "requests": 4}
    assert len(data["steps"]) == 5
    assert f"{data['whole']['cycles']:,} cycles" in result.stdout
    assert f"{data['whole']['generated_per_s']:,.1f} generated tokens per second" in result.stdout
    assert f"{data['whole']['roofline']['over']:.3f} times the roofline" in result.stdout
    assert f"{sum(data['whole']['energy_per_token_j'].values()) * 1e3:,.3f} mJ per generated token" in result.stdout
    idle = data["whole"]["idle_engines_per_token_j"]
    leakage = idle["leakage, no tile"] + idle["leakage, waiting"]
    assert f"mJ by their clock and {leakage * 1e3:,.3f} by leakage." in result.stdout
    for text in ("4 requests (mine.json), 12 prompt tokens, 7 generated", "2 slots, chunks of 3 tokens", "leakage"):
        assert text in result.stdout
    assert fusioncim(*command, "--requests", 1, "--no-energy").exit_code == 0
    data = json.loads(out.read_text(encoding="utf-8"))
    assert data["trace"]["requests"] == 1
    assert data["whole"]["energy_per_token_j"] is None
    assert fusioncim("evaluate", "--tokens", 64, "--json", out).exit_code == 0
