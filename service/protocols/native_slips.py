"""Recognises what a client sent in place of JSON, and says what to send. Looks at a bounded part of the body."""

import re
from re import IGNORECASE, Pattern
from string import ascii_letters
from typing import Final, NamedTuple

_HEAD: Final = 400
"""So many bytes of a body are looked at from its start."""
_BEFORE, _BEHIND = 40, 20
"""So many bytes are looked at around the place where JSON ends to be JSON."""
_PLACE: Final = re.compile(r"\(byte (\d+)\)")
_DUMPS: Final = 'In Python send json.dumps({"sequences": rows}); of an array take rows.tolist().'
_COMMAS: Final = f"Write [0.1, 0.2], with commas. {_DUMPS}"
_FILE: Final = f"Send its numbers as JSON. {_DUMPS}"


class Slip(NamedTuple):
    received: str
    hint: str


EMPTY: Final = Slip("an empty body", "Send the object as the body of the request.")


def _table(*lines: tuple[bytes, str, str]) -> list[tuple[Pattern[bytes], Slip]]:
    return [(re.compile(pattern, IGNORECASE), Slip(received, hint)) for pattern, received, hint in lines]


_STARTS: Final = _table(  # how a body begins
    (rb"\x1f\x8b", "gzip data without its header", "Add the header content-encoding: gzip."),
    (rb"\x28\xb5\x2f\xfd", "zstd data without its header", "Add the header content-encoding: zstd."),
    (rb"\x93NUMPY", "a NumPy file", _FILE),
    (rb"PK\x03\x04", "a zip archive, such as .npz or .xlsx", _FILE),
    (rb"PAR1", "a Parquet file", _FILE),
    (rb"--[^\r\n]+\r?\ncontent-disp", "a form of several parts", "Send the JSON as the body itself: curl -d @FILE, not -F."),
    (rb"\s*<", "XML or HTML", "Send a JSON object."),
    (rb"\s*@\S+\s*\Z", "the name of a file", "curl reads the file with -d @FILE, not with --data-raw."),
    (rb"\s*[\w./~-]*\.(json|txt)\s*\Z", "the name of a file", "curl reads the file with @ before the name: -d @FILE."),
    (rb"\s*[\w.%]+=", "a form (name=value)", "Send the JSON object itself, with no name before it."),
    (rb"[\[\s]*(np\.|numpy\.)?(array|tensor|float\d+)\(", "the text of an array", _DUMPS),
    (rb"[\[\s]*-?[\d.]+(e[+-]?\d+)?\s+-?[\d.]", "numbers without commas", _COMMAS),
    (rb"[\[{\s]*'", "Python's single quotes", f"JSON has double quotes. {_DUMPS}"),
    (rb"[^\[\]{}\n]*[,;\t][^\[\]{}]*\Z", "CSV", "Write each line as a list: 0.1,0.2 becomes [0.1, 0.2]."),
)
_FAULTS: Final = _table(  # what stands where JSON ends to be JSON
    (rb"(none|true|false|nan|inf)\b", "Python's {found}", f"JSON writes null, true, false, and has no NaN. {_DUMPS}"),
    (rb"(np\.|numpy\.)?(array|tensor|float\d+)\(", "the text of an array", _DUMPS),
    (rb"'", "Python's single quotes", f"JSON has double quotes. {_DUMPS}"),
    (rb"\w+\s*:", "a name without double quotes", 'Write "sequences". In a shell put the whole body between single quotes.'),
    (rb"[.+]\d", "a number that JSON does not know", "Write 0.5, not .5 or +0.5."),
)
_BETWEEN: Final = re.compile(rb"[\d.]\s+\Z")
_REASONS: Final = {  # by what msgspec says
    "trailing comma": Slip("a comma before the closing bracket", "Leave that comma out."),
    "trailing characters": Slip("more behind the JSON object", "Send one object, with all rows in sequences."),
    "truncated": Slip("JSON that ends too early", "Is a closing bracket missing, or was the body cut?"),
}


def by_start(body: bytes) -> Slip | None:
    """What a body is that does not even begin as JSON should."""
    head = body[:_HEAD]
    return next((slip for pattern, slip in _STARTS if pattern.match(head)), None)


def by_fault(body: bytes, reason: str) -> Slip:
    """What is wrong with a body that begins as JSON. `reason` is msgspec's."""
    found = _PLACE.search(reason)
    where = f" at byte {found[1]}" if found else ""
    for said, slip in _REASONS.items():
        if said in reason:
            return slip._replace(received=slip.received + where)
    if found is not None:
        place = int(found[1])
        before = body[max(0, place - _BEFORE) : place]
        place -= len(before) - len(before.rstrip(ascii_letters.encode()))  # of nan, n could begin null
        behind = body[place : place + _BEHIND]
        if _BETWEEN.search(before):
            return Slip(f"numbers without commas{where}", _COMMAS)
        for pattern, slip in _FAULTS:
            if (match := pattern.match(behind)) is not None:
                return slip._replace(received=slip.received.format(found=match[0].decode()) + where)
    return Slip(f"something else: {reason}", "")
