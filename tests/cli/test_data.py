"""`convatlas data info` and `data pack`, and what they wrote under the other commands."""

import json

from tests.cli.harness import CLASSES, QUICK, class_folders, contents, done, refused


def test_pack_look_train_and_evaluate(tmp_path, capsys):
    class_folders(tmp_path / "images", CLASSES, count=10)
    out, run = tmp_path / "packed", tmp_path / "run"
    packed = done(capsys, "data", "pack", tmp_path / "images", out, "--shard-size", 8, "--size", 20, "--json").json
    assert packed["images"] == 30 and packed["splits"] == {"train": 21, "val": 3, "test": 6}
    assert packed["shards"] == 5 and packed["packed"] == str(out)
    looked = done(capsys, "data", "info", out)
    assert "30 images of 3 classes" in looked.out and "streamed in blocks" in looked.out
    assert "width   20 to 20" in looked.out
    told = done(capsys, "data", "info", out, "--json").json
    assert told["streams"] is True and told["splits"]["test"] == dict.fromkeys(CLASSES, 2)
    assert done(capsys, "check", out, "--json").json["images"] == 30
    trained = done(capsys, "train", *QUICK[:1], out, *QUICK[1:], "--out", run, "--json", "--imbalance", "weights").json
    assert trained["test"]["images"] == 6
    assert done(capsys, "evaluate", run, out, "--json").json["top1_error"] == trained["test"]["top1_error"]
    lines = (run / "split.csv").read_text().splitlines()
    assert len(lines) == 31 and min(line.split(",")[0] for line in lines[1:]) == "bat/0.png"
    said = refused(capsys, 2, "data", "pack", tmp_path / "images", out)
    assert "holds a packed data set already" in said
    line = done(capsys, "data", "pack", out, tmp_path / "again").out
    assert line.startswith(f"{tmp_path / 'again'}: 21 train, 3 val, 6 test images in 3 shards, ")


def test_a_packed_set_may_be_sampled_evenly(tmp_path, capsys):
    class_folders(tmp_path / "images", CLASSES, count=10)
    done(capsys, "data", "pack", tmp_path / "images", tmp_path / "packed")
    done(
        capsys,
        "train",
        QUICK[0],
        tmp_path / "packed",
        *QUICK[1:],
        "--imbalance",
        "sampling",
        "--out",
        tmp_path / "r",
    )
    assert 'imbalance = "sampling"' in (tmp_path / "r" / "recipe.toml").read_text()


def test_a_packed_run_within_an_epoch_goes_on_in_its_own_order_alone(tmp_path, capsys, monkeypatch):
    """A checkpoint of the time before orders had versions has no number, which counts as 0."""
    class_folders(tmp_path / "images", CLASSES, count=10)
    done(capsys, "data", "pack", tmp_path / "images", tmp_path / "packed")
    run = tmp_path / "run"
    train = ("train", *QUICK[:1], tmp_path / "packed", *QUICK[1:], "--out", run)
    done(capsys, *train, "--set", "checkpoint_every=2", "--time-limit", "0.000001s")
    (card,) = run.glob("checkpoints/step-*/card.json")
    whole = json.loads(card.read_text())
    assert whole["progress"]["batch"] == 1 and whole["progress"].pop("order") == 1
    card.write_text(json.dumps(whole))
    before = contents(run)
    said = refused(capsys, 2, "train", "--resume", "--out", run)
    assert "after 1 of the 6 batches of epoch 1" in said and "version 0 -> 1" in said and "--recipe" in said
    assert {name: kept for name, kept in contents(run).items() if name != ".lock"} == {
        name: kept for name, kept in before.items() if name != ".lock"
    }
    monkeypatch.setattr("convatlas.data.loader.BLOCK_ORDER_VERSION", 0)
    done(capsys, "train", "--resume", "--out", run)


def test_a_run_of_files_goes_on_from_a_checkpoint_without_a_version_of_its_order(tmp_path, capsys):
    class_folders(tmp_path / "images", CLASSES, count=10)
    run = tmp_path / "run"
    done(capsys, "train", QUICK[0], tmp_path / "images", *QUICK[1:], "--out", run, "--time-limit", "0.000001s")
    (card,) = run.glob("checkpoints/step-*/card.json")
    whole = json.loads(card.read_text())
    del whole["progress"]["order"]
    assert whole["progress"]["batch"] > 0
    card.write_text(json.dumps(whole))
    done(capsys, "train", "--resume", "--out", run)
