"""Traces of requests: the samples, both formats, and what is refused."""

import json

import pytest
from tests.sim.cli.bad_files import TRACES

from fusioncim_golden.errors import InputError
from fusioncim_sim.system.serving.trace import DATA, SAMPLES, Request, read_trace

CSV = "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.6805900,374,44\n\n2023-11-16 18:15:50,396,109\n"
BOTH = (Request(context=374, generated=44), Request(context=396, generated=109))


@pytest.mark.parametrize(
    ("name", "first", "sums"),
    [("azure-conv", (374, 44), (80_197, 17_052)), ("azure-code", (4808, 10), (227_562, 2_348))],
)
def test_samples_are_of_this_package(name, first, sums):
    trace = read_trace(name)
    assert trace.name == name
    assert len(trace.requests) == 100
    assert (trace.requests[0].context, trace.requests[0].generated) == first
    assert (sum(x.context for x in trace.requests), sum(x.generated for x in trace.requests)) == sums


def test_samples_have_their_attribution():
    text = (DATA / "README.md").read_text(encoding="utf-8")
    assert "CC-BY 4.0" in text
    assert all(name in text for name in SAMPLES.values())
    assert "CC-BY 4.0" in read_trace("azure-conv").source


@pytest.mark.parametrize(
    "text", [CSV, CSV.replace("\n", "\r\n"), "\ufeff" + CSV, "GeneratedTokens,ContextTokens\n44,374\n109,396"]
)
def test_a_csv_of_azure(text, tmp_path):
    path = tmp_path / "mine.csv"
    path.write_bytes(text.encode())
    assert read_trace(str(path)).requests == BOTH
    assert read_trace(str(path)).name == "mine"


def test_a_json(tmp_path):
    path = tmp_path / "mine.json"
    data = {"note": "mine", "requests": [{"context": x.context, "generated": x.generated} for x in BOTH]}
    path.write_text(json.dumps(data), encoding="utf-8")
    trace = read_trace(str(path))
    assert trace.requests == BOTH
    assert trace.first(1).requests == BOTH[:1]
    assert trace.first(None) is trace
    for count in (0, 3):
        with pytest.raises(InputError, match=f"requests must be from 1 to 2, not {count}"):
            trace.first(count)


@pytest.mark.parametrize("name", TRACES)
def test_what_is_no_trace_is_refused(name, tmp_path):
    content, said = TRACES[name]
    path = tmp_path / f"trace.{name.split('.')[-1]}"
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        read_trace(str(path))
    assert said in str(error.value)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("name", ["azure", "", "trace.txt"])
def test_a_name_of_no_trace_is_refused(name):
    with pytest.raises(InputError, match=rf"must be azure-conv, azure-code, or a path .*, not {name}$"):
        read_trace(name)
