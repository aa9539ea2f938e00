"""Reads the recorded exchanges of official clients: requests as bytes, and what they mean."""

import json
from dataclasses import dataclass
from pathlib import Path

from imm_ray.api.keyring import AccessKey
from imm_ray.api.rpc import HttpRequest

SECRETS = {"testak": "testsecret", "STS.testak": "stssecret"}


@dataclass(frozen=True)
class Capture:
    name: str
    http: HttpRequest
    verification: dict[str, object]
    parameters: dict[str, str]

    @property
    def is_signed(self) -> bool:
        return self.verification["kind"] != "none"

    @property
    def is_v1(self) -> bool:
        return self.verification["kind"] == "RPCv1/HMAC-SHA1"

    @property
    def key(self) -> AccessKey:
        """The key that the client used; STS credentials with the token that it sent."""
        access_key_id = str(self.verification["ak"])
        token = self.http.header("x-acs-security-token") or self.parameters.get("SecurityToken")
        return AccessKey(
            account="100000",
            user_name="tester",
            access_key_id=access_key_id,
            secret=SECRETS[access_key_id],
            security_token=token or "",
            v1=self.is_v1,
        )


def read_capture(path: Path) -> Capture:
    raw = path.read_bytes()
    request, _, rest = raw.partition(b"\n---- response ----\n")
    _, _, rest = rest.partition(b"\n---- server verification ----\n")
    verification, _, parameters = rest.partition(b"\n---- decoded parameters ----\n")
    return Capture(
        path.stem, _read_request(request), json.loads(verification), json.loads(parameters)
    )


def _read_request(raw: bytes) -> HttpRequest:
    head, _, body = raw.partition(b"\r\n\r\n")
    line, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = line.split(" ")
    headers = tuple((k.lower(), v.strip()) for k, _, v in (line.partition(":") for line in lines))
    length = int(dict(headers).get("content-length", "0"))
    query = target.partition("?")[2].encode("latin-1")
    return HttpRequest(method=method, query=query, headers=headers, body=body[:length])
