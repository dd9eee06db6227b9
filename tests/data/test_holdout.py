"""What is held out of a folder without a test folder: by hand, and random trees against an oracle."""

import random
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from convatlas.data.holdout import hold_out
from convatlas.errors import DataError
from tests.data.folders import label_of, load, message, put, several, tree_hash


def test_split_is_by_seed_and_stays_when_images_are_added(tmp_path):
    put(tmp_path, *several(50, "a", "b"))
    first, other = load(tmp_path), load(tmp_path, seed=1)
    assert set(first.test.names) != set(other.test.names)
    put(tmp_path, "a/new.png", "c/0.png", "c/1.png")
    second = load(tmp_path)
    moved = set(first.test.names) ^ {name for name in second.test.names if name[0] != "c"}
    assert len(moved - {"a/new.png"}) <= 1


def test_copies_never_straddle_the_split(tmp_path):
    for copy in range(12):
        put(tmp_path, f"a/copy {copy}.png", f"b/copy {copy % 3}.png", same=copy % 4)
    put(tmp_path, *several(20, "a", "b"))
    for seed in range(6):
        data = load(tmp_path, seed=seed)
        contents = [{(tmp_path / name).read_bytes() for name in part.names} for part in (data.train, data.test)]
        assert not contents[0] & contents[1]
        assert data.test.labels.bincount(minlength=2).min() >= 3
    assert any("in more than one class: " in note for note in data.notes)


def test_copies_across_given_parts_are_noted(tmp_path):
    put(tmp_path, *several(2, "train/a", "train/b", "test/a", "test/b"))
    put(tmp_path, "train/a/x.png", "test/a/x.png", same=1)
    assert load(tmp_path).notes == ("1 image occurs in more than one part of the split: test/a/x.png = train/a/x.png",)


def test_classes_too_small_for_a_test(tmp_path):
    put(tmp_path, "a/0.png", "b/0.png")
    assert message(tmp_path) == (
        "no class has two different images, so none can be held out for a test. Do: add images or a test folder."
    )
    put(tmp_path, "a/1.png")
    data = load(tmp_path)
    assert len(data.test) == 1
    assert data.notes[-1] == 'no test image of "b": too few different images'


def test_result_depends_on_nothing_but_the_files(tmp_path):
    names = [*several(40, "a", "b"), "a/bad.png"]
    shuffled = random.Random(0).sample(names, len(names))
    put(tmp_path / "one", *names)
    put(tmp_path / "two", *shuffled)
    for root in ("one", "two"):
        (tmp_path / root / "a" / "bad.png").write_text("no image")
    found = [
        load(tmp_path / root, workers=workers, on_corrupt="skip") for root in ("one", "two") for workers in (0, 1, 7)
    ]
    assert len({data.fingerprint for data in found}) == 1
    assert len({(data.train.names, data.test.names, data.notes) for data in found}) == 1
    put(tmp_path / "one", "a/0.png", same=123)
    assert load(tmp_path / "one", on_corrupt="skip").fingerprint != found[0].fingerprint


files = st.tuples(
    st.sampled_from(["", "train", "test", "val"]),
    st.sampled_from(["ant", "bee", "cow", "10", "9", ".git", "Bee"]),
    st.sampled_from(["0.png", "1.png", "sub/2.PNG", "3.txt", ".4.png", "5.jpg", "6.png", "7.png"]),
    st.integers(0, 3),
)


