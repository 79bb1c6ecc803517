"""Errors as problem documents (RFC 9457)."""

from collections.abc import Mapping
from typing import Any

import msgspec

from tallyroom.gateway.encoding import SEALED, SECURITY, Headers


class Problem(Exception):
    """What is wrong with a request, or why it cannot be answered now. Every ``kind`` is explained in docs/http.md."""

    def __init__(
        self,
        status: int,
        kind: str,
        title: str,
        detail: str,
        extra: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self._title = title
        self._detail = detail
        self._extra = dict(extra or {})
        self._headers = dict(headers or {})

    def body(self, path: str) -> bytes:
        """The document; ``path`` is what was asked for."""
        return msgspec.json.encode(
            {
                "type": f"urn:tallyroom:problem:{self.kind}",
                "title": self._title,
                "status": self.status,
                "detail": self._detail,
                "instance": path,
                **self._extra,
            }
        )

    def headers(self, length: int) -> Headers:
        """Response headers. Caches may keep nothing of an error: what is missing now may be published in a second."""
        return [
            (b"content-type", b"application/problem+json"),
            (b"content-length", str(length).encode()),
            (b"cache-control", b"no-store"),
            (b"access-control-allow-origin", b"*"),
            (b"access-control-expose-headers", b"retry-after"),
            *SECURITY,
            *((name.encode(), value.encode()) for name, value in SEALED),
            *((name.lower().encode(), value.encode()) for name, value in self._headers.items()),
        ]


def no_such_path(path: str) -> Problem:
    """404 for a path that no route has."""
    return Problem(404, "not-found", "No such resource", f"Nothing is served at {path}.")


def wrong_method(method: str) -> Problem:
    """405: everything here is read-only."""
    return Problem(
        405,
        "method-not-allowed",
        "Method not allowed",
        f"{method} is not served; everything here is read-only.",
        headers={"Allow": "GET, HEAD, OPTIONS"},
    )


def nothing_yet() -> Problem:
    """503 before the first revision."""
    return Problem(
        503,
        "no-revision",
        "Nothing published yet",
        "This gateway has not seen a revision of the election yet.",
        headers={"Retry-After": "2"},
    )
