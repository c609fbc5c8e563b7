"""Runs independent pieces of work in processes, here or on a Dask cluster, and shows how far they are."""

import itertools
import logging
import multiprocessing
import os
import pickle
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import BrokenExecutor, Executor, ProcessPoolExecutor, as_completed
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from fusioncim.build.messages import show
from fusioncim.build.signals import Ended, ended_when_asked, without_interrupt
from fusioncim_golden.errors import InputError

LOG = logging.getLogger(__name__)

SECONDS_TO_END = 5.0
"""In which a worker whose parent is gone takes back what it began."""


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0))


class Workers:
    """Processes that do pieces of work; a context, in which they live. An error inside of it ends them at once.

    jobs: processes of this machine; with one, the work is done in this process. scheduler: address of a Dask scheduler,
    whose workers do it instead. Work for other processes must be picklable. Errors: no scheduler answers at the
    address.
    """

    def __init__(self, jobs: int, scheduler: str | None = None) -> None:
        self.jobs, self.scheduler = jobs, scheduler
        self._executor: Executor | None = None
        self._died: tuple[type[Exception], ...] = (BrokenExecutor,)
        self._stack = ExitStack()
        self._others: list[multiprocessing.process.BaseProcess] = []
        self._files: Path | None = None
        self._number = itertools.count()

    def __enter__(self) -> "Workers":
        self._others = multiprocessing.active_children()
        if self.scheduler:
            self._executor = self._dask(self.scheduler)
        elif self.jobs > 1:
            pool = ProcessPoolExecutor(
                self.jobs, multiprocessing.get_context("spawn"), _begin, (LOG.getEffectiveLevel(),)
            )
            self._files = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="fusioncim-")))
            self._stack.callback(pool.shutdown, cancel_futures=True)
            self._executor = pool
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind:
            for process in multiprocessing.active_children():
                if process not in self._others:
                    process.terminate()
        self._stack.close()

    def finished(self, work: Mapping[str, Callable[[], Any]]) -> Iterator[tuple[str, Any]]:
        """Names and results in the order in which they come; the work is begun in the order given.

        The first error of a piece of work ends it. Errors: a worker died.
        """
        if self._executor is None:
            for name, function in work.items():
                yield name, function()
            return
        with without_interrupt():
            names = {self._executor.submit(self._sent(function)): name for name, function in work.items()}
        for future in as_completed(names):
            try:
                result = future.result()
            except self._died as error:
                raise InputError("a worker died; what was finished is kept, run the same command again") from error
            yield names[future], self._received(result)

    def _sent(self, function: Callable[[], Any]) -> Callable[[], Any]:
        """A piece of work as it goes to a worker: to one of this machine as the name of a file.

        Work and results of any size in the pool's pipes would hold up its end: what is written into a pipe waits for a
        reader, and the worker that was to read it may have been ended (CPython issue 94777).
        """
        if self._files is None:
            return function
        file = self._files / f"{next(self._number)}.pickle"
        file.write_bytes(pickle.dumps(function))
        return partial(_finish, file)

    def _received(self, result: Any) -> Any:
        if self._files is None:
            return result
        received = pickle.loads(result.read_bytes())
        result.unlink()
        return received

    def _dask(self, scheduler: str) -> Executor:
        import distributed

        connect: Any = distributed.Client
        try:
            client = connect(scheduler, timeout="10s")
        except (OSError, ValueError, TimeoutError) as error:
            raise InputError(f"no Dask scheduler answers ({type(error).__name__}): {scheduler}") from error
        self._stack.callback(client.close)
        self._died = (BrokenExecutor, distributed.KilledWorker)
        executor: Executor = client.get_executor()
        self._stack.callback(executor.shutdown, wait=False)
        return executor


def run_all(work: Mapping[str, Callable[[], Any]], *, jobs: int, title: str) -> dict[str, Any]:
    """The results by the names of the work, which is begun in the order given, `jobs` at a time (see `Workers`).

    The progress goes to the standard error if messages of the level INFO are shown: a bar on a terminal; elsewhere, and
    beside messages of the level DEBUG, a line for every result.
    """
    console = Console(stderr=True, highlight=False)
    bar = LOG.getEffectiveLevel() == logging.INFO and console.is_terminal
    start = time.monotonic()
    results: dict[str, Any] = {}
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with (
        Progress(*columns, console=console, transient=True, disable=not bar) as progress,
        Workers(min(jobs, len(work))) as workers,
    ):
        task = progress.add_task(title, total=len(work))
        for name, result in workers.finished(work):
            results[name] = result
            progress.update(task, advance=1, description=f"{title}, done: {name}")
            if not bar:
                LOG.info("%s: %s, %.1f s", title, name, time.monotonic() - start)
    return {name: results[name] for name in work}


def _begin(level: int) -> None:
    """In a worker: show messages as its parent does, and end with its parent."""
    show(level)
    _end_with_parent()


def _finish(file: Path) -> Path:
    """In a worker: do the piece of work in a file and leave its result there.

    A signal that asks for the end takes back what the work began, and ends the worker. Before and after the work it
    ends the worker at once.
    """
    try:
        with ended_when_asked(again=signal.SIG_IGN):
            file.write_bytes(pickle.dumps(pickle.loads(file.read_bytes())()))
    except Ended as end:
        os._exit(int(str(end.code)))
    return file


def _end_with_parent() -> None:
    """Let a worker end when the process that started it does, even one that was killed."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(SECONDS_TO_END)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
