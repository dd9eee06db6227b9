"""Comparisons: the papers' numbers, the ratios in words, and which published errors stand side by side."""

import pytest

import convatlas
from convatlas.analysis.compare import Comparison, Entry, in_words, times
from convatlas.analysis.published import nearest_to_one_crop, published_error
from convatlas.analysis.units import short, size
from convatlas.comparison import all_entries, entry
from convatlas.errors import UsageError
from convatlas.models import VARIANTS


def made(name: str, params: int, **others) -> Entry:
    numbers = {"depth": 1, "macs": 10, "activation_bytes": 10, "memory_bytes": 10} | others
    return Entry(name, "family", 2000, params=params, input_size=(1, 2, 2), min_size=1, **numbers)


def errors(*measures: str):
    return [published_error(measure, number, "a table") for number, measure in enumerate(measures)]


def test_the_table_has_the_papers_numbers():
    alexnet, googlenet, vgg16 = convatlas.compare("alexnet", "googlenet", "vgg16").entries
    assert (alexnet.year, alexnet.depth, alexnet.params, alexnet.macs) == (2012, 8, 60_965_224, 724_406_816)
    assert (googlenet.year, googlenet.depth, googlenet.params) == (2014, 22, 6_998_552)
    assert (vgg16.depth, vgg16.params, vgg16.printed_params) == (16, 138_357_544, 138_000_000)
    assert (alexnet.input_size, alexnet.min_size, alexnet.printed_params) == ((3, 224, 224), 64, 60_000_000)
    assert [e.error("ImageNet", 5).percent for e in (alexnet, googlenet, vgg16)] == [18.2, 10.07, 8.8]
    # The weights and, where it is largest, the first maps twice: 64 maps of 224x224 behind and before a ReLU.
    assert vgg16.memory_bytes == 4 * (138_357_544 + 2 * 64 * 224 * 224)


def test_the_ratio_is_said_with_what_is_often_quoted():
    first, *_ = convatlas.compare("alexnet", "googlenet").sentences
    assert first.startswith("googlenet has 8.7 times fewer parameters than alexnet (6,998,552 against 60,965,224); ")
    assert "the notes' 10x holds against the rounded 60 M / 6 M" in first
    assert "its paper's 12x holds against the rounded 60 M / 5 M" in first
    # The other way round it is still GoogLeNet that has fewer.
    turned, *_ = convatlas.compare("googlenet", "alexnet").sentences
    assert turned.startswith("alexnet has 8.7 times more parameters than googlenet")
    assert "the notes' 10x" in turned


def test_costs_and_errors_are_said_each():
    _, macs, activations, memory, error = convatlas.compare("alexnet", "googlenet").sentences
    # 1,582,671,872 / 724,406,816 = 2.18; 18.2 - 10.07 = 8.13.
    assert macs.startswith("googlenet needs 2.2 times more multiply-adds than alexnet")
    assert activations.startswith("googlenet makes 4.8 times more activations than alexnet (39.6 MB against 8.32 MB)")
    assert memory.startswith("googlenet takes 6.6 times less memory than alexnet")
    assert error == (
        "googlenet's published ImageNet top-5 error is 8.13 points below alexnet's: "
        "10.07 % (1 crop) against 18.2 % (10 crops), under other conditions"
    )


def test_printed_numbers_are_named_where_they_give_another_ratio():
    # 1,727,962 / 269,722 = 6.41, printed 1.7 M / 0.27 M = 6.30.
    first, *_ = convatlas.compare("resnet20_cifar", "resnet110_cifar").sentences
    assert "6.4 times more" in first
    assert first.endswith("the papers' rounded numbers make it 6.3 times more (1.7 M against 0.27 M)")
    # 138,357,544 / 60,965,224 = 2.27, printed 138 M / 60 M = 2.3: the same words.
    assert "rounded" not in convatlas.compare("alexnet", "vgg16").sentences[0]


