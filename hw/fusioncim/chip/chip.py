"""The whole chip: N hybrid engines, global buffer, broadcast network, scheduler, and the edge of AXI ports.

    HostInterface     registers, job queue, results, interrupt, counters       AXI4-Lite slave
    DescriptorChecker, JobTable, Planner                                       the top scheduler
    QueryLoader       rows of Q to the engines                                 AXI4 master
    KvFetcher         blocks of K and V to the global buffer                   AXI4 master, or two
    OutputWriter      rows of O to memory                                      AXI4 master
    WriteGuard        every write is inside of the outputs of its job
    Realigner, GlobalBuffer, Network, Engine x N                               the data path

Reads and writes are of one ID each, in order. An abort lets what is outstanding on the bus finish, then clears
everything but the host interface. So does a bus that answers what was not asked, or that stands still for too long.
"""

from amaranth.hdl import Cat, ClockDomain, ClockSignal, DomainRenamer, Module, Mux, ResetSignal, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from fusioncim.chip.axi import (
    MEMORY,
    VALUES,
    ReadMaster,
    WriteMaster,
    answer_layout,
    connect_ports,
    memory_beat_layout,
    read_members,
    read_request_layout,
    write_data_layout,
    write_members,
    write_request_layout,
)
from fusioncim.chip.counters import EVENT_BITS, increments_layout
from fusioncim.chip.descriptor import record_layout, result_layout
from fusioncim.chip.descriptor_checker import DescriptorChecker
from fusioncim.chip.global_buffer import GlobalBuffer
from fusioncim.chip.host_interface import HostInterface
from fusioncim.chip.job_table import JobTable, write_tag_layout
from fusioncim.chip.kv_fetcher import KvFetcher
from fusioncim.chip.network import Network
from fusioncim.chip.output_writer import OutputWriter
from fusioncim.chip.planner import Planner
from fusioncim.chip.query_loader import QueryLoader
from fusioncim.chip.read_arbiter import ReadArbiter, ReadKind, read_tag_layout
from fusioncim.chip.realigner import Realigner
from fusioncim.chip.registers import axil_members
from fusioncim.chip.stall_watch import StallWatch
from fusioncim.chip.unpacker import Unpacker
from fusioncim.chip.write_guard import WriteGuard
from fusioncim.engine.engine import Engine
from fusioncim.engine.kv_buffer import pair_layout
from fusioncim.lib.arith import tree_sum
from fusioncim.verilog.emit import once
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.limits import INTERVAL_BYTES

PORTS = {
    "s_axil_aw": "Control, AXI4-Lite: write address. The registers are in fusioncim_registers.md.",
    "s_axil_w": "Control, AXI4-Lite: write data.",
    "s_axil_b": "Control, AXI4-Lite: write response; SLVERR where no register can be written.",
    "s_axil_ar": "Control, AXI4-Lite: read address.",
    "s_axil_r": "Control, AXI4-Lite: read data; SLVERR where no register is.",
    "m_axi_ar": "Memory, AXI4: read address of scales, queries, keys and values.",
    "m_axi_r": "Memory, AXI4: read data, always taken.",
    "m_axi_aw": "Memory, AXI4: write address of outputs.",
    "m_axi_w": "Memory, AXI4: write data.",
    "m_axi_b": "Memory, AXI4: write response, always taken.",
    "irq": "Interrupt: a job ended, or ended badly, as enabled in IRQ_ENABLE.",
}
"""What the ports of a chip are for, by how their names begin."""
VALUE_PORTS = {
    "m_axi_v_ar": "Memory, AXI4: read address of values.",
    "m_axi_v_r": "Memory, AXI4: read data of values, always taken.",
}
"""The same of the second read port."""


