"""Draws the figures of a run as SVG: a point for the median of each server, a line from quartile to quartile.

The axes are logarithmic: the servers lie a factor of a hundred apart, and a factor has the same length everywhere.
"""

from __future__ import annotations

from html import escape
from math import ceil, floor, log10

from bench.report import Run, quartiles, values

ROW, LEFT, WIDTH, GAP, TOP = 24, 190, 300, 90, 48
PANELS = (("requests_a_second", "requests a second (right is better)"), ("cpu_us", "CPU µs a request (left is better)"))


def svg(figures: Run) -> str:
    height, width = TOP + ROW * len(figures) + 8, LEFT + 2 * WIDTH + 2 * GAP
    parts = [f'<rect width="{width}" height="{height}" fill="white"/>']
    for row, name in enumerate(figures):
        parts.append(_text(8, _middle(row) + 4, name))
    for number, (field, title) in enumerate(PANELS):
        left = LEFT + number * (WIDTH + GAP)
        parts.append(_text(left, 16, title, weight="bold"))
        parts += _panel(left, {name: quartiles(values(own, field)) for name, own in figures.items()})
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"'
    return "\n".join([f'{head} font-family="sans-serif" font-size="12">', *parts, "</svg>\n"])


def _panel(left: float, found: dict[str, tuple[float, float, float]]) -> list[str]:
    known = [value for spread in found.values() for value in spread if value]
    first, last = floor(log10(min(known))), ceil(log10(max(known)))

    def x(value: float) -> float:
        return left + WIDTH * (log10(value) - first) / (last - first)

    parts = []
    for power in range(first, last + 1):
        at, bottom = x(10**power), TOP + ROW * len(found)
        parts.append(f'<line x1="{at:.1f}" y1="{TOP - 8}" x2="{at:.1f}" y2="{bottom}" stroke="#ddd"/>')
        parts.append(_text(at, TOP - 12, f"{10**power:,}", anchor="middle", fill="#666"))
    for row, (low, middle, high) in enumerate(found.values()):
        if middle:
            y = _middle(row)
            parts.append(
                f'<line x1="{x(low):.1f}" y1="{y}" x2="{x(high):.1f}" y2="{y}" stroke="#06c" stroke-width="3"/>'
            )
            parts.append(f'<circle cx="{x(middle):.1f}" cy="{y}" r="4" fill="#06c"/>')
            parts.append(_text(max(x(middle), x(high)) + 8, y + 4, f"{middle:,.0f}"))
    return parts


def _middle(row: int) -> float:
    return TOP + ROW * (row + 0.5)


def _text(x: float, y: float, text: str, *, anchor: str = "start", fill: str = "#222", weight: str = "normal") -> str:
    look = f'text-anchor="{anchor}" fill="{fill}" font-weight="{weight}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {look}>{escape(text)}</text>'
