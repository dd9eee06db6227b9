"""What is scaled with the size of the input, and what stays as it was set."""

import pytest

from convatlas.data.crop import WindowCrop
from convatlas.recipes import get_recipe
from convatlas.recipes.resize import with_settings_to_scale


def test_lengths_follow_the_size():
    recipe, said = with_settings_to_scale(get_recipe("resnet"), ["preprocess.size=[112,112]"])
    assert recipe.preprocess.size == (112, 112)
    assert recipe.preprocess.fit_size == (128, 128)
    assert recipe.crop == WindowCrop(shorter=(128, 240))
    assert said == ("scaled with preprocess.size: preprocess.fit_size=[128,128], crop.shorter=[128,240]",)


def test_what_is_set_stays():
    settings = ["preprocess.size=[112,112]", "preprocess.fit_size=[256,256]", "crop.shorter=[150,160]"]
    recipe, said = with_settings_to_scale(get_recipe("resnet"), settings)
    assert recipe == get_recipe("resnet").with_settings(settings)
    assert said == ()


@pytest.mark.parametrize("settings", [[], ["epochs=3"], ["preprocess.size=[224,224]"], ["crop.shorter=[300,400]"]])
def test_nothing_changes_with_the_same_size(settings):
    recipe, said = with_settings_to_scale(get_recipe("resnet"), settings)
    assert (recipe, said) == (get_recipe("resnet").with_settings(settings), ())


def test_an_oblong_input_is_fitted_in_its_proportions():
    recipe, _ = with_settings_to_scale(get_recipe("senet"), ["preprocess.size=[112,224]"])
    assert recipe.preprocess.fit_size == (128, 256)
