"""What a misspelt, misplaced or foreign argument is answered: what came, what is allowed, what to type."""

import pytest

from tests.cli.harness import QUICK, call, done, refused


@pytest.mark.parametrize(
    ("name", "wrong", "do"),
    [
        ("birds.tar.gz", "archives are not unpacked here", "unpack it yourself"),
        ("birds.npy", "DATA is a folder, or a .csv or .parquet file, not .npy", "the columns path and label"),
        ("birds.txt", "DATA is a folder, or a .csv or .parquet file, not .txt", "the columns path and label"),
        ("birds", "not a file without a suffix", "the columns path and label"),
        ("bird.png", "a single image", "convatlas predict RUN IMAGE"),
    ],
)
def test_a_file_of_another_kind_as_data(tmp_path, capsys, name, wrong, do):
    (tmp_path / name).write_text("hello")
    for said in (refused(capsys, 3, "train", QUICK[0], tmp_path / name), refused(capsys, 3, "check", tmp_path / name)):
        what, _, next_step = said.partition(". Do: ")
        assert name in what and wrong in what and do in next_step


def test_other_files_as_recipe(tmp_path, capsys, folder, finished):
    (tmp_path / "m.pth").write_bytes(b"\x80")
    train = ("train", QUICK[0], folder, "--out", tmp_path / "run", "--recipe")
    said = refused(capsys, 2, *train, tmp_path / "m.pth")
    assert "m.pth is no recipe, which is a name or a .toml file" in said and "recipe.toml of a run" in said
    assert refused(capsys, 2, *train, finished).endswith(f"Do: give {finished / 'recipe.toml'}.")
    said = refused(capsys, 2, *train, "xyzzy")
    assert "modern_small" in said.partition(". Do: ")[2] and "auto" in said
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_places_within_a_run_as_weights(tmp_path, capsys, folder, finished):
    """The pointers, the checkpoint's card and the folder of checkpoints give the weights that the run itself gives."""
    errors = set()
    (step,) = (finished / "checkpoints").glob("step-*")
    places = ("checkpoints/last", "checkpoints/best", "checkpoints", f"checkpoints/{step.name}/card.json")
    for number, place in enumerate((".", *places)):
        out = tmp_path / f"run-{number}"
        train = ("train", QUICK[0], folder, *QUICK[1:], "--out", out, "--weights", finished / place, "--json")
        errors.add(str(done(capsys, *train).json["val"]))
        assert done(capsys, "evaluate", finished / place, folder, "--json").json["images"] == 3
    assert len(errors) == 1
    said = refused(capsys, 2, "train", QUICK[0], folder, "--out", tmp_path / "x", "--weights", finished / "views.png")
    assert f"is a file of the run {finished}, and holds no weights. Do: give {finished}." in said


def test_a_class_with_a_single_image(tmp_path, capsys, folder):
    for index in range(1, 6):
        (folder / "owl" / f"{index}.png").unlink()
    ran = call(capsys, "train", QUICK[0], folder, *QUICK[1:], "--out", tmp_path / "run")
    assert ran.code == 0
    assert '"owl" has a single training image: it is learnt, and none is left to choose the best epoch by' in ran.err


def test_a_class_of_which_a_given_split_leaves_a_single_image(tmp_path, capsys, folder):
    rows = [f"{path},{path.parent.name}" for path in sorted(folder.rglob("*.png"))]
    parts = ["test" if "/0.png" in row or ("owl" in row and "/1.png" not in row) else "train" for row in rows]
    table = tmp_path / "birds.csv"
    table.write_text("path,label,split\n" + "".join(f"{row},{part}\n" for row, part in zip(rows, parts, strict=True)))
    ran = call(capsys, "train", QUICK[0], table, *QUICK[1:], "--out", tmp_path / "run")
    assert ran.code == 0 and '"owl" has a single training image' in ran.err
    assert "bat" not in ran.err.partition("has a single")[0].rpartition("\n")[2]


@pytest.mark.parametrize(
    ("arguments", "near"),
    [
        (("--imbalance", "weigths"), "weights"),
        (("--set", "imbalance=weigths"), "weights"),
        (("--fit", "padd"), "pad"),
        (("--find", "bach"), "batch"),
        (("--on-corrupt", "skp"), "skip"),
        (("--track", "tensorbord"), "tensorboard"),
    ],
)
def test_a_misspelt_choice_names_the_nearest(capsys, folder, arguments, near):
    assert f"the nearest is {near}" in refused(capsys, 2, "train", QUICK[0], folder, *arguments)


def test_one_image_that_cannot_be_used(tmp_path, capsys, finished):
    (tmp_path / "x.png").write_text("no image")
    said = call(capsys, "predict", finished, tmp_path / "x.png").err
    assert "x.png" in said and "1 of 1" not in said
