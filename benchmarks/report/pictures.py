"""How pictures look, and how they become files: SVG, or a script for an HTML page. Nothing comes from the network."""

import functools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import altair as alt
import vl_convert

GREY: Final = "#767676"
COLOURS: Final = ("#0b559f", "#d95f02", "#1b9e77", "#7a4fa3", "#c51b7d", "#666666")
SHADES: Final = ("#7db8da", "#2e7ebc", "#08306b")
"""For an order, such as a number of connections."""

LOOK: Final[dict[str, Any]] = {
    "background": "#ffffff",  # its own, so that the picture is also readable on a dark page
    "font": "Arial, Liberation Sans, Helvetica, sans-serif",  # no file of a font: what the reader has, widths almost the same
    "padding": {"bottom": 12, "left": 34, "right": 34, "top": 12},  # room for a reader whose font is wider
    "view": {"stroke": None},
    "axis": {
        "domainColor": "#b0b0b0",
        "gridColor": "#e8e8e8",
        "labelColor": "#333333",
        "labelFontSize": 12,
        "tickColor": "#b0b0b0",
        "titleColor": "#333333",
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "titlePadding": 12,
    },
    "legend": {"labelFontSize": 12, "labelLimit": 400, "orient": "top", "symbolSize": 90, "title": None},
    "title": {
        "anchor": "start",
        "frame": "group",
        "offset": 8,
        "fontSize": 14,
        "subtitleColor": "#555555",
        "subtitleFontSize": 12,
        "subtitlePadding": 5,
    },
}


Panel = alt.LayerChart | alt.FacetChart  # what altair says a layered chart may become


def data(rows: Sequence[Mapping[str, Any]]) -> alt.Data:
    return alt.Data(values=list(rows))  # type: ignore[no-untyped-call]


def svg(picture: alt.TopLevelMixin) -> str:
    drawn = _specification(picture)
    drawn["config"]["aria"] = False  # a page shows it as one image, with a text of its own
    return f"{vl_convert.vegalite_to_svg(drawn)}\n"


def write(path: Path, result: Mapping[str, Any], page: str, picture: alt.TopLevelMixin | None) -> str:
    """Write figures (JSON), page (HTML) and picture (SVG) beside each other. Returns what was written, in words."""
    path.parent.mkdir(parents=True, exist_ok=True)
    texts = {".json": json.dumps(result) + "\n", ".html": page, **({".svg": svg(picture)} if picture else {})}
    for ending, text in texts.items():
        path.with_suffix(ending).write_text(text)
    return f"written: {path} with {', '.join(texts)}"


def script(picture: alt.TopLevelMixin, element: str) -> str:
    """JavaScript that draws the picture into an element: values on hover, and a menu that saves it."""
    options = {"actions": {"export": True, "source": False, "compiled": False, "editor": False}, "ast": True, "renderer": "svg"}
    call = f"vegaEmbed({json.dumps(f'#{element}')}, {json.dumps(_specification(picture))}, {json.dumps(options)});"
    return _library() + call.replace("</", "<\\/")


def _specification(picture: alt.TopLevelMixin) -> dict[str, Any]:
    return {**picture.to_dict(), "config": dict(LOOK)}


@functools.cache
def _library() -> str:
    """Vega, Vega-Lite and Vega-Embed, as one script."""
    return f"{vl_convert.javascript_bundle('window.vegaEmbed = vegaEmbed;')}\n".replace("</script", "<\\/script")
