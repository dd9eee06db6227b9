"""`convatlas data info` and `data pack`, and what they wrote under the other commands."""

from tests.cli.harness import CLASSES, QUICK, class_folders, done, refused


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
