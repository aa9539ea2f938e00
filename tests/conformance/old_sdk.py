"""A process that has another version of the SDK: one JSON line in, one out.

``python -m tests.conformance.old_sdk HOST:PORT``, with the SDK's folder in front of PYTHONPATH.
"""

import json
import sys

from tests.conformance.sdk import OfficialSdk, RefusedCall


def main() -> None:
    """Answer the questions that come in."""
    sdk = OfficialSdk(sys.argv[1])
    for line in sys.stdin:
        sys.stdout.write(json.dumps(_answer(sdk, **json.loads(line))) + "\n")
        sys.stdout.flush()


def _answer(
    sdk: OfficialSdk, action: str, parameters: dict[str, object] | None = None
) -> dict[str, object]:
    if parameters is None:
        return {"knows": sdk.knows(action)}
    try:
        body, read = sdk.call(action, parameters)
    except RefusedCall as error:
        return {"refused": [error.code, error.status, error.message]}
    return {"body": body, "read": read}


if __name__ == "__main__":
    main()
