"""`train`: what it leaves and prints, and what it refuses before anything is written."""

import json
import shlex

import numpy as np
import pytest
from PIL import Image

from convatlas.checkpoint import read_card, read_tensors
from convatlas.train.folder import RunFolder
from tests.cli.harness import CLASSES, QUICK, call, class_folders, contents, done, process, refused
from tests.data.photos import photos


def test_train_prints_the_promised_keys(capsys, folder, out):
    ran = done(capsys, "train", "lenet5_modern", folder, *QUICK[1:], "--out", out, "--json")
    assert set(ran.json) >= {"run", "epochs", "seconds", "images_per_s", "val", "test"}
    assert ran.json["run"] == str(out) and ran.json["epochs"] == 1
    for part, images in (("val", 3), ("test", 3)):
        assert set(ran.json[part]) >= {"images", "top1_error", "top5_error", "loss", "interval"}
        assert ran.json[part]["images"] == images
    assert json.loads((out / "result.json").read_text()) == ran.json
    assert "images to learn from, " in ran.err
    assert "held out 3 of 18 images" in ran.err


def test_text_names_the_report_and_the_next_command(capsys, folder, out):
    lines = done(capsys, "train", "lenet5_modern", folder, *QUICK[1:], "--out", out).out.splitlines()
    assert lines[0].startswith("test error  ")
    assert f"report      {out / 'report.html'}" in lines
    assert (out / "report.html").is_file()
    words = lines[-1].split("convatlas ")[1].split()
    assert done(capsys, *words[:2], folder / "owl" / "0.png", "--json").json[0]["label"] in CLASSES


@pytest.mark.parametrize("setting", ["optimizer.lr=1e30", "optimizer.lr=1e10"])
def test_a_number_that_is_none_ends_a_run(capsys, folder, out, setting):
    """R6: exit code 7 and one line, with the file that lists the images; the checkpoint of the step before is whole."""
    settings = ("--set", "epochs=20", "--set", setting, "--set", "schedule.name=constant", "--set", "clip_norm=0")
    ran = call(capsys, "train", "lenet5_modern", folder, *QUICK[1:], *settings, "--out", out)
    (line,) = [line for line in ran.err.splitlines() if line.startswith("error: ")]
    assert (ran.code, ran.out) == (7, "")
    step = int(line.partition(" at step ")[2].partition(" ")[0])
    assert f"its images are listed in {out / 'nan_batch.txt'}; last finite: step {step - 1}. Do: begin anew" in line
    assert all((folder / name).is_file() for name in (out / "nan_batch.txt").read_text().splitlines())
    for file in out.rglob("*.safetensors"):
        assert all(tensor.isfinite().all() for tensor in read_tensors(file).values() if tensor.is_floating_point())
    assert read_card(RunFolder(out).checkpoints / f"step-{step - 1:08d}").step == step - 1
    # Weights that are finite and of no use are said to be that.
    assert "not numbers" in refused(capsys, 7, "predict", out, folder / "owl" / "0.png", "--json")


def test_a_number_that_is_none_in_validation_ends_a_run(capsys, folder, out):
    """The step was finite; what the network then says of other images is not."""
    settings = ("--set", "batch_size=16", "--set", "optimizer.lr=1e10", "--set", "schedule.name=constant")
    ran = call(capsys, "train", "lenet5_modern", folder, *settings, "--set", "clip_norm=0", "--out", out)
    assert (ran.code, ran.out) == (7, "")
    assert (
        "is nan, though the weights are finite; stopped after step 1, which is kept. Do: lower the learning rate"
        in ran.err
    )
    assert read_card(RunFolder(out).checkpoints / "step-00000001").step == 1
    ran = call(capsys, "evaluate", out, folder)
    assert (ran.code, ran.out, ran.err.count("error: the loss on 3 images is nan, ")) == (7, "", 1)


