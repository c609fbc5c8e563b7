"""The bus of the core: a word at a time. A request, `valid`, stays until `ready`."""

from amaranth.lib import wiring

WORD_BUS = {"valid": 1, "address": 32, "write_data": 32, "strobes": 4}
"""What an access of a word has and its bits. strobes: which bytes are written; 0: the word is read."""


def word_bus(flow: wiring.Flow) -> dict[str, wiring.Member]:
    """Members of an access of a word: a request, held until `ready`, with which `read_data` comes."""
    request = {name: flow(bits) for name, bits in WORD_BUS.items()}
    return {**request, "ready": flow.flip()(1), "read_data": flow.flip()(32)}
