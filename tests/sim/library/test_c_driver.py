"""The C driver runs the chip that is a library: every bit as the golden model, and how it says what is wrong."""

import ctypes
import re
import subprocess
from dataclasses import replace

import numpy as np
import pytest
from tests.hw.chip.software.compiled import STRICT, Handle, Outcome, compile_c, written

from fusioncim.chip.software.driver_files import EXAMPLE
from fusioncim_golden import job as golden
from fusioncim_golden.descriptor import Sequence
from fusioncim_golden.lse import log_sum_exp
from fusioncim_golden.mask import Mask
from fusioncim_golden.presets import PRESETS
from fusioncim_golden.quantize import Heads, from_integers
from fusioncim_golden.status import Status
from fusioncim_sim.library.build import HEADER, build_library
from fusioncim_sim.rtl.chip_run import ChipJob
from fusioncim_sim.rtl.job_places import LINE_BYTES, Paging
from fusioncim_sim.rtl.job_writer import placed

TINY = PRESETS["tiny"]
ACCESS = """
#include <stdint.h>
#include "fusioncim_model.h"
static inline uint32_t model_read(uintptr_t base, uint32_t offset)
{
    uint32_t word = 0;
    if (base != 0u && fusioncim_model_read((fusioncim_model *)base, offset, &word) != 0) {
        word = 0xffffffffu;
    }
    return word;
}
static inline void model_write(uintptr_t base, uint32_t offset, uint32_t value)
{
    (void)fusioncim_model_write((fusioncim_model *)base, offset, value);
}
#define FUSIONCIM_READ(base, offset) model_read((base), (offset))
#define FUSIONCIM_WRITE(base, offset, value) model_write((base), (offset), (value))
#define FUSIONCIM_PAUSE(base) (void)fusioncim_model_run((fusioncim_model *)(base), 100)
"""
HOST = """
#include <stdio.h>
#include "host.h"
fusioncim_model *host_model;
uint8_t host_memory[HOST_BYTES];
int main(int count, char **names)
{
    FILE *file = fopen(names[1], "wb");
    int result;
    if (!file) return 9;
    host_model = fusioncim_model_open(NULL);
    if (!host_model || fusioncim_model_map(host_model, HOST_ADDRESS, host_memory, HOST_BYTES)) return 9;
    result = example_main();
    fwrite(host_memory, HOST_BYTES, 1, file);
    fclose(file);
    fusioncim_model_close(host_model);
    return count == 2 ? result : 9;
}
"""
HOST_ADDRESS, HOST_BYTES = 0x80100000, 0x1000
HOST_HEADER = f"""
#define HOST_ADDRESS {HOST_ADDRESS:#x}u
#define HOST_BYTES {HOST_BYTES}u
extern fusioncim_model *host_model;
extern uint8_t host_memory[HOST_BYTES];
int example_main(void);
#define REGISTERS ((uintptr_t)host_model)
#define MEMORY_BYTES host_memory
"""
DONE, NO_CHIP, OTHER_CONFIGURATION, JOB_FAILED, TIMEOUT = 0, 1, 3, 7, 8
POLLS = 1000


@pytest.fixture(scope="module")
def model():
    return build_library(TINY).resolve()


def linked(place, chip, library, *options):
    """The driver of a chip, linked to the library of one; options: what is linked besides, and the name."""
    sources = written(place, chip)
    (place / "access.h").write_text(ACCESS, encoding="utf-8")
    place_of_library = ("-I", HEADER.parent, "-include", "access.h")
    link = (library, f"-Wl,-rpath,{library.parent}")
    compile_c("gcc", *STRICT, *place_of_library, *options, *sources, *link, place=place)


def driver_of(place, chip, library):
    """The driver as a library for Python."""
    linked(place, chip, library, "-shared", "-fPIC", "-o", "driver.so")
    this = ctypes.CDLL(str(place / "driver.so"))
    this.fusioncim_model_open.restype = ctypes.c_void_p
    this.fusioncim_status_words.restype = this.fusioncim_result_words.restype = ctypes.c_char_p
    this.fusioncim_take_interrupts.restype = ctypes.c_uint32
    return this


@pytest.fixture(scope="module")
def driver(tmp_path_factory, model):
    return driver_of(tmp_path_factory.mktemp("driver"), TINY, model)


