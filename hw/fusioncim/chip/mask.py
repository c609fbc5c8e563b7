"""Which keys a query sees, as hardware: the interval [low, high) of the golden `mask.interval`, by the same name.

The hardware has `high` alone: `low` is 0 for every mask that a descriptor can ask for. A row carries its `high` under
the name `visible` and sees the keys below it. A word takes part in a block if the first key of the block lies below
the largest `visible` of its rows.
"""

from amaranth.hdl import Mux, Signal, Value
from amaranth.lib import data


def high(job: data.View, position: Signal) -> Value:
    """First key that the query at that position does not see: min(position + 1, keys) if causal, else keys."""
    return Mux(job.causal & (position + 1 < job.keys), position + 1, job.keys)
