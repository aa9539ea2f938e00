"""Photos of people and of places, as an embedder sees them."""

from imm_ray.model import DetectedFace, Outcome
from imm_ray.testing import face, near, picture, random_vector
from tests.unit.dataset.owner import DIMENSION


def person(name: str, number: int, *, quality: float = 0.95, left: int = 0) -> DetectedFace:
    centre = random_vector(name, DIMENSION)
    return face(near(centre, f"{name}{number}", 0.95), quality=quality, left=left)


def portraits(
    name: str, count: int, *, first: int = 0, quality: float = 0.95
) -> dict[str, Outcome]:
    return {
        uri(name, i): picture(f"{name}{i}", person(name, i, quality=quality))
        for i in range(first, first + count)
    }


def shots(name: str, count: int, *, first: int = 0) -> dict[str, Outcome]:
    centre = random_vector(name, DIMENSION)
    return {
        uri(name, i): picture(f"{name}{i}", vector=near(centre, f"{name}{i}", 0.97), score=i / 10)
        for i in range(first, first + count)
    }


def uri(name: str, number: int) -> str:
    return f"oss://b/{name}{number}"


def uris(name: str, *numbers: int) -> set[str]:
    return {uri(name, number) for number in numbers}
