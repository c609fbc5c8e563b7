"""Softmax macro: scores in, block-floating-point probabilities and accumulator commands out.

    x = round(s * mantissa / 2^shift)                                       log2 score, fixed point
    p = LUT[fraction(x)] >> (b - floor(x))                                  inside a block, b its running exponent
    l = l * 2^-k + sum(p) * 2^-e,  O = O * 2^-k + (P V) * 2^-e              at the end of a block, e = r - b

The rules are those of the golden `softmax`, state for state. One lane serves rows_per_lane rows, one score per cycle:
the rows arrive one after the other because the macros are skewed. Every lane is the same pipeline and shares one
control pipeline; what a row keeps lies in three small banks, addressed by (word, row).

Pipeline, by the stage in which a value is computed (registered into the next):
    0 take the row's score            3 round to a log2 score           6 sum of the block
    1 subtract the correction         4 table, distance to the block    7 compare with the reference
    2 multiply, causal mask           5 shift, insert into the block    8 row sum, command to the OP-CIM row

Throughput: one score per lane and cycle. Latency: 8 cycles from a row's score to its command. This unit cannot stall.
"""

from amaranth.hdl import Array, Cat, Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from fusioncim.arith import clamp_unsigned, fits, pipelined, shift_round, tree_sum
from fusioncim.bank import Bank, address_shape
from fusioncim.emit import once
from fusioncim.ip_cim import correction_shape
from fusioncim.op_cim import load_layout
from fusioncim_golden.config import POSITION_BITS, REFERENCE_BITS, SCALE_BITS, SCALE_SHIFT_BITS, Config
from fusioncim_golden.softmax import Update

STAGES = 9


def control_layout(config: Config) -> data.StructLayout:
    """What the lanes' row `row` does in stage 0.

    enable; index: which key of the block; last: the block's last key; first: the tile's first block; fresh: no earlier
    tile may seed the reference; word; position of the key.
    """
    return data.StructLayout(
        {
            "enable": 1,
            "row": address_shape(config.rows_per_lane),
            "index": address_shape(config.update_rank),
            "last": 1,
            "first": 1,
            "fresh": 1,
            "word": address_shape(config.words),
            "position": POSITION_BITS,
        }
    )


def query_layout() -> data.StructLayout:
    """What a query brings besides its operands: score scale mantissa / 2^shift, and how many keys it may see."""
    return data.StructLayout({"mantissa": SCALE_BITS, "shift": SCALE_SHIFT_BITS, "visible": POSITION_BITS})


def state_layout(config: Config) -> data.StructLayout:
    """A row between blocks: filled (a block was added), seeded, reference r, row sum l."""
    return data.StructLayout(
        {"filled": 1, "seeded": 1, "reference": signed(REFERENCE_BITS), "row_sum": config.row_sum_bits}
    )


def lane_events_layout() -> data.StructLayout:
    """What a lane's row update did: rescale (O shifted as the reference moved), halve, zero (it adds nothing)."""
    return data.StructLayout({"update": 1, "rescale": 1, "halve": 1, "zero": 1})


def events_layout(config: Config) -> data.StructLayout:
    """Events of a cycle: row updates of all lanes by what they did, slots that end, and those without any addition."""
    lanes = fits(config.softmax_lanes)
    return data.StructLayout(
        {
            "row_updates": lanes,
            "rescales": lanes,
            "halvings": lanes,
            "zero_row_updates": lanes,
            "slots": 1,
            "zero_slots": 1,
        }
    )


def row_address(config: Config, word: Signal, row: Signal) -> Cat:
    """Address of a row's entry in a lane's bank."""
    return Cat(row[: (config.rows_per_lane - 1).bit_length()], word)


def row_depth(config: Config) -> int:
    """Entries of a bank with one entry per word and row of a lane."""
    return config.words << (config.rows_per_lane - 1).bit_length()


