"""The library of a chip through its C interface: what it answers, and what it refuses."""

import asyncio
import subprocess

import numpy as np
import pytest

from fusioncim.chip.registers import registers
from fusioncim.package import to_toml
from fusioncim_golden.errors import InputError
from fusioncim_golden.presets import PRESETS
from fusioncim_golden.quantize import from_integers
from fusioncim_golden.status import Status
from fusioncim_sim.library.binding import ChipModel, ModelError, Registers
from fusioncim_sim.library.build import HEADER, build_library
from fusioncim_sim.rtl.chip_run import ChipJob
from fusioncim_sim.rtl.driver import Driver
from fusioncim_sim.rtl.job_places import LINE_BYTES
from fusioncim_sim.rtl.job_queue import run_all

pytestmark = pytest.mark.timeout(1200)  # it may compile a chip

TINY, SMALL = PRESETS["tiny"], PRESETS["small"]
ID = registers()["ID"]


@pytest.fixture(scope="module")
def library():
    return build_library(TINY)


@pytest.fixture
def model(library):
    with ChipModel(library, TINY) as found:
        yield found


def test_registers_are_read_and_written(model):
    assert model.read(ID.offset) == next(iter(ID.fields.values())).reset
    enable = registers()["IRQ_ENABLE"].offset
    model.write(enable, 3)
    assert model.read(enable) == 3
    assert not model.error


def test_a_register_that_is_none_is_refused(model):
    for access in (model.read, lambda offset: model.write(offset, 1)):
        with pytest.raises(ModelError, match="there is no such register at the offset 4092"):
            access(4092)
        for offset in (2, 4096):
            with pytest.raises(ModelError, match=f"offset must be a multiple of 4 below 4096, not {offset}"):
                access(offset)


def test_the_clock_runs_for_so_many_cycles(model):
    assert model.cycles == 0
    assert not model.run(100)
    assert model.cycles == 100
    assert not model.run(0)
    assert model.cycles == 100


MAPS = {
    "base": (8, 4, "base must be a multiple of 8, not 4"),
    "bytes": (12, 0, "bytes must be a multiple of 8 above 0, not 12"),
    "nothing": (0, 0, "bytes must be a multiple of 8 above 0, not 0"),
    "end": (16, (1 << 32) - 8, r"a map must end within 32 bits of address, not at 4294967288 \+ 16"),
    "far": (8, 1 << 40, "a map must end within 32 bits"),
    "huge": (8, 1 << 64, r"base must be from 0 to 2\*\*64 - 1"),
    "inside": (8, 4104, "a map must not overlap another, as that at 4104 does"),
    "around": (1 << 14, 0, "a map must not overlap another, as that at 0 does"),
    "over the end": (64, 8184, "a map must not overlap another"),
}


@pytest.mark.parametrize("name", MAPS)
def test_a_map_that_cannot_be_is_refused(model, name):
    size, base, said = MAPS[name]
    model.map(4096, 4096)
    with pytest.raises(InputError, match=said):
        model.map(size, base)
    model.map(4096, 8192)
    model.map(4096, 0)
    model.map(8, (1 << 32) - 8)


def test_a_memory_that_cannot_be_is_refused(model):
    with pytest.raises(InputError, match="latency must be at least 2, not 1"):
        model.memory(latency=1)
    for share in (0.0, 1.5, float("nan")):
        with pytest.raises(InputError, match="share must be above 0 and at most 1"):
            model.memory(share=share)
    with pytest.raises(InputError, match="must be a contiguous array of uint8"):
        model.map(np.zeros(8, np.int16))


def test_a_library_of_another_chip_is_refused(library, tmp_path):
    with pytest.raises(InputError, match=r"the library must be built for engines = 4, not for 2: .*so"):
        ChipModel(library, SMALL)
    with pytest.raises(InputError, match="must be a file, not"):
        ChipModel(tmp_path / "none.so", TINY)
    (tmp_path / "text.so").write_text("x", encoding="utf-8")
    with pytest.raises(InputError, match="must be one that build-model wrote"):
        ChipModel(tmp_path / "text.so", TINY)
    with ChipModel(library) as model:
        assert model.chip == TINY


def test_a_trace_needs_a_library_that_has_one(library, tmp_path):
    with pytest.raises(InputError, match=r"a trace needs a library built with --trace, not this one: .*new\.fst"):
        ChipModel(library, TINY, trace=tmp_path / "new.fst")


def test_a_closed_model_is_refused(library):
    model = ChipModel(library, TINY)
    model.close()
    model.close()
    with pytest.raises(ModelError, match="the model is closed"):
        model.run(1)


def small_job():
    rng = np.random.default_rng(1)
    operands = (rng.integers(-127, 128, shape) for shape in ((1, 6, 16), (9, 16), (9, 16)))
    return ChipJob(groups=[from_integers(*operands, scale_q=1 / 127, scale_k=4 / 127)])


@pytest.mark.parametrize(("tensor", "status"), [("", Status.OK), ("k", Status.READ_ERROR), ("o", Status.WRITE_ERROR)])
def test_a_map_that_ends_before_a_tensor_fails_the_job(model, tensor, status):
    """A map ends where the tensor begins; the next one begins a line behind that."""
    job, memory = small_job(), np.zeros(1 << 16, np.uint8)
    image = job.place(TINY, memory, 0)
    if tensor:
        begin = getattr(image.descriptor, tensor).address
        model.map(memory[:begin])
        model.map(memory[begin + LINE_BYTES :], begin + LINE_BYTES)
    else:
        model.map(memory)
    driver = Driver(Registers(model, limit=20_000), TINY)
    assert asyncio.run(run_all(driver, [image.address])) == [(status, 0)]
    if tensor:
        met = int(model.error.removeprefix("the chip met no memory at the address 0x"), 16)
        assert begin <= met < begin + LINE_BYTES
    else:
        assert np.array_equal(image.outputs(memory), job.golden(TINY))


