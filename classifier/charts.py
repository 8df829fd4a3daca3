"""How do figures look? Small SVG charts, drawn without a library: lines, shares with intervals, a matrix of counts."""

from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 640, 400, 70, 40, 20, 60  # pixels
COLOURS = ("#1f5fa8", "#c4562b", "#3a8a4d", "#7a4fa0")
DASHED = 'stroke-dasharray="4 4"'


def _text(x: float, y: float, words: str, anchor: str = "middle", size: int = 12, colour: str = "#222") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text {place} font-size="{size}" fill="{colour}">{escape(words)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, colour: str = "#ddd", style: str = "") -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" {style}/>'


def _page(title: str, parts: Sequence[str], width: int = WIDTH, height: int = HEIGHT) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif">'
    back = f'<rect width="{width}" height="{height}" fill="white"/>'
    return "\n".join([head, back, _text(width / 2, 24, title, size=15), *parts, "</svg>", ""])


def line_chart(
    title: str, axes: tuple[str, str], series: Mapping[str, Sequence[tuple[float, float]]],
    limits: tuple[float, float, float, float] = (0, 1, 0, 1), *, diagonal: bool = False,
) -> str:  # fmt: skip
    """Return an SVG of named lines of (x, y); `limits` are least and largest x, least and largest y."""
    left, right, low, high = limits

    def place(x: float, y: float) -> tuple[float, float]:
        across = LEFT + (x - left) / (right - left) * (WIDTH - LEFT - RIGHT)
        return across, HEIGHT - BOTTOM - (y - low) / (high - low) * (HEIGHT - TOP - BOTTOM)

    parts: list[str] = []
    for step in range(6):
        x, y = left + (right - left) * step / 5, low + (high - low) * step / 5
        across, up = place(x, y)
        parts += [_line(LEFT, up, WIDTH - RIGHT, up), _text(LEFT - 8, up + 4, f"{y:.3g}", "end")]
        parts += [_line(across, TOP, across, HEIGHT - BOTTOM), _text(across, HEIGHT - BOTTOM + 18, f"{x:.4g}")]
    if diagonal:
        parts.append(_line(*place(left, low), *place(right, high), "#999", DASHED))
    for number, (name, points) in enumerate(series.items()):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in points))
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(_text(LEFT + 10, TOP + 16 + 16 * number, name, "start", colour=colour))
    parts.append(_text(WIDTH / 2, HEIGHT - 14, axes[0]))
    parts.append(f'<g transform="rotate(-90 16 {HEIGHT / 2})">{_text(16, HEIGHT / 2, axes[1])}</g>')
    return _page(title, parts)


def interval_chart(title: str, rows: Sequence[tuple[str, float, float, float]]) -> str:
    """Return an SVG of shares from 0 to 1 with their intervals: (name, share, low, high), a row each."""
    left, step = 230, 24
    height = TOP + step * len(rows) + 40
    wide = WIDTH - left - RIGHT
    parts: list[str] = []
    for mark in range(6):
        x = left + wide * mark / 5
        parts += [_line(x, TOP, x, height - 36), _text(x, height - 18, f"{mark / 5:.1f}")]
    for number, (name, share, low, high) in enumerate(rows):
        y = TOP + step * number + step / 2
        parts.append(_text(left - 8, y + 4, name, "end"))
        parts.append(_line(left + wide * low, y, left + wide * high, y, COLOURS[0], 'stroke-width="2"'))
        parts.append(f'<circle cx="{left + wide * share:.1f}" cy="{y:.1f}" r="4" fill="{COLOURS[1]}"/>')
    return _page(title, parts, height=height)


def matrix_chart(title: str, names: Sequence[str], counts: Sequence[Sequence[int]]) -> str:
    """Return an SVG of a square matrix of counts, darker where a row has more of its own."""
    left, top, size = 130, 70, 72
    width, height = left + size * len(names) + 20, top + 48 * len(names) + 40
    parts = [_text(left + size * len(names) / 2, 44, "decision")]
    for column, name in enumerate(names):
        parts.append(_text(left + size * (column + 0.5), top - 8, name.replace("_", " "), size=10))
    for row, name in enumerate(names):
        parts.append(_text(left - 8, top + 48 * row + 28, name, "end"))
        for column, count in enumerate(counts[row]):
            share = count / max(sum(counts[row]), 1)
            x, y = left + size * column, top + 48 * row
            fill = f'fill="{COLOURS[0]}" fill-opacity="{share:.2f}" stroke="#ccc"'
            parts.append(f'<rect x="{x}" y="{y}" width="{size}" height="48" {fill}/>')
            parts.append(_text(x + size / 2, y + 28, str(count), colour="white" if share > 0.5 else "#222"))
    return _page(title, parts, width, height)
