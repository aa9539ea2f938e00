"""Errors a client can see; anything else is a bug and becomes InternalError on the wire."""

from collections.abc import Mapping
from typing import ClassVar


class ImmError(Exception):
    """The request processing has failed due to some unknown error, exception or failure.

    Base of every error that reaches the wire. A subclass is one row of the error table: it fixes
    ``code`` and ``status`` (IMM API reference, "Error codes"; ``imm/api.md`` section 8), and its
    docstring's first line is the default message.

    >>> str(ResourceNotFound.of("project"))
    'ResourceNotFound: The specified resource project is not found.'
    """

    code: ClassVar[str] = "InternalError"
    status: ClassVar[int] = 500
    retry_after_ms: int = 0
    """When to come back, for ``x-acs-retry-after``; 0 where coming back helps nobody."""

    def __init__(self, message: str = "") -> None:
        self.message = message or (type(self).__doc__ or "").strip().splitlines()[0]
        super().__init__(f"{self.code}: {self.message}")


class InvalidArgument(ImmError):
    """The specified argument is not valid."""

    code = "InvalidArgument"
    status = 400

    @classmethod
    def required(cls, parameter: str) -> "InvalidArgument":
        """Return the error for a missing parameter, in IMM's words."""
        return cls(f"The parameter {parameter} is required but not provided.")

    @classmethod
    def of(cls, parameter: str, why: str) -> "InvalidArgument":
        """Return the error for a parameter whose value is refused because of ``why``."""
        return cls(f"The parameter {parameter} is not valid: {why}.")


class ResourceNotFound(ImmError):
    """The specified resource is not found."""

    code = "ResourceNotFound"
    status = 400  # IMM's own page lists 400, not 404

    @classmethod
    def of(cls, kind: str) -> "ResourceNotFound":
        """Return the error for a missing ``kind`` (``project``, ``dataset``, ``file`` …)."""
        return cls(f"The specified resource {kind} is not found.")


class ResourceAlreadyExists(ImmError):
    """The specified resource already exists."""

    code = "ResourceAlreadyExists"
    status = 400

    @classmethod
    def of(cls, kind: str) -> "ResourceAlreadyExists":
        """Return the error for a ``kind`` whose name is taken."""
        return cls(f"The specified resource {kind} already exists.")


class StatusConflict(ImmError):
    """The resource is in a state that does not allow the operation."""

    code = "StatusConflict"
    status = 400


class LimitExceeded(ImmError):
    """The resource count exceeds the limit."""

    code = "LimitExceededError"
    status = 400


class InvalidApi(ImmError):
    """Specified api is not found, please check your url and method."""

    code = "InvalidApi.NotFound"
    status = 404


class UnsupportedMethod(ImmError):
    """The http method is not supported by this api."""

    code = "UnsupportedHTTPMethod"
    status = 403


class InvalidVersion(ImmError):
    """Specified parameter Version is not valid."""

    code = "InvalidVersion"
    status = 400


class MissingParameter(ImmError):
    """A parameter of the protocol itself is mandatory for this action."""

    code = "MissingParameter"
    status = 400


class InvalidAccessKey(ImmError):
    """Specified access key is not found."""

    code = "InvalidAccessKeyId.NotFound"
    status = 404


class SignatureDoesNotMatch(ImmError):
    """Specified signature is not matched with our calculation."""

    code = "SignatureDoesNotMatch"
    status = 400


class IncompleteSignature(ImmError):
    """The request signature does not conform to the standard."""

    code = "IncompleteSignature"
    status = 400


class InvalidTimeStampFormat(ImmError):
    """Specified time stamp or date value is not well formatted."""

    code = "InvalidTimeStamp.Format"
    status = 400


class InvalidTimeStampExpired(ImmError):
    """Specified time stamp or date value is expired."""

    code = "InvalidTimeStamp.Expired"
    status = 400


class SignatureNonceUsed(ImmError):
    """Specified signature nonce was used already."""

    code = "SignatureNonceUsed"
    status = 400


class InvalidSignatureMethod(ImmError):
    """Specified signature method is not valid."""

    code = "InvalidSignatureMethod"
    status = 400


class MissingSecurityToken(ImmError):
    """SecurityToken is mandatory for this action."""

    code = "MissingSecurityToken"
    status = 400


class InvalidSecurityToken(ImmError):
    """Specified SecurityToken is not valid."""

    code = "InvalidSecurityToken.Malformed"
    status = 400


class ExpiredSecurityToken(ImmError):
    """Specified SecurityToken is expired."""

    code = "InvalidSecurityToken.Expired"
    status = 400


class NoPermission(ImmError):
    """You are not authorized to do this action. You should be authorized by RAM."""

    code = "NoPermission"
    status = 403

    def __init__(self, message: str = "", *, detail: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.detail = detail
        """``AccessDeniedDetail``, where a RAM policy is the reason."""


class RequestTimeout(ImmError):
    """The request was not received completely in time."""

    code = "RequestTimeout"
    status = 408


class ThrottledUser(ImmError):
    """Request was denied due to user flow control."""

    code = "Throttling.User"
    status = 429

    def __init__(self, message: str = "", *, retry_after_ms: int = 1000) -> None:
        super().__init__(message)
        self.retry_after_ms = retry_after_ms


class ServiceUnavailable(ImmError):
    """The request has failed due to a temporary failure of the server."""

    code = "ServiceUnavailable"
    status = 503
    retry_after_ms = 1000

    def __init__(self, message: str = "", *, retry_after_ms: int = 1000) -> None:
        super().__init__(message)
        self.retry_after_ms = retry_after_ms


class SourceError(Exception):
    """A source can not be read or decoded; fails one file and never reaches the wire as an error.

    ``reason`` is a sentence for the person who owns the file. It names no path, host or policy:
    what an operator needs to know goes to the log. A ``transient`` one says nothing of the file
    itself (its bucket does not answer), so what is known of it from before stays.
    """

    def __init__(self, reason: str, *, transient: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.transient = transient
