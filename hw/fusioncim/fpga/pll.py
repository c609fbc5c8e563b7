"""Phase-locked loops of iCE40 and ECP5: the dividers that come nearest to a frequency, and the instance.

    f_vco = f_in / divide * multiply,    f_out = f_vco / 2^q (iCE40), f_vco / q (ECP5)

The ECP5's first output closes the loop, its second one is the clock: any frequency is met to a few percent. Limits in
MHz: Lattice FPGA-TN-02052, iCE40 sysCLOCK PLL Design and User Guide, and FPGA-DS-02012, ECP5 and ECP5-5G Family Data
Sheet, table sysCLOCK PLL Timing. Settings of the analogue part are those of the IceStorm project's `icepll` and of
Project Trellis' `ecppll`.
"""

from dataclasses import dataclass

from amaranth.hdl import Const, Instance, IOPort, Signal

from fusioncim_golden.errors import InputError

PERCENT_OFF = 2.0
"""A frequency that is missed by more is refused."""
FILTERS = ((17, 1), (26, 2), (44, 3), (66, 4), (101, 5))
"""iCE40: FILTER_RANGE below these frequencies at the phase detector."""
HIGHEST_FILTER = 6
"""iCE40: FILTER_RANGE above them."""


@dataclass(frozen=True)
class Limits:
    """Of a family.

    Members:
        detector: lowest and highest frequency at the phase detector, in MHz.
        oscillator: of the oscillator, in MHz.
        output: of the output, in MHz.
        divide, multiply: largest dividers of the input and of the loop.
        outputs: dividers of the output.
    """

    detector: tuple[float, float]
    oscillator: tuple[float, float]
    output: tuple[float, float]
    divide: int
    multiply: int
    outputs: tuple[int, ...]


LIMITS = {
    "ice40": Limits(
        detector=(10, 133),
        oscillator=(533, 1066),
        output=(16, 275),
        divide=16,
        multiply=128,
        outputs=tuple(1 << q for q in range(1, 7)),
    ),
    "ecp5": Limits(
        detector=(10, 400),
        oscillator=(400, 800),
        output=(3.125, 400),
        divide=128,
        multiply=128,
        outputs=tuple(range(1, 129)),
    ),
}


@dataclass(frozen=True)
class Pll:
    """A setting.

    Members:
        family: ice40 or ecp5.
        input_mhz: frequency of the reference.
        divide, multiply: dividers of the input and of the loop.
        output: f_vco / f_out.
    """

    family: str
    input_mhz: float
    divide: int
    multiply: int
    output: int

    @property
    def output_mhz(self) -> float:
        """Frequency of the clock that it makes."""
        return self.input_mhz / self.divide * self.multiply / self.output


def nearest(family: str, input_mhz: float, output_mhz: float) -> Pll:
    """The setting that comes nearest to a frequency."""
    limits = LIMITS[family]

    def within(mhz: float, bounds: tuple[float, float]) -> bool:
        return bounds[0] <= mhz <= bounds[1]

    found = [
        pll
        for divide in range(1, limits.divide + 1)
        if within(input_mhz / divide, limits.detector)
        for multiply in range(1, limits.multiply + 1)
        if within(input_mhz / divide * multiply, limits.oscillator)
        for output in limits.outputs
        if within((pll := Pll(family, input_mhz, divide, multiply, output)).output_mhz, limits.output)
    ]
    best = min(found, key=lambda pll: abs(pll.output_mhz - output_mhz))
    if abs(best.output_mhz - output_mhz) * 100 > PERCENT_OFF * output_mhz:
        low, high = limits.output
        raise InputError(
            f"the clock must be the board's {input_mhz:g} MHz or one that the FPGA's PLL makes of it, {low:g} to "
            f"{high:g} MHz (nearest: {best.output_mhz:.2f} MHz), not {output_mhz:g}"
        )
    return best


def instance(pll: Pll, reference: IOPort | Signal, output: Signal, locked: Signal) -> Instance:
    """The primitive. reference: the pin itself (iCE40), or the signal from its buffer (ECP5)."""
    detector = pll.input_mhz / pll.divide
    if pll.family == "ice40":
        return Instance(
            "SB_PLL40_PAD",
            p_FEEDBACK_PATH="SIMPLE",
            p_DIVR=Const(pll.divide - 1, 4),
            p_DIVF=Const(pll.multiply - 1, 7),
            p_DIVQ=Const(pll.output.bit_length() - 1, 3),
            p_FILTER_RANGE=Const(next((value for below, value in FILTERS if detector < below), HIGHEST_FILTER), 3),
            i_PACKAGEPIN=reference,
            i_RESETB=Const(1),
            i_BYPASS=Const(0),
            o_PLLOUTGLOBAL=output,
            o_LOCK=locked,
        )
    loop = Signal()
    return Instance(
        "EHXPLLL",
        a_FREQUENCY_PIN_CLKI=f"{pll.input_mhz:g}",
        a_FREQUENCY_PIN_CLKOP=f"{detector:g}",
        a_FREQUENCY_PIN_CLKOS=f"{pll.output_mhz:g}",
        a_ICP_CURRENT="12",
        a_LPF_RESISTOR="8",
        a_MFG_ENABLE_FILTEROPAMP="1",
        a_MFG_GMCREF_SEL="2",
        p_FEEDBK_PATH="CLKOP",
        p_CLKI_DIV=pll.divide,
        p_CLKFB_DIV=1,
        p_CLKOP_ENABLE="ENABLED",
        p_CLKOP_DIV=pll.multiply,
        p_CLKOS_ENABLE="ENABLED",
        p_CLKOS_DIV=pll.output,
        i_CLKI=reference,
        i_CLKFB=loop,
        i_RST=Const(0),
        i_STDBY=Const(0),
        o_CLKOP=loop,
        o_CLKOS=output,
        o_LOCK=locked,
    )
