"""What names a model: a name, and a version or an alias. A client needs no more than this of the store."""

from contract import model_names
from service.errors import InvalidRequest


def parsed(model: str) -> tuple[str, str | None]:
    """`name`, `name@version` or `name@alias` -> the name, and the version or alias. Raises InvalidRequest."""
    try:
        return model_names.parse(model)
    except ValueError as error:
        expected = "a model such as many_to_many or many_to_many@candidate"
        raise InvalidRequest(f"{error}.", expected=expected, received=model) from None
