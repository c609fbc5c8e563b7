"""Messages on the standard error."""

import logging
import subprocess
import sys

PROGRAM = """
import logging, subprocess, sys
from fusioncim.build.messages import show
show({level})
subprocess.run([sys.executable, "-c", "pass # {level}"], check=True)
subprocess.run("exit 0", shell=True, check=True)
show(logging.WARNING)
subprocess.run([sys.executable, "-c", "pass # silent"], check=True)
"""


def test_programs_that_are_started_are_said_from_debug_on():
    said = {}
    for level in (logging.DEBUG, logging.INFO):
        command = [sys.executable, "-c", PROGRAM.format(level=level)]
        said[level] = subprocess.run(command, check=True, capture_output=True, encoding="utf-8").stderr
    first, second = said[logging.DEBUG].splitlines()
    assert first == f"program: {sys.executable} -c 'pass # 10'"
    assert "exit 0" in second
    assert said[logging.INFO] == ""
