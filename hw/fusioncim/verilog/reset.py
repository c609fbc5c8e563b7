"""The reset of a design: at which level of its port it acts, and whether it waits for the clock.

    kind                port       registers are cleared
    active-high-sync    rst        at a rising edge of the clock in which rst is 1
    active-low-sync     aresetn    at a rising edge of the clock in which aresetn is 0, as AXI has it
    active-high-async   rst        at once when rst becomes 1
    active-low-async    aresetn    at once when aresetn becomes 0

An asynchronous reset may end at any time: two registers behind its port, the module `TOP_reset_synchronizer`, end it
inside at the second rising edge after that. Until then the design takes nothing.
"""

from enum import StrEnum

CLOCK = "clk"
"""Port of the clock of every module."""


class Reset(StrEnum):
    """The kinds."""

    ACTIVE_HIGH_SYNC = "active-high-sync"
    ACTIVE_LOW_SYNC = "active-low-sync"
    ACTIVE_HIGH_ASYNC = "active-high-async"
    ACTIVE_LOW_ASYNC = "active-low-async"

    @property
    def asynchronous(self) -> bool:
        """It does not wait for the clock."""
        return self.endswith("-async")

    @property
    def level(self) -> int:
        """Of the port, while the design is reset."""
        return int(self.startswith("active-high"))

    @property
    def port(self) -> str:
        """Its name."""
        return "rst" if self.level else "aresetn"

    @property
    def held(self) -> str:
        """For how long the port must be at its level."""
        return f"one period of `{CLOCK}`" if self.asynchronous else f"two rising edges of `{CLOCK}`"

    @property
    def meaning(self) -> str:
        """What the port does."""
        acts = f"Reset, active {'high' if self.level else 'low'}"
        if not self.asynchronous:
            return (
                f"{acts}, synchronous: it acts at a rising edge of {CLOCK}. Registers that only carry data have none."
            )
        return (
            f"{acts}, asynchronous: it acts at once, without {CLOCK}. It may end at any time: inside it ends at the "
            f"second rising edge of {CLOCK} after that. Registers that only carry data have none."
        )
