from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from imm_ray.settings import load_settings
from imm_ray.topic import Topic

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_a_topic_is_its_target_or_a_table() -> None:
    topics = {
        "plain": "https://hook.example/n",
        "INST/topic": {
            "target": "http://10.0.0.7:8080/n?k=v",
            "format": "mns-xml",
            "secret": SECRET,
        },
        "file": {"target": "told.jsonl", "format": "cloudevents"},
    }
    settings = load_settings(None, notifications={"topics": topics})
    told = settings.notifications.topics
    assert (told["plain"].format, told["plain"].keys()) == ("mns-simplified", [])
    assert len(told["INST/topic"].keys()[0]) == 24
    assert told["file"].target == str(Path("told.jsonl").absolute())
    assert SECRET not in repr(settings)
    assert SECRET not in settings.model_dump_json()


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"target": "https://user:pw@x/y"}, "no user and no password"),
        ({"target": "https://user@x/y"}, "no user and no password"),
        ({"target": "https://"}, r"http\(s\)://HOST"),
        ({"target": "https:///path"}, r"http\(s\)://HOST"),
        ({"target": "https://x/a b"}, "plain ASCII"),
        ({"target": "https://x\\@evil/"}, "plain ASCII"),
        ({"target": "https://éxample/"}, "plain ASCII"),
        ({"target": "https://x/\n"}, "plain ASCII"),
        ({"target": "https://x/y#z"}, "no fragment"),
        ({"target": "https://x:port/"}, "[Pp]ort"),
        ({"target": "/told", "format": "mns-xml"}, "mns-xml is for URLs"),
        ({"target": "/told", "secret": SECRET}, "is not signed"),
        ({"target": "https://x", "secret": "s3cret"}, "a signing secret is"),
        ({"target": "https://x", "secret": SECRET, "secret_file": "f"}, "one of secret"),
        ({"target": "https://x", "format": "mns"}, "mns-simplified"),
    ],
)
def test_what_can_not_be_delivered_is_refused_at_the_start(given: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why) as caught:
        Topic.model_validate(given)
    assert str(given.get("secret") or "no secret") not in str(caught.value)
