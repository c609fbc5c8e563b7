"""How much a command says on the standard error while it works: the options --verbose and --quiet of every command."""

import functools
import inspect
import logging
from collections.abc import Callable
from typing import Annotated, Any

import typer

from fusioncim.build.messages import show
from fusioncim_golden.errors import InputError

Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Say every step: kept and new builds, programs that are started.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress, only results.")]


def with_verbosity(command: Callable[..., None]) -> Callable[..., None]:
    """The command with the options --verbose and --quiet."""

    @functools.wraps(command)
    def run(*, verbose: bool, quiet: bool, **options: Any) -> None:
        if verbose or quiet:
            set_verbosity(verbose, quiet)
        command(**options)

    signature = inspect.signature(command)
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=kind)
        for name, kind in {"verbose": Verbose, "quiet": Quiet}.items()
    ]
    vars(run)["__signature__"] = signature.replace(parameters=[*signature.parameters.values(), *added])
    run.__annotations__ = {**command.__annotations__, "verbose": Verbose, "quiet": Quiet}
    return run


def set_verbosity(verbose: bool, quiet: bool) -> None:
    """Show progress, and with `verbose` every step; with `quiet` neither."""
    if verbose and quiet:
        raise InputError("only one of --verbose and --quiet may be given")
    show(logging.DEBUG if verbose else logging.WARNING if quiet else logging.INFO)
