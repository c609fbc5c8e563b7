def sub(p, *pairs):
    s = open(p).read()
    for a, b in pairs:
        assert a in s, (p, a)
        s = s.replace(a, b)
    open(p, "w").write(s)


C = "hw/fusioncim/chip/"
sub(
    C + "descriptor_products.py",
    (
        '''def multiplier(chip: ChipConfig) -> Multiplier:
    """Wide enough for three products on top of an address."""
    return Multiplier(POSITION_BITS, PITCH_BITS, max(POSITION_BITS + PITCH_BITS, chip.address_bits) + 2)
''',
        '''def end_bits(chip: ChipConfig) -> int:
    """Bits of three products on top of an address."""
    return max(POSITION_BITS + PITCH_BITS, chip.address_bits) + 2
''',
    ),
    (""""end": len(multiplier(chip).total)""", """"end": end_bits(chip)"""),
    ("from fusioncim.lib.serial_multiplier import Multiplier\n", ""),
)
sub(
    C + "descriptor_checker.py",
    ("unit = multiplier(chip)\n", "unit = Multiplier(POSITION_BITS, PITCH_BITS, end_bits(chip))\n"),
    ("import follow, multiplier, product", "import end_bits, follow, product"),
    ("import HEAD_BITS, STATUS_BITS, job", "import HEAD_BITS, PITCH_BITS, STATUS_BITS, job"),
    (
        "from fusioncim.verilog.emit",
        "from fusioncim.lib.serial_multiplier import Multiplier\nfrom fusioncim.verilog.emit",
    ),
)
