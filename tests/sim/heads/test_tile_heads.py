"""Heads of files for a tile at gates: which stand side by side, and where the tile ends."""

import numpy as np
import pytest

from fusioncim_golden.config import Config
from fusioncim_golden.errors import InputError
from fusioncim_sim.heads.captured import side_by_side
from fusioncim_sim.heads.read import Head
from fusioncim_sim.heads.tile_heads import tile_end, tile_heads

CONFIG = Config()


def head(name, dimension=20, queries=300, keys=300, dtype=float):
    rng = np.random.default_rng(len(name))
    return Head(name, *((9 * rng.normal(size=(n, dimension))).astype(dtype) for n in (queries, keys, keys)))


HEADS = [head("a"), head("b"), head("short", queries=9), head("c"), head("d")]


@pytest.mark.parametrize(
    ("names", "expected"),
    [([], ["a", "b", "c"]), (["d"], ["d"]), (["d", "a"], ["a", "d"]), (["short"], ["short"])],
)
def test_heads_of_one_shape_that_fit_are_taken(names, expected):
    assert [one.name for one in tile_heads(CONFIG, HEADS, names)] == expected


REFUSED = {
    "columns": ([head("a", 40), head("b", 40)], "at most columns = 64, not 80 (a of 40 + b of 40)"),
    "queries": ([head("a"), head("b", queries=9)], "as many queries and keys, not a of 300 and 300, b of 9 and 300"),
    "keys": ([head("a"), head("b", keys=400)], "as many queries and keys, not a of 300 and 300, b of 300 and 400"),
    "integers": ([head("a", dtype=np.int8)], "must be float, as they are equalized side by side, not integer: a"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_heads_that_cannot_stand_side_by_side_are_refused(case):
    heads, said = REFUSED[case]
    with pytest.raises(InputError) as error:
        tile_heads(CONFIG, heads, [one.name for one in heads])
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("queries", "keys", "end"), [(300, 300, 128), (50, 50, 50), (1, 300, 300), (100, 300, 300), (300, 90, 90)]
)
def test_a_tile_ends_where_there_are_queries(queries, keys, end):
    heads = [head("a", queries=queries, keys=keys)]
    assert tile_end(heads) == end
    q, k, v = side_by_side(heads, end)
    assert (q.shape[1] >= 1, len(k), len(v)) == (True, end, end)


def test_first_tokens_keep_the_places_of_queries():
    """Queries are at the last keys: of the first tokens, only those are left that were among them."""
    one = head("a", queries=10, keys=30)
    assert [len(x) for x in (one.first(25).q, one.first(25).k)] == [5, 25]
    assert np.array_equal(one.first(25).q, one.q[:5])
    assert [len(x) for x in (one.first(25, causal=False).q, one.first(25, causal=False).k)] == [10, 25]
    assert [len(x) for x in (one.first(90).q, one.first(90).k)] == [10, 30]
    with pytest.raises(InputError, match="first tokens must hold a query of a, from token 21 on, not 20"):
        one.first(20)
    more = head("a", queries=30, keys=10)
    assert [len(x) for x in (more.first(5).q, more.first(5).k)] == [5, 5]
