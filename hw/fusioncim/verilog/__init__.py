"""From Amaranth components to Verilog: every distinct module once, in a text that people read."""
