"""The page's files, read once and served from memory."""

from importlib.resources import files
from typing import Final

from tallyroom.gateway.encoding import Resource

_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

_CACHE: Final = "no-cache"
"""Kept by browsers but asked for each time (304): page and script of one version belong together."""

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors {ancestors}"
)
_FRAMED: Final = {"'none'": "DENY", "'self'": "SAMEORIGIN"}
"""The same for browsers that do not know frame-ancestors, where they can say it."""


def load(frame_ancestors: str) -> dict[str, Resource]:
    """Resources by file name; ``frame_ancestors``: who may show the page in a frame, as CSP says it."""
    policy = [
        ("content-security-policy", _POLICY.format(ancestors=frame_ancestors)),
        ("permissions-policy", "camera=(), geolocation=(), microphone=()"),
    ]
    if frame_ancestors in _FRAMED:
        policy.append(("x-frame-options", _FRAMED[frame_ancestors]))
    return {
        entry.name: Resource(entry.read_bytes(), media_type, _CACHE, policy=tuple(policy))
        for entry in files("tallyroom.gateway").joinpath("page").iterdir()
        if (media_type := _TYPES.get(f".{entry.name.rpartition('.')[2]}")) is not None
    }
