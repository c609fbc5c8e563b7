"""Runs independent pieces of work in processes, and shows how far they are."""

import logging
import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from multiprocessing import get_context
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from fusioncim.build.messages import show

LOG = logging.getLogger(__name__)


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0))


def run_all(work: Mapping[str, Callable[[], Any]], *, jobs: int, title: str) -> dict[str, Any]:
    """The results by the names of the work, which is begun in the order given, `jobs` at a time.

    The work must be picklable unless jobs is 1. The progress goes to the standard error if messages of the level INFO
    are shown: a bar on a terminal; elsewhere, and beside messages of the level DEBUG, a line for every result.
    """
    console = Console(stderr=True, highlight=False)
    level = LOG.getEffectiveLevel()
    bar = level == logging.INFO and console.is_terminal
    start = time.monotonic()
    results: dict[str, Any] = {}
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not bar) as progress:
        task = progress.add_task(title, total=len(work))

        def done(name: str, result: Any) -> None:
            results[name] = result
            progress.update(task, advance=1, description=f"{title}, done: {name}")
            if not bar:
                LOG.info("%s: %s, %.1f s", title, name, time.monotonic() - start)

        if min(jobs, len(work)) <= 1:
            for name, function in work.items():
                done(name, function())
        else:
            with ProcessPoolExecutor(min(jobs, len(work)), get_context("spawn"), show, (level,)) as pool:
                names = {pool.submit(function): name for name, function in work.items()}
                waiting = set(names)
                try:
                    while waiting:
                        finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                        for future in finished:
                            done(names[future], future.result())
                finally:
                    pool.shutdown(cancel_futures=True)
    return {name: results[name] for name in work}
