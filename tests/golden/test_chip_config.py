"""The configuration of a whole chip: what it refuses, what follows from it, and how it is written down."""

import json
from dataclasses import FrozenInstanceError, fields
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusioncim_golden.chip_config import ChipConfig, chip_from_dict, split
from fusioncim_golden.config import Config
from fusioncim_golden.errors import InputError
from fusioncim_golden.presets import PRESETS

OWN = ("engines", "streams", "walks", "buffer_bytes", "bus_bits", "read_ports", "address_bits")

# Changes to the default (64 columns of 8 bits, blocks of 512 bytes), and the whole message.
REFUSED = [
    ({"engines": 4.0}, "engines must be of type int, not 4.0"),
    ({"engines": True}, "engines must be of type int, not True"),
    ({"buffer_bytes": "64K"}, "buffer_bytes must be of type int, not '64K'"),
    ({"bus_bits": None}, "bus_bits must be of type int, not None"),
    ({"engines": 0}, "engines must be one of 1, 2, 4, 8, 16, not 0"),
    ({"engines": 3}, "engines must be one of 1, 2, 4, 8, 16, not 3"),
    ({"engines": 32}, "engines must be one of 1, 2, 4, 8, 16, not 32"),
    ({"streams": 0}, "streams must be from 1 to 16, not 0"),
    ({"streams": 17}, "streams must be from 1 to 16, not 17"),
    *(({"walks": n}, f"walks must be one of 1, 2, not {n}") for n in (-1, 0, 3, 4)),
    ({"walks": 2.0}, "walks must be of type int, not 2.0"),
    ({"walks": True}, "walks must be of type int, not True"),
    ({"streams": 2.0}, "streams must be of type int, not 2.0"),
    ({"streams": 8, "buffer_bytes": 2048}, "streams must be at most the 4 blocks of the global buffer, not 8"),
    ({"bus_bits": 32}, "bus_bits must be one of 64, 128, 256, 512, 1024, not 32"),
    ({"bus_bits": 192}, "bus_bits must be one of 64, 128, 256, 512, 1024, not 192"),
    ({"bus_bits": 2048}, "bus_bits must be one of 64, 128, 256, 512, 1024, not 2048"),
    ({"bus_bits": 1024}, "columns * operand_bits = 512 must be a multiple of bus_bits, not of 1024"),
    ({"columns": 96, "bus_bits": 512}, "columns * operand_bits = 768 must be a multiple of bus_bits, not of 512"),
    (
        {"columns": 64, "operand_bits": 4, "softmax_lanes": 8, "bus_bits": 512},
        "columns * operand_bits = 256 must be a multiple of bus_bits, not of 512",
    ),
    ({"columns": 288}, "bus_bits must be at least units * output_bits = 144, not 128"),
    ({"columns": 512}, "bus_bits must be at least units * output_bits = 256, not 128"),
    ({"columns": 1024, "output_bits": 8}, "bus_bits must be at least units * output_bits = 256, not 128"),
    ({"read_ports": 0}, "read_ports must be one of 1, 2, not 0"),
    ({"read_ports": 4}, "read_ports must be one of 1, 2, not 4"),
    ({"read_ports": True}, "read_ports must be of type int, not True"),
    *(
        (
            {"buffer_bytes": size},
            (
                "buffer_bytes must be a power of two of blocks of 512 bytes (update_rank keys and values), "
                f"as {fits} is, not {size}"
            ),
        )
        for size, fits in (
            *((-2048, 2048), (1, 2048), (511, 2048), (2047, 2048), (3 * 512, 2048), (5 * 512, 2048)),
            *((65535, 32768), (65537, 65536)),
        )
    ),
    ({"buffer_bytes": 0}, "buffer_bytes must be from 2048 to 67108864, not 0"),
    ({"buffer_bytes": 1024}, "buffer_bytes must be from 2048 to 67108864, not 1024"),
    ({"buffer_bytes": 1 << 27}, "buffer_bytes must be from 2048 to 67108864, not 134217728"),
    ({"buffer_bytes": 1 << 11, "update_rank": 8}, "buffer_bytes must be from 4096 to 67108864, not 2048"),
    ({"address_bits": 31}, "address_bits must be from 32 to 64, not 31"),
    ({"address_bits": 65}, "address_bits must be from 32 to 64, not 65"),
    ({"address_bits": 40.0}, "address_bits must be of type int, not 40.0"),
    *(
        (
            {"token_scale_bits": bits, "update_rank": rank, "buffer_bytes": 1 << 14},
            f"update_rank must be one of 4, 8 with token_scale_bits = {bits}, not {rank}",
        )
        for bits, rank in ((1, 1), (8, 2))
    ),
    (
        {"token_scale_bits": 8, "update_rank": 16, "columns": 128, "buffer_bytes": 1 << 15},
        "update_rank must be .* not 16",
    ),
    ({"rows": 0}, "rows must be from 1 to 1024, not 0"),
    ({"columns": 65}, "columns must be a multiple of update_rank * operand_bits = 32 .* not 65"),
]


