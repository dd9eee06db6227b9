"""Sixty folders by hand: what each is read as, or the exit code and the line that says what is wrong with it."""

import pytest

from convatlas.data.source import load_data
from convatlas.errors import ConvAtlasError
from tests.data.folders import SMALL, tree_hash
from tests.data.trees import plant

LINKED = "images that lie elsewhere can be named in a .csv file with the columns path and label"
LAYOUT = "put the images into root/CLASS/, or into root/train/CLASS/ and root/test/CLASS/"
SAME = "give train, test and val the same class folders"
EMPTY = "add images or remove the folder"

READ = {
    # line: classes, training images (those held out for the test are taken off), remarks
    "a*5 b*5": ("a b", 8, ()),
    "b*5 a*5": ("a b", 8, ()),
    "10*2 9*2 1*2": ("1 9 10", 3, ()),
    "cl10*2 cl9*2 cl1*2": ("cl1 cl9 cl10", 3, ()),
    "B*2 a*2": ("B a", 2, ()),
    "Käuze*2 猫*2 owl*2": ("Käuze owl 猫", 3, ()),
    "night~owl*2 fruit~bat*2": ("fruit~bat night~owl", 2, ()),
    "a*2 b*2 .ipynb_checkpoints/x.png": ("a b", 2, ("ignored 1 hidden folder",)),
    "a*2 b*2 a/.ipynb_checkpoints/x.png": ("a b", 2, ("ignored 1 hidden folder",)),
    "a*2 b*2 .DS_Store a/.DS_Store": ("a b", 2, ("ignored 2 hidden files",)),
    "a*2 b*2 a/Thumbs.db b/desktop.ini": ("a b", 2, ("ignored 2 hidden files",)),
    "a*2 b*2 __MACOSX/a/0.png": ("a b", 2, ("ignored 1 hidden folder",)),
    "a*2 b*2 a/.hidden.png": ("a b", 2, ("ignored 1 hidden file",)),
    "a*2 b*2 a/._0.png b/._0.png": ("a b", 2, ("ignored 2 hidden files",)),
    "a*2 b*2 .git/config .gitignore": ("a b", 2, ("ignored 1 hidden folder, 1 hidden file",)),
    "a*2 b*2 labels.csv": ("a b", 2, ("ignored 1 file that is no image (.csv)",)),
    "a*2 b*2 a/README b/notes.TXT": ("a b", 2, ("ignored 2 files that are no image (.txt, no extension)",)),
    "a*2 b*2 a/0.png.part": ("a b", 2, ("ignored 1 file that is no image (.part)",)),
    "a/x/0.png a/y/0.png b/z/z/0.png b/1.png": ("a b", 2, ()),
    "a/2020/0.png a/2021/0.png b*2": ("a b", 2, ()),
    "a/0.PNG a/1.JPG b/0.Png b/1.jpg": ("a b", 2, ()),
    "a*1 b*5": ("a b", 5, ('no test image of "a": too few different images',)),
    "a*100 b*2": ("a b", 81, ()),
    "train/a*2 train/b*2 test/a*1 test/b*1": ("a b", 4, ()),
    "train/a*2 train/b*2 test/a*1 test/b*1 val/a*1 val/b*1": ("a b", 4, ()),
    "train/a*2 train/b*2 test/a*1 test/b*1 valid/a*1 valid/b*1": ("a b", 4, ()),
    "Train/a*2 Train/b*2 TEST/a*1 TEST/b*1": ("a b", 4, ()),
    "train/a*5 train/b*5 val/a*1 val/b*1": ("a b", 8, ()),
    "train/a*5 train/b*5": ("a b", 8, ()),
    "train/a*2 train/b*2 test/b*1 test/a*1 docs/": ("a b", 4, ('ignored the folder "docs", which has no image',)),
    "train/a*2 train/b*2 test/a*1 test/b*1 .cache/a/0.png": ("a b", 4, ("ignored 1 hidden folder",)),
    "train*3 test*3 car*3": ("car test train", 6, ()),
    "train*3 car*3": ("car train", 4, ()),
    "a*2 b*2 a/up->.": ("a b", 2, ("did not follow 1 link: a/up (loop)",)),
    "a*2 b*2 c->outside": ("a b", 2, ("did not follow 1 link: c (leads outside)",)),
    "a*2 b*2 a/c->a b/x->nowhere": ("a b", 2, ("did not follow 2 links: a/c (loop), b/x (leads nowhere)",)),
    "a*2 b*2 c->a": ("a b c", 3, ("2 images occur in more than one class: a/0.png = c/0.png, a/1.png = c/1.png",)),
    "a*3 b*3 b/3.png=a/0.png": ("a b", 5, ("1 image occurs in more than one class: a/0.png = b/3.png",)),
    "train/a*2 train/b*2 test/a*1 test/b/9.png=train/b/0.png": (
        "a b", 4, ("1 image occurs in more than one part of the split: test/b/9.png = train/b/0.png",),
    ),
}  # fmt: skip

