import json
import tomllib
import uuid
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from sqlalchemy import insert, update

from benchmarks.calibrate.command import main, to_toml
from benchmarks.calibrate.derive import cluster, derive
from benchmarks.calibrate.embedding import Embedding, Sample
from benchmarks.calibrate.evidence import fit, joint_fit, parts, resampled
from benchmarks.calibrate.labelled import Labelled, read_labelled
from benchmarks.calibrate.linkage import Linkage, Near, united
from benchmarks.calibrate.unlabelled import (
    Evidence,
    Face,
    ThinEvidence,
    derive_unlabelled,
    gather,
    read_evidence,
)
from benchmarks.clustering.faces import find_people
from benchmarks.clustering.scores import bcubed, pairwise
from imm_ray.cluster.fixed import to_cosine
from imm_ray.dataset.assembly import figure_limits
from imm_ray.embed.cards import Calibration, SecondPass, load_card
from imm_ray.model import Box, ClusterKind, Dataset, DatasetId, FileId, Indexed, Project, Vector
from imm_ray.store import datasets, files, migrate, ownership, projects, results, tables
from imm_ray.store.database import Database
from imm_ray.store.files import InputFile
from imm_ray.store.results import Result
from imm_ray.testing import ManualClock, face, near, picture, random_vector

CARD = load_card("dlib-resnet")


def people(
    count: int, faces: int, *, cosine: float = 0.8, dimension: int = 64, quality: float = 0.9
) -> Sample:
    """Return faces at ``cosine`` to the centre of their person; the centres are unrelated."""
    vectors = [
        near(random_vector(f"person {p}", dimension), f"face {p} {f}", cosine)
        for p in range(count)
        for f in range(faces)
    ]
    size = count * faces
    return Sample(
        name="people",
        labels=np.repeat([f"p{p:03}" for p in range(count)], faces),
        vectors=np.stack(vectors),
        quality=np.full(size, quality, np.float32),
        good=np.ones(size, np.bool_),
        photos=np.arange(size),
        mirrored=np.full(50, 0.97, np.float32),
        saved=np.full(50, 0.99, np.float32),
    )


