"""HTTP responses: IMM's JSON, its errors, and pictures."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from imm_ray.api.asking import Raw
from imm_ray.api.json_text import write_json
from imm_ray.errors import ImmError, NoPermission

_CONTENT_TYPE = "application/json;charset=utf-8"
_MAX_HOST = 255
_MAX_MESSAGE = 2000


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP response; the body is JSON, but for a picture that was asked for as such."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def refuse(error: ImmError, *, request_id: str, host: str | None) -> Response:
    """Return ``error`` as IMM's JSON."""
    body: dict[str, Any] = {
        "RequestId": request_id,
        "HostId": (host or "")[:_MAX_HOST],
        "Code": error.code,
        "Message": error.message[:_MAX_MESSAGE],
        "Recommend": f"https://next.api.aliyun.com/troubleshoot?q={error.code}&product=imm",
    }
    if isinstance(error, NoPermission) and error.detail is not None:
        body["AccessDeniedDetail"] = dict(error.detail)
    retry = {"x-acs-retry-after": str(error.retry_after_ms)} if error.retry_after_ms else {}
    return respond(error.status, body, request_id, retry)


def respond(
    status: int,
    body: Mapping[str, Any],
    request_id: str,
    more: Mapping[str, str] | None = None,
) -> Response:
    """Return ``body`` as JSON."""
    headers = {"content-type": _CONTENT_TYPE, "x-acs-request-id": request_id, **(more or {})}
    return Response(status, headers, write_json(body).encode())


def respond_raw(raw: Raw, request_id: str) -> Response:
    """Return a picture that no cache may keep."""
    headers = {
        "content-type": raw.content_type,
        "x-acs-request-id": request_id,
        "x-content-type-options": "nosniff",
        "cache-control": "private, no-store",
    }
    return Response(200, headers, raw.content)
