"""What is wrong with the text of a domain's SPF records, apart from what they evaluate to?"""

import re
from collections.abc import Iterator, Sequence

from deliverability.demands import Demand
from deliverability.findings import ANSWER_BYTES, SAFE_BYTES, Finding, zone_line
from deliverability.spf_record import SpfRecord, parse_record, select_records
from deliverability.spf_repair import join_terms, merge_spf, repair_spf, typed
from store.vocabulary import Severity

_MEANT = re.compile(r"v\s?[=:]?\s?spf[\s\d;,]|v\s?=\s?spf1?|spf[12]?[\s;,]", re.IGNORECASE)
_SENDER_ID = re.compile(r"spf2\.0/", re.IGNORECASE)
_WIDEST = {4: 8, 6: 16}  # prefix lengths below which a network is no longer anybody's own


def looks_like_spf(text: str) -> bool:
    """Tell whether a TXT record that is no SPF record was meant to be one."""
    plain = typed(text)
    return bool(_MEANT.match(plain)) and not _SENDER_ID.match(plain)


def lint_records(domain: str, texts: Sequence[str]) -> Iterator[Finding]:
    """Yield findings about the TXT records of a domain: records that miss the syntax, doubled ones, risky terms."""
    records = select_records(texts)
    broken = [text for text in texts if text not in records and looks_like_spf(text)]
    severity = Severity.WARNING if records else Severity.ERROR
    for text in broken:
        fixed = repair_spf(text) if not records else ""
        advice = f'Receivers do not see an SPF record here. Publish "{fixed}"' if fixed else "Remove this leftover."
        line = zone_line(domain, fixed) if fixed else ""
        yield Finding("spf-broken", severity, typed(text), advice, Demand.SPF, line)
    if len(records) > 1:
        merged = merge_spf(records)
        advice = f'Several SPF records count as none (permerror). Publish only "{merged}"'
        line = zone_line(domain, merged)
        yield Finding("spf-two-records", Severity.ERROR, " | ".join(records), advice, Demand.SPF, line)
    elif records:
        yield from _lint_record(domain, parse_record(records[0]))


def _lint_record(domain: str, record: SpfRecord) -> Iterator[Finding]:
    text = record.text
    terms = text.split()[1:]

    def finding(slug: str, severity: Severity, advice: str, corrected: str) -> Finding:
        return Finding(
            slug, severity, text, f'{advice} Publish "{corrected}"', Demand.SPF, zone_line(domain, corrected)
        )

    if record.problems:
        return  # judged by the evaluation
    kinds = [mechanism.kind for mechanism in record.mechanisms]
    ends = [mechanism for mechanism in record.mechanisms if mechanism.kind == "all"]
    if ends and ends[0].qualifier in "+?":
        severity = Severity.ERROR if ends[0].qualifier == "+" else Severity.WARNING
        kept = [term for term in terms if term.lower().lstrip("+?") != "all"]
        advice = f"{ends[0].text} lets everybody send as {domain}."
        yield finding("spf-allows-everybody", severity, advice, join_terms(kept))
    if "ptr" in kinds:
        kept = [term for term in terms if not term.lower().lstrip("+-~?").startswith("ptr")]
        yield finding("spf-ptr", Severity.WARNING, "ptr must not be used (RFC 7208, 5.5).", join_terms(kept))
    if ends and (record.redirect or kinds.index("all") < len(kinds) - 1):
        advice = "What stands after all is never reached."
        yield finding("spf-after-all", Severity.WARNING, advice, join_terms([*terms, ends[0].text]))
    if not ends and not record.redirect:
        advice = "The record does not say what holds for everybody else."
        yield finding("spf-no-end", Severity.INFO, advice, join_terms(terms))
    if len(set(map(str.lower, terms))) < len(terms):
        yield finding("spf-doubled-term", Severity.INFO, "A term stands twice.", join_terms(terms))
    for network in (mechanism.network for mechanism in record.mechanisms if mechanism.network is not None):
        if network.prefixlen < _WIDEST[network.version]:
            advice = f"ip{network.version}:{network} covers far more than your own relays: name them."
            yield Finding("spf-wide-network", Severity.WARNING, text, advice, Demand.SPF)
    if len(text) > SAFE_BYTES:
        severity = Severity.WARNING if len(text) > ANSWER_BYTES else Severity.INFO
        advice = (
            f"{len(text)} bytes of the {ANSWER_BYTES} of a UDP answer: where TCP is closed it may be lost. Shorten it."
        )
        yield Finding("spf-long", severity, text, advice, Demand.SPF)
