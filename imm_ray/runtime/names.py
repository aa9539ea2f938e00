"""Names under which the parts find each other in the Ray cluster."""

NAMESPACE = "imm_ray"
APP = "imm"
EMBEDDER = "Embedder"
INGRESS = "Ingress"
STEWARD = "steward"


def owner_hosts(count: int) -> list[str]:
    """Return the names of the actors that own datasets."""
    return [f"owner-{number}" for number in range(count)]
