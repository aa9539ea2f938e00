"""Logs: one JSON object a line on stderr, with what the line is about, and without secrets.

``request_id``, ``task_id``, ``dataset_id`` and ``message_id`` are bound where work on them begins
(`structlog.contextvars`), so that every line below carries them, whichever module writes it. What
clients say, and what models see, is never logged; `redact` is the second line of defence, for what
a library or an error's text might bring along.
"""

import logging
import re
import sys
from collections.abc import Callable, Mapping
from typing import Any, TextIO

import structlog
from structlog.contextvars import merge_contextvars
from structlog.stdlib import ProcessorFormatter
from structlog.typing import EventDict, WrappedLogger

HIDDEN = "***"

_SECRET_NAMES = frozenset(
    ("signature", "accesskeysecret", "secret", "securitytoken", "authorization", "password")
)
_IN_TEXT = re.compile(
    r"(?i)\b(x-acs-security-token|webhook-signature|authorization|signature|access_?key_?secret"
    r"|security_?token|password)"
    r"(['\"]?\s*[=:]\s*['\"]?)(?!\*\*\*)(?:Bearer\s+|Basic\s+)?[^\s&'\",;]+"
)
_SIGNING_SECRET = re.compile(r"whsec_[A-Za-z0-9+/=]+")


def configure_logging(level: int = logging.INFO, stream: TextIO | None = None) -> None:
    """Make the logs of this program go to ``stream``, stderr by default, as lines of JSON.

    Those of other libraries stay as they are.
    """
    shared: list[Callable[[Any, str, Any], Any]] = [
        merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                redact,
                structlog.processors.JSONRenderer(sort_keys=True, default=str),
            ],
        )
    )
    ours = logging.getLogger("imm_ray")
    ours.handlers = [handler]
    ours.propagate = False
    ours.setLevel(level)
    structlog.configure(
        processors=[*shared, ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,  # a logger of before this call logs as said here
    )


def redact(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Return the event with every secret as ``***``: by the name it has, and inside texts."""
    return {name: _redacted(name, value) for name, value in event.items()}


def _redacted(name: str, value: Any) -> Any:
    if re.sub("[^a-z]", "", name.lower().removeprefix("x-acs-")) in _SECRET_NAMES:
        return HIDDEN
    if isinstance(value, str):
        return _SIGNING_SECRET.sub(f"whsec_{HIDDEN}", _IN_TEXT.sub(rf"\1\2{HIDDEN}", value))
    if isinstance(value, Mapping):
        return {key: _redacted(str(key), inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted("", inner) for inner in value]
    return value
