"""The gateway: serves published revisions over HTTP. Stateless, any number may run; docs/http.md has every route."""

from tallyroom.gateway.server import run_gateway

__all__ = ["run_gateway"]
