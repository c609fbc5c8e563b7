"""The contract of streams: what is offered stays until it is taken; nothing is lost, made up or out of order.

What is taken is followed through a unit by marking an arbitrary word that enters, and comparing it with the word that
leaves in its place: as the choice is free, this holds for every word.
"""

from amaranth.hdl import Mux, Signal, Value, ValueLike
from amaranth.lib.wiring import In, Out

from fusioncim.formal.bench import Bench

STAYS = "what is offered stays as it is until it is taken"
"""The contract of who offers, in words."""


def neighbours(b: Bench) -> None:
    """Whoever offers something to the unit keeps to the contract."""
    for _, port in b.streams(In):
        payload = Value.cast(port.payload)
        waits, before = b.past(port.valid & ~port.ready), b.past(payload)
        b.given(~b.began | ~waits | (port.valid & (payload == before)))


def offers_stay(b: Bench, *, unless: ValueLike = 0, but: frozenset[str] = frozenset()) -> None:
    """What the unit offers, it keeps to; unless: something takes it back; but: fields of payloads that may change."""
    for _, port in b.streams(Out):
        held = b.began & b.past(port.valid & ~port.ready) & ~Value.cast(unless)
        b.claim(~held | port.valid)
        fields = getattr(port.payload.shape(), "members", None)
        parts = [port.payload[name] for name in fields if name not in but] if fields else [port.payload]
        for part in parts:
            value = Value.cast(part)
            if len(value):
                b.claim(~held | (value == b.past(value)))


def stays(b: Bench, *conditions_and_values: tuple[ValueLike, ValueLike]) -> None:
    """Assumed: while a condition holds, and the cycle before, its value stays."""
    for condition, value in conditions_and_values:
        condition, value = Value.cast(condition), Value.cast(value)
        b.given(~b.began | ~condition | (value == b.past(value)))


def carried(
    b: Bench, enters: Value, word: ValueLike, leaves: Value, shown: ValueLike, *, most: int, at_once: bool = False
) -> Signal:
    """The n-th word that leaves is the n-th that entered, and no more leave than entered; returns how many are inside.

    most: that can be inside. at_once: a word may leave in the cycle in which it enters.
    """
    word, shown = Value.cast(word), Value.cast(shown)
    mark = b.free(1, "mark")
    inside, ahead = Signal(range(most + 2)), Signal(range(most + 2))
    followed, kept = Signal(), Signal(len(word), reset_less=True)
    begins = Signal()
    b.m.d.comb += begins.eq(mark & enters & ~followed)
    due = Mux(followed, ahead == 0, begins & (inside == 0) if at_once else 0)
    b.m.d.sync += inside.eq(inside + enters - leaves)
    with b.m.If(leaves & due):
        b.m.d.sync += followed.eq(0)
    with b.m.Elif(begins):
        b.m.d.sync += [followed.eq(1), kept.eq(word), ahead.eq(inside - leaves)]
    with b.m.Elif(followed & leaves):
        b.m.d.sync += ahead.eq(ahead - 1)
    b.claim(~leaves | (inside != 0) | (enters if at_once else 0))
    b.claim(inside <= most)
    b.claim(~followed | (ahead < inside))
    b.claim(~(leaves & due) | (shown == Mux(followed, kept, word)))
    return inside


def own_offers(b: Bench) -> None:
    """Nothing else is assumed than the contract of the neighbours."""
    neighbours(b)
    offers_stay(b)
