"""What does the configuration know about a sending domain that the DNS does not say?"""

from collections import defaultdict

from deliverability.mail_hosts import MailHost
from postroom.config import Config


def submission_hosts(config: Config) -> dict[str, tuple[MailHost, ...]]:
    """Return the hosts that take each domain's mail over TLS, each once."""
    found: defaultdict[str, dict[MailHost, None]] = defaultdict(dict)
    for mailbox in config.mailbox:
        smtp = mailbox.smtp
        if smtp is not None and smtp.security != "none":
            host = MailHost(smtp.host, smtp.port, implicit=smtp.security == "tls", ca_file=smtp.ca_file, ours=True)
            found[mailbox.address.rpartition("@")[2]][host] = None
    return {domain: tuple(hosts) for domain, hosts in found.items()}


def signing_selectors(config: Config) -> dict[str, tuple[str, ...]]:
    """Return the selectors of the keys that sign each domain's mail here."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for key in config.dkim:
        found[key.domain].append(key.selector)
    return {domain: tuple(selectors) for domain, selectors in found.items()}