def test_a_wait_has_a_limit(library):
    with ChipModel(library, TINY) as model:
        registers_of = Registers(model, cycles=10, limit=100)

        async def wait():
            while True:
                await registers_of.pause()

        with pytest.raises(ModelError, match="the chip still works after 100 cycles"):
            asyncio.run(wait())


PROGRAM = """
#include <stdio.h>
#include "fusioncim_model.h"
int main(int count, char **names) {
  uint32_t word = 0;
  fusioncim_model *model = fusioncim_model_open(count > 1 ? names[1] : NULL);
  if (!model) return puts(fusioncim_model_error(NULL)), 2;
  if (fusioncim_model_read(model, 0, &word)) return puts(fusioncim_model_error(model)), 1;
  printf("%x %d ", word, fusioncim_model_run(model, 5));
  printf("%d\\n%s", fusioncim_model_read(model, 3, &word), fusioncim_model_config());
  fusioncim_model_close(model);
  return 0;
}
"""


def test_a_program_in_c_is_linked_to_the_library(library, tmp_path):
    (tmp_path / "main.c").write_text(PROGRAM, encoding="utf-8")
    options = ["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", "-I", HEADER.parent, "-o", tmp_path / "main"]
    link = [library, f"-Wl,-rpath,{library.parent.resolve()}"]
    subprocess.run(["gcc", *options, tmp_path / "main.c", *link], check=True)
    shown = subprocess.run([tmp_path / "main"], check=True, capture_output=True, encoding="utf-8").stdout
    first, _, config = shown.partition("\n")
    assert first == f"{next(iter(ID.fields.values())).reset:x} 0 -1"
    assert config == to_toml(TINY.as_dict())
    refused = subprocess.run([tmp_path / "main", "new.fst"], capture_output=True, encoding="utf-8")
    assert (refused.returncode, refused.stdout) == (
        2,
        "a trace needs a library built with --trace, not this one: new.fst\n",
    )


def test_two_models_of_a_process_are_independent(library):
    with ChipModel(library, TINY) as first, ChipModel(library, TINY) as second:
        first.run(10)
        second.write(registers()["IRQ_ENABLE"].offset, 1)
        assert first.read(registers()["IRQ_ENABLE"].offset) == 0
        assert second.cycles < first.cycles


# A memory that disturbs.


def outcome(model, image, *, limit=60_000):
    """How a job ends, and the cycles until then."""
    begin = model.cycles
    driver = Driver(Registers(model, limit=begin + limit), TINY)
    (found,) = asyncio.run(run_all(driver, [image.address]))
    return found, model.cycles - begin


@pytest.mark.parametrize(
    ("tensor", "directions", "status"),
    [("k", 1, Status.READ_ERROR), ("o", 2, Status.WRITE_ERROR), ("k", 2, Status.OK), ("o", 1, Status.OK)],
)
def test_beats_fail_in_the_directions_that_are_said(model, tensor, directions, status):
    job, memory = small_job(), np.zeros(1 << 16, np.uint8)
    image = job.place(TINY, memory, 0)
    model.map(memory)
    place = getattr(image.descriptor, tensor).address + 9
    model.fault(place, 1, response=3, directions=directions)
    assert outcome(model, image)[0] == (status, 0)
    if tensor == "o" and status != Status.OK:
        assert not memory[place - 1 : place + 7].any()
    model.no_fault()
    assert outcome(model, image)[0] == (Status.OK, 0)
    assert np.array_equal(image.outputs(memory), job.golden(TINY))


def test_pauses_change_cycles_and_no_bit(model):
    job, memory = small_job(), np.zeros(1 << 16, np.uint8)
    image = job.place(TINY, memory, 0)
    model.map(memory)
    taken = []
    for part in (0.0, 0.5, 0.9):
        image.clear_outputs(memory)
        model.pauses(seed=3, part=part, length=4)
        status, cycles = outcome(model, image)
        taken.append(cycles)
        assert status == (Status.OK, 0)
        assert np.array_equal(image.outputs(memory), job.golden(TINY))
    assert taken[0] < taken[1] < taken[2]


def test_a_reset_goes_on_with_the_same_memory(model):
    """A bus that stands still, and then a reset in the middle of bursts."""
    job, memory = small_job(), np.zeros(1 << 16, np.uint8)
    image = job.place(TINY, memory, 0)
    model.map(memory)
    asyncio.run(Driver(Registers(model), TINY).submit(image.address))
    model.run(200)
    model.pauses(part=1.0)
    before = memory.copy()
    model.run(1000)
    assert np.array_equal(memory, before)
    model.pauses()
    cycles = model.cycles
    model.reset()
    assert model.cycles > cycles
    assert model.read(registers()["JOBS_SUBMITTED"].offset) == 0
    assert outcome(model, image)[0] == (Status.OK, 0)
    assert np.array_equal(image.outputs(memory), job.golden(TINY))


def test_a_disturbance_that_cannot_be_is_refused(model):
    for part, length, said in ((1.5, 1, "part must be from 0 to 1"), (0.5, 0, "length must be at least 1")):
        with pytest.raises(InputError, match=said):
            model.pauses(part=part, length=length)
    with pytest.raises(InputError, match="response must be 2 or 3"):
        model.fault(0, 8, response=1)
    with pytest.raises(InputError, match="directions must be from 1 to 3, not 4"):
        model.fault(0, 8, directions=4)
