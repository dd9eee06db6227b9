"""LeNet-5 against the tables and the text of LeCun, Bottou, Bengio and Haffner, 1998."""

import pytest
import torch

from convatlas.analysis.summary import summarize
from convatlas.models import create_model, get_variant
from convatlas.models.lenet import DIGITS, TABLE_I, digit_codes

# Section II-B, row by row: output size, trainable parameters, connections.
ROWS = {
    "C1": ((6, 28, 28), 156, 122_304),
    "S2": ((6, 14, 14), 12, 5_880),
    "C3": ((16, 10, 10), 1_516, 151_600),
    "S4": ((16, 5, 5), 32, 2_000),
    "C5": ((120, 1, 1), 48_120, 48_120),
    "F6": ((84,), 10_164, 10_164),
    "output": ((10,), 0, 840),
}

# Section II-B on C3: "every contiguous subset of three", "of four", "some discontinuous subsets of four", "all".
C3_READS = [
    {0, 1, 2}, {1, 2, 3}, {2, 3, 4}, {3, 4, 5}, {0, 4, 5}, {0, 1, 5},
    {0, 1, 2, 3}, {1, 2, 3, 4}, {2, 3, 4, 5}, {0, 3, 4, 5}, {0, 1, 4, 5}, {0, 1, 2, 5},
    {0, 1, 3, 4}, {1, 2, 4, 5}, {0, 2, 3, 5},
    {0, 1, 2, 3, 4, 5},
]  # fmt: skip


def test_each_row_has_the_papers_numbers():
    summary = summarize(create_model("lenet5", device="meta"), (1, 32, 32))
    assert {row.name: (row.output, row.params, row.connections) for row in summary.rows} == ROWS


def test_the_totals_are_the_papers():
    network = create_model("lenet5")
    assert sum(p.numel() for p in network.parameters() if p.requires_grad) == 60_000
    assert summarize(network, (1, 32, 32)).connections == 340_908


def test_the_record_shown_to_users_is_the_paper_table():
    published = get_variant("lenet5").published
    assert {name: (row.output, row.params, row.connections) for name, row in published.rows.items()} == ROWS
    assert (published.params, published.connections) == (60_000, 340_908)


def test_multiply_adds_of_the_convolutions_and_f6():
    # 28*28*25*6 + 10*10*25*60 + 25*16*120 + 120*84
    assert summarize(create_model("lenet5"), (1, 32, 32)).macs == 117_600 + 150_000 + 48_000 + 10_080


def test_table_one_is_the_papers_connection_scheme():
    lines = [line.split() for line in TABLE_I.strip().splitlines()]
    reads = [{s2 for s2 in range(6) if lines[s2][c3] == "X"} for c3 in range(16)]
    assert reads == C3_READS
    # Every map of S2 is read by ten maps of C3.
    assert [line.count("X") for line in lines] == [10] * 6


def test_c3_reads_exactly_the_maps_of_table_one():
    network = create_model("lenet5").double()
    maps = torch.zeros(1, 6, 14, 14, dtype=torch.float64)
    base = network.C3(maps)
    for s2 in range(6):
        changed = maps.clone()
        changed[0, s2] = 1.0
        touched = {c3 for c3 in range(16) if not torch.equal(network.C3(changed)[0, c3], base[0, c3])}
        assert touched == {c3 for c3 in range(16) if s2 in C3_READS[c3]}


def test_receptive_fields():
    summary = summarize(create_model("lenet5"), (1, 32, 32))
    assert {row.name: row.receptive_field for row in summary.rows} == {
        "C1": 5, "S2": 6, "C3": 14, "S4": 16, "C5": 32, "F6": 32, "output": 32,
    }  # fmt: skip


@pytest.mark.parametrize("row", ["C1", "S2", "C3", "S4"])
def test_receptive_field_is_what_the_gradient_touches(row):
    network = create_model("lenet5").double()
    images = torch.randn(1, 1, 32, 32, dtype=torch.float64, requires_grad=True)
    network.features(images)[row][0, 0, 2, 2].backward()
    touched = images.grad[0, 0].abs().sum(0).nonzero().squeeze(1)
    expected = {r.name: r.receptive_field for r in summarize(network, (1, 32, 32)).rows}[row]
    assert int(touched.max() - touched.min()) + 1 == expected


def test_codes_are_plus_and_minus_one_in_a_7x12_picture():
    codes = torch.tensor(digit_codes(10))
    assert codes.shape == (10, 7 * 12)
    assert set(codes.flatten().tolist()) == {-1, 1}
    assert len({tuple(code) for code in codes.tolist()}) == 10


def test_codes_read_as_they_are_drawn():
    picture = ["".join("X" if v > 0 else "." for v in digit_codes(10)[1][7 * r : 7 * r + 7]) for r in range(12)]
    assert picture == [line.split()[1] for line in DIGITS[0].strip().splitlines()]


def test_initialisation_is_uniform_in_2_4_over_the_fan_in():
    torch.manual_seed(0)
    network = create_model("lenet5")
    fan_in = {"C1.0.weight": 25, "C5.0.weight": 400, "F6.2.weight": 120, "S2.0.coefficient": 4, "S4.0.coefficient": 4}
    for name, inputs in fan_in.items():
        values = network.get_parameter(name).detach().abs()
        assert values.max() <= 2.4 / inputs
        if values.numel() > 100:
            # Uniform in +-b: mean |w| is b / 2.
            assert values.mean() * inputs / 2.4 == pytest.approx(0.5, abs=0.03 if values.numel() > 1000 else 0.1)
    kernels = network.C3[0].kernels.detach().abs()
    # The first three kernels belong to a unit that reads 3 maps, the last six to the one that reads all.
    assert 2.4 / 100 < kernels[:3].max() <= 2.4 / 75
    assert kernels[-6:].max() <= 2.4 / 150


def test_smallest_input_is_the_papers():
    assert get_variant("lenet5").min_size == 32
    assert create_model("lenet5")(torch.zeros(1, 1, 32, 32)).shape == (1, 10)
