"""How people name a version of a model: `name@version`, `name@alias`, or the name alone."""

import re


def parse(given: str) -> tuple[str, str | None]:
    """The name, and the version or alias. `name:version`, as BentoML writes it, is taken too. Raises ValueError."""
    name, *wanted = re.split("[@:]", given, maxsplit=1)
    if not name or wanted == [""]:
        raise ValueError(f"expected a model such as many_to_many or many_to_many@candidate; received {given[:100]!r}")
    return name, wanted[0] if wanted else None
