"""What messages suggest: commands that can be pasted into the shell in which they are shown, and the nearest right name."""

import shlex
import shutil
import sys
from collections.abc import Iterable
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import Final

LONGEST: Final = 63
"""Names have at most so many characters. Comparing long texts takes long."""


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """The end of a sentence: `. Did you mean ...?`, or nothing where no known name is near."""
    near = get_close_matches(given[:LONGEST], list(known), n=1)
    return f". Did you mean {near[0]}?" if near else ""


def typed(arguments: str) -> str:
    """The `unroll` command with these arguments, as this environment has it: on the PATH, by its path, or as a module."""
    beside = Path(sys.executable).with_name("unroll")
    if beside.exists():
        found = shutil.which("unroll")
        return f"{'unroll' if found and Path(found).resolve() == beside.resolve() else _path(beside)} {arguments}"
    if find_spec("unroll") is not None:
        return f"{_python()} -m unroll {arguments}"
    if find_spec("training") is not None:  # the image of training has no `unroll`
        return f"{_python()} -m training {'run' + arguments[5:] if arguments.startswith('train') else arguments}"
    return f"unroll {arguments}"  # on the machine that trains


def _python() -> str:
    return "python" if shutil.which("python") == sys.executable else _path(Path(sys.executable))


def _path(program: Path) -> str:
    here = Path.cwd()
    return shlex.quote(str(program.relative_to(here) if program.is_relative_to(here) else program))
