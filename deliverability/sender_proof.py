"""Was a message really sent by the address in its From? The one question that the inbox asks this room.

Our own server's Authentication-Results answer it; where it wrote none, the DKIM signatures are verified here. In
doubt the answer is no.
"""

from collections.abc import Collection
from dataclasses import dataclass
from email.parser import BytesHeaderParser
from email.policy import compat32

from deliverability.auth_results import AuthResults, trusted_results
from deliverability.dkim import DkimStatus, verify_message
from deliverability.dmarc import discover
from deliverability.dmarc_assess import registrable
from deliverability.resolver import Resolver


@dataclass(frozen=True, slots=True)
class SenderProof:
    """Hold the answer: `by` is the evidence ("authentication-results", "dkim"), `why` a sentence for people."""

    proven: bool
    why: str
    by: str = ""
    temporary: bool = False  #: not proven only because the DNS did not answer: worth another try
    denied: bool = False  #: our own server says that it is forged


async def prove_sender(
    resolver: Resolver, raw: bytes, from_address: str, authserv_ids: Collection[str] = ()
) -> SenderProof:
    """Tell whether the From of a raw message is proven; never raises for what the message or the DNS says."""
    domain = from_address.rpartition("@")[2].strip().lower()
    headers = BytesHeaderParser(policy=compat32).parsebytes(raw)
    if not domain or len(headers.get_all("From", [])) != 1:
        return SenderProof(proven=False, why="the message has not exactly one From address")
    values = [str(value) for value in headers.get_all("Authentication-Results", [])]
    said = trusted_results(values, authserv_ids)
    if said is not None:
        return _read(said, domain)
    temporary = ""
    for signature in await verify_message(resolver, raw):
        if signature.status is DkimStatus.TEMPERROR:
            temporary = signature.reason
        if (
            signature.status is DkimStatus.PASS
            and signature.whole
            and await _related(resolver, signature.domain, domain)
        ):
            return SenderProof(proven=True, why=f"signed by {signature.domain} (DKIM)", by="dkim")
    if temporary:
        return SenderProof(proven=False, why=f"not proven now: {temporary}", temporary=True)
    return SenderProof(proven=False, why=f"no valid DKIM signature of {domain} covers it")


def _read(said: AuthResults, domain: str) -> SenderProof:
    """Judge what our own server wrote; without DMARC the aligned methods behind it count."""
    wanted = registrable(domain) or domain
    for one in said.of("dmarc"):
        if one.result == "pass" and one.domain("header.from") in ("", domain):
            return SenderProof(proven=True, why=f"{said.authserv_id} says dmarc=pass", by="authentication-results")
        if one.result == "fail":
            why = f"{said.authserv_id} says dmarc=fail"
            return SenderProof(proven=False, why=why, by="authentication-results", denied=True)
    for method, names in (("dkim", ("header.d", "header.i")), ("spf", ("smtp.mailfrom",))):
        for one in said.of(method):
            signer = one.domain(*names)
            if one.result == "pass" and signer and (registrable(signer) or signer) == wanted:
                why = f"{said.authserv_id} says {method}=pass for {signer}"
                return SenderProof(proven=True, why=why, by="authentication-results")
    why = f"{said.authserv_id} names nothing that passed for {domain}"
    return SenderProof(proven=False, why=why, by="authentication-results")


async def _related(resolver: Resolver, signer: str, author: str) -> bool:
    """Tell whether signer and author are of one organisation, by the tree walk and by the public suffix list."""
    if signer == author:
        return True
    if (registrable(signer) or signer) != (registrable(author) or author):
        return False
    one, other = await discover(resolver, signer), await discover(resolver, author)
    return one.organisational_domain == other.organisational_domain or one.record is None
