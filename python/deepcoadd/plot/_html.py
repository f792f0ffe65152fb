# SPDX-License-Identifier: BSD-3-Clause
"""The page of a report: one HTML file that needs nothing but the pictures beside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from urllib.parse import unquote

__all__ = ["code", "figure", "gallery", "page", "paragraph", "section", "table"]

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 1200px; padding: 0 1em;
       color: #222; background: #fff; }
h1 { font-size: 1.6em; } h2 { font-size: 1.2em; margin-top: 2em; }
table { border-collapse: collapse; }
th, td { text-align: left; padding: 0.2em 1em 0.2em 0; border-bottom: 1px solid #ddd;
         vertical-align: top; overflow-wrap: anywhere; }
figure { margin: 0 0 1.5em; } figure img { max-width: 100%; } figcaption { color: #555; }
.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(210px, 1fr)); gap: 1em; }
.gallery figure { margin: 0; } .gallery img { width: 100%; image-rendering: pixelated; }
.gallery figcaption { font-size: 0.85em; overflow-wrap: anywhere; }
pre { background: #f4f4f4; padding: 1em; overflow-x: auto; }
"""


def page(title: str, parts: Iterable[str]) -> str:
    """Whole HTML page."""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>\n"
        f"<body><h1>{escape(title)}</h1>\n" + "\n".join(parts) + "\n</body></html>\n"
    )


def section(title: str, *parts: str) -> str:
    """Heading and what stands below it."""
    return f"<section><h2>{escape(title)}</h2>\n" + "\n".join(parts) + "</section>"


def paragraph(text: str, link: str = "") -> str:
    """Line of text, and a link (an escaped URL) named by its last part."""
    to = escape(link, quote=True)
    after = f' <a href="{to}">{escape(unquote(link).rpartition("/")[2])}</a>' if link else ""
    return f"<p>{escape(text)}{after}</p>"


def table(rows: Iterable[Sequence[str]], head: Sequence[str] = ()) -> str:
    """Table of texts."""
    top = "<tr>" + "".join(f"<th>{escape(cell)}</th>" for cell in head) + "</tr>" if head else ""
    body = "\n".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table>{top}{body}</table>"


def figure(file: str, what: str, *, caption: bool = False) -> str:
    """Picture that leads to itself at full size; `what` it shows is its caption if wanted."""
    name, text = escape(file, quote=True), escape(what, quote=True)
    below = f"<figcaption>{text}</figcaption>" if caption else ""
    return f'<figure><a href="{name}"><img src="{name}" alt="{text}"></a>{below}</figure>'


def gallery(pictures: Mapping[str, str]) -> str:
    """Grid of small pictures, file name -> caption."""
    inside = "\n".join(figure(file, what, caption=True) for file, what in pictures.items())
    return f'<div class="gallery">{inside}</div>'


def code(text: str) -> str:
    """Preformatted text."""
    return f"<pre>{escape(text)}</pre>"
