"""Tables of paths and labels: what is read, how it is split, what is refused."""

import random

import pyarrow
import pyarrow.parquet
import pytest

from convatlas.data.holdout import tied
from convatlas.data.source import load_data
from convatlas.errors import DataError
from tests.data.folders import SMALL, put


def table(folder, rows, head="path,label"):
    file = folder / "table.csv"
    file.write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    return file


def test_paths_begin_at_the_tables_folder(tmp_path):
    put(tmp_path, "x/1.png", "x/2.png", "3.png", "4.png", same=None)
    file = table(
        tmp_path, ["x/1.png,owl,train", "x/2.png,bat,train", "3.png,owl,test", "4.png,bat,test"], "path,label,split"
    )
    data = load_data(file, SMALL)
    assert data.classes == ("bat", "owl")
    assert (data.train.names, data.train.labels.tolist()) == (("x/1.png", "x/2.png"), [1, 0])
    assert (data.test.names, data.test.labels.tolist()) == (("3.png", "4.png"), [1, 0])
    assert load_data(str(file), SMALL, lazy=True).test.names == ("3.png", "4.png")


def test_a_parquet_of_paths_is_the_same(tmp_path):
    names = [f"{i}.png" for i in range(20)]
    put(tmp_path, *names)
    pyarrow.parquet.write_table(
        pyarrow.table({"file": names, "class": [i % 2 for i in range(20)], "more": [1.5] * 20}), tmp_path / "t.parquet"
    )
    data = load_data(tmp_path / "t.parquet", SMALL)
    assert data.classes == ("0", "1") and (len(data.train), len(data.test)) == (16, 4)
    same = load_data(table(tmp_path, [f"{n},{i % 2}" for i, n in enumerate(names)]), SMALL)
    assert same.test.names == data.test.names and same.fingerprint == data.fingerprint


def test_a_group_and_copies_are_never_parted(tmp_path):
    generator = random.Random(3)
    names = [f"{i}.png" for i in range(60)]
    put(tmp_path, *names[:50])
    for i in range(50, 60):
        put(tmp_path, names[i], same=i % 5)
    groups = [f"film {generator.randrange(25)}" for _ in names]
    file = table(tmp_path, [f"{n},{'ab'[i % 2]},{groups[i]}" for i, n in enumerate(names)], "path,label,group")
    for seed in range(5):
        data = load_data(file, SMALL, seed=seed)
        parts = [set(part.names) for part in (data.train, data.test)]
        assert 5 <= len(parts[1]) <= 20
        for key in (groups, [(tmp_path / n).read_bytes() for n in names]):
            held = [{key[i] for i, n in enumerate(names) if n in part} for part in parts]
            assert not held[0] & held[1]


def test_groups_hang_together_by_copies():
    # a and b share a file, b and c a group; d is alone.
    found = tied(["1", "1", "2", "3"], ["p", "q", "q", "r"])
    assert found[0] == found[1] == found[2] != found[3]
    assert tied(["1", "1", "2"], ()) == ("1", "1", "2")
    # Two images that cannot be decoded are no copies of each other.
    assert len(set(tied(["", "", "2"], ["p", "q", "q"]))) == 2


@pytest.mark.parametrize(
    ("rows", "head", "told"),
    [
        (["1.png,a"], "name,label", 'has no column path, it has "name", "label"'),
        (["1.png,a"], "path,kind", "has no column label"),
        ([], "path,label", "has no row"),
        (["1.png,a", "2.png,"], "path,label", "has no label in row 2"),
        (["1.png,a", "1.png,b"], "path,label", 'names "1.png" twice'),
        (["1.png,a", "2.png"], "path,label", "has 1 fields in line 3, its head has 2"),
        (["1.png,a", "2.png,a"], "path,label", "only one class"),
        (["1.png,a,fit", "2.png,b,train"], "path,label,split", 'has the split "fit"'),
        (["1.png,a,test", "2.png,b,test"], "path,label,split", "has no image in train"),
        (
            ["1.png,a,train", "2.png,b,train", "3.png,a,test"],
            "path,label,split",
            '"b" has 0 images in test. Do: add images or leave the class out',
        ),
        (["1.png,a", "gone.png,b"], "path,label", r"gone.png \(cannot be read \(No such file"),
    ],
)
def test_tables_that_are_refused(tmp_path, rows, head, told):
    put(tmp_path, "1.png", "2.png", "3.png")
    with pytest.raises(DataError, match=told) as caught:
        load_data(table(tmp_path, rows, head), SMALL)
    assert "\n" not in str(caught.value)


def test_a_table_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "x.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="cannot be read"):
        load_data(tmp_path / "x.csv", SMALL)
