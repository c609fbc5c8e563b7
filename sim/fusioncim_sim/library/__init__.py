"""The whole chip as a shared library: its Verilog, compiled, behind a small C interface, with a binding for Python."""
