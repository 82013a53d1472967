"""The keys of an API, one of which a request has to have."""

from __future__ import annotations

import hmac
from base64 import b64decode
from collections.abc import Sequence

from starlette.requests import Request

from nertool.serving.limits import Refusal

BEARER, BASIC = "Bearer", 'Basic realm="nertool"'
"""How an answer asks for a key. Pages get the first, since for the second a browser asks for a password."""
HINTS = {
    BEARER: "Send a header `Authorization: Bearer KEY`, with a key of --api-key-file.",
    BASIC: "Choose Basic Auth for the model in Label Studio: any user, and a key of --api-key-file as password.",
}


def check_key(request: Request, keys: Sequence[bytes], challenge: str = BEARER) -> None:
    """Compare the key of a request with all there are, in a time that says nothing of them.

    Args:
        keys: empty where a request needs none.
        challenge: what is said where there is none.

    Raises:
        Refusal: it has none, or another one.
    """
    if not keys:
        return
    given = given_key(request.headers.get("authorization", ""))
    right = [hmac.compare_digest(given, key) for key in keys]
    if not any(right):
        raise Refusal(401, "the key is missing or wrong", HINTS[challenge], {"WWW-Authenticate": challenge})


def given_key(header: str) -> bytes:
    """The key in a header: what is behind `Bearer`, or the password of `Basic`; empty where there is none.

    >>> given_key("Bearer secret"), given_key("Basic YW55Ym9keTpzZWNyZXQ="), given_key("secret")
    (b'secret', b'secret', b'')
    """
    scheme, _, rest = header.partition(" ")
    if scheme.lower() == "bearer":
        return rest.encode("latin-1")
    if scheme.lower() != "basic":
        return b""
    try:
        return b64decode(rest, validate=True).partition(b":")[2]
    except ValueError:
        return b""
