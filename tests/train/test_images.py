"""The job for images: settings, recipes, what training gives and saves."""

import json

import numpy as np
import pytest

from symgraph.data import ImageSet
from symgraph.errors import ArgumentError
from symgraph.train import load_model
from symgraph.train.images import (
    RECIPES,
    Settings,
    build_network,
    recipe,
    train_images,
)


def stripes(count, seed, size=8, channels=1):
    """Bright rows are class 0, bright columns class 1, with noise."""
    random = np.random.default_rng(seed)
    labels = (np.arange(count) % 2).astype(np.int32)
    images = random.integers(0, 80, (count, channels, size, size))
    for image, label, at in zip(images, labels, random.integers(0, size, count)):
        if label:
            image[:, :, at] += 150
        else:
            image[:, at] += 150
    return images.astype(np.uint8), labels


@pytest.fixture(scope="module")
def images():
    return ImageSet(*stripes(240, 0), *stripes(60, 1), ("rows", "columns"))


QUICK = {"hidden": (32,), "epochs": 12, "batch_size": 20, "learning_rate": 0.01}


@pytest.mark.parametrize("rule", ["adam", "nesterov", "sgd"])
def test_every_rule_lowers_the_loss(images, rule):
    rate = {"adam": 0.005, "nesterov": 0.05, "sgd": 0.2}[rule]
    settings = Settings("mlp", **QUICK | {"rule": rule, "learning_rate": rate})
    result = train_images(images, settings)
    losses = result.history["loss"]
    assert losses[-1] < 0.6 * losses[0]
    assert result.test_accuracy > 0.8
    assert result.test_rows == 60
    assert result.files == ()


def test_the_same_seed_gives_the_same_network(images):
    settings = Settings("mlp", **QUICK | {"epochs": 2, "dropout": 0.2})
    runs = [train_images(images, settings).history for _ in range(2)]
    for name in ("loss", "validation_loss", "validation_accuracy"):
        assert runs[0][name] == runs[1][name]


def test_a_trained_network_is_saved_with_what_prediction_needs(images, tmp_path):
    settings = Settings("mlp", **QUICK | {"epochs": 1})
    result = train_images(images, settings, tmp_path / "new", name="stripes")
    assert {file.name for file in result.files} == {
        "model.safetensors", "model.json", "curve.png"
    }  # fmt: skip
    metadata = load_model(tmp_path / "new").metadata
    assert metadata["image_shape"] == [1, 8, 8]
    assert metadata["classes"] == ["rows", "columns"]
    assert metadata["data"] == "stripes"
    assert metadata["test_accuracy"] == result.test_accuracy
    assert json.loads((tmp_path / "new" / "model.json").read_text())["layers"]


def test_training_without_a_validation_part(images):
    settings = Settings("mlp", **QUICK | {"epochs": 1, "validation": 0.0})
    result = train_images(images, settings)
    assert not any(name.startswith("validation") for name in result.history)
    assert result.history.best is None


def test_patience_takes_the_best_epoch_back(images):
    changes = {"epochs": 30, "learning_rate": 0.2, "patience": 2}
    result = train_images(images, Settings("mlp", **QUICK | changes))
    losses = result.history["validation_loss"]
    assert result.history.best == 1 + losses.index(min(losses))
    assert len(losses) < 30


def test_weight_decay_adds_to_the_loss_and_keeps_weights_small(images):
    plain, decayed = (
        train_images(images, Settings("mlp", **QUICK | {"l2": l2, "epochs": 3}))
        for l2 in (0.0, 0.02)
    )
    assert decayed.history["loss"][0] > plain.history["loss"][0] + 0.1


def test_mirroring_changes_the_training(images):
    plain, flipped = (
        train_images(images, Settings("mlp", **QUICK | {"flip": flip, "epochs": 2}))
        for flip in (False, True)
    )
    assert plain.history["loss"][0] != flipped.history["loss"][0]


def test_cnn_learns_from_bytes(images):
    settings = Settings("cnn", **QUICK | {"blocks": ((8,),), "epochs": 4})
    result = train_images(images, settings)
    losses = result.history["loss"]
    assert losses[-1] < 0.5 * losses[0]
    assert result.test_accuracy > 0.9


@pytest.mark.parametrize("key", list(RECIPES))
def test_every_recipe_builds(key, images):
    settings = recipe(key[0], key[1])
    x = np.zeros((4, 3, 32, 32), np.uint8)
    if key[0] == "mnist":
        x = np.zeros((4, 1, 28, 28), np.uint8)
    data = ImageSet(x, np.zeros(4, int), x, np.zeros(4, int), ("a", "b", "c"))
    assert build_network(settings, data).output_shape == (None, 3)


def test_recipes_take_changes_and_fall_back_to_any_data():
    assert recipe("mnist", "cnn").window == 5
    assert recipe("flowers", "cnn") == RECIPES["", "cnn"]
    assert recipe("flowers", "mlp", {"hidden": (7,)}).hidden == (7,)
    with pytest.raises(ArgumentError, match="model = 'vgg', there are softmax, mlp"):
        recipe("flowers", "vgg")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("model", "vgg"),
        ("hidden", (0,)),
        ("blocks", ((),)),
        ("window", 4),
        ("rule", "lbfgs"),
        ("learning_rate", 0),
        ("epochs", 0),
        ("batch_size", 0),
        ("dropout", 1),
        ("l2", -1),
        ("validation", 1),
        ("patience", 0),
        ("seed", -1),
    ],
)
def test_settings_out_of_range(name, value):
    with pytest.raises(ArgumentError, match=f"train images: {name} = "):
        Settings(**{name: value})


def test_patience_needs_validation():
    with pytest.raises(ArgumentError, match="patience needs a validation part"):
        Settings(validation=0.0, patience=3)