def test_a_folder_with_a_table_is_read_with_its_boxes_and_without_groups(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text(
        "path,label,x,y,w,h\na.jpg,anna,1,2,30,40\nb.jpg,anna,,,,\nc.jpg,bert,,,,\ng.jpg,GROUP,,,,\n"
    )
    (tmp_path / "group_faces_weak.csv").write_text("path,weak_label,x,y,w,h\ng.jpg,bert,5,6,7,8\n")
    assert read_labelled(tmp_path) == [
        Labelled(tmp_path / "a.jpg", "anna", Box(1, 2, 30, 40)),
        Labelled(tmp_path / "b.jpg", "anna"),
        Labelled(tmp_path / "c.jpg", "bert"),
        Labelled(tmp_path / "g.jpg", "bert", Box(5, 6, 7, 8)),
    ]


def test_without_a_table_a_sub_folder_is_an_identity(tmp_path: Path) -> None:
    for name in ("anna/1.jpg", "anna/2.PNG", "anna/notes.txt", "bert/1.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = read_labelled(tmp_path)
    assert [(item.path.name, item.label) for item in found] == [
        ("1.jpg", "anna"),
        ("2.PNG", "anna"),
        ("1.jpg", "bert"),
    ]


@pytest.mark.parametrize("names", [[], ["anna/1.jpg", "anna/2.jpg"], ["anna/1.jpg", "bert/1.jpg"]])
def test_labels_that_say_nothing_are_refused(tmp_path: Path, names: Sequence[str]) -> None:
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    with pytest.raises(ValueError, match="at least two identities"):
        read_labelled(tmp_path)


def test_a_missing_folder_says_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"one sub-folder for each identity.*labels\.csv"):
        read_labelled(tmp_path / "none")


def test_parts_of_identities_add_up_to_the_scores() -> None:
    rng = np.random.default_rng(0)
    truth, found = rng.integers(0, 9, 80), rng.integers(0, 7, 80)
    pair_f, item_f = fit(parts(truth, found).sum(axis=0))
    assert pair_f == pytest.approx(pairwise(truth, found).f)
    assert item_f == pytest.approx(bcubed(truth, found).f)


def test_drawing_identities_again_keeps_the_mean() -> None:
    truth = np.repeat(np.arange(30), 4)
    rng = np.random.default_rng(1)
    found = np.where(rng.random(120) < 0.9, truth, rng.integers(0, 30, 120))
    whole = parts(truth, found)
    drawn = resampled(whole, count=400, seed=2)
    assert drawn.shape == (400, 30, 6)
    assert drawn[:, :, 3].sum(axis=1) == pytest.approx(120)
    assert joint_fit([drawn]).mean(axis=0) == pytest.approx(fit(whole.sum(axis=0)), abs=0.01)


def test_a_set_counts_by_the_root_of_its_identities() -> None:
    perfect = parts(np.array([0, 0, 1, 1]), np.array([0, 0, 1, 1]))
    apart = parts(np.repeat(np.arange(32), 2), np.arange(64))
    weight = np.sqrt(2) / (np.sqrt(2) + np.sqrt(32))
    assert joint_fit([perfect, apart])[0] == pytest.approx(weight)


def blocks(*, within: float, across: NDArray[np.float32], sizes: tuple[int, int]) -> Linkage:
    """Return the linkage of two tight groups with given similarities between their members."""
    similarities = np.full((sum(sizes), sum(sizes)), within, np.float32)
    similarities[: sizes[0], sizes[0] :] = across
    similarities[sizes[0] :, : sizes[0]] = across.T
    return Linkage(similarities)


RULE = SecondPass(slack=0.1, offset=0.1, share=0.5, smallest=2)


@pytest.mark.parametrize(
    ("twin", "others", "becomes_one"),
    [
        (0.9, 0.65, True),  # one of two members has a twin, the mean is .68
        (0.8, 0.65, False),  # no twin
        (0.9, 0.5, False),  # the mean is .55
    ],
)
def test_the_second_pass_needs_twins_and_a_mean(
    twin: float, others: float, becomes_one: bool
) -> None:
    across = np.full((2, 4), others, np.float32)
    across[0, 0] = twin
    linkage = blocks(within=1.0, across=across, sizes=(2, 4))
    clusters = linkage.cut(0.75)
    assert len(set(clusters.tolist())) == 2
    chosen = [pair for pair in linkage.near(clusters, 0.0) if pair.is_one(RULE, 0.75)]
    assert len(set(united(clusters, chosen).tolist())) == (1 if becomes_one else 2)


def test_a_lone_face_is_no_cluster_for_the_second_pass() -> None:
    linkage = blocks(within=1.0, across=np.full((1, 4), 0.72, np.float32), sizes=(1, 4))
    clusters = linkage.cut(0.75)
    (pair,) = linkage.near(clusters, 0.65)
    assert pair.size == 1
    assert pair.mean == pytest.approx(0.72)
    assert not pair.is_one(RULE.model_copy(update={"offset": 0.0, "slack": 0.1}), 0.7)


def test_only_pairs_that_prefer_each_other_become_one() -> None:
    def pair(a: int, b: int, mean: float) -> Near:
        return Near(a, b, 2, mean, np.ones(2, np.float32))

    found = united(np.arange(4), [pair(0, 1, 0.7), pair(1, 2, 0.8), pair(2, 3, 0.75)])
    assert found.tolist() == [0, 1, 1, 3]


def test_a_calibration_is_found_that_tells_people_apart() -> None:
    sample = people(20, 6)
    derived = derive([sample], "face")
    calibration = derived.calibration
    assert pairwise(sample.identities(), cluster(sample, calibration)).f == 1
    assert abs(calibration.different_mean) < 0.05
    assert calibration.same_mean == pytest.approx(0.64, abs=0.02)
    assert calibration.threshold < calibration.same_photo < calibration.scaled(0.97)
    assert derived.evidence["saved_again_1_percent"] == pytest.approx(0.99, abs=0.01)
    assert 0 < calibration.margin < 0.3
    assert derived.evidence["pairs_same"] == 20 * 15
    assert derived.evidence["pairs_different"] == 120 * 119 // 2 - 20 * 15
    assert derived.evidence["pairwise_f"] == 1.0
    assert len(derived.evidence["around"]) == 3
    low, high = derived.evidence["threshold_95"]
    assert low <= calibration.threshold <= high


def test_a_second_pass_is_only_derived_where_it_helps() -> None:
    assert derive([people(10, 4)], "face").calibration.second_pass is None
    sample = two_looks()
    derived = derive([sample], "face")
    assert derived.calibration.second_pass is not None
    assert pairwise(sample.identities(), cluster(sample, derived.calibration)).f == 1
    assert max(derived.evidence["best_without_second_pass"].popitem()[1]) < 0.9


def test_of_many_perfect_thresholds_the_middle_one_is_taken() -> None:
    sample = people(20, 6, cosine=0.9)
    calibration = derive([sample], "face").calibration
    assert 0.5 < calibration.threshold < 0.8


def two_looks() -> Sample:
    """Return people of two looks each, less alike by mean link (.49) than he and his brother (.5).

    But each face of one look has a near twin (.6) in the other.
    """
    look = np.full((4, 4), 0.8) + 0.2 * np.eye(4)
    looks = np.full((4, 4), 0.45) + 0.15 * np.eye(4)
    person = np.block([[look, looks], [looks, look]])
    brother = np.full((8, 8), 0.5)
    family = np.linalg.cholesky(np.block([[person, brother], [brother, person]]))
    vectors = np.kron(np.eye(12), family).astype(np.float16)
    return replace(people(24, 8), vectors=vectors)


def test_pictures_have_no_limits_that_only_faces_have() -> None:
    calibration = derive([two_looks()], "image").calibration
    assert calibration.second_pass is None
    assert "same_photo" not in to_toml(calibration)
    assert Calibration.model_validate(parsed(to_toml(calibration))) == calibration


def parsed(toml: str) -> dict[str, object]:
    return dict(tomllib.loads(toml)["calibration"])


def test_the_printed_table_is_the_calibration() -> None:
    assert Calibration.model_validate(parsed(to_toml(CARD.scale))) == CARD.scale


def test_labels_that_do_not_fit_the_vectors_are_refused() -> None:
    sample = people(20, 4)
    shuffled = replace(sample, labels=np.roll(np.tile(sample.labels[::4], 4), 1))
    with pytest.raises(ValueError, match="the labels are wrong"):
        derive([shuffled], "face")


def test_too_few_pairs_are_refused_with_their_number() -> None:
    with pytest.raises(ValueError, match="12 pairs of the same and 16 of different"):
        derive([people(2, 4)], "face")


def test_a_large_sample_is_reduced_to_whole_identities() -> None:
    sample = people(10, 4)
    reduced = sample.at_most(22)
    assert len(reduced.labels) == 20
    assert set(np.unique(reduced.labels, return_counts=True)[1].tolist()) == {4}
    assert sample.at_most(40) is sample


# Without labels


def faces_of(*vectors: Vector) -> list[Face]:
    return [Face(0.1 * n, 0.2, 0.08, 0.1, vector) for n, vector in enumerate(vectors)]


def test_faces_of_one_photo_are_negatives_unless_they_are_copies() -> None:
    a, b = random_vector("a", 64), random_vector("b", 64)
    mirrored = near(a, "mirror", 0.99)
    photos = {
        FileId("1"): faces_of(a, b),
        FileId("2"): faces_of(a, mirrored),
        FileId("3"): faces_of(b),
    }
    evidence = gather(photos, [], same_photo=0.97)
    assert evidence.negatives.tolist() == pytest.approx([float(a @ b)], abs=2e-3)
    assert evidence.photos.tolist() == [0]
    assert evidence.soft_passed == 1
    assert len(evidence.positives) == 0


def test_faces_at_one_place_in_similar_photos_are_positives() -> None:
    a, b = random_vector("a", 64), random_vector("b", 64)
    again = near(a, "again", 0.98)
    photos = {FileId("1"): faces_of(a, b), FileId("2"): faces_of(again), FileId("3"): faces_of(a)}
    evidence = gather(photos, [[FileId("2"), FileId("1")], [FileId("3")]], same_photo=0.999)
    assert evidence.positives.tolist() == pytest.approx([0.98], abs=2e-3)


def evidence_of(negatives: NDArray[np.float32], copies: int = 0) -> Evidence:
    count = len(negatives)
    return Evidence(negatives, np.arange(count) // 3, 0, np.full(copies, 0.99, np.float32))


def test_the_threshold_has_the_false_match_rate_that_was_asked_for() -> None:
    rng = np.random.default_rng(0)
    negatives = np.clip(rng.normal(0.85, 0.02, 20_000), 0, 0.95).astype(np.float32)
    derived = derive_unlabelled(CARD, evidence_of(negatives, 40), false_match_rate=0.002)
    calibration = derived.calibration
    limit = calibration.cosine(calibration.threshold)
    assert (negatives >= limit).mean() == pytest.approx(0.002, abs=2e-4)
    assert calibration.different_mean == pytest.approx(0.85, abs=0.002)
    assert calibration.same_mean == CARD.scale.same_mean
    assert calibration.cosine(calibration.same_photo) == pytest.approx(
        CARD.scale.cosine(CARD.scale.same_photo), abs=1e-4
    )
    low, high = derived.evidence["threshold_cosine_95"]
    assert low < limit < high
    assert derived.evidence["copies_over_same_photo"] == 1.0
    stricter = derive_unlabelled(CARD, evidence_of(negatives), false_match_rate=0.001).calibration
    assert stricter.threshold > calibration.threshold


def test_thin_evidence_is_refused_with_what_is_needed() -> None:
    negatives = np.full(999, 0.85, np.float32)
    with pytest.raises(ThinEvidence, match=r"999 pairs .* from 333 photos.* 1000 are needed"):
        derive_unlabelled(CARD, evidence_of(negatives), false_match_rate=0.01)


def test_negatives_that_are_one_person_are_no_evidence() -> None:
    negatives = np.linspace(0.9, 0.99, 2000).astype(np.float32)
    with pytest.raises(ThinEvidence, match="more than once"):
        derive_unlabelled(CARD, evidence_of(negatives), false_match_rate=0.01)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store with dataset ``p/d``: 60 photos of 7 strangers each; the first two are similar."""
    path = tmp_path / "imm.db"
    database = Database(f"sqlite:///{path}")
    migrate.upgrade(database)
    fill(database)
    database.close()
    return path


def fill(database: Database) -> None:
    now = ManualClock()()
    dataset = Dataset(
        dataset_id=DatasetId(str(uuid.uuid4())),
        account="a",
        project="p",
        name="d",
        face_model=CARD.model_id,
        image_model="i",
        created_at=now,
        updated_at=now,
    )
    with database.write() as tx:
        projects.create(tx, Project(account="a", name="p", created_at=now, updated_at=now))
        datasets.create(tx, dataset)
        lease = ownership.take(tx, dataset.dataset_id, "host", 1)
        uris = [f"oss://b/{n:02}.jpg" for n in range(60)]
        files.index(tx, dataset, [InputFile(uri, {"URI": uri}) for uri in uris], now)
        pending = results.pending(tx, dataset.dataset_id, limit=100)
        done = [Result(file, photo(file.uri)) for file in pending]
        results.commit(tx, lease, done, now, lambda finished: [])
        similar = sorted(file.file_id for file in pending if file.uri in uris[:2])
        rows = [
            {
                "dataset_id": dataset.dataset_id,
                "kind": ClusterKind.SIMILAR,
                "item_id": file_id,
                "from_run": 1,
                "to_run": 2,
                "cluster_id": "s",
                "file_id": file_id,
                "confidence": 1.0,
            }
            for file_id in similar
        ]
        tx.execute(insert(tables.membership), rows)
        tx.execute(update(tables.dataset).values(similar_run=1))


def photo(uri: str) -> Indexed:
    """Return seven strangers in a row; the second photo is the first one at twice the size."""
    base = random_vector("everybody", 128)
    source = uri.replace("01.jpg", "00.jpg")
    scale = 1 if source == uri else 2
    faces = [
        replace(
            face(near(base, f"{source} {n}", 0.9)),
            box=Box(scale * 90 * n, 0, scale * 80, scale * 90),
        )
        for n in range(7)
    ]
    indexed = picture(uri, *faces)
    assert indexed.analysis is not None
    larger = replace(indexed.analysis, width=scale * 640, height=scale * 480)
    return replace(indexed, analysis=larger)


def test_a_store_gives_negatives_of_photos_and_positives_of_similar_ones(store: Path) -> None:
    database = Database(f"sqlite:///{store}")
    card, evidence = read_evidence(database, "p/d")
    database.close()
    assert card is CARD
    assert len(evidence.negatives) == 60 * 21
    assert len(evidence.positives) == 7
    assert evidence.positives == pytest.approx(1, abs=2e-3)


def test_pictures_are_not_calibrated_without_labels(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["--store", f"sqlite:///{store}", "--dataset", "p/d", "--kind", "image"])
    assert "use --labelled with --kind image" in capsys.readouterr().err


def test_the_command_reads_a_store(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--store", f"sqlite:///{store}", "--dataset", "p/d", "--false-match-rate", "0.01"])
    *toml, line = capsys.readouterr().out.splitlines()
    calibration = Calibration.model_validate(parsed("\n".join(toml)))
    result = json.loads(line)
    assert calibration.cosine(calibration.threshold) == pytest.approx(
        result["threshold_cosine"], abs=1e-4
    )
    assert (result["pairs_different"], result["photos"], result["pairs_same"]) == (1260, 60, 7)
    assert "nothing is said" in result["copies"]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--store", "{store}", "--dataset", "p/d"], "1260 pairs .* 10000 are needed"),
        (["--store", "{store}", "--dataset", "p/x"], "0 datasets of this store are 'p/x'"),
        (["--store", "{store}.none", "--dataset", "p/d"], "there is no file"),
        (["--labelled", "nowhere"], "nowhere is no folder"),
        (["--labelled", "nowhere", "--kind", "image", "--model", "dlib-resnet"], "is for face"),
    ],
)
def test_the_command_refuses_with_a_clear_sentence(
    store: Path, arguments: list[str], reason: str
) -> None:
    given = [text.replace("{store}", f"sqlite:///{store}") for text in arguments]
    with pytest.raises(SystemExit, match=reason):
        main(given)


# Through the models and the engine


def test_vectors_of_labelled_pictures_are_made_once(
    tmp_path: Path, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labelled = [
        item
        for item in read_labelled(shared / "data/bbt_dev")
        if item.label in ("amy", "raj") and item.path.stem[-1] in "12"
    ]
    blank = tmp_path / "blank.png"
    cv2.imwrite(str(blank), np.full((80, 80, 3), 128, np.uint8))
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture")
    labelled += [Labelled(blank, "amy"), Labelled(broken, "raj")]
    first = Embedding("face", "dlib-resnet", cache=tmp_path).sample("part", labelled)
    monkeypatch.setattr("benchmarks.calibrate.embedding.EmbeddedModels", None)
    again = Embedding("face", "dlib-resnet", cache=tmp_path).sample("part", labelled)
    assert np.array_equal(first.vectors, again.vectors)
    assert first.vectors.dtype == np.float16
    assert first.missed == again.missed == 2
    assert len(np.unique(first.labels)) == 2
    assert (first.saved > CARD.scale.cosine(CARD.scale.same_photo)).all()
    assert pairwise(first.identities(), cluster(first, CARD.scale)).precision == 1


def test_pictures_without_a_face_are_no_sample(tmp_path: Path) -> None:
    path = tmp_path / "blank.png"
    cv2.imwrite(str(path), np.full((80, 80, 3), 128, np.uint8))
    with pytest.raises(ValueError, match="nothing was found in 1 labelled pictures"):
        Embedding("face", "dlib-resnet", cache=tmp_path).sample("blank", [Labelled(path, "a")])


def test_the_limits_of_the_engine_are_those_of_the_card() -> None:
    scale, limits = CARD.scale, figure_limits(CARD.scale)
    assert scale.second_pass is not None
    assert to_cosine(limits.threshold) == pytest.approx(scale.cosine(0.77), abs=1e-6)
    assert to_cosine(limits.strong) == pytest.approx(scale.cosine(0.92), abs=1e-6)
    assert to_cosine(limits.second_mean) == pytest.approx(scale.cosine(0.71), abs=1e-6)
    assert to_cosine(limits.same_photo) == pytest.approx(scale.cosine(scale.same_photo), abs=1e-6)
    width = scale.same_mean - scale.different_mean
    assert to_cosine(limits.margin) == pytest.approx(scale.margin * width, abs=1e-6)


def test_the_engine_finds_what_exact_linkage_finds() -> None:
    sample = people(12, 5, cosine=0.75)
    calibration = derive([sample], "face").calibration
    found = find_people(sample, calibration)
    assert pairwise(cluster(sample, calibration), found.people).f == 1
    assert found.founded.tolist() == found.people.tolist()


def test_a_group_without_two_good_faces_is_not_shown() -> None:
    sample = people(4, 3)
    good = np.ones(12, np.bool_)
    good[[0, 1]] = False
    found = find_people(replace(sample, good=good), derive([people(10, 4)], "face").calibration)
    assert len(np.unique(found.people)) == 4
    assert len(np.unique(found.founded)) == 6