def oracle(written: dict[str, int]) -> dict[str, dict[str, list[str]]] | None:
    """The classes and their images in each part by the documented rules, or None where an error is due."""
    parts: dict[str, dict[str, list[str]]] = {}
    for name in written:
        split = name.startswith(("train/", "test/", "val/"))
        part, kind, rest = name.split("/", 2) if split else ("", *name.split("/", 1))
        # A part's folder is there, and a class folder without images if it is no part, even if all in it is hidden.
        classes = parts.setdefault(part, {})
        if kind == ".git":
            continue
        images = classes.setdefault(kind, [])
        if not rest.startswith(".") and rest.lower().endswith((".png", ".jpg")):
            images.append(name)
    if set(parts) != {""} and ("" in parts or "train" not in parts):
        return None
    lists = [set(part) for part in parts.values()]
    if any(kinds != lists[0] for kinds in lists) or len(lists[0]) < 2 or {"bee", "Bee"} <= lists[0]:
        return None
    return parts if all(images for part in parts.values() for images in part.values()) else None


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(files, min_size=2, max_size=30), st.booleans(), st.integers(0, 99))
def test_random_trees_agree_with_the_oracle(choices, flat, seed):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        written = {
            "/".join(piece for piece in ("" if flat else part, kind, rest) if piece): content
            for part, kind, rest, content in choices
        }
        for name, content in written.items():
            if name.endswith("txt"):
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text("x")
            else:
                put(root, name, same=content)
        expected = oracle(written)
        before = tree_hash(root)
        try:
            data = load(root, seed=seed)
        except DataError as error:
            assert expected is None or "no class has two different images" in str(error)
            return
        finally:
            assert tree_hash(root) == before
        assert expected is not None
        source = expected.get("train", expected.get("", {}))
        assert data.classes == tuple(sorted(source, key=lambda kind: (int(kind) if kind.isdigit() else 99, kind)))
        found = {name: label for part in (data.train, data.test) for name, label in label_of(data, part).items()}
        made = "test" not in expected
        wanted = {name: kind for kind, names in source.items() for name in names}
        if not made:
            wanted |= {name: kind for kind, names in expected["test"].items() for name in names}
        assert found == wanted
        assert len(data.train) + len(data.test) == len(found)
        assert (data.validation is not None) == ("val" in expected)
        if made:
            contents = [{(root / name).read_bytes() for name in part.names} for part in (data.train, data.test)]
            assert not contents[0] & contents[1]


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 30)), min_size=1, max_size=60),
    st.integers(0, 100),
)
def test_hold_out_takes_a_share_and_no_group_apart(images, seed):
    labels, digests = [label for label, _ in images], [str(digest) for _, digest in images]
    names = [f"{label}/{index}" for index, label in enumerate(labels)]
    held = hold_out(names, labels, digests, 0.2, seed)
    order = random.Random(seed).sample(range(len(images)), len(images))
    again = hold_out([names[i] for i in order], [labels[i] for i in order], [digests[i] for i in order], 0.2, seed)
    assert [held[index] for index in order] == again
    for digest in set(digests):
        assert len({out for out, other in zip(held, digests, strict=True) if other == digest}) == 1
    for label in set(labels):
        total = labels.count(label)
        out = sum(held[index] for index in range(len(images)) if labels[index] == label)
        assert total == 1 or out < total
        share = min(max(1, round(0.2 * total)), total - 1)
        own = [digest for other, digest in images if other == label]
        largest = max(own.count(digest) for digest in own)
        assert out <= max(share, largest)


def test_hold_out_gives_every_class_of_two_groups_a_test_image():
    names = [f"{label}/{index}" for label in "ab" for index in range(10)]
    labels = [0] * 10 + [1] * 10
    # Class 0 is four copies of one file and six of another, class 1 is ten copies of one.
    digests = ["x"] * 4 + ["y"] * 6 + ["z"] * 10
    for seed in range(5):
        assert hold_out(names, labels, digests, 0.2, seed) == [True] * 4 + [False] * 16


def test_hold_out_is_exact_without_copies():
    names = [f"{label}/{index}" for label in range(3) for index in range(10 * (label + 1))]
    labels = [int(name[0]) for name in names]
    held = hold_out(names, labels, names, 0.2, 5)
    assert [sum(out for out, other in zip(held, labels, strict=True) if other == label) for label in range(3)] == [
        2,
        4,
        6,
    ]
