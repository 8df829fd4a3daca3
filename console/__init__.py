"""console: what people see in a browser. So far the public endpoint; it needs neither the daemon nor the database.

The flow:
    GET  /u/TOKEN/LANGUAGE   a page with three buttons; nothing is read or written (`one_click`)
    POST /u/TOKEN/LANGUAGE   everything (also RFC 8058), this sequence only, or a pause of 90 days
    `wishes`                 store, or spool when the store does not answer; only then the page says "done"
    /h/NOTICE/TOKEN          a colleague takes a lead or rejects it: GET shows, POST acts once (`handover_links`)
    the daemon               drains the spool before every claim of a letter
    `public`                 caps, headers, the beat on which answers come; every door adds its routes here

Invariants:
    - only POST acts; the same wish twice is one wish; a weaker wish never undoes a stronger one
    - a token of ours and a guessed one get the same bytes on the same beat; there is no address in either
    - after the answer no DATA to the person begins: a letter that was claimed before has begun by then

Why a language in the link: the page speaks the contact's language and still looks nothing up.
"""
