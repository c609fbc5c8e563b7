"""Which faults the tests miss: small faults are put into the RTL and into the golden model, and the tests have to fail.

A design has all its faults at once (`netlist`), and a number says which of them is there. A simulation of a test is
started once and goes on once for every fault (`forks`). What no test finds is compared with the design without a fault,
formally (`equivalence`).
"""