class Session:
    """A model with memory, and the driver's handle of it."""

    def __init__(self, driver, memory):
        self.driver, self.handle = driver, Handle()
        self.model = ctypes.c_void_p(driver.fusioncim_model_open(None))
        self.map(memory, 0)

    def map(self, memory, base):
        place, size = ctypes.c_void_p(memory.ctypes.data), ctypes.c_uint64(memory.size)
        assert self.driver.fusioncim_model_map(self.model, ctypes.c_uint64(base), place, size) == 0

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.driver.fusioncim_model_close(self.model)

    def call(self, name, *values):
        return getattr(self.driver, f"fusioncim_{name}")(ctypes.byref(self.handle), *values)

    def connect(self, polls=POLLS):
        return self.call("connect", self.model, polls)

    def submit(self, address):
        number = ctypes.c_uint32()
        assert self.call("submit", ctypes.c_uint64(address), ctypes.byref(number)) == DONE
        return number.value

    def wait(self, number):
        outcome = Outcome()
        result = self.call("wait", number, ctypes.byref(outcome))
        return result, Status(outcome.status), outcome.sequence


def heads(kv_heads=2, group=2, queries=7, keys=21):
    generator = np.random.default_rng(3)
    shapes = (group, queries, 16), (keys, 16), (keys, 16)
    return [
        from_integers(*(generator.integers(-127, 128, shape) for shape in shapes), scale_q=1 / 127, scale_k=4 / 127)
        for _ in range(kv_heads)
    ]


BATCH = (Sequence(queries=4, keys=8, start=4), Sequence(queries=3, keys=13, first_row=4, first_key=8, start=10))
JOBS = {
    "causal": ChipJob(groups=heads(), lse=True),
    "window": ChipJob(groups=heads(), mask=Mask(window=5), layout="token", gap=16),
    "batch in pages": ChipJob(groups=heads(), sequences=BATCH, paging=Paging(tokens=4)),
}


def test_jobs_of_all_kinds_give_the_golden_bits(driver):
    """One behind the other; all counters are read."""
    memory, images = np.zeros(1 << 17, np.uint8), []
    for job in JOBS.values():
        images.append(job.place(TINY, memory, images[-1].end if images else 0))
    with Session(driver, memory) as session:
        assert session.connect() == DONE
        session.call("clear_counters")
        numbers = [session.submit(image.address) for image in images]
        assert [session.wait(number) for number in numbers] == [(DONE, Status.OK, 0)] * len(images)
        counted = (ctypes.c_uint64 * 32)()
        session.call("read_counters", counted)
    for job, image in zip(JOBS.values(), images, strict=True):
        wanted, lse = job.result(TINY), image.lse(memory)
        assert np.array_equal(image.outputs(memory), wanted.out)
        assert lse is None or np.array_equal(lse, wanted.lse)
    busy, macs = counted[0], counted[1]
    assert busy > 100
    assert sum(counted[1:7]) == busy * TINY.engines
    assert macs > 0


def test_a_failed_job_and_sequence_are_named(driver):
    memory = np.zeros(1 << 17, np.uint8)
    job = JOBS["batch in pages"]
    image = job.place(TINY, memory, 0)
    second = replace(BATCH[1], first_row=2)
    bad = replace(image.work, sequences=(BATCH[0], second))
    for address, data in placed(bad, image.address).items():
        memory[address : address + len(data)] = np.frombuffer(data, np.uint8)
    with Session(driver, memory) as session:
        assert session.connect() == DONE
        assert session.wait(session.submit(image.address)) == (JOB_FAILED, Status.SEQUENCE, 1)
        assert session.wait(session.submit(0)) == (JOB_FAILED, Status.SIZE, 0)


def test_a_memory_that_ends_before_the_output_fails_the_job(driver):
    """The driver tells before; who does not ask gets a status from the chip."""
    memory = np.zeros(1 << 17, np.uint8)
    image = JOBS["causal"].place(TINY, memory, 0)
    record = bytes(memory[image.address : image.address + 256])
    end = image.descriptor.o.address
    lent = (ctypes.c_uint64 * 3)(memory.ctypes.data, 0, end)
    outside = driver.fusioncim_check_memory(lent, record)
    assert driver.fusioncim_result_words(outside) == b"a tensor or table does not lie in the memory"
    with Session(driver, memory[:end]) as session:
        session.map(memory[end + LINE_BYTES :], end + LINE_BYTES)
        assert session.connect() == DONE
        result, status, _ = session.wait(session.submit(image.address))
        assert (result, status) == (JOB_FAILED, Status.WRITE_ERROR)
        assert driver.fusioncim_status_words(status) == b"a write to memory failed"


