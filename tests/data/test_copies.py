"""Copies of images: in a class, in two classes, in two parts; the same, or nearly."""

from PIL import Image

from convatlas.data.check import check
from tests.data.checked import found
from tests.data.photos import photos, put_photo


def test_copies_within_a_class_across_classes_and_across_parts(split):
    original = split / "train" / "bat" / "0.jpg"
    pixels = Image.open(original)
    put_photo(split / "train/bat/again.jpg", original.read_bytes())
    put_photo(split / "train/owl/pixels.png", pixels)
    put_photo(split / "test/bat/leak.jpg", original.read_bytes())
    put_photo(split / "test/owl/both.png", pixels)
    assert found(split) == {
        "leakage": [
            ("test/bat/leak.jpg", 'the same file as "train/bat/0.jpg"'),
            ("test/owl/both.png", 'the same pixels as "train/bat/0.jpg" of the class "bat"'),
        ],
        "contradiction": [
            ("train/owl/pixels.png", 'the same pixels as "train/bat/0.jpg" of the class "bat"'),
            ("test/bat/leak.jpg", 'the same pixels as "train/owl/pixels.png" of the class "owl"'),
            ("test/owl/both.png", 'the same pixels as "train/bat/0.jpg" of the class "bat"'),
        ],
        "duplicate": [("train/bat/again.jpg", 'the same file as "train/bat/0.jpg"')],
    }


def test_copies_that_were_saved_again_or_scaled_are_near_and_leak(split):
    first, second = (Image.open(split / f"train/bat/{index}.jpg") for index in (0, 1))
    put_photo(split / "train/bat/small.png", first.resize((80, 60)))
    put_photo(split / "train/owl/again.jpg", first, quality=40)
    put_photo(split / "test/bat/large.webp", second.resize((240, 180)), quality=60)
    put_photo(split / "val/bat/grey.png", second.convert("L"))
    photos(split, {"val/owl": 1}, 500)
    paths = {kind: [path for path, _ in told] for kind, told in found(split).items()}
    assert paths == {
        "near_duplicate": ["train/bat/small.png", "train/owl/again.jpg"],
        "leakage": ["val/bat/grey.png", "test/bat/large.webp"],
    }
    others = {problem.path: problem.other for problem in check(split).problems}
    assert others["test/bat/large.webp"] in ("train/bat/1.jpg", "val/bat/grey.png")
    assert others["val/bat/grey.png"] == "train/bat/1.jpg"


def test_a_copy_of_a_near_copy_leaks_too(split):
    copy = Image.open(split / "train/bat/0.jpg").resize((80, 60))
    for name in ("one", "two"):
        put_photo(split / f"test/bat/{name}.png", copy)
    assert [path for path, _ in found(split)["leakage"]] == ["test/bat/one.png", "test/bat/two.png"]


def test_mirrored_turned_and_different_images_are_no_copies(root):
    picture = Image.open(root / "bat" / "0.jpg")
    for way in Image.Transpose:
        put_photo(root / "bat" / f"{way.name}.png", picture.transpose(way))
    photos(root, {"owl": 40}, 200)
    assert found(root) == {}


def test_plain_images_are_compared_by_pixels_only(root):
    for tone in (10, 10, 11):
        put_photo(root / "bat" / f"{len(list((root / 'bat').iterdir()))}.png", Image.new("L", (64, 64), tone))
    checked = check(root)
    assert [(p.kind, p.path, p.other) for p in checked.problems] == [("duplicate", "bat/4.png", "bat/3.png")]
    assert checked.notes == ("3 images of one even tone were compared by pixels only",)
