"""`unroll doctor`: what is wrong on this machine, one line each."""

import json
from collections import Counter
from collections.abc import Iterator

import click

from unroll.commands import checks
from unroll.commands.findings import STATES, Found

COLOURS = {"ok": "green", "warn": "yellow", "wrong": "red"}


@click.command()
@click.option("--port", type=click.IntRange(1, 2**16 - 1), default=3000, show_default=True, help="The port to look at.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(port: int, as_json: bool) -> None:
    """Say what is wrong on this machine, and what to type.

    It looks at Python, packages, store, versions, aliases, settings, keys, TLS, limits, port, tools and GPU, and changes
    nothing.

    Exit code 0: nothing is wrong, though there may be warnings; 1: something is wrong.

    \b
    Examples:
      unroll doctor
      unroll doctor --json
    """
    found = list(every(port))
    counted = Counter(each.state for each in found)
    if as_json:
        click.echo(json.dumps({"wrong": counted["wrong"], "checks": [each._asdict() for each in found]}, indent=2))
    else:
        for each in found:
            click.echo(_line(each))
        click.echo(", ".join(f"{counted[state]} {state}" for state in STATES[::-1]))
    raise SystemExit(1 if counted["wrong"] else 0)


def every(port: int) -> Iterator[Found]:
    for check in (checks.python, checks.packages, checks.store, checks.versions):
        yield from check()
    try:
        from unroll.commands import service_checks  # noqa: PLC0415 - this machine may lack what it imports
    except ModuleNotFoundError as error:
        yield Found("settings", "warn", f"without {error.name}, settings, limits and port cannot be looked at")
    else:
        yield from service_checks.every(port)
    yield from checks.tools()
    yield from checks.gpu()


def _line(each: Found) -> str:
    hint = f"  -> {each.hint}" if each.hint else ""
    return f"{click.style(f'{each.state:5}', fg=COLOURS[each.state])}  {each.name:8}  {each.says}{hint}"
