"""Where cells stand on the chip, and what the wires between them add."""
