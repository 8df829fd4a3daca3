"""What is wrong with a domain's SPF records, apart from what they evaluate to?"""

import re
from collections.abc import Iterator, Sequence

from deliverability.findings import Finding
from deliverability.spf_record import parse_record, select_records
from store.vocabulary import Severity

DEMAND = "RFC 7208; Gmail, Yahoo and Microsoft want a valid SPF record"
_MEANT = re.compile(r"""^\W{0,3}v\s?=\s?spf\s?1?\b|^spf1\s|^\W{0,2}v=spf2|^["'“”]v=spf1""", re.IGNORECASE)
_LONGEST = 450  # characters of a record that still fit one UDP answer


def lint_records(texts: Sequence[str]) -> Iterator[Finding]:
    """Yield findings about the TXT records of a domain: records that miss the syntax, doubled ones, risky terms."""
    records = select_records(texts)
    for text in texts:
        if text not in records and _MEANT.match(text):
            fixed = _repaired(text)
            yield Finding(
                "spf-broken", Severity.ERROR, text, f'Receivers ignore this record. Publish "{fixed}"', DEMAND
            )
    if len(records) > 1:
        advice = f'Keep one record: "{_merged(records)}"'
        yield Finding("spf-two-records", Severity.ERROR, " | ".join(records), advice, DEMAND)
        return
    for record in records:
        parsed = parse_record(record)
        for mechanism in parsed.mechanisms:
            if mechanism.kind == "all" and mechanism.qualifier in "+?":
                advice = f"{mechanism.text} lets everybody send as you: end the record with ~all or -all."
                severity = Severity.ERROR if mechanism.qualifier == "+" else Severity.WARNING
                yield Finding("spf-allows-everybody", severity, record, advice, DEMAND)
            if mechanism.kind == "ptr":
                advice = "Remove ptr: it is slow, unreliable and must not be used (RFC 7208, 5.5)."
                yield Finding("spf-ptr", Severity.WARNING, record, advice, DEMAND)
        ended = parsed.redirect or any(mechanism.kind == "all" for mechanism in parsed.mechanisms)
        if not ended and not parsed.problems:
            yield Finding(
                "spf-no-end", Severity.INFO, record, f'Say what holds for all others: "{record.strip()} ~all"', DEMAND
            )
        if len(record) > _LONGEST:
            yield Finding("spf-long", Severity.INFO, record[:80] + "...", "Shorten it: long answers need TCP.", DEMAND)


def _repaired(text: str) -> str:
    plain = text.strip(" \"'“”„;").replace("“", "").replace("”", "")
    body = re.sub(r"^v?\s?=?\s?spf\s?[12]?(?:\.0)?[;,:\s]*(?:/\S+)?", "", plain, flags=re.IGNORECASE)
    terms = " ".join(re.split(r"[;,\s]+", body)).strip()
    return f"v=spf1 {terms}".strip()


def _merged(records: Sequence[str]) -> str:
    terms: list[str] = []
    ends: list[str] = []
    for record in records:
        for term in record.split()[1:]:
            (ends if term.lstrip("+-~?").lower() == "all" else terms).append(term)
    end = next((one for one in ("~all", "-all", "?all") if one in ends), "~all")
    return " ".join(["v=spf1", *dict.fromkeys(terms), end])
