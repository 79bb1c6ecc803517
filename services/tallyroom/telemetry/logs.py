"""Structured logs on standard error: one JSON object a line, or text for people."""

import logging
import sys
from typing import Final, cast

import structlog
from structlog.typing import FilteringBoundLogger, Processor

from tallyroom.domain.errors import SettingError

FORMATS: Final = ("auto", "json", "text")

_SHARED: Final[tuple[Processor, ...]] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)

_TRACEBACKS: Final = structlog.processors.ExceptionRenderer(
    structlog.tracebacks.ExceptionDictTransformer(show_locals=False)  # a client's variables hold passwords
)


def configure_logs(service: str, log_format: str = "auto") -> None:
    """Send all that is logged in this process to standard error as ``json`` or ``text`` (auto: text on a terminal).

    Lines of libraries that use the standard library's logging are written in the same form. Raises SettingError.
    """
    if log_format not in FORMATS:
        raise SettingError(
            f"TALLYROOM_LOG_FORMAT={log_format!r} is not a log format.", f"set it to one of {', '.join(FORMATS)}"
        )
    terminal = sys.stderr.isatty()
    as_json = log_format == "json" or (log_format == "auto" and not terminal)
    structlog.configure(
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_formatter(service, as_json, terminal))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    for chatty in ("httpx", "httpcore", "aiohttp.access", "aiokafka", "_granian", "faust", "mode", "abc"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def get_logger(service: str) -> FilteringBoundLogger:
    """A logger whose lines carry the service's name; what it does is decided by ``configure_logs``."""
    return cast(FilteringBoundLogger, structlog.get_logger(service, service=service))


def _formatter(service: str, as_json: bool, colours: bool) -> logging.Formatter:
    def add_service(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        event.setdefault("service", service)
        return event

    renderer: tuple[Processor, ...] = (
        structlog.dev.ConsoleRenderer(colors=colours, exception_formatter=structlog.dev.plain_traceback),
    )
    if as_json:
        renderer = (_TRACEBACKS, structlog.processors.JSONRenderer(ensure_ascii=False))
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*_SHARED, structlog.stdlib.add_logger_name],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, add_service, *renderer],
    )
