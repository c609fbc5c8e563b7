"""The self-checking benches: they pass with every reset, and fail where something is wrong."""

import pytest
from tests.hw.integration.delivered import CHIP, ENGINE, delivered, simulated, written

from fusioncim.verilog.reset import Reset


@pytest.mark.parametrize("reset", Reset)
def test_an_engine_passes_with_every_reset(reset, tmp_path):
    written(tmp_path, delivered(ENGINE, "a_", reset))
    output, status = simulated(tmp_path, "a_engine", "a_engine_tb")
    assert output.startswith("PASS: a_engine, 96 beats of the golden model, ")
    assert status == 0


def test_a_chip_with_two_read_ports_passes(tmp_path):
    written(tmp_path, delivered(CHIP.override(read_ports=2)))
    output, status = simulated(tmp_path, "chip", "chip_tb")
    assert output.startswith("PASS: chip, 128 words of memory as the golden model leaves them, ")
    assert status == 0


CHIP_FAULTS = {
    "an output that differs": ("chip_tb_after.hex", "the memory differs from the golden model"),
    "a job that is none": ("chip_tb_before.hex", "the job ended badly"),
}


@pytest.mark.parametrize("case", CHIP_FAULTS)
def test_a_chip_that_differs_fails(case, tmp_path):
    files = delivered(CHIP)
    name, said = CHIP_FAULTS[case]
    lines = files[name].decode().splitlines()
    if case == "a job that is none":  # the fields behind the addresses of its record
        record = record_of(files) // CHIP.bus_bytes
        lines[record + 10 : record + 24] = ["0" * len(lines[0])] * 14
    else:
        place = next(n for n, (old, new) in enumerate(zip(before(files), lines, strict=True)) if old != new)
        lines[place] = before(files)[place]
    written(tmp_path, {**files, name: "".join(f"{line}\n" for line in lines).encode()})
    output, status = simulated(tmp_path, "chip", "chip_tb")
    assert f"FAIL: {said}\n" in output
    assert status


def before(files):
    return files["chip_tb_before.hex"].decode().splitlines()


def record_of(files):
    """Address of the record, as the bench pushes it."""
    text = files["chip_tb.sv"].decode()
    return int(text.split("write(12'h100, 32'h")[1].split(")")[0], 16)


def test_a_reset_that_waits_for_the_clock_is_found(tmp_path):
    asynchronous = delivered(ENGINE, reset=Reset.ACTIVE_LOW_ASYNC)
    written(tmp_path, asynchronous | {"engine.v": delivered(ENGINE, reset=Reset.ACTIVE_LOW_SYNC)["engine.v"]})
    output, status = simulated(tmp_path, "engine", "engine_tb")
    assert output.startswith("FAIL: the reset waits for the clock")
    assert status


def test_a_reset_of_the_other_level_is_found(tmp_path):
    files = delivered(ENGINE, reset=Reset.ACTIVE_LOW_SYNC)
    text = files["engine.v"].replace(b"wire rst = !aresetn;", b"wire rst = aresetn;")
    assert text != files["engine.v"]
    written(tmp_path, files | {"engine.v": text})
    output, status = simulated(tmp_path, "engine", "engine_tb")
    assert output.startswith("FAIL: a valid is high during reset")
    assert status