def test_no_chip_and_another_chip_are_refused(driver, model, tmp_path):
    memory = np.zeros(1 << 12, np.uint8)
    with Session(driver, memory) as session:
        assert session.call("connect", ctypes.c_void_p(0), POLLS) == NO_CHIP
    other = driver_of(tmp_path, TINY.override(engines=1, streams=1), model)
    with Session(other, memory) as session:
        assert session.connect() == OTHER_CONFIGURATION
        assert other.fusioncim_result_words(OTHER_CONFIGURATION).startswith(b"the chip was generated from another")


def test_waits_have_a_limit_and_jobs_can_be_aborted(driver):
    memory = np.zeros(1 << 17, np.uint8)
    image = JOBS["causal"].place(TINY, memory, 0)
    with Session(driver, memory) as session:
        assert session.connect(2) == DONE
        number = session.submit(image.address)
        assert session.wait(number)[0] == TIMEOUT
        session.handle.polls = POLLS
        assert session.wait(number) == (DONE, Status.OK, 0)
        number = session.submit(image.address)
        assert session.call("abort") == DONE
        assert session.wait(number) == (JOB_FAILED, Status.ABORTED, 0)
        assert session.wait(session.submit(image.address)) == (DONE, Status.OK, 0)


def test_an_interrupt_tells_the_end(driver):
    memory = np.zeros(1 << 17, np.uint8)
    image = JOBS["causal"].place(TINY, memory, 0)
    with Session(driver, memory) as session:
        assert session.connect() == DONE
        session.call("enable_interrupts", 1)
        number = session.submit(image.address)
        assert driver.fusioncim_model_run(session.model, ctypes.c_uint64(100_000)) == 1
        assert session.call("take_interrupts") == 1
        assert driver.fusioncim_model_run(session.model, ctypes.c_uint64(10)) == 0
        session.handle.polls = 1
        assert session.wait(number) == (DONE, Status.OK, 0)


def test_the_example_runs_and_says_what_came_out(model, tmp_path):
    for name, text in (("host.h", HOST_HEADER), ("access.h", ACCESS)):
        (tmp_path / name).write_text(text, encoding="utf-8")
    written(tmp_path, TINY)
    include = ("-I", HEADER.parent, "-include", "access.h", "-include", "host.h")
    compile_c("gcc", *STRICT, *include, "-Dmain=example_main", "-c", "-o", "example.o", EXAMPLE.name, place=tmp_path)
    (tmp_path / "host.c").write_text(HOST, encoding="utf-8")
    linked(tmp_path, TINY, model, "-o", "program", "host.c", "example.o")
    done = subprocess.run([tmp_path / "program", tmp_path / "memory"], capture_output=True, encoding="utf-8")
    assert (done.returncode, done.stderr) == (0, "")
    memory = np.fromfile(tmp_path / "memory", np.uint8)
    wanted = golden_of(memory)
    assert np.array_equal(memory[0x380:0x400].view("<i2").reshape(8, 8), wanted.out[0])
    assert np.array_equal(memory[0x400:0x420].view("<u4"), wanted.lse[0])
    lines = done.stdout.splitlines()
    assert len(lines) == 9
    for n, line in enumerate(lines[:8]):
        values, _, lse = line.removeprefix(f"query {n}: ").partition(", log-sum-exp ")
        assert values == " ".join(f"{element * 7 / 127 / 256:.2f}" for element in wanted.out[0, n])
        assert lse == f"{log_sum_exp(wanted.lse[0, n]):.3f}"
    assert re.fullmatch(r"[1-9]\d+ cycles, 0 elements wrong, largest error 0\.0\d+", lines[8])


def golden_of(memory):
    """What the golden model makes of the operands of the example."""
    vectors = memory[0x200:0x380].reshape(3, 8, 16)[:, :, :8].view(np.int8).astype(np.int64)
    word = np.full((1, 8), int(memory[0x100:0x104].view("<u4")[0]))
    scales = {"scale_q": np.ones((1, 8)), "scale_k": 1.0, "scale_v": 1.0, "softmax_scale": 1.0}
    heads = Heads(q=vectors[:1], k=vectors[1], v=vectors[2], mantissa=word & 255, shift=word >> 8, **scales)
    return golden.run(TINY, [heads], start=0)
