"""Where the program `fusioncim` begins: a signal that comes while the commands are still loaded ends it, too."""

from fusioncim.build.signals import ended_when_asked


def main() -> None:
    """Load the commands, and run the one that is asked for."""
    with ended_when_asked():
        from fusioncim_sim.cli.app import app

        app()
