"""All proofs, by name."""

from collections.abc import Mapping

from fusioncim.formal import (
    account_proofs,
    arithmetic_proofs,
    axi_lite_proofs,
    axi_proofs,
    bound_proofs,
    chip_progress_proofs,
    engine_progress_proofs,
    engine_stream_proofs,
    guard_proofs,
    job_stream_proofs,
    netlist_proofs,
    read_stream_proofs,
    register_proofs,
    softmax_proofs,
    write_order_proofs,
)
from fusioncim.formal.netlist_proofs import NetlistProof
from fusioncim.formal.proof import Proof

FAMILIES: Mapping[str, Mapping[str, Proof | NetlistProof]] = {
    "streams": {**read_stream_proofs.PROOFS, **job_stream_proofs.PROOFS, **engine_stream_proofs.PROOFS},
    "order": write_order_proofs.PROOFS,
    "progress": {**chip_progress_proofs.PROOFS, **engine_progress_proofs.PROOFS},
    "AXI": {**axi_proofs.PROOFS, **axi_lite_proofs.PROOFS},
    "registers": register_proofs.PROOFS,
    "accounts": account_proofs.PROOFS,
    "arithmetic": {**arithmetic_proofs.PROOFS, **softmax_proofs.PROOFS, **bound_proofs.PROOFS},
    "writes": guard_proofs.PROOFS,
    "netlists": netlist_proofs.PROOFS,
}
"""By what they are about."""
PROOFS: Mapping[str, Proof | NetlistProof] = {
    name: proof for family in FAMILIES.values() for name, proof in family.items()
}
