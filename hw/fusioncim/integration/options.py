"""What the user of a design chooses, so that it fits into the one around it."""

from dataclasses import dataclass

from fusioncim.verilog.prefix import check_prefix
from fusioncim.verilog.reset import Reset


@dataclass(frozen=True)
class Integration:
    """How a design fits into the one around it.

    Members:
        prefix: in front of the name of every module.
        reset: level and kind of the reset.
    """

    prefix: str = ""
    reset: Reset = Reset.ACTIVE_HIGH_SYNC

    def __post_init__(self) -> None:
        if self.prefix:
            check_prefix(self.prefix)


PLAIN = Integration()
"""No prefix, a synchronous reset that is active high."""
