"""Long tests begin first on every worker, as the scheduler of pytest-xdist deals tests out."""

from types import SimpleNamespace

import pytest
from tests.order import long_first
from xdist.scheduler.worksteal import WorkStealingScheduling


class Worker:
    """What the scheduler gives a worker."""

    def __init__(self, number):
        self.gateway, self.shutting_down, self.given = SimpleNamespace(id=f"gw{number}"), False, []

    def send_runtest_some(self, indices):
        self.given += indices


def dealt(tests, workers):
    """The tests of each worker at the start."""
    nodes = [Worker(n) for n in range(workers)]
    scheduler = WorkStealingScheduling(SimpleNamespace(getvalue=lambda name: ["popen"] * workers))
    for node in nodes:
        scheduler.add_node(node)
        scheduler.add_node_collection(node, tests)
    scheduler.schedule()
    return [[tests[n] for n in node.given] for node in nodes]


@pytest.mark.parametrize("workers", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("count", [20, 23, 100])
def test_every_worker_begins_with_long_tests(count, workers):
    tests = [f"{'long' if n % 7 == 6 else 'short'} {n}" for n in range(count)]
    ordered = long_first(tests, lambda test: test.startswith("long"), workers)
    assert sorted(ordered) == sorted(tests)
    assert [test for test in ordered if test.startswith("short")] == [
        test for test in tests if test.startswith("short")
    ]
    number = sum(test.startswith("long") for test in tests)
    for part in dealt(ordered, workers):
        long = [test.startswith("long") for test in part]
        assert sum(long) in (number // workers, -(-number // workers))
        assert long == sorted(long, reverse=True)
