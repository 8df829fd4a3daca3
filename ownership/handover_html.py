"""How does a handover look in a mail program? Tables and inline styles only; everything that came in is escaped."""

from dataclasses import dataclass
from html import escape


@dataclass(frozen=True, slots=True)
class Row:
    """One named fact."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Page:
    """A handover in the order a colleague reads it."""

    title: str
    reason: str
    next_step: str
    due: str
    reply: str
    rows: tuple[Row, ...]
    sent: tuple[str, ...]
    earlier: tuple[str, ...]
    foot: str


_FONT = "font-family:-apple-system,Segoe UI,Helvetica,Arial,sans-serif"
ANSWER_HERE = "<!-- answer -->"  # where the mail's sender puts the signed link
_SHELL = (
    '<!doctype html><html><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    '<meta name="color-scheme" content="light"><title>{title}</title></head>'
    f'<body style="margin:0;background:#f3f4f6;{_FONT};color:#1f2937">'
    '<table role="presentation" width="100%" cellpadding="0" cellspacing="0"><tr><td align="center" style="padding:24px 12px">'
    '<table role="presentation" width="600" cellpadding="0" cellspacing="0" '
    'style="max-width:600px;width:100%;background:#ffffff;border:1px solid #e5e7eb;border-radius:8px">'
    "{body}</table></td></tr></table></body></html>\n"
)
_BAND = (
    '<tr><td style="padding:20px 24px 4px"><div style="font-size:20px;font-weight:600">{title}</div>'
    '<div style="font-size:15px;line-height:1.5;margin-top:6px">{reason}</div></td></tr>'
    '<tr><td style="padding:8px 24px"><table role="presentation" width="100%" cellpadding="0" cellspacing="0" '
    'style="background:#eef2ff;border-radius:6px"><tr><td style="padding:12px 14px;font-size:15px;line-height:1.5">'
    "<b>Next:</b> {next_step}{due}</td></tr></table></td></tr>"
)
_REPLY = (
    '<tr><td style="padding:12px 24px"><div style="border-left:4px solid #4f46e5;padding:4px 0 4px 14px;font-size:16px;'
    'line-height:1.5;word-break:break-word">{reply}</div></td></tr>'
)
_ROW = (
    '<tr><td valign="top" style="padding:4px 16px 4px 0;font-size:13px;color:#6b7280;white-space:nowrap">{name}</td>'
    '<td valign="top" style="padding:4px 0;font-size:14px;line-height:1.4;word-break:break-word">{value}</td></tr>'
)
_LIST = (
    '<tr><td style="padding:8px 24px;font-size:14px;line-height:1.5"><div style="font-size:13px;color:#6b7280">{name}</div>'
    "{items}</td></tr>"
)


def render_page(page: Page) -> str:
    """Return a handover as an HTML document for mail."""
    due = f"<br><b>Due:</b> {escape(page.due)}" if page.due else ""
    body = _BAND.format(title=escape(page.title), reason=escape(page.reason), next_step=escape(page.next_step), due=due)
    body += ANSWER_HERE
    body += _REPLY.format(reply=_lines(page.reply) or "<i>(no text of their own)</i>")
    rows = "".join(_ROW.format(name=escape(row.name), value=escape(row.value)) for row in page.rows)
    body += f'<tr><td style="padding:8px 24px"><table role="presentation" cellpadding="0" cellspacing="0">{rows}</table></td></tr>'
    for name, items in (("We sent", page.sent), ("Before", page.earlier)):
        if items:
            body += _LIST.format(name=name, items="".join(f"<div>{escape(one)}</div>" for one in items))
    body += (
        '<tr><td style="padding:12px 24px 20px;border-top:1px solid #e5e7eb;font-size:12px;color:#6b7280">'
        f"{escape(page.foot)}</td></tr>"
    )
    return _SHELL.format(title=escape(page.title), body=body)


def with_answer_link(html: str, link: str) -> str:
    """Return a page with the button that leads to accept or reject."""
    button = (
        f'<tr><td style="padding:4px 24px"><a href="{escape(link)}" style="display:inline-block;background:#4f46e5;'
        'color:#ffffff;text-decoration:none;padding:9px 16px;border-radius:6px;font-size:14px">Accept or reject</a></td></tr>'
    )
    return html.replace(ANSWER_HERE, button)


def _lines(text: str) -> str:
    return "<br>".join(escape(line) for line in text.strip().splitlines())
