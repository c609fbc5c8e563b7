"""A system on chip around the chip: a RISC-V core that others wrote, memory, a serial line, and firmware in C."""
