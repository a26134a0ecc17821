"""Requests to the receiver: as ASGI sees them, and bodies as Jicoo sends them."""

from __future__ import annotations

import hashlib
import hmac
import json
import time

PATH = "/jicoo/webhooks/jicoo_default"
SECRET = "whsec_of_the_tests"
GUEST = {"name": "Hanako Yamada", "email": "hanako@example.com"}


def body(uid="mzgdPJVBb7RE", event="guest_booked", created="2026-01-15T03:30:00.000Z", **more):
    content = {
        "createdAt": created,
        "event": event,
        "object": {"uid": uid, "startedAt": "2026-01-20T01:00:00.000Z", "contact": GUEST, "answers": [], **more},
    }
    return json.dumps(content).encode()


def signed(raw_body, secret=SECRET, at=None):
    moment = int(time.time()) if at is None else at
    digest = hmac.new(secret.encode(), b"%d." % moment + raw_body, hashlib.sha256).hexdigest()
    return f"t={moment},v1={digest}"


async def post(
    app,
    raw_body,
    signature=None,
    path=PATH,
    method="POST",
    headers=(),
    parts=None,
    receive=None,
    root="/jicoo/webhooks",
    own=(b"content-length", b"content-type"),
):
    """Send a request, and return status and text of the answer.

    :param headers: further ones.
    :param parts: what comes of the body, if it is not all of it at once.
    :param receive: comes in place of the body.
    :param own: which of the usual headers it has.
    """
    usual = {b"content-length": b"%d" % len(raw_body), b"content-type": b"application/json"}
    given = [*((name, usual[name]) for name in own), *headers]
    if signature is not None:
        given.append((b"jicoo-webhook-signature", signature.encode("latin-1")))
    scope = {"type": "http", "method": method, "path": path, "root_path": root, "headers": given}
    left = [raw_body] if parts is None else list(parts)
    sent = []

    async def next_part():
        if not left:
            return {"type": "http.disconnect"}
        # Cut short: a sender that says how long it is, and goes away.
        is_last = len(left) == 1 and (parts is None or parts[-1] == b"")
        return {"type": "http.request", "body": left.pop(0), "more_body": not is_last}

    async def send(message):
        sent.append(message)

    await app(scope, receive or next_part, send)
    return sent[0]["status"], b"".join(each.get("body", b"") for each in sent[1:])
