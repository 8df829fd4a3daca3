"""Who sent what nobody may parse?"""

from hypothesis import given
from hypothesis import strategies as st

from inbox.glance import glance


def test_sender_and_references_are_read_from_folded_lines() -> None:
    head = b"Subject: x\r\nFrom: =?utf-8?q?a=40b?=\r\n <Kim@Fjordbyg.example>\r\nReferences: <1@out.example>\r\n <2@out.example>\r\nIn-Reply-To: <3@out.example>\r\n\r\nFrom: other@x.example\r\n"
    found = glance(head)
    assert (found.from_address, found.ids) == ("kim@fjordbyg.example", ("<3@out.example>", "<2@out.example>", "<1@out.example>"))  # fmt: skip


def test_a_body_is_no_header() -> None:
    assert glance(b"Subject: x\n\nFrom: kim@fjordbyg.example\n").from_address == ""


@given(st.binary(max_size=500))
def test_any_octets_are_glanced_at(raw: bytes) -> None:
    assert isinstance(glance(b"From: " + raw).from_address, str)
