import subprocess
import sys

KEEPS = """
import sys
from service.hosting.memory import keep_little

if sys.argv[1] == "little":
    keep_little()

def resident() -> int:
    return int(open("/proc/self/statm").read().split()[1]) * 4096

import numpy as np

for _ in range(3):  # what was freed last is what glibc takes as its threshold
    np.ones(5 * 2**20, np.float32).sum()
before = resident()
kept = [np.ones(2**20, np.float32) for _ in range(20)], [bytearray(100) for _ in range(1000)]
last = [bytearray(100_000) for _ in range(50)]  # behind them: too many for the holes before
del kept
print(resident() - before)
"""


def test_what_large_arrays_took_is_given_back() -> None:
    asked = [sys.executable, "-c", KEEPS]
    little, much = (int(subprocess.run([*asked, how], capture_output=True, check=True).stdout) for how in ("little", "much"))
    assert little < 10 * 2**20
    assert much > 60 * 2**20


def test_what_is_loaded_is_out_of_the_collectors_sight() -> None:
    code = "import gc; from service.hosting.memory import settle; settle(); "
    code += "print(gc.get_freeze_count() > 1000, gc.get_threshold()[0])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout
    assert said == "True 50000\n"