class SoftmaxLane(wiring.Component):
    """One lane.

    Members: control: per stage; score: offset scores of the lane's rows; correction; write_*: a row's query entry;
    load: command to an OP-CIM row; events: of that command; drain_*: read a row's state (latency 1, held).
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        super().__init__(
            {
                "control": In(control_layout(config)).array(STAGES),
                "score": In(signed(config.score_bits)).array(config.rows_per_lane),
                "correction": In(correction_shape(config)),
                "write_enable": In(1),
                "write_row": In(address_shape(config.rows_per_lane)),
                "write_word": In(address_shape(config.words)),
                "write_query": In(query_layout()),
                "load": Out(load_layout(config)),
                "events": Out(lane_events_layout()),
                "drain_enable": In(1),
                "drain_row": In(address_shape(config.rows_per_lane)),
                "drain_word": In(address_shape(config.words)),
                "drain_state": Out(state_layout(config)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        x, visible = self._log2_score(m, platform)
        p, exponent, seen = self._block(m, platform, x, visible)
        self._merge(m, platform, p, exponent, seen)
        return m

    def _log2_score(self, m: Module, platform: object) -> tuple[data.View, Signal]:
        """Stages 0 to 3: x and whether the key is visible, as of stage 4."""
        config, control = self.config, self.control
        queries = Bank(depth=row_depth(config), width=query_layout().size)
        m.submodules.queries = once(platform, queries)
        m.d.comb += [
            queries.write_enable.eq(self.write_enable),
            queries.write_address.eq(row_address(config, self.write_word, self.write_row)),
            queries.write_data.eq(self.write_query.as_value()),
            queries.read_enable[0].eq(control[1].enable),
            queries.read_address[0].eq(row_address(config, control[1].word, control[1].row)),
        ]
        taken = Signal(signed(config.score_bits), reset_less=True)
        score = Signal(signed(config.score_bits), reset_less=True)
        with m.If(control[0].enable):
            m.d.sync += taken.eq(Array(self.score)[control[0].row])
        with m.If(control[1].enable):
            m.d.sync += score.eq(taken - self.correction)

        query = data.View(query_layout(), queries.read_data[0])
        product = Signal(signed(config.score_bits + SCALE_BITS), reset_less=True)
        shift = Signal(SCALE_SHIFT_BITS, reset_less=True)
        visible_3 = Signal(reset_less=True)
        visible_4 = Signal(reset_less=True)
        with m.If(control[2].enable):
            m.d.sync += [
                *(product.eq(score * query.mantissa), shift.eq(query.shift)),
                visible_3.eq(control[2].position < query.visible),
            ]
        x = Signal(
            data.StructLayout({"fraction": config.fraction_bits, "integer": signed(REFERENCE_BITS)}), reset_less=True
        )
        with m.If(control[3].enable):
            m.d.sync += [x.eq(shift_round(product << config.fraction_bits, shift)), visible_4.eq(visible_3)]
        return x, visible_4

    def _block(self, m: Module, platform: object, x: data.View, visible: Signal) -> tuple[Signal, Signal, Signal]:
        """Stages 4 and 5: insert the key's probability into the row's block; p, exponent, seen as of stage 6."""
        config, control = self.config, self.control
        bits, rank = config.probability_bits, config.update_rank
        block = data.StructLayout(
            {"seen": 1, "exponent": signed(REFERENCE_BITS), "p": data.ArrayLayout(bits, rank)},
        )
        blocks = Bank(depth=1 << (config.rows_per_lane - 1).bit_length(), width=block.size)
        m.submodules.blocks = once(platform, blocks)
        m.d.comb += [
            blocks.read_enable[0].eq(control[3].enable),
            blocks.read_address[0].eq(control[3].row),
        ]

        old = data.View(block, blocks.read_data[0])
        table = Array(config.lut)
        index = x.fraction >> (config.fraction_bits - (config.lut_size.bit_length() - 1))
        seen = Signal()
        rise = Signal(signed(REFERENCE_BITS + 1))
        up = Signal()
        m.d.comb += [
            seen.eq(old.seen & (control[4].index != 0)),
            rise.eq(x.integer - old.exponent),
            up.eq(visible & (~seen | (rise > 0))),
        ]
        distance = Signal(REFERENCE_BITS + 1)
        m.d.comb += distance.eq(Mux(rise < 0, -rise, rise))
        up_5 = Signal(reset_less=True)
        visible_5 = Signal(reset_less=True)
        entry = Signal(block, reset_less=True)
        mantissa = Signal(bits, reset_less=True)
        shift = Signal(fits(bits + 1), reset_less=True)
        with m.If(control[4].enable):
            m.d.sync += [
                *(mantissa.eq(table[index]), shift.eq(clamp_unsigned(distance, bits + 1))),
                *(up_5.eq(up), visible_5.eq(visible)),
                *(entry.p.eq(old.p), entry.seen.eq(seen | visible)),
                entry.exponent.eq(Mux(seen & ~up, old.exponent, x.integer)),
            ]

        new = Signal(block)
        inserted = Mux(visible_5, shift_round(mantissa, Mux(up_5, 0, shift)), 0)
        m.d.comb += [new.seen.eq(entry.seen), new.exponent.eq(entry.exponent)]
        for n in range(rank):
            moved = shift_round(entry.p[n], Mux(up_5, shift, 0))
            m.d.comb += new.p[n].eq(Mux(control[5].index == n, inserted, moved))
        m.d.comb += [
            blocks.write_enable.eq(control[5].enable),
            blocks.write_address.eq(control[5].row),
            blocks.write_data.eq(new.as_value()),
        ]
        done = Signal(block, reset_less=True)
        with m.If(control[5].enable & control[5].last):
            m.d.sync += done.eq(new)
        return done.p, done.exponent, done.seen

    def _merge(self, m: Module, platform: object, p: Signal, exponent: Signal, seen: Signal) -> None:
        """Stages 6 to 8: choose the update, move reference and row sum, command the OP-CIM row."""
        config, control = self.config, self.control
        layout = state_layout(config)
        states = Bank(depth=row_depth(config), width=layout.size, reads=2)
        m.submodules.states = once(platform, states)
        end = [control[n].enable & control[n].last for n in range(STAGES)]
        m.d.comb += [
            states.read_enable[0].eq(end[6]),
            states.read_address[0].eq(row_address(config, control[6].word, control[6].row)),
            states.read_enable[1].eq(self.drain_enable),
            states.read_address[1].eq(row_address(config, self.drain_word, self.drain_row)),
            self.drain_state.eq(states.read_data[1]),
        ]
        total = tree_sum([p[n] for n in range(config.update_rank)])
        block_sum = Signal(total.shape(), reset_less=True)
        p_7 = Signal(p.shape(), reset_less=True)
        exponent_7 = Signal(exponent.shape(), reset_less=True)
        seen_7 = Signal(reset_less=True)
        with m.If(end[6]):
            m.d.sync += [block_sum.eq(total), p_7.eq(p), exponent_7.eq(exponent), seen_7.eq(seen)]

        state = data.View(layout, states.read_data[0])
        filled = Signal()
        full = Signal()
        rise = Signal(signed(REFERENCE_BITS + 1))
        distance = Signal(signed(REFERENCE_BITS + 2))
        load, add, move, wiped = (Signal(name=name) for name in ("load_7", "add_7", "move_7", "wiped_7"))
        m.d.comb += [
            *(filled.eq(state.filled & ~control[7].first), full.eq(state.row_sum[-1])),
            *(rise.eq(exponent_7 - state.reference), distance.eq(rise - full)),
            move.eq(seen_7 & filled & (distance > config.slack)),
            add.eq(seen_7 & filled & (distance <= config.slack) & (distance >= -config.flush)),
            wiped.eq(move & (rise >= config.accumulator_bits)),
            load.eq((seen_7 & ~filled) | wiped),
        ]
        seeded = Mux(control[7].first, ~control[7].fresh & (state.seeded | state.filled), state.seeded)
        start: Signal | int = 0
        if config.seed:
            start = Signal(fits(config.seed_limit))
            with m.If(~filled & seeded & (rise < 0)):
                m.d.comb += start.eq(Mux(rise < -config.seed_limit, config.seed_limit, -rise))

        update = self.load.update
        kind = Signal(2, reset_less=True)
        shift = Signal(fits(config.shift_max), reset_less=True)
        halve = Signal(reset_less=True)
        moved = Signal(reset_less=True)
        p_8 = Signal(p.shape(), reset_less=True)
        block_sum_8 = Signal(total.shape(), reset_less=True)
        align = Signal(fits(config.slack + config.flush), reset_less=True)
        next_state = Signal(layout, reset_less=True)
        old_shift = Signal(fits(config.row_sum_bits), reset_less=True)
        keep = Signal(reset_less=True)
        with m.If(end[7]):
            m.d.sync += [
                *(p_8.eq(p_7), block_sum_8.eq(block_sum), keep.eq(filled)),
                *(halve.eq(add & full), moved.eq(move), kind.eq(Update.SKIP), align.eq(config.slack)),
                *(next_state.eq(state), next_state.filled.eq(filled | seen_7), next_state.seeded.eq(seeded)),
                old_shift.eq(0),
            ]
            with m.If(load & ~wiped):
                m.d.sync += [
                    *(kind.eq(Update.LOAD), shift.eq(config.slack + start), align.eq(config.slack + start)),
                    next_state.reference.eq(exponent_7 + start),
                ]
            with m.Elif(move):
                m.d.sync += [
                    kind.eq(Mux(wiped, Update.LOAD, Update.RESCALE)),
                    shift.eq(Mux(wiped, config.slack, rise)),
                    old_shift.eq(clamp_unsigned(rise.as_unsigned(), config.row_sum_bits)),
                    next_state.reference.eq(exponent_7),
                ]
            with m.Elif(add):
                m.d.sync += [
                    *(kind.eq(Update.ADD), shift.eq(config.slack - distance), align.eq(config.slack - distance)),
                    *(old_shift.eq(full), next_state.reference.eq(exponent_7 - distance)),
                ]

        added = Signal(config.row_sum_bits)
        with m.If(kind != Update.SKIP):
            m.d.comb += added.eq((block_sum_8 << (config.flush + config.slack)) >> align)
        written = Signal(layout)
        m.d.comb += [
            written.eq(next_state),
            written.row_sum.eq(Mux(keep, next_state.row_sum >> old_shift, 0) + added),
            states.write_enable.eq(end[8]),
            states.write_address.eq(row_address(config, control[8].word, control[8].row)),
            states.write_data.eq(written.as_value()),
            *(self.load.enable.eq(end[8]), self.load.row.eq(control[8].row)),
            *(update.kind.eq(kind), update.shift.eq(shift), update.halve.eq(halve)),
            update.p.as_value().eq(Mux(kind == Update.SKIP, 0, p_8.as_value())),
            *(self.events.update.eq(end[8]), self.events.rescale.eq(end[8] & moved)),
            *(self.events.halve.eq(end[8] & halve), self.events.zero.eq(end[8] & (kind == Update.SKIP))),
        ]


class Softmax(wiring.Component):
    """All lanes and their control pipeline.

    Members: control (stage 0), score: offset scores of all rows, correction; write_*: a row's query entry; load: one
    per lane; events: counted, one cycle after the commands; drain_*: read a row's state, latency 1 cycle, held.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        super().__init__(
            {
                "control": In(control_layout(config)),
                "score": In(signed(config.score_bits)).array(config.rows),
                "correction": In(correction_shape(config)).array(config.softmax_lanes),
                "write_enable": In(1),
                "write_row": In(address_shape(config.rows)),
                "write_word": In(address_shape(config.words)),
                "write_query": In(query_layout()),
                "load": Out(load_layout(config)).array(config.softmax_lanes),
                "events": Out(events_layout(config)),
                "drain_enable": In(1),
                "drain_row": In(address_shape(config.rows)),
                "drain_word": In(address_shape(config.words)),
                "drain_state": Out(state_layout(config)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        stages, enables = pipelined(m, self.control, STAGES - 1, "control")

        events: list[data.View] = []
        drained = Signal(address_shape(config.rows))
        with m.If(self.drain_enable):
            m.d.sync += drained.eq(self.drain_row)
        per_lane = config.rows_per_lane
        for n in range(config.softmax_lanes):
            lane = SoftmaxLane(config)
            m.submodules[f"lane_{n}"] = once(platform, lane)
            m.d.comb += [lane.control[k].eq(stages[k]) for k in range(STAGES)]
            m.d.comb += [lane.control[k].enable.eq(enables[k]) for k in range(STAGES)]
            m.d.comb += [lane.score[j].eq(self.score[n * per_lane + j]) for j in range(per_lane)]
            m.d.comb += [lane.correction.eq(self.correction[n]), self.load[n].eq(lane.load)]
            events.append(lane.events)
            m.d.comb += [lane.write_word.eq(self.write_word), lane.write_query.eq(self.write_query)]
            m.d.comb += lane.drain_word.eq(self.drain_word)
            for j in range(per_lane):
                with m.If(self.write_row == n * per_lane + j):
                    m.d.comb += [lane.write_enable.eq(self.write_enable), lane.write_row.eq(j)]
                with m.If(self.drain_row == n * per_lane + j):
                    m.d.comb += [lane.drain_enable.eq(self.drain_enable), lane.drain_row.eq(j)]
                with m.If(drained == n * per_lane + j):
                    m.d.comb += self.drain_state.eq(lane.drain_state)

        adds = Signal()
        added = Signal()
        last = Signal()
        m.d.comb += [
            adds.eq(Cat(event.update & ~event.zero for event in events).any()),
            last.eq(events[0].update & (stages[8].row == per_lane - 1)),
        ]
        with m.If(events[0].update):
            m.d.sync += added.eq(~last & (added | adds))
        m.d.sync += [
            *(self.events.slots.eq(last), self.events.zero_slots.eq(last & ~added & ~adds)),
            self.events.row_updates.eq(tree_sum([event.update for event in events])),
            self.events.rescales.eq(tree_sum([event.rescale for event in events])),
            self.events.halvings.eq(tree_sum([event.halve for event in events])),
            self.events.zero_row_updates.eq(tree_sum([event.zero for event in events])),
        ]
        return m
