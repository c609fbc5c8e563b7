"""The order of the tests."""


def long_first(tests, is_long, workers=1):
    """The tests so ordered that the long ones begin first, on every worker.

    Without it a run ends with a few long tests one after another, while the other processes have nothing to do. The
    scheduler of `--dist worksteal` gives each worker in turn one part of the collection, as many tests to each, the
    remainder to the last ones. Who has nothing left takes tests from the end of another's part. So the first test of
    every part begins at once, and long tests are dealt out to the beginnings of the parts, in their order. All others
    keep their order, so that those of a file stay with its fixtures. A long test needs no fixture of its file: it would
    be built for it alone.
    """
    long, others = [test for test in tests if is_long(test)], [test for test in tests if not is_long(test)]
    ordered = []
    for worker in range(workers):
        dealt = long[worker::workers]
        size = (len(tests) - len(ordered)) // (workers - worker)
        rest = max(size - len(dealt), 0)
        ordered += dealt + others[:rest]
        others = others[rest:]
    return ordered
