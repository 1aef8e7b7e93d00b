"""A report as one HTML file without external parts."""

from collections.abc import Mapping, Sequence
from html import escape

STYLE = """body{font:15px/1.5 sans-serif;max-width:1280px;margin:2em auto;padding:0 1em;color:#222}
table{border-collapse:collapse;font-size:13px}td,th{padding:3px 10px;border-bottom:1px solid #ddd;text-align:right}
td:first-child,th:first-child{text-align:left}svg{margin:6px 12px 6px 0}li{max-width:60em}"""


def page(title: str, parts: Sequence[str]) -> str:
    head = f"<!doctype html><html lang='en'><meta charset='utf-8'><title>{escape(title)}</title><style>{STYLE}</style>"
    return "\n".join([head, f"<h1>{escape(title)}</h1>", *parts, "</html>", ""])


def sentences(lines: Sequence[str]) -> str:
    return "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>"


def heading(text: str) -> str:
    return f"<h2>{escape(text)}</h2>"


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def facts(of: Mapping[str, str]) -> str:
    return table(["measured on", ""], list(of.items()))
