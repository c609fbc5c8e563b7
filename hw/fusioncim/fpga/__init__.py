"""Engines on FPGA boards: a design that checks itself, boards, bitstreams."""