@pytest.mark.parametrize(("changes", "message"), REFUSED)
def test_an_impossible_chip_is_refused_with_rule_and_value(changes, message):
    with pytest.raises(InputError) as error:
        ChipConfig().override(**changes)
    start, dots, end = message.partition(" .* ")
    assert str(error.value) == message or (dots and str(error.value).startswith(start))
    assert str(error.value).endswith(end)


@pytest.mark.parametrize(
    "changes",
    [
        {"engines": 1},
        {"engines": 16},
        {"bus_bits": 64},
        {"bus_bits": 512},
        {"bus_bits": 1024, "columns": 128},
        {"bus_bits": 1024, "columns": 1024, "update_rank": 8},
        {"buffer_bytes": 2048},
        {"address_bits": 32},
        {"address_bits": 64},
        {"buffer_bytes": 1 << 26},
        {"update_rank": 8, "buffer_bytes": 4096},
        {"token_scale_bits": 8, "alibi": True},
        {"token_scale_bits": 1, "update_rank": 8},
        {"columns": 512, "bus_bits": 256},
    ],
)
def test_the_limits_themselves_are_accepted(changes):
    assert {name: value for name, value in ChipConfig().override(**changes).as_dict().items() if name in changes} == (
        changes
    )


ENGINES = [
    Config(
        rows=8,
        columns=operand * rank * units,
        softmax_lanes=2,
        operand_bits=operand,
        update_rank=rank,
        output_bits=output,
        flush=2,
    )
    for operand, rank, units, output in product((4, 8), (1, 2, 4, 8), (1, 2, 3, 4, 6, 8, 16), (8, 16))
]
BUSES = (64, 128, 256, 512, 1024)


def block_bytes(engine):
    return 2 * engine.update_rank * engine.columns * engine.operand_bits // 8


def possible(engine, engines, buffer_bytes, bus_bits, address_bits=32):
    """The rules once more, in other words."""
    return (
        engines in (1, 2, 4, 8, 16)
        and address_bits in range(32, 65)
        and bus_bits in BUSES
        and engine.units * engine.output_bits <= bus_bits
        and engine.columns * engine.operand_bits in [n * bus_bits for n in range(1, 129)]
        and buffer_bytes in [block_bytes(engine) << n for n in range(2, 27)]
        and buffer_bytes <= 1 << 26
    )


PAIRS = [pair for pair in product(ENGINES, BUSES) if possible(pair[0], 1, 4 * block_bytes(pair[0]), pair[1])]


@st.composite
def possible_parameters(draw):
    engine, bus = draw(st.sampled_from(PAIRS))
    sizes = [block_bytes(engine) << n for n in range(2, 27) if block_bytes(engine) << n <= 1 << 26]
    engines, size = draw(st.sampled_from([1, 2, 4, 8, 16])), draw(st.sampled_from(sizes))
    bits = draw(st.integers(32, 64))
    return {"engine": engine, "engines": engines, "buffer_bytes": size, "bus_bits": bus, "address_bits": bits}


