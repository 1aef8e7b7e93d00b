"""A report as one HTML file without external parts. Its policy forbids the browser to ask for any."""

from collections.abc import Mapping, Sequence
from html import escape

import altair as alt

from benchmarks.report import pictures

POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:"
STYLE = """:root{color-scheme:light dark}body{font:15px/1.5 sans-serif;max-width:1280px;margin:2em auto;padding:0 1em}
table{border-collapse:collapse;font-size:13px}td,th{padding:3px 10px;border-bottom:1px solid #8886;text-align:right}
td:first-child,th:first-child{text-align:left}li{max-width:60em}#picture{overflow-x:auto}summary{cursor:pointer}"""


def page(title: str, parts: Sequence[str]) -> str:
    head = (
        f"<!doctype html><html lang='en'><meta charset='utf-8'><meta http-equiv='Content-Security-Policy' content=\"{POLICY}\">"
    )
    titles = f"<title>{escape(title)}</title><style>{STYLE}</style>"
    return "\n".join([head, titles, f"<h1>{escape(title)}</h1>", *parts, "</html>", ""])


def picture(drawn: alt.TopLevelMixin) -> str:
    """The picture of a page; a page has one."""
    return f"<div id='picture'></div><script>{pictures.script(drawn, 'picture')}</script>"


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
