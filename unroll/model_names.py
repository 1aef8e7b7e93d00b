"""What names a model: a name, and a version or an alias. A client needs no more than this of the store."""

from service.errors import InvalidRequest


def parsed(model: str) -> tuple[str, str | None]:
    """`name`, `name@version` or `name@alias` -> the name, and the version or alias. Raises InvalidRequest."""
    name, at, wanted = model.partition("@")
    if ":" in name:
        there, _, word = name.partition(":")
        raise _wrong(model, f"Type {there}@{word}.")
    if not name or (at and not wanted):
        raise _wrong(model)
    return name, wanted or None


def _wrong(model: str, hint: str = "") -> InvalidRequest:
    expected = "a name such as many_to_many, or many_to_many@candidate"
    return InvalidRequest(f"expected {expected}; received {model[:100]}. {hint}".rstrip(), expected=expected, received=model)
