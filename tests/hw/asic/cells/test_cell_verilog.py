"""Simulation models of library cells."""

import subprocess
from itertools import product

from fusioncim.asic.cells.boolean import truth_table
from fusioncim.asic.cells.cell_verilog import cells_verilog


def test_every_function_of_the_library_says_the_same_to_icarus(library, tmp_path):
    """The models of all gates, driven with every input, against `truth_table`."""
    cells = [cell for cell in library.cells.values() if cell.kind == "comb"]
    lines, expected = [], []
    for n, cell in enumerate(cells):
        pins = ", ".join([*(f".{pin}(x[{i}])" for i, pin in enumerate(cell.inputs)),
                          *(f".{pin}(y{n}_{pin})" for pin in cell.outputs)])  # fmt: skip
        lines += [*(f"wire y{n}_{pin};" for pin in cell.outputs), f"{cell.name} c{n}({pins});"]
        for pin in cell.outputs:
            table = truth_table(cell.pins[pin].function, tuple(cell.inputs))
            for row, value in zip(product((0, 1), repeat=len(cell.inputs)), table, strict=True):
                number = sum(bit << i for i, bit in enumerate(row))
                expected.append(f"{number} y{n}_{pin} {int(value)}")
    shows = [f'if (x < {1 << len(cell.inputs)}) $display("%0d y{n}_{pin} %b", x, y{n}_{pin});'
             for n, cell in enumerate(cells) for pin in cell.outputs]  # fmt: skip
    bench = f"initial for (x = 0; x < 64; x = x + 1) begin #1; {' '.join(shows)} end"
    text = "\n".join(["module top; reg [6:0] x;", *lines, bench, "endmodule"])
    (tmp_path / "top.v").write_text(cells_verilog(library, list(library.cells)) + text, encoding="utf-8")
    subprocess.run(["iverilog", "-g2012", "-s", "top", "-o", "top", "top.v"], cwd=tmp_path, check=True)
    done = subprocess.run(["vvp", "top"], cwd=tmp_path, check=True, capture_output=True, encoding="utf-8")
    assert len(expected) > 500
    assert sorted(done.stdout.splitlines()) == sorted(expected)