@pytest.mark.parametrize(
    ("mine", "theirs", "said"),
    [
        (10, 87, "8.7 times fewer"),
        (87, 10, "8.7 times more"),
        (1, 12, "12 times fewer"),
        (1_234, 1, "1,234 times more"),
        (103, 100, "3 % more"),
        (100, 103, "2.9 % fewer"),
        (995, 100, "10 times more"),
    ],
)
def test_times(mine, theirs, said):
    assert times(mine, theirs) == said


def test_equal_costs_are_as_many():
    said = in_words(made("a", 5), made("b", 5))
    assert said[0] == "a has as many parameters as b (5 against 5)"
    assert said[3] == "a takes as much memory as b (10 bytes against 10 bytes)"


def test_each_other_network_is_compared_with_the_first():
    comparison = Comparison((made("a", 10), made("b", 20), made("c", 40)))
    told = [sentence for sentence in comparison.sentences if "parameters" in sentence]
    assert told == [
        "b has 2.0 times more parameters than a (20 against 10)",
        "c has 4.0 times more parameters than a (40 against 10)",
    ]
    ratios = comparison.as_json()["ratios"]
    assert [(r["network"], r["to"], r["params"]) for r in ratios] == [("b", "a", 2), ("c", "a", 4)]


def test_every_published_error_says_its_data_set():
    found = {(error.data, error.top) for one in all_entries() for error in one.errors}
    assert found == {
        ("MNIST", 1), ("CIFAR-10", 1), ("ILSVRC-2010", 1), ("ILSVRC-2010", 5), ("ImageNet", 1), ("ImageNet", 5)
    }  # fmt: skip
    count = sum(len(v.published.results) for v in VARIANTS.values() if v.published)
    assert sum(len(one.errors) for one in all_entries()) == count
    with pytest.raises(ValueError, match="does not say on which data set"):
        published_error("error", 1.0, "")


@pytest.mark.parametrize(
    ("measures", "chosen"),
    [
        (["ImageNet top-5 error, 10 crops", "ImageNet top-5 error, 1 crop"], 1),
        (["ImageNet val top-5 error, several scales", "ImageNet val top-5 error, 10 crops"], 1),
        (["ImageNet top-5 error, 144 crops", "ImageNet top-5 error, 10/12 crops"], 1),
        (["ImageNet top-5 error, 10 crops", "ILSVRC-2012 validation top-5 error, trained at 256, tested at 256"], 1),
        (["ImageNet top-5 error, 144 crops, 7 networks", "ImageNet top-5 error, 144 crops"], 1),
        (["ImageNet top-5 error, 1 crop", "ImageNet top-5 error, 1 crop, trained again"], 0),
        (["ILSVRC-2010 test top-5 error, 1 crop", "ILSVRC-2012 validation top-5 error, 10 crops"], 1),
        (["ImageNet top-1 error, 1 crop"], None),
    ],
)
def test_the_error_that_is_nearest_to_one_crop(measures, chosen):
    found = nearest_to_one_crop(errors(*measures), "ImageNet", 5)
    assert (None if found is None else found.percent) == chosen


def test_training_with_augmentation_stands_beside_training_with_augmentation():
    assert entry("nin_cifar10").error("CIFAR-10", 1).percent == 8.81
    assert entry("lenet5").error("MNIST", 1).percent == 0.8
    assert entry("nin_mnist").error("MNIST", 1).how == "no augmentation"


def test_numbers_with_three_digits():
    assert [short(n) for n in (5, 999, 60_000, 999_600, 6_998_552, 60_965_224, 15_470_264_320)] == [
        "5", "999", "60.0 k", "1.00 M", "7.00 M", "61.0 M", "15.5 G"
    ]  # fmt: skip
    assert (size(12), size(39_640_864)) == ("12 bytes", "39.6 MB")


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ((), "needs two networks, got no network"),
        (("alexnet",), r"got one network \(alexnet\)"),
        (("alexnet", "lenet5", "alexnet"), "alexnet is named twice"),
        (("alexnet", "googlenett"), "googlenet"),
    ],
)
def test_what_cannot_be_compared_is_refused(names, words):
    with pytest.raises(UsageError, match=words):
        convatlas.compare(*names)
