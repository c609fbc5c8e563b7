"""A signal ends a process as an error does."""

import os
import signal
import subprocess
import sys

import pytest

from fusioncim.build.signals import ASKING, Ended, ended_when_asked, held_back, without_interrupt


@pytest.mark.parametrize("number", ASKING)
def test_a_signal_is_an_exception_inside_of_the_block_alone(number):
    before = [signal.getsignal(each) for each in ASKING]
    with pytest.raises(Ended) as end, ended_when_asked():
        os.kill(os.getpid(), number)
    assert (end.value.code, end.value.name) == (128 + number, number.name)
    assert [signal.getsignal(each) for each in ASKING] == before


def test_a_signal_waits_for_the_end_of_a_block():
    done = []

    def work():
        with held_back():
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGINT)
            done.append("inside")
        done.append("behind")

    with pytest.raises(Ended), ended_when_asked():
        work()
    assert done == ["inside"]


def test_an_error_in_the_block_gives_way_to_the_signal():
    def work():
        os.kill(os.getpid(), signal.SIGTERM)
        raise ValueError

    with pytest.raises(Ended), ended_when_asked(), held_back():
        work()


LOST = """
import os, signal, time
from fusioncim.build.signals import Ended, ended_when_asked

class Last:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.01)

with ended_when_asked():
    Last()
    time.sleep(30)
"""
TWICE = """
import os, signal, time
from fusioncim.build.signals import ended_when_asked
with ended_when_asked():
    try:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(30)
    finally:
        os.kill(os.getpid(), signal.SIGINT)
"""
IGNORED = """
import os, signal
from fusioncim.build.signals import ended_when_asked
with ended_when_asked():
    os.kill(os.getpid(), signal.SIGHUP)
"""


def test_a_signal_where_exceptions_are_dropped_comes_again():
    done = subprocess.run([sys.executable, "-c", LOST], timeout=20, capture_output=True)
    assert (done.returncode, done.stderr) == (143, b"")


def test_a_second_signal_ends_the_process_at_once():
    done = subprocess.run([sys.executable, "-c", TWICE], timeout=20, capture_output=True)
    assert (done.returncode, done.stderr) == (-signal.SIGINT, b"")


def test_what_is_ignored_stays_ignored():
    nohup = ["sh", "-c", 'trap \'\' HUP; exec "$0" -c "$1"', sys.executable, IGNORED]
    subprocess.run(nohup, check=True, timeout=20)


def test_processes_do_not_see_an_interrupt():
    with without_interrupt():
        blocked = subprocess.Popen(["sleep", "30"])
    blocked.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        blocked.wait(0.2)
    blocked.kill()
    blocked.wait()
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
