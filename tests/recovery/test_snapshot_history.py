"""Whatever happens between snapshots and crashes: the engine is the one that never stopped."""

from collections.abc import Sequence
from typing import Any, TypeAlias

from hypothesis import example, given
from hypothesis import strategies as st

from imm_ray.model import EditKind, EditStatus, JsonObject, TaskType, Vectors
from tests.property import dataset
from tests.property.effort import NO_HURRY, effort
from tests.property.test_history import BRIDGE, PHOTOS, index, pools, uri
from tests.recovery import keeping
from tests.recovery.keeping import Keeping

pytestmark = NO_HURRY

Step: TypeAlias = tuple[str, list[int]]

numbers = st.lists(st.integers(0, PHOTOS - 1), min_size=1, max_size=6)
verbs = ("index", "index", "delete", "run", "run", "edit", "save", "save", "restart")
steps: st.SearchStrategy[list[Step]] = st.lists(
    st.tuples(st.sampled_from(verbs), numbers), min_size=3, max_size=12
)


def edit(owner: Keeping, chosen: Sequence[int]) -> None:
    """Make one of several edits to people who are there, if any are."""
    here = sorted(owner.people())
    if not here:
        return
    first, *rest = (here[n % len(here)] for n in chosen)
    figures = sorted(figure for figure, c in dataset.look(owner).place.items() if c == first)
    payloads: list[tuple[EditKind, JsonObject]] = [
        (EditKind.MERGE, {"to": first, "from": sorted({*rest} - {first})}),
        (EditKind.REMOVE, {"figure_id": figures[0]}),
        (EditKind.CONSOLIDATE, {}),
        (EditKind.NAME, {"cluster_id": first}),
    ]
    kind, payload = payloads[chosen[0] % len(payloads)]
    if kind is EditKind.NAME:
        owner.name(first, f"person {len(owner.names())}")
    elif kind is not EditKind.MERGE or payload["from"]:
        assert owner.apply(kind, payload).status is not EditStatus.PENDING


def play(owner: Keeping, pool: Vectors, steps: Sequence[Step], *, stops: bool) -> dict[str, Any]:
    """Take steps, and run; return what clients and the engine can see in the end."""
    for verb, chosen in steps:
        if verb == "index":
            index(owner, pool, chosen)
        elif verb == "delete":
            owner.delete(*map(uri, chosen))
        elif verb == "run":
            run(owner)
        elif verb == "edit":
            edit(owner, chosen)
        elif stops:
            (owner.engine.save if verb == "save" else owner.restart)()
    run(owner)
    for collection in (owner.figures, owner.images):
        collection.bring_in()  # what came after a snapshot waits for a run that has something to do
    view = dataset.look(owner)
    return {
        "places": view.place,
        "states": view.states,
        "pins": view.pins,
        "bans": view.bans,
        "groups": owner.groups(),
        "neighbours": owner.neighbours(),
        "pairs": keeping.neighbours_of(owner.images).keys(),
        "index": (len(owner.figures.index), len(owner.images.index)),
        "pair_count": owner.similar.pair_count,
    }


def assert_same(a: dict[str, Any], b: dict[str, Any]) -> None:
    for name in a:
        assert a[name] == b[name], name


def run(owner: Keeping) -> None:
    for task_type in (TaskType.FIGURE_CLUSTERING, TaskType.SIMILAR_IMAGE_CLUSTERING):
        owner.cluster(task_type)


@effort(10)
@given(pool=pools, steps=steps)
@example(
    pool=BRIDGE,
    steps=[
        ("index", [0, 1, 2, 3]),
        ("run", [0]),
        ("save", [0]),
        ("delete", [1]),
        ("index", [4, 5]),
        ("restart", [0]),
        ("run", [0]),
        ("save", [0]),
        ("index", [1, 3]),
        ("restart", [0]),
    ],
)
def test_an_engine_that_was_restored_is_the_one_that_never_stopped(
    pool: Vectors, steps: list[Step]
) -> None:
    with keeping.opened() as owner:
        stopped = play(owner, pool, steps, stops=True)
    with keeping.opened() as owner:
        assert_same(stopped, play(owner, pool, steps, stops=False))


@effort(6)
@given(pool=pools, steps=steps)
def test_where_only_parts_are_clustered_again_a_snapshot_at_rest_changes_nothing(
    pool: Vectors, steps: list[Step]
) -> None:
    """Here the groups depend on the way to them; so memory must come back to the last bit."""
    both: list[Step] = []
    for step in steps:
        both += [step, ("save", [0]), ("restart", [0])]
    with keeping.opened(exact_items=0) as owner:
        stopped = play(owner, pool, both, stops=True)
    with keeping.opened(exact_items=0) as owner:
        assert_same(stopped, play(owner, pool, both, stops=False))
