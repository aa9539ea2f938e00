"""One RPC request, decoded once: signature and business code read this value and nothing else.

IMM sends every parameter in the query, a few actions of other families in a form body; both are
merged here. A name that occurs twice, in one place or in both, is an error: which of the two a
reader takes would decide over what was signed.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from urllib.parse import unquote_to_bytes

from imm_ray.api.credential import PROTOCOL_PARAMETERS, Credential, read_credential
from imm_ray.errors import IncompleteSignature, InvalidApi, InvalidArgument, MissingParameter

API_VERSION = "2020-09-30"
MAX_QUERY_BYTES = 4 * 1024 * 1024
MAX_BODY_BYTES = 4 * 1024 * 1024
MAX_PARAMETERS = 256
MAX_PARAMETER_NAME = 256
MAX_HEADERS = 128
MAX_HEADER_BYTES = 64 * 1024

_FORM = "application/x-www-form-urlencoded"
_BROKEN_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_ACTION = re.compile(r"[A-Za-z][A-Za-z0-9]{0,127}")


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """A request to ``/`` as it was received. Names of headers are in lower case.

    What may hold a signature or a token is not shown by ``repr``.
    """

    method: str
    query: bytes = field(default=b"", repr=False)
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes = field(default=b"", repr=False)
    peer: str = ""
    """The address that the connection comes from; '' where it is not known."""

    def header(self, name: str) -> str | None:
        """Return the value of the header ``name`` (in lower case), None if it was not sent."""
        return next((value for key, value in self.headers if key == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class RpcRequest:
    """A request whose parameters and credential were read, not yet whose signature was checked."""

    http: HttpRequest
    action: str
    version: str
    query: Mapping[str, str] = field(repr=False)
    form: Mapping[str, str] = field(repr=False)
    credential: Credential | None
    """None when the request carries no credential of any kind."""

    @property
    def host(self) -> str:
        """The Host header."""
        return self.http.header("host") or ""

    @property
    def parameters(self) -> dict[str, str]:
        """All parameters, of query and form."""
        return {**self.query, **self.form}

    @property
    def business_parameters(self) -> dict[str, str]:
        """The parameters of the action: those of the protocol (``Signature`` …) are left out."""
        return {
            name: value
            for name, value in self.parameters.items()
            if name not in PROTOCOL_PARAMETERS
        }


def parse_request(http: HttpRequest) -> RpcRequest:
    """Return ``http`` as an RPC request.

    Raises
    ------
    ImmError
        The request is too large, ambiguous or not well formed; whatever bytes come in, no other
        exception leaves this function.
    """
    _check_headers(http)
    if len(http.query) > MAX_QUERY_BYTES or len(http.body) > MAX_BODY_BYTES:
        raise InvalidArgument(
            f"The request is too large: at most {MAX_QUERY_BYTES} bytes of query and "
            f"{MAX_BODY_BYTES} bytes of body are read. Send fewer items in one request."
        )
    query = _decode_form(http.query)
    form = _decode_form(_form_body(http))
    if twice := sorted(query.keys() & form.keys()):
        raise InvalidArgument.of(twice[0], "it is given both in the query and in the body")
    if len(query) + len(form) > MAX_PARAMETERS:
        raise InvalidArgument(f"The request has more than {MAX_PARAMETERS} parameters.")
    parameters = {**query, **form}
    return RpcRequest(
        http=http,
        action=_action(http, parameters),
        version=_agreed(http, parameters, header="x-acs-version", parameter="Version"),
        query=MappingProxyType(query),
        form=MappingProxyType(form),
        credential=read_credential(http.headers, parameters),
    )


def _check_headers(http: HttpRequest) -> None:
    if len(http.headers) > MAX_HEADERS:
        raise InvalidArgument(f"The request has more than {MAX_HEADERS} headers.")
    if sum(len(name) + len(value) for name, value in http.headers) > MAX_HEADER_BYTES:
        raise InvalidArgument(f"The headers have more than {MAX_HEADER_BYTES} bytes.")
    seen: set[str] = set()
    for name, value in http.headers:
        if any(character in value for character in "\r\n\0"):
            raise InvalidArgument(f"The header {name} holds a control character.")
        if name in seen and _must_be_single(name):
            raise IncompleteSignature(f"The header {name} is sent more than once.")
        seen.add(name)


def _must_be_single(name: str) -> bool:
    return name.startswith("x-acs-") or name in ("authorization", "host", "content-type")


def _form_body(http: HttpRequest) -> bytes:
    if not http.body:
        return b""
    content_type = http.header("content-type") or ""
    if content_type.partition(";")[0].strip().lower() != _FORM:
        raise InvalidArgument(
            f"A request body of type {content_type!r} is not read: send the parameters in the "
            f"query, or as {_FORM}."
        )
    return http.body


def _decode_form(raw: bytes) -> dict[str, str]:
    decoded: dict[str, str] = {}
    if raw.count(b"&") >= 2 * MAX_PARAMETERS:
        raise InvalidArgument(f"The request has more than {MAX_PARAMETERS} parameters.")
    for name, value in _pairs(raw):
        if not name or len(name) > MAX_PARAMETER_NAME:
            raise InvalidArgument(
                f"A parameter name is empty or longer than {MAX_PARAMETER_NAME} characters."
            )
        if name in decoded:
            raise InvalidArgument.of(name, "it is given more than once")
        decoded[name] = value
    return decoded


def _pairs(raw: bytes) -> Iterable[tuple[str, str]]:
    for piece in raw.split(b"&"):
        if piece:
            name, _, value = piece.partition(b"=")
            yield _decode(name), _decode(value)


def _decode(raw: bytes) -> str:
    if _BROKEN_ESCAPE.search(raw):
        raise InvalidArgument("A parameter holds a '%' that starts no percent-encoded byte.")
    try:
        text = unquote_to_bytes(raw.replace(b"+", b" ")).decode()
    except UnicodeDecodeError as error:
        raise InvalidArgument("A parameter is not valid UTF-8.") from error
    if "\0" in text:
        raise InvalidArgument("A parameter holds a NUL character.")
    return text


def _action(http: HttpRequest, parameters: Mapping[str, str]) -> str:
    action = _agreed(http, parameters, header="x-acs-action", parameter="Action")
    if not _ACTION.fullmatch(action):
        raise InvalidApi()
    return action


def _agreed(
    http: HttpRequest, parameters: Mapping[str, str], *, header: str, parameter: str
) -> str:
    """Return what header and parameter say together; one of them is enough."""
    in_header, in_parameters = http.header(header), parameters.get(parameter)
    if in_header is not None and in_parameters is not None and in_header != in_parameters:
        raise InvalidArgument.of(parameter, f"it differs from the header {header}")
    value = in_header if in_header is not None else in_parameters
    if not value:
        raise MissingParameter(f"{parameter} is mandatory for this action.")
    return value
