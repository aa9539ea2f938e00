"""Edits that take several figures out of a cluster into a new one, and the way back."""

from collections.abc import Callable

from imm_ray.dataset.applied import Applied, EditRefused
from imm_ray.dataset.book import Book
from imm_ray.dataset.items import ItemTable
from imm_ray.model import ClusterId, Constraint, ConstraintKind, Edit, JsonObject


def split(
    book: Book,
    items: ItemTable,
    edit: Edit,
    source: ClusterId,
    as_it_is: Callable[[str, ClusterId], JsonObject],
) -> Applied:
    """Pin figures of ``source`` to a new cluster, whose row the client's request has made.

    Figures that have left the cluster or were deleted since are left out. ``as_it_is`` returns what
    an undo needs to know of a figure.

    Raises
    ------
    EditRefused
        No figure would leave, or none would stay.
    """
    to = ClusterId(str(edit.payload["cluster_id"]))
    there = set(items.item_ids(book.members(source)))
    wanted = dict.fromkeys(map(str, edit.payload["figure_ids"]))
    leaving = [i for i in wanted if i in there and _target_of(book, i) in ("", source)]
    if not leaving:
        raise EditRefused(f"None of the figures is in the cluster {source} any more.")
    if len(leaving) == len(there):
        raise EditRefused(f"No figure would stay in the cluster {source}.")
    figures = [as_it_is(item_id, source) for item_id in leaving]
    book.anchor(source, edit.edit_id, without=leaving)
    for item_id in leaving:
        book.lay_down(Constraint(item_id, to, ConstraintKind.PIN, edit.edit_id))
    book.lead(to, to)
    return Applied(
        {"to": to, "from": source, "figures": figures},
        alone=tuple((item_id, source) for item_id in leaving),
        split=to,
    )


def undo_split(book: Book, done: Edit, edit_id: str, former: ClusterId) -> Applied:
    """Pin to ``former`` again the figures that are still where the split has put them.

    What has joined the new cluster since because it looks like them goes with them.

    Raises
    ------
    EditRefused
        Later edits have taken all of them.
    """
    back = []
    for figure in done.effect["figures"]:
        pin = book.pin_of(figure["figure_id"])
        if pin is not None and pin.edit_id == done.edit_id:
            source = figure["pinned_by"] or edit_id
            book.lay_down(Constraint(pin.item_id, former, ConstraintKind.PIN, source))
            back.append(pin.item_id)
    if not back:
        raise EditRefused("None of the figures is where the split has put it.")
    return Applied({"undone": done.edit_id, "restored": [], "figure_ids": back})


def _target_of(book: Book, item_id: str) -> str:
    pin = book.pin_of(item_id)
    return "" if pin is None else pin.cluster_id
