import subprocess
import sys

import pytest

from service.memory import _clean_mappings

SMAPS = """\
7f0000000000-7f0000002000 r-xp 00000000 08:01 42    /lib/code.so
Rss:                   8 kB
Private_Dirty:         0 kB
Anonymous:             0 kB
7f0000002000-7f0000003000 r--p 00002000 08:01 42    /lib/code.so
Rss:                   4 kB
Private_Dirty:         4 kB
Anonymous:             4 kB
7f0000003000-7f0000004000 rw-p 00003000 08:01 42    /lib/code.so
Rss:                   4 kB
Private_Dirty:         0 kB
Anonymous:             0 kB
7f0000004000-7f0000005000 r--p 00000000 00:00 0
Rss:                   4 kB
Private_Dirty:         0 kB
Anonymous:             0 kB
"""


def test_only_what_a_file_can_give_back_is_let_go() -> None:
    # The second is relocated (the loader wrote to it), the third can be written to, the fourth is no file's.
    assert list(_clean_mappings(SMAPS)) == [(0x7F0000000000, 0x2000)]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_process_that_let_its_code_go_still_runs_and_is_smaller() -> None:
    program = """
import numpy, re
from pathlib import Path
from service.memory import release_code
def mapped_kb():
    return int(re.search(r"RssFile:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
before = mapped_kb()
release_code()
assert mapped_kb() < before / 2, (before, mapped_kb())
assert numpy.linalg.inv(numpy.eye(50) * 2).sum() == 25
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_nothing_is_collected_while_models_are_loaded_and_all_of_it_after() -> None:
    program = """
import gc, weakref
from service.memory import postpone, settle
class Cycle:
    def __init__(self): self.itself = self
postpone()
left = weakref.ref(Cycle())
kept = [[] for _ in range(100_000)]
assert left() is not None
settle()
assert left() is None
again = weakref.ref(Cycle())
kept += [[] for _ in range(100_000)]
assert again() is None
assert gc.get_freeze_count() > 100_000
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
