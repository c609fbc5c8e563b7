"""Implementation flows over the generated Verilog."""
