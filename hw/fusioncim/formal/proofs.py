"""All proofs, by name."""

from collections.abc import Mapping

from fusioncim.formal import (
    account_proofs,
    arithmetic_proofs,
    axi_proofs,
    bound_proofs,
    engine_stream_proofs,
    register_proofs,
    softmax_proofs,
    stream_proofs,
)
from fusioncim.formal.proof import Proof

FAMILIES: Mapping[str, Mapping[str, Proof]] = {
    "streams": {**stream_proofs.PROOFS, **engine_stream_proofs.PROOFS},
    "AXI": axi_proofs.PROOFS,
    "registers": register_proofs.PROOFS,
    "accounts": account_proofs.PROOFS,
    "arithmetic": {**arithmetic_proofs.PROOFS, **softmax_proofs.PROOFS, **bound_proofs.PROOFS},
}
"""By what they are about."""
PROOFS: Mapping[str, Proof] = {name: proof for family in FAMILIES.values() for name, proof in family.items()}
