from imm_ray.cluster.run import Work


def test_work_adds_up_but_not_what_a_consolidation_found() -> None:
    work = Work(items_new=1, pairs_compared=2, items_reopened=3, drift=0.5, items_moved=9)
    work.add(Work(items_new=10, pairs_compared=20, clusters_touched=4, items_guarded=5, drift=0.1))
    assert work == Work(
        items_new=11,
        pairs_compared=22,
        items_reopened=3,
        clusters_touched=4,
        items_guarded=5,
        drift=0.5,
        items_moved=9,
    )