class Core(wiring.Component):
    """Everything between the host interface and the bus masters.

    Members:
        i_job: places of jobs.
        o_result: how they ended, in order.
        o_read, beat_valid, beat: to and from the read master of every port.
        o_write, o_data, answer_valid, answer: to and from the write master.
        events: for the counters, bytes_output excepted.
    """

    def __init__(self, config: ChipConfig) -> None:
        self.config = config
        tag = read_tag_layout(config)
        super().__init__(
            {
                "i_job": In(stream.Signature(record_layout(config))),
                "o_result": Out(stream.Signature(result_layout())),
                "o_read": Out(stream.Signature(read_request_layout(config, tag))).array(config.read_ports),
                "beat_valid": In(1).array(config.read_ports),
                "beat": In(memory_beat_layout(config, tag)).array(config.read_ports),
                "o_write": Out(stream.Signature(write_request_layout(config, write_tag_layout()))),
                "o_data": Out(stream.Signature(write_data_layout(config))),
                "answer_valid": In(1),
                "answer": In(answer_layout(write_tag_layout())),
                "events": Out(increments_layout()),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        chip = self.config
        checker, table, planner = DescriptorChecker(chip), JobTable(chip), Planner(chip)
        loader, fetcher, arbiter = QueryLoader(chip), KvFetcher(chip), ReadArbiter(chip)
        realigners = [Realigner(chip) for _ in range(chip.read_ports)]
        unpackers = [Unpacker(chip) for _ in realigners] if chip.packs else []
        buffer, network, writer, guard = GlobalBuffer(chip), Network(chip), OutputWriter(chip), WriteGuard(chip)
        engines = [Engine(chip.engine) for _ in range(chip.engines)]
        units = {"checker": checker, "job_table": table, "planner": planner, "query_loader": loader}
        units |= {"kv_fetcher": fetcher, "read_arbiter": arbiter, "global_buffer": buffer, "network": network}
        units |= {
            **{("realigner", "realigner_v")[n]: realigner for n, realigner in enumerate(realigners)},
            **{("unpacker", "unpacker_v")[n]: unpacker for n, unpacker in enumerate(unpackers)},
            "output_writer": writer,
            "write_guard": guard,
            **{f"engine_{n}": engine for n, engine in enumerate(engines)},
        }
        for name, unit in units.items():
            m.submodules[name] = once(platform, unit)

        # All but values comes at the first port.
        first, valid, realigner = self.beat[0], self.beat_valid[0], realigners[0]
        kind = first.tag.kind
        # Of the entries of a beat the one that the request's address has.
        entry = Cat(first.tag.row[: chip.alignment // INTERVAL_BYTES - 1], first.tag.offset)
        is_kv, is_query, is_table = Signal(), Signal(), Signal()

        # Jobs.
        wiring.connect(m, wiring.flipped(self.i_job), checker.i)
        wiring.connect(m, checker.o, table.i)
        wiring.connect(m, table.o, planner.i)
        wiring.connect(m, table.o_result, wiring.flipped(self.o_result))
        wiring.connect(m, planner.o_tile, loader.i)
        wiring.connect(m, planner.o_pass, fetcher.i)
        wiring.connect(m, planner.o_need, network.i_need)
        m.d.comb += [
            *(planner.i_slot.eq(table.slot), loader.job.eq(planner.job), loader.slot.eq(planner.slot)),
            *(writer.job.eq(planner.job), writer.slot.eq(planner.slot), writer.begins.eq(loader.begins)),
            *(writer.failed.eq(table.failed), guard.begins.eq(table.o.valid & table.o.ready)),
            *(guard.slot.eq(table.slot), guard.bounds.eq(checker.bounds), guard.writes.eq(table.writes)),
            *(table.refused.eq(guard.refused), table.refused_slot.eq(guard.refused_slot)),
            *(table.row_written.eq(self.answer_valid & self.answer.tag.row), table.row_slot.eq(self.answer.tag.slot)),
            table.write_error.eq(self.answer_valid & self.answer.error),
            *(table.scale_error.eq(loader.scale_error), table.scale_slot.eq(loader.scale_slot)),
            *(table.interval_error.eq(loader.interval_error), table.interval_slot.eq(loader.interval_slot)),
            *(table.page_failed.eq(fetcher.page_failed), planner.i_walk.eq(fetcher.newest)),
        ]

        # Memory.
        wiring.connect(m, checker.o_read, arbiter.i_table)
        wiring.connect(m, loader.o_read, arbiter.i_query)
        wiring.connect(m, fetcher.o_read[0], arbiter.i_kv)
        wiring.connect(m, arbiter.o, wiring.flipped(self.o_read[0]))
        if chip.read_ports > 1:
            wiring.connect(m, fetcher.o_read[1], wiring.flipped(self.o_read[1]))
        wiring.connect(m, writer.o_write, guard.i)
        wiring.connect(m, guard.o, wiring.flipped(self.o_write))
        wiring.connect(m, writer.o_data, wiring.flipped(self.o_data))
        m.d.comb += [
            is_kv.eq((kind == ReadKind.KEY) | (kind == ReadKind.VALUE)),
            is_query.eq((kind == ReadKind.SCALE) | (kind == ReadKind.QUERY)),
            is_table.eq(kind == ReadKind.TABLE),
            *(checker.beat_valid.eq(valid & is_table), checker.beat.eq(first.data)),
            *(checker.beat_last.eq(first.last), checker.beat_error.eq(first.error)),
            *(loader.beat_error.eq(first.error), loader.beat_slot.eq(first.tag.slot)),
            *(loader.beat_valid.eq(valid & is_query), loader.beat.eq(first.data)),
            *(loader.beat_last.eq(first.last), loader.beat_scale.eq(kind == ReadKind.SCALE)),
            *(loader.entry_valid.eq(valid & (kind == ReadKind.INTERVAL)), loader.entry.eq(entry)),
            *(loader.words.eq(realigner.words), loader.write.eq(realigner.write)),
            *(fetcher.page_valid.eq(valid & (kind == ReadKind.PAGE)), fetcher.page_beat.eq(first.data)),
            fetcher.page_walk.eq(first.tag.row),
        ]
        for n, (beat, each) in enumerate(zip(self.beat, realigners, strict=True)):
            given = self.beat_valid[n]
            m.d.comb += [
                *(each.slot.eq(planner.slot), each.dimension.eq(planner.job.descriptor.dimension)),
                each.value_dimension.eq(planner.job.descriptor.value_dimension),
                *(each.beat_valid.eq(given), each.beat.eq(beat), each.packed.eq(planner.job.descriptor.packed)),
                *(buffer.ends[n].eq(each.ends), buffer.beat_last[n].eq(beat.last)),
                *(buffer.beat_valid[n].eq(given & (1 if n else is_kv)), buffer.beat_tag[n].eq(beat.tag)),
                table.read_error[n].eq(given & beat.error & ~(0 if n else is_table)),
                table.read_slot[n].eq(beat.tag.slot),
            ]
            words: Realigner | Unpacker = each
            if unpackers:
                words = unpacker = unpackers[n]
                m.d.comb += [
                    *(unpacker.i_words.eq(each.words), unpacker.i_write.eq(each.write)),
                    unpacker.halves.eq(each.halves),
                ]
            m.d.comb += [buffer.words[n].eq(words.words), buffer.write[n].eq(words.write)]

        # Buffer and network.
        m.d.comb += [
            *(fetcher.room.eq(network.room), fetcher.entry.eq(network.entry)),
            *(network.reserve.eq(fetcher.reserve), network.reserve_block.eq(fetcher.block)),
            *(network.reserve_rows.eq(fetcher.rows), network.reserve_stream.eq(fetcher.stream)),
            *(network.reserve_final.eq(fetcher.final), network.reserve_shared.eq(fetcher.shared)),
            *(network.reserve_walk.eq(fetcher.walk), fetcher.settled.eq(network.settled)),
            *(buffer.keys_alone.eq(fetcher.keys_alone), buffer.read_shared.eq(network.read_shared)),
            *(network.written.eq(buffer.written), network.loaded.eq(loader.loaded)),
            *(buffer.read_enable.eq(network.read_enable), buffer.read_row.eq(network.read_row)),
        ]

        # Engines.
        pair = Signal(pair_layout(chip.engine))
        m.d.comb += pair.eq(Mux(network.absent, 0, buffer.pair.as_value()))
        if chip.engine.token_scale_bits:
            m.d.comb += [
                *(network.reserve_scaled.eq(fetcher.scaled), buffer.read_scaled.eq(network.read_scaled)),
                *(buffer.scales_valid.eq(valid & (kind == ReadKind.TOKEN_SCALE)), buffer.scales_beat.eq(first.data)),
                pair.scaled.eq(buffer.pair.scaled),  # of all keys of a block alike
            ]
        for n, engine in enumerate(engines):
            wiring.connect(m, engine.o, writer.i[n])
            m.d.comb += [
                *(engine.i_tile.payload.eq(loader.tile), engine.i_tile.valid.eq(loader.tile_valid[n])),
                *(loader.tile_ready[n].eq(engine.i_tile.ready), loader.place_ready[n].eq(writer.place_ready[n])),
                *(engine.i_q.payload.eq(loader.query), engine.i_q.valid.eq(loader.query_valid[n])),
                *(engine.i_block.payload.block.eq(network.block), engine.i_block.valid.eq(network.block_valid[n])),
                engine.i_block.payload.last.eq(network.block_last[n]),
                network.block_ready[n].eq(engine.i_block.ready),
                *(engine.i_kv.payload.eq(pair), engine.i_kv.valid.eq(network.kv_valid[n])),
            ]
        m.d.comb += [writer.place.eq(loader.place), writer.place_valid.eq(loader.place_valid)]
        self._count(m, table, planner, loader, buffer, network, engines)
        return m

    def _count(
        self,
        m: Module,
        table: JobTable,
        planner: Planner,
        loader: QueryLoader,
        buffer: GlobalBuffer,
        network: Network,
        engines: list[Engine],
    ) -> None:
        """Events of the cycle before; an idle engine is booked to the first cause that holds."""
        chip = self.config
        events = {
            name: Signal(EVENT_BITS, name=f"event_{name}")
            for name in increments_layout().members
            if name != "bytes_output"
        }
        left_to_load = Signal()
        working = Signal()
        m.d.comb += [
            left_to_load.eq(loader.i.valid | ~planner.i.ready | planner.i.valid | table.more),
            working.eq(Cat(engine.state.active | engine.state.loaded for engine in engines).any()),
        ]
        causes: dict[str, list[Signal]] = {
            name: [] for name in ("mac_cycles", "idle_drain", "idle_memory", "idle_load", "idle_imbalance")
        }
        for n, engine in enumerate(engines):
            state = engine.state
            cause = {name: Signal(name=f"{name}_{n}") for name in causes}
            for name, signal in cause.items():
                causes[name].append(signal)
            with m.If(state.active):
                m.d.comb += cause["mac_cycles"].eq(1)
            with m.Elif(state.waits | (~working & ~left_to_load)):
                m.d.comb += cause["idle_drain"].eq(table.running)
            with m.Elif(state.loaded):
                m.d.comb += cause["idle_memory"].eq(table.running)
            with m.Elif(loader.loading | ~working):
                m.d.comb += cause["idle_load"].eq(table.running)
            with m.Else():
                m.d.comb += cause["idle_imbalance"].eq(table.running)
        sums = {name: tree_sum(signals) for name, signals in causes.items()}
        for name in ("rescales", "halvings", "row_updates", "zero_row_updates", "slots", "zero_slots"):
            sums[name] = tree_sum([engine.events[name] for engine in engines])
        kinds = {"scale": ReadKind.SCALE, "query": ReadKind.QUERY, "key": ReadKind.KEY, "value": ReadKind.VALUE}
        for name, kind in kinds.items():
            port = -1 if kind == ReadKind.VALUE else 0
            comes = self.beat[port].tag.kind == kind
            if kind == ReadKind.SCALE and chip.engine.token_scale_bits:
                comes |= self.beat[port].tag.kind == ReadKind.TOKEN_SCALE
            sums[f"bytes_{name}"] = Mux(self.beat_valid[port] & comes, chip.bus_bytes, 0)
        sums |= {"cycles": table.running, "buffer_writes": buffer.written, "buffer_reads": network.served}
        sums["deliveries"] = network.delivered
        for name, amount in sums.items():
            m.d.sync += events[name].eq(amount)
        m.d.comb += [self.events[name].eq(event) for name, event in events.items()]


class Chip(wiring.Component):
    """The chip.

    Members:
        s_axil_*: AXI4-Lite control port.
        m_axi_*: AXI4 memory port.
        m_axi_v_*: AXI4 read port of values, of a chip with two read ports.
        irq: a job ended, as enabled.
    """

    def __init__(self, config: ChipConfig) -> None:
        self.config = config
        reads = {name: member for prefix in self._prefixes() for name, member in read_members(config, prefix).items()}
        super().__init__({**axil_members(), **reads, **write_members(config), "irq": Out(1)})

    @property
    def ports(self) -> dict[str, str]:
        """What the ports are for, by how their names begin."""
        return PORTS | (VALUE_PORTS if self.config.read_ports > 1 else {})

    def _prefixes(self) -> tuple[str, ...]:
        """Of the read ports."""
        return (MEMORY, VALUES)[: self.config.read_ports]

    def elaborate(self, platform: object) -> Module:
        m = Module()
        chip = self.config
        host, core = HostInterface(chip), Core(chip)
        readers = [ReadMaster(chip, read_tag_layout(chip)) for _ in self._prefixes()]
        writer = WriteMaster(chip, write_tag_layout())
        watch = StallWatch()
        m.submodules.host = once(platform, host)
        m.submodules.stall_watch = once(platform, watch)
        for name, reader in zip(("reader", "reader_v"), readers, strict=False):
            m.submodules[name] = once(platform, reader)
        m.submodules.writer = once(platform, writer)
        # The core runs on the same clock; an abort resets it alone.
        clear, stopping = Signal(), Signal()
        stop = stopping | clear
        m.domains.core = ClockDomain("core")
        m.d.comb += [ClockSignal("core").eq(ClockSignal()), ResetSignal("core").eq(ResetSignal() | clear)]
        m.submodules.core = DomainRenamer("core")(once(platform, core))

        connect_ports(m, self, host, axil_members())
        connect_ports(m, self, writer, write_members(chip))
        wiring.connect(m, host.o_job, core.i_job)
        wiring.connect(m, core.o_result, host.i_result)
        wiring.connect(m, core.o_write, writer.i)
        wiring.connect(m, core.o_data, writer.i_data)
        written = self.m_axi_wvalid & self.m_axi_wready
        for n, (prefix, reader) in enumerate(zip(self._prefixes(), readers, strict=True)):
            connect_ports(m, self, reader, read_members(chip), prefix)
            wiring.connect(m, core.o_read[n], reader.i)
            m.d.comb += [core.beat_valid[n].eq(reader.o_valid), core.beat[n].eq(reader.o), reader.stop.eq(stop)]
        m.d.comb += [
            *(core.answer_valid.eq(writer.o_valid), core.answer.eq(writer.o), host.events.eq(core.events)),
            *(self.irq.eq(host.irq), host.aborting.eq(stop), writer.stop.eq(stop)),
            host.events.bytes_output.eq(Mux(written, chip.bus_bytes, 0)),
        ]

        channels = [f"{prefix}{channel}" for prefix in self._prefixes() for channel in ("ar", "r")]
        channels += [f"{MEMORY}{channel}" for channel in ("aw", "w", "b")]
        moves = [getattr(self, f"{channel}valid") & getattr(self, f"{channel}ready") for channel in channels]
        idle = Cat(writer.idle, *(reader.idle for reader in readers)).all()
        m.d.comb += [
            *(watch.limit.eq(host.stall_limit), watch.owes.eq(~idle)),
            *(watch.moves.eq(Cat(moves).any()), host.stalled.eq(watch.stalled)),
            host.broken.eq(Cat(writer.broken, *(reader.broken for reader in readers)).any()),
        ]

        # Abort: no new request, wait for the bus, clear the core.
        with m.If(host.stop):
            m.d.sync += stopping.eq(1)
        with m.Elif(stopping & idle):
            m.d.sync += [stopping.eq(0), clear.eq(1)]
        with m.Else():
            m.d.sync += clear.eq(0)
        return m
