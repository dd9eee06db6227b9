"""Data sets of the hub that are read over the network: what arrives, how much of it, and a hub that stops answering."""

import os
import subprocess
import sys

import datasets
import pyarrow.parquet as parquet
import pytest

from convatlas.cli.main import main
from tests.data.hub_server import serving
from tests.data.photos import encoded, photo

PHOTOS = [encoded(photo(seed, (160, 120)), "JPEG" if seed % 2 else "PNG") for seed in range(60)]
NAME = "hf:owner/name,stream=yes"
FEATURES = datasets.Features(
    {"picture": datasets.Image(), "kind": datasets.ClassLabel(names=["owl", "bat"]), "group": datasets.Value("string")}
)


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """Two shards to learn from and one to test on, five images a row group."""
    folder = tmp_path_factory.mktemp("hub") / "repository"
    (folder / "data").mkdir(parents=True)
    for file, numbers in (
        ("train-00000-of-00002", range(20)),
        ("train-00001-of-00002", range(20, 40)),
        ("test-00000-of-00001", range(40, 60)),
    ):
        columns = {
            "picture": [{"bytes": PHOTOS[i], "path": None} for i in numbers],
            "kind": [i % 2 for i in numbers],
            "group": [f"film {i // 4}" for i in numbers],
        }
        rows = datasets.Dataset.from_dict(columns, features=FEATURES)
        rows.to_parquet(str(folder / "data" / f"{file}.parquet"), batch_size=5)
    return folder


def convatlas(server, home, *words):
    environment = os.environ | {"HF_ENDPOINT": server.url, "HF_HOME": str(home)}
    return subprocess.run(
        [sys.executable, "-m", "convatlas", *map(str, words)], env=environment, capture_output=True, text=True
    )


def ranges(server):
    """First and last byte of what was asked of the shards."""
    return [how.removeprefix("bytes=").split("-") for _, path, how in server.asked if path.endswith(".parquet")]


@pytest.mark.slow
def test_what_arrives_is_what_lies_there_and_only_in_parts(repository, tmp_path):
    with serving(repository) as server:
        done = convatlas(server, tmp_path / "home", "data", "pack", NAME, tmp_path / "packed")
        assert done.returncode == 0, done.stderr
    # A row group has a quarter of a shard's images; pyarrow reads 64 KiB at the end of a file at once.
    shard = max(path.stat().st_size for path in repository.rglob("*.parquet"))
    assert shard > 4 << 16
    assert all(1 + int(last) - int(first) < shard / 2 for first, last in ranges(server))
    rows = [row for file in (tmp_path / "packed").glob("*.parquet") for row in parquet.read_table(file).to_pylist()]
    kinds = {row["image"]["bytes"]: row["label"] for row in rows}
    assert len(rows) == 60 and kinds == {data: number % 2 for number, data in enumerate(PHOTOS)}
    assert {PHOTOS.index(row["image"]["bytes"]) // 4: row["group"] for row in rows} == {
        film: f"film {film}" for film in range(15)
    }


@pytest.mark.full
@pytest.mark.timeout(900)
def test_a_run_learns_what_it_learns_from_the_same_shards_on_the_disk(repository, tmp_path):
    words = ["train", "lenet5_modern", "--set", "epochs=2", "--set", "batch_size=8"]
    with serving(repository) as server:
        done = convatlas(server, tmp_path / "home", *words, NAME, "--out", tmp_path / "streamed")
        assert done.returncode == 0, done.stderr
        again = convatlas(server, tmp_path / "home", *words, repository, "--out", tmp_path / "local")
        assert again.returncode == 0, again.stderr
    checkpoint = "checkpoints/step-00000010/weights.safetensors"
    assert (tmp_path / "streamed" / checkpoint).read_bytes() == (tmp_path / "local" / checkpoint).read_bytes()


@pytest.mark.slow
def test_a_hub_that_stops_answering_ends_the_command_in_a_line(repository, tmp_path):
    with serving(repository) as server:
        server.refuses = ".parquet"
        done = convatlas(server, tmp_path / "home", "data", "info", NAME)
    assert done.returncode == 3
    (line,) = done.stderr.splitlines()
    assert line.startswith('error: "hf://datasets/owner/name@') and "403" in line
    assert line.endswith("Do: check the connection and give the same command again; a run goes on with --resume.")


def test_what_cannot_be_streamed_says_so(repository, tmp_path, capsys):
    other = tmp_path / "folder" / "train" / "owl"
    other.mkdir(parents=True)
    (other / "1.png").write_bytes(PHOTOS[0])
    datasets.Dataset.from_dict({"x": [1]}).save_to_disk(str(tmp_path / "saved"))
    capsys.readouterr()  # the library's progress
    for name, what in (
        (f"hf:{tmp_path}/folder,stream=yes", "is not kept as Parquet but like 1.png"),
        (f"hf:{tmp_path}/saved,stream=yes", "is not kept as Parquet but as datasets saves it"),
        (f"hf:{repository},stream=yes,group=film", "its column called group"),
        (f"hf:{repository},stream=yes,image=photo", 'has no column "photo", it has picture, kind, group'),
        (f"hf:{repository},stream=yes,split=extra", 'has no split "extra", it has train, test'),
        ("hf:owner/name,stream=perhaps", "has stream=perhaps"),
    ):
        assert main(["data", "info", name]) in (2, 3)
        said = capsys.readouterr().err
        assert what in said and said.count("\n") == 1
    assert main(["data", "info", NAME, "--offline"]) == 3
    assert "which --offline forbids" in capsys.readouterr().err
