"""What other flows need beside the Verilog: ports explained, IP-XACT, FuseSoC core, self-checking bench."""