@st.composite
def parameters(draw):
    """A possible chip with up to two parameters changed, seldom for the better."""
    values = draw(possible_parameters())
    half = block_bytes(values["engine"]) // 2
    others = {
        "engine": st.sampled_from(ENGINES),
        "engines": st.integers(-1, 33),
        "buffer_bytes": st.integers(-5, 70).map(lambda n: n * half) | st.integers(0, 28).map(lambda n: half << n),
        "bus_bits": st.sampled_from([0, 32, 96, 192, 2048, *BUSES]),
        "address_bits": st.integers(30, 66),
    }
    for name in draw(st.lists(st.sampled_from(list(others)), max_size=2, unique=True)):
        values[name] = draw(others[name])
    return values


@given(parameters())
def test_a_chip_is_accepted_if_and_only_if_the_rules_hold(values):
    try:
        ChipConfig(**values)
    except InputError:
        assert not possible(**values)
    else:
        assert possible(**values)


@given(possible_parameters())
def test_what_follows_from_a_chip_fits_together(values):
    chip = ChipConfig(**values)
    engine = chip.engine
    assert 8 * chip.bus_bytes == chip.bus_bits
    assert chip.alignment == (8 if chip.bus_bytes == 8 else 16)
    assert 8 * chip.vector_bytes == engine.columns * engine.operand_bits
    assert 8 * chip.output_bytes == engine.columns * engine.output_bits
    assert chip.block_bytes == 2 * engine.update_rank * chip.vector_bytes
    assert chip.buffer_blocks * chip.block_bytes == chip.buffer_bytes
    assert chip.buffer_blocks in [1 << n for n in range(2, 27)]
    # Vectors and output rows are whole beats.
    assert chip.vector_bytes % chip.bus_bytes == chip.output_bytes % chip.bus_bytes == 0
    assert chip.output_beat_bits * engine.block_cycles == 8 * chip.output_bytes


@given(possible_parameters())
def test_a_chip_by_name_is_the_same_chip(values):
    chip = ChipConfig(**values)
    assert chip_from_dict(chip.as_dict()) == chip
    assert chip_from_dict(json.loads(json.dumps(chip.as_dict()))) == chip
    assert chip.override() == chip
    assert PRESETS["tiny"].override(**chip.as_dict()) == chip
    own, engine = split(chip.as_dict())
    assert ChipConfig(engine=Config(**engine), **own) == chip


def test_the_parameters_are_the_chips_own_and_those_of_its_engine():
    chip = PRESETS["tiny"]
    engine = [item.name for item in fields(Config)]
    assert list(chip.as_dict()) == [*OWN, *engine]
    assert [chip.as_dict()[name] for name in OWN] == [2, 2, 1, 2048, 64, 1, 32]
    assert {name: chip.as_dict()[name] for name in engine} == chip.engine.as_dict()
    assert chip_from_dict({}) == ChipConfig()
    assert chip_from_dict({"rows": 16, "engines": 2}) == ChipConfig(engine=Config(rows=16), engines=2)


def test_override_changes_chip_and_engine_and_nothing_else():
    chip = PRESETS["small"]
    changed = chip.override(engines=8, words=2, bus_bits=256)
    assert changed == ChipConfig(engine=chip.engine.override(words=2), engines=8, buffer_bytes=1 << 16, bus_bits=256)
    assert chip == PRESETS["small"] == chip.override(engines=4)
    with pytest.raises(FrozenInstanceError):
        chip.engines = 2


@pytest.mark.parametrize(
    ("name", "near"),
    [
        *(("colour", ""), ("", "")),
        *(("engine", "engines"), ("Engines", "engines"), ("bus_bytes", "bus_bits"), ("bufer_bytes", "buffer_bytes")),
    ],
)
def test_an_unknown_name_is_refused(name, near):
    hint = f" (did you mean {near}?)" if near else ""
    known = ", ".join([*OWN, *(item.name for item in fields(Config))])
    for take in (ChipConfig().override, lambda **values: chip_from_dict(values), lambda **values: split(values)):
        with pytest.raises(InputError) as error:
            take(**{"rows": 8, name: 3})
        assert str(error.value) == f"unknown configuration key{hint}: the keys are {known}, not {name}"


def test_split_takes_the_chips_own_values_from_the_engines():
    assert split({}) == ({}, {})
    assert split({"rows": 8, "bus_bits": 64, "seed": True, "engines": 2}) == (
        {"engines": 2, "bus_bits": 64},
        {"rows": 8, "seed": True},
    )
