"""Who may talk to the server: those with the link, from the page itself, in messages of bounded size."""

import json
import re
import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping
from http.cookies import CookieError, SimpleCookie
from ipaddress import ip_address
from typing import Any
from urllib.parse import unquote

from lesslabel.plain_text import visible

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
Application = Callable[[Any, Any, Any], Awaitable[None]]

COOKIE = "lesslabel"
AUTHOR_HEADER = "lesslabel-author"
"""Whose tab sends a request, UTF-8 in percent-encoding; in lower case, as all names of headers here."""
LARGEST_BODY_BYTES = 4 * 2**20
"""A turn that paints a whole volume is far below."""
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_HOST = re.compile(r"(\[[0-9a-fA-F:]+\]|[^:]+)(?::\d{1,5})?")

HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; worker-src 'self' blob:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
"""With every answer: nothing is loaded from elsewhere, and no other page holds or frames this one."""


def new_token() -> str:
    """A secret of 256 bits for a link."""
    return secrets.token_urlsafe(32)


class Guard:
    """Lets nobody through to the application but those who may.

    A request passes if its ``Host`` is the server's (so that no name of another site leads here), its ``Origin``, where
    there is one, is the same, it brings a token in the cookie or as ``Authorization: Bearer``, and its body is not too
    large, whether it says so or not. The author that the token was made for is left in ``scope["author"]``; a request
    whose ``Lesslabel-Author`` is another comes from a tab of another link, since a browser has one cookie for all.
    ``GET /`` with a token in the query, the link, is answered with the cookie; the page takes the token out of the
    address bar.

    Args:
        application: what is guarded.
        authors: names of the authors by token.
        hosts: names of the server beside those of loopback and the address at which a request comes in.
        largest_bytes: of a body.
    """

    def __init__(
        self,
        application: Application,
        authors: Mapping[str, str],
        hosts: Iterable[str] = (),
        largest_bytes: int = LARGEST_BODY_BYTES,
    ) -> None:
        self._application = application
        self._authors = dict(authors)
        self._hosts = {*_LOOPBACK, *(host.lower() for host in hosts)}
        self._largest_bytes = largest_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self._application(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        send = _with_headers(send)
        headers = _headers(scope)
        host = headers.get("host", "")
        if not self._is_own(host, scope):
            await _refuse(send, 403, f"host {host[:60]!r}: not this server; open the link that it printed")
            return
        token = _token_of_link(scope)
        if not token and not _same_origin(headers, host):
            await _refuse(send, 403, "another page asked; only the page of this server may")
            return
        cookie = f"{COOKIE}-{host.rpartition(':')[2]}"  # browsers send cookies to every port of a host
        author = self._author(token or _token_of(headers, cookie))
        if not author:
            await _refuse(send, 401, "no valid token; open the link that the server printed when it was started")
            return
        tab = unquote(headers[AUTHOR_HEADER]) if AUTHOR_HEADER in headers else author
        if tab != author:
            said = f"this tab belongs to {visible(tab[:60])}, but this browser is signed in as {author}"
            await _refuse(send, 409, f"{said}; open the link again")
            return
        if not _is_short(headers.get("content-length", "0"), self._largest_bytes):
            await _refuse(send, 413, f"body: larger than {self._largest_bytes} bytes; send less at a time")
            return
        content = await _read(receive, self._largest_bytes)
        if content is None:
            await _refuse(send, 413, f"body: larger than {self._largest_bytes} bytes; send less at a time")
            return
        scope["author"] = author
        if token:
            send = _with_cookie(send, f"{cookie}={token}; Path=/; HttpOnly; SameSite=Strict")
        await self._application(scope, _again(content, receive), send)

    def _is_own(self, host: str, scope: Scope) -> bool:
        match = _HOST.fullmatch(host.lower())
        return match is not None and (match[1] in self._hosts or _is_address_of(match[1], scope))

    def _author(self, token: str) -> str:
        """Whose token it is; compared in constant time, with all."""
        found = ""
        for known, author in self._authors.items():
            if secrets.compare_digest(known.encode(), token.encode()):
                found = author
        return found


def _is_address_of(host: str, scope: Scope) -> bool:
    """Whether a host is the address at which the request came in; no name, which could lead here from elsewhere."""
    reached = str((scope.get("server") or ("",))[0])
    try:
        named, own = ip_address(host.strip("[]")), ip_address(reached.partition("%")[0])
    except ValueError:
        return False
    return named in (own, getattr(own, "ipv4_mapped", None))


def _headers(scope: Scope) -> dict[str, str]:
    """By name in lower case; what came twice is joined, so that it fits nothing."""
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return headers


def _same_origin(headers: Mapping[str, str], host: str) -> bool:
    origin = headers.get("origin")
    if origin is not None and origin.lower() not in (f"http://{host}".lower(), f"https://{host}".lower()):
        return False
    return headers.get("sec-fetch-site", "none") in ("none", "same-origin")


def _token_of_link(scope: Scope) -> str:
    query = scope.get("query_string", b"").decode("latin-1")
    match = re.fullmatch(r"token=([\w\-]+)", query)
    return match[1] if match and scope["path"] == "/" and scope["method"] == "GET" else ""


def _token_of(headers: Mapping[str, str], cookie: str) -> str:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token
    try:
        morsel = SimpleCookie(headers.get("cookie", "")).get(cookie)
    except CookieError:
        return ""
    return "" if morsel is None else morsel.value


def _is_short(length: str, largest: int) -> bool:
    return length.isascii() and length.isdigit() and len(length) < 16 and int(length) <= largest


async def _read(receive: Receive, largest: int) -> bytes | None:
    """The whole body; None as soon as it is too large."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return b"".join(parts)
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > largest:
            return None
        if not message.get("more_body", False):
            return b"".join(parts)


def _again(content: bytes, receive: Receive) -> Receive:
    """Give the body that was read once more."""
    given = False

    async def give() -> Mapping[str, Any]:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": content, "more_body": False}

    return give


def _with_headers(send: Send) -> Send:
    extra = [(name.encode(), value.encode()) for name, value in HEADERS.items()]

    async def sending(message: Mapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            own = [(name, value) for name, value in message.get("headers", []) if name.decode().lower() not in HEADERS]
            message = {**message, "headers": [*own, *extra]}
        await send(message)

    return sending


def _with_cookie(send: Send, cookie: str) -> Send:
    async def sending(message: Mapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], (b"set-cookie", cookie.encode())]}
        await send(message)

    return sending


async def _refuse(send: Send, status: int, message: str) -> None:
    body = json.dumps({"error": message}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    # what follows of a body that was refused is not read
    headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