REFUSED = {
    # line: what is wrong, what to do
    "": ('"ROOT" has no class folder', LAYOUT),
    ".hidden/0.png": ('"ROOT" has no class folder', LAYOUT),
    "x.png": ('1 image lies directly in "ROOT", outside any class folder', LAYOUT),
    "x.png y.jpg a*2 b*2": ('2 images lie directly in "ROOT", outside any class folder', LAYOUT),
    "a/ b/": ('no image in "ROOT" (2 classes, all empty)', LAYOUT),
    "a/words.txt b/": ('no image in "ROOT" (2 classes, all empty)', LAYOUT),
    "a*3": ('only one class ("a"), at least two are needed', "add another class"),
    "train/a*3 test/a*1": ('only one class ("a"), at least two are needed', "add another class"),
    "a*3 b/": ('class "b" has 0 images', EMPTY),
    "a*3 b/words.txt": ('class "b" has 0 images', EMPTY),
    "a*3 b/.DS_Store": ('class "b" has 0 images', EMPTY),
    "a*3 b->outside c/": (
        'class "c" has 0 images; did not follow 1 link: b (leads outside)', f"{EMPTY}; {LINKED}",
    ),
    "a*1 b*1": (
        "no class has two different images, so none can be held out for a test", "add images or a test folder",
    ),
    "a*1 b*1 a/1.png=a/0.png": (
        "no class has two different images, so none can be held out for a test", "add images or a test folder",
    ),
    "train/a*2 train/b*2 test/a*1 test/b/": ('class "b" has 0 images in test', EMPTY),
    "train/a*2 train/b*2 test/a*1": ('test lacks "b"', SAME),
    "train/a*2 train/b*2 test/a*1 test/b*1 test/c*1": ('test has extra "c"', SAME),
    "train/a*2 train/owl*2 val/a*1 val/bat*1 test/a*1 test/owl*1": ('val lacks "owl"; has extra "bat"', SAME),
    "test/a*2 test/b*2": (
        '"ROOT" has class folders in "test" but none in "train"', f'{LAYOUT}; or give "ROOT/test" alone',
    ),
    "train/ test/a*2 test/b*2": ('"ROOT/train" has no class folder', LAYOUT),
    "train/a*2 train/b*2 val/a*1 val/b*1 valid/a*1 valid/b*1": (
        '"ROOT" has two val folders: "val", "valid"', "remove or rename one",
    ),
    "train/a*2 train/b*2 more/a*1": ('"ROOT" has both "train" and "more", which is no part of a split', LAYOUT),
    "train/a*2 train/b*2 test/x.png": ('1 image lies directly in "ROOT/test", outside any class folder', LAYOUT),
    "Owl*2 owl*2": (
        'the classes "Owl", "owl" differ only by case or by the encoding of a letter', "merge or rename them",
    ),
    "a/x.jpg a/1.png b*2 a/y.png->nowhere": (
        "1 of 5 images cannot be decoded: a/y.png (cannot be read (No such file or directory))",
        "mend or remove what is named, or use --on-corrupt skip",
    ),
}  # fmt: skip


def test_there_are_sixty():
    assert len(READ) + len(REFUSED) >= 60


@pytest.mark.parametrize("line", READ)
def test_read(tmp_path, line):
    root = plant(tmp_path / "data", line)
    before = tree_hash(root)
    classes, training, remarks = READ[line]
    data = load_data(root, SMALL)
    assert [name.replace(" ", "~") for name in data.classes] == classes.split()
    assert len(data.train) == training
    assert set(remarks) <= set(data.notes), data.notes
    # An image's class is the folder that it lies in.
    for part in (data.train, data.test, *([] if data.validation is None else [data.validation])):
        for name, label in zip(part.names, part.labels.tolist(), strict=True):
            assert data.classes[label] in name.split("/")[:2]
    assert tree_hash(root) == before


@pytest.mark.parametrize("line", REFUSED)
def test_refused(tmp_path, line):
    root = plant(tmp_path / "data", line)
    with pytest.raises(ConvAtlasError) as caught:
        load_data(root, SMALL)
    assert caught.value.exit_code == 3
    assert tuple(said.replace(str(root), "ROOT") for said in (caught.value.what, caught.value.do)) == REFUSED[line]
