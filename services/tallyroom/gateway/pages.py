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
    "base-uri 'none'; form-action 'none'"
)


def load() -> dict[str, Resource]:
    """Resources by file name."""
    extra = (("content-security-policy", _POLICY), ("referrer-policy", "no-referrer"))
    return {
        entry.name: Resource(entry.read_bytes(), media_type, _CACHE, extra)
        for entry in files("tallyroom.gateway").joinpath("page").iterdir()
        if (media_type := _TYPES.get(f".{entry.name.rpartition('.')[2]}")) is not None
    }
