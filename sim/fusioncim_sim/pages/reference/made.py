"""What the site's reference is made of: in a page, `<!-- made: NAME -->` stands for the text of that name."""

import re
from collections.abc import Callable, Mapping

from fusioncim_golden.errors import InputError
from fusioncim_sim.pages.reference.commands import commands
from fusioncim_sim.pages.reference.files import files
from fusioncim_sim.pages.reference.modules import modules, modules_of_pytorch
from fusioncim_sim.pages.reference.parameters import parameters, widths
from fusioncim_sim.pages.reference.software import records, registers, statuses

MADE: Mapping[str, Callable[[], str]] = {
    each.__name__: each
    for each in (commands, files, modules, modules_of_pytorch, parameters, records, registers, statuses, widths)
}
"""By name, makes Markdown."""
MARK = re.compile(r"<!-- made: (\w+) -->")


def with_made(text: str) -> str:
    """A page with its marks replaced."""
    return MARK.sub(lambda mark: _made(mark[1]), text)


def _made(name: str) -> str:
    if name not in MADE:
        raise InputError(f"a mark of a page must name one of {', '.join(MADE)}, not {name}")
    return MADE[name]()