def test_runs_without_a_name_are_counted(capsys, folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = [done(capsys, "train", QUICK[0], "animals", *QUICK[1:], "--json").json["run"] for _ in range(2)]
    assert names == ["runs/lenet5_modern-animals-1", "runs/lenet5_modern-animals-2"]
    monkeypatch.chdir(folder)
    assert done(capsys, "train", QUICK[0], ".", *QUICK[1:], "--json").json["run"] == "runs/lenet5_modern-animals-1"


def test_a_recipe_of_a_run_is_a_recipe_file(capsys, folder, finished, out):
    recipe = finished / "recipe.toml"
    done(capsys, "train", "lenet5_modern", folder, "--recipe", recipe, "--out", out)
    assert (out / "recipe.toml").read_bytes() == recipe.read_bytes()
    assert (out / "predictions.csv").read_bytes() == (finished / "predictions.csv").read_bytes()


@pytest.mark.slow
def test_the_printed_command_repeats_the_run_in_another_folder(tmp_path):
    """With a relative place for the data, a setting with spaces and a run folder without a name."""
    arguments = "train lenet5_modern 'my animals' --set 'optimizer.lr = 0.004' --set epochs=1 --set seed=3"
    for place in ("first", "second"):
        class_folders(tmp_path / place / "my animals", CLASSES)
    first = process(*shlex.split(arguments), "--json", cwd=tmp_path / "first")
    said = json.loads((tmp_path / "first" / first.json["run"] / "run.json").read_text())["command"]
    program, *again = shlex.split(said)
    assert program == "convatlas"
    second = process(*again, cwd=tmp_path / "second")
    runs = [tmp_path / place / ran.json["run"] for place, ran in (("first", first), ("second", second))]
    assert runs[0].name == runs[1].name
    digests = [read_card(RunFolder(run).best()).digest for run in runs]
    assert digests[0] == digests[1]
    assert (runs[0] / "predictions.csv").read_bytes() == (runs[1] / "predictions.csv").read_bytes()


def test_spaces_and_letters_of_other_alphabets(capsys, tmp_path):
    folder = class_folders(tmp_path / "мои данные ü", {"сова": 0, "Käuzchen 1": 8})
    done(capsys, "train", "lenet5_modern", folder, *QUICK[1:], "--out", tmp_path / "über alles")
    answers = done(capsys, "predict", tmp_path / "über alles", folder, "--json").json
    assert [answer["path"].startswith(str(folder)) for answer in answers] == [True] * 12
    assert {name for answer in answers for name, _ in answer["top"]} == {"сова", "Käuzchen 1"}


@pytest.mark.slow
def test_time_limit_ends_a_run_that_may_go_on(capsys, folder, out):
    """A hundred thousand epochs take longer than a tenth of a second."""
    arguments = ("--set", "epochs=100000", "--set", "batch_size=4", "--out", out, "--json")
    first = done(capsys, "train", "lenet5_modern", folder, *arguments, "--time-limit", "0.1s").json
    assert first["ended"] == "time_limit" and first["epochs"] < 100_000
    again = done(capsys, "train", "--resume", "--out", out, "--time-limit", "0.005m", "--json").json
    assert again["ended"] == "time_limit" and again["epochs"] >= first["epochs"]
    assert "ended by the time limit" in done(capsys, "train", "--resume", "--out", out, "--time-limit", "0.1s").out


@pytest.mark.slow
def test_dry_run_leaves_nothing(capsys, folder, out):
    before = contents(folder)
    ran = done(capsys, "train", "lenet5_modern", folder, *QUICK[1:], "--dry-run", "--out", out)
    assert ran.out.startswith("dry run     two steps") and "3 steps, about " in ran.out
    ran = done(capsys, "train", "lenet5_modern", folder, *QUICK[1:], "--dry-run", "--out", out, "--json")
    assert set(ran.json) == {"steps", "seconds_per_step", "checkpoint_bytes", "free_bytes", "remarks"}
    asked = "train", "lenet5_modern", folder, *QUICK[1:], "--dry-run", "--out", out
    assert "there is no tracker 'tensorbored'" in refused(capsys, 2, *asked, "--track", "tensorbored")
    assert "leave out --time-limit or --fractions" in refused(capsys, 2, *asked, "--fractions", "--time-limit", "1m")
    assert not out.exists()
    assert contents(folder) == before


def test_imbalance_says_what_it_chose(capsys, folder, out):
    message = refused(capsys, 2, "train", "lenet5_modern", folder, "--imbalance", "weigths", "--out", out)
    assert "invalid value for '--imbalance': 'weigths' is not one of 'none', 'weights', 'sampling', 'auto'" in message
    assert "'auto'; the nearest is weights. Do: " in message
    ran = done(capsys, "train", "lenet5_modern", folder, *QUICK[1:], "--imbalance", "auto", "--out", out)
    assert "imbalance: nothing to even out, as " in ran.err
    assert 'imbalance = "auto"' in (out / "recipe.toml").read_text()


def test_fit_says_what_it_costs_and_is_kept(capsys, tmp_path, out):
    # 160x120: a quarter of each is beside the square in its middle.
    photos(tmp_path / "photos", {"bat": 4, "owl": 4})
    asked = "train", "lenet5_modern", tmp_path / "photos", *QUICK[1:], "--recipe", "lenet5_modern", "--out", out
    assert "fit pad surrounds the median image with padding, 25 % of the input; --fit crop fills it\n" in (
        done(capsys, *asked, "--fit", "pad", "--dry-run").err
    )
    said = "fit crop cuts off 24 % of the median image; --fit pad keeps all\n"
    assert said in done(capsys, *asked, "--fit", "crop").err
    assert read_card(max((out / "checkpoints").glob("*[0-9]"))).preprocess["fit"] == "crop"
    assert said in done(capsys, "evaluate", out).err
    assert "a resumed run keeps its recipe" in refused(capsys, 2, "train", "--resume", "--out", out, "--fit", "pad")


REFUSED = [
    (["--fit", "some"], 2, "'some' is not one of"),
    (["--imbalance", "some"], 2, "'some' is not one of"),
    (["--time-limit", "soon"], 2, "'soon' is no length of time"),
    (["--time-limit", "0m"], 2, "'0m' is no length of time"),
    (
        ["--set", "early_stoping.patience=3"],
        2,
        "a recipe has no early_stoping.patience; the nearest are early_stopping.",
    ),
    (["lenet9"], 2, "there is no network 'lenet9'; the nearest are lenet5"),
    (["--recipe", "lenet_1998"], 2, "there is no recipe 'lenet_1998'; the nearest are lenet5_1998"),
    (["--set", "optimiser.lr=1"], 2, "a recipe has no optimiser.lr; the nearest are optimizer.lr"),
    (["--set", "optimizer.lrr=1"], 2, "a recipe has no optimizer.lrr; the nearest are optimizer.lr"),
    (["--set", "epoch=1"], 2, "a recipe has no epoch; the nearest is epochs."),
    (["--set", "epochs=0"], 2, "epochs = 0 is not allowed"),
    (["--set", "optimizer.lr=-1"], 2, "optimizer.lr = -1 is not allowed"),
    (["--set", "epochs=many"], 2, "epochs = 'many' is not allowed"),
    (["--set", "epochs"], 2, "--set epochs has no value. Do: write --set epochs=VALUE."),
    (
        ["--set", "preprocess.size=[20,20]"],
        2,
        "lenet5 needs at least 32x32 pixels, the recipe gives 24x24 (20x20 and a border of 2)",
    ),
    (["--recipe", "missing.toml"], 2, "missing.toml cannot be read"),
    (["--device", "tpu"], 2, "device 'tpu' cannot be used on this computer"),
    (["--device", "meta"], 2, "device 'meta' cannot be used on this computer"),
    (["lenet5", "mnist6k"], 2, 'unknown data set "mnist6k": the nearest are mnist5k'),
    (["lenet5", "./nowhere"], 3, '"./nowhere" does not exist'),
    (["lenet5", "~nobody-of-this-name/x"], 3, '"~nobody-of-this-name/x" does not exist'),
]


@pytest.mark.parametrize(("arguments", "code", "what"), REFUSED, ids=[" ".join(case[0]) for case in REFUSED])
def test_what_was_typed_is_refused_before_anything_is_written(capsys, out, arguments, code, what):
    assert what in refused(capsys, code, "train", *arguments, "--out", out)
    assert not out.exists()


def test_size_that_the_message_names_is_accepted(capsys, folder, out):
    message = refused(capsys, 2, "train", "lenet5", folder, "--set", "preprocess.size=[20,20]", "--out", out)
    setting = message.partition("--set ")[2].partition(",")[0] + ",28]"
    assert setting == "preprocess.size=[28,28]"
    done(capsys, "train", "lenet5_modern", folder, *QUICK[1:], "--set", setting, "--out", out)


@pytest.mark.parametrize(
    ("text", "what"),
    [(b"epochs = [", "is not TOML"), (b"\xff\xfe", "it is not UTF-8 text"), (b"epochs = 3\n", "is missing")],
)
def test_broken_recipe_file(capsys, tmp_path, out, text, what):
    (tmp_path / "mine.toml").write_bytes(text)
    assert what in refused(capsys, 2, "train", "--recipe", tmp_path / "mine.toml", "--out", out)
    assert not out.exists()


def test_folder_with_one_class(capsys, tmp_path, out):
    class_folders(tmp_path / "one", {"owl": 0})
    assert 'only one class ("owl")' in refused(capsys, 3, "train", "lenet5", tmp_path / "one", "--out", out)


def test_empty_class(capsys, folder, out):
    (folder / "unicorn").mkdir()
    assert 'class "unicorn" has 0 images' in refused(capsys, 3, "train", "lenet5", folder, "--out", out)


def test_no_images(capsys, tmp_path, out):
    for name in "ab":
        (tmp_path / "none" / name).mkdir(parents=True)
    assert "no image in" in refused(capsys, 3, "train", "lenet5", tmp_path / "none", "--out", out)


def test_hidden_files_are_ignored_with_a_note(capsys, folder, out):
    (folder / ".ipynb_checkpoints").mkdir()
    (folder / "owl" / ".DS_Store").write_bytes(b"x")
    ran = done(capsys, "train", *QUICK[:1], folder, *QUICK[1:], "--out", out)
    assert "ignored 1 hidden folder, 1 hidden file\n" in ran.err
    assert json.loads((out / "run.json").read_text())["classes"] == list(CLASSES)


def test_files_that_are_no_whole_images(capsys, folder, out):
    (folder / "owl" / "text.png").write_text("not a picture")
    pixels = np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8)
    Image.fromarray(pixels).save(folder / "owl" / "cut.jpg")
    whole = (folder / "owl" / "cut.jpg").read_bytes()
    (folder / "owl" / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    before = contents(folder)
    message = refused(capsys, 3, "train", *QUICK[:1], folder, *QUICK[1:], "--out", out)
    assert "2 of 20 images cannot be decoded" in message and "--on-corrupt skip" in message
    assert "owl/text.png (not an image)" in message and "owl/cut.jpg (truncated)" in message
    assert not out.exists()
    ran = done(capsys, "train", *QUICK[:1], folder, *QUICK[1:], "--out", out, "--on-corrupt", "skip")
    assert "left out 2 images that cannot be decoded" in ran.err
    evaluated = refused(capsys, 3, "evaluate", out)
    assert "--on-corrupt skip" in evaluated
    assert done(capsys, "evaluate", out, "--on-corrupt", "skip", "--json").json["images"] == 3
    assert contents(folder) == before


def test_data_that_is_not_here(capsys, tmp_path, out, monkeypatch):
    for name in ("HOME", "XDG_CACHE_HOME", "TORCH_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.delenv("CONVATLAS_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    message = refused(capsys, 3, "train", "lenet5", "mnist", "--offline", "--out", out)
    assert "mnist is not on this computer, and --offline forbids to download it" in message
    assert "train-images-idx3-ubyte.gz" in message and "$CONVATLAS_DATA/mnist/" in message
    assert not out.exists()
