"""The units of the RTL that faults are put into."""

from collections.abc import Mapping

UNITS: Mapping[str, str] = {
    "ip_cim": "engine/test_ip_cim.py",
    "softmax": "engine/test_softmax.py",
    "op_cim": "engine/test_op_cim.py",
    "normalizer": "engine/test_normalizer.py",
    "vector_ring": "engine/test_kv_buffer.py",
    "bit_planes": "engine/test_kv_buffer.py",
    "sequencer": "engine/test_controller.py",
    "controller": "engine/test_controller.py",
    "tile_loader": "engine/test_controller.py",
    "realigner": "chip/test_realigner.py",
    "output_writer": "chip/test_output_writer.py",
    "register_file": "chip/test_registers.py",
    "host_interface": "chip/test_host_interface.py",
    "write_guard": "chip/test_write_guard.py",
    "descriptor_checker": "chip/test_descriptor_checker.py",
    "job_table": "chip/test_job_table.py",
    "page_cache": "chip/test_page_cache.py",
    "stall_watch": "chip/test_stall_watch.py",
    "counters": "chip/test_host_interface.py",
    "global_buffer": "chip/test_global_buffer.py",
    "masters": "chip/test_axi.py",
    "kept_words": "chip/test_head_tables.py",
    "kept_scale": "chip/test_head_tables.py",
    "multiplier": "lib/test_serial_multiplier.py",
    "bank": "lib/test_bank.py",
    "operations": "lib/test_arith.py",
}
"""The component that a test file runs, as in the name of its module, and that file below tests/hw.

A module of a design belongs to the unit that is called like it, or else to the unit that the design is of.
"""
