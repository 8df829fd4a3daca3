"""May this domain send? What the DNS says about it, in one verdict with the records to publish.

Flow: `resolver` (the door to the DNS) and `mail_hosts` (the door to SMTP and HTTPS) answer; `spf_assess`, `dkim_keys`,
`dmarc_assess`, `transport_security`, `host_tls`, `mta_sts` and `extras` (with `tls_rpt_record`) each turn answers into
findings; `verdict` gathers them under one time limit and decides; `worker` does so on a schedule and stores the
verdict, which `outbound` honours at planning and at the claim.

Reports on our domains come by mail: `reports` reads them (`report_file` unpacks, `report_dmarc`, `report_failure` and
`report_tls` read each kind) into counts per source and day, which `inbox.domain_reports` stores.
`live_probe` reads the delivered copy of a letter between our own mailboxes (`postroom.probing` sends it), and
`sender_proof` answers the inbox whether a message really comes from its From.

Invariants:
- a temporary failure is its own finding and never read as "missing": it keeps the last verdict, and by itself blocks
  and allows nothing;
- a finding has a stable slug, quotes what was found, says what to do and who asks for it (`demands`);
- a record to publish is the existing one corrected, valid, and lets the named relay pass;
- the number of questions is bounded: 10 terms of SPF, 8 names of a DMARC walk, a fixed list of selectors,
  4 addresses of a host.

Why the resolver is called from within the decisions: what a record says decides which name is asked next.
"""
