"""Heads for ITA: captured ones, as the engine gets them, and those of its own generator of test vectors."""

import sys
import tempfile
from pathlib import Path

import numpy as np

from fusioncim.build.program import run_program
from fusioncim_golden.config import Config
from fusioncim_golden.metrics import sqnr_db
from fusioncim_golden.quantize import quantize
from fusioncim_sim.gates.tile_energy import last_queries
from fusioncim_sim.heads.captured import captured_heads, side_by_side
from fusioncim_sim.studies.ita.model import ItaHead, Scale, attention

QUERIES, KEYS, COLUMNS = 64, 128, 64
"""Of a run: a tile of ITA, and what the engines of the cost table see."""
CAPTURED = ("group1",)
"""A captured head: one of the two that the cost table's engine has side by side."""
OUTPUT = Scale(128, 15)
"""1/256: weights of a row have a sum of up to 255."""
LIMIT_S = 600
"""For the generator."""

GENERATOR = f"""\
import sys
import types
import numpy as np
package = types.ModuleType("PyITA")  # its own __init__ needs more than NumPy
package.__path__ = [sys.argv[1]]
sys.modules["PyITA"] = package
from PyITA.ITA import Transformer
np.random.seed(0)
this = Transformer({KEYS}, {COLUMNS}, {COLUMNS}, {COLUMNS}, 1, path="vectors/", bias=True)
this.step1_Qp(), this.step2_Kp(), this.step3_Vp(), this.step4_QK(False), this.step5_AV()
names = ("Qp_requant", "Kp_requant", "Vp_requant", "A_requant", "A_partial_softmax", "O_soft_requant")
found = {{name: getattr(this, name)[0] for name in names}}
np.savez("vectors.npz", mult=this.requant_eps_mult[:, 0], shift=this.requant_right_shift[:, 0], **found)
"""
"""Its generator with the seed 0, which is its default; another length."""


def captured_head(name: str) -> ItaHead:
    """A captured head: the last queries of its first KEYS tokens, quantized as for the engine."""
    (head,) = captured_heads(Config(columns=COLUMNS), [name])
    whole = last_queries(quantize(*side_by_side([head], KEYS), bits=8, centred=True), QUERIES)
    score = Scale(int(whole.mantissa[0, 0]), int(whole.shift[0, 0]))
    return ItaHead(whole.q[0], whole.k, whole.v, score, OUTPUT)


def generated_head(source: Path) -> ItaHead:
    """A head of ITA's generator; its model must give what `model` gives."""
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        command = [sys.executable, "-c", GENERATOR, str((source / "ITA" / "PyITA").resolve())]
        done = run_program(command, directory=place, limit_s=LIMIT_S)
        if done.returncode:
            raise RuntimeError(f"the generator of ITA's test vectors failed: {done.stderr[-1000:]}")
        with np.load(place / "vectors.npz") as file:
            found = {name: file[name].astype(np.int64) for name in file}
    score, output = (Scale(int(found["mult"][n]), int(found["shift"][n])) for n in (3, 4))
    head = ItaHead(found["Qp_requant"], found["Kp_requant"], found["Vp_requant"], score, output)
    ours = attention(head)
    for name, x in (("A_requant", ours.scores), ("A_partial_softmax", ours.weights), ("O_soft_requant", ours.out)):
        if not np.array_equal(found[name], x):
            raise RuntimeError(f"the model of ITA differs from its own in {name}")
    return head


def softmax_sqnr_db(head: ItaHead) -> float:
    """Signal to noise of outputs of which only scores and weights are rounded as in ITA, in dB."""
    log2 = head.q @ head.k.T * (head.score.mult / 2**head.score.shift)
    exact = np.exp2(log2 - log2.max(axis=1, keepdims=True))
    exact /= exact.sum(axis=1, keepdims=True)
    return round(float(sqnr_db(attention(head).weights @ head.v / 255, exact @ head.v)), 2)
