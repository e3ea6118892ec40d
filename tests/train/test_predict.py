"""Reading images from files, and predicting their classes with a saved model."""

import json

import numpy as np
import pytest

from symgraph import nn
from symgraph.data import load_digits, write_idx
from symgraph.errors import ArgumentError, DataError
from symgraph.train.checkpoint import save_model
from symgraph.train.predict import BATCH, predict_files, read_coloured, read_images

SHAPE = (8, 8)
IMAGES = load_digits().x.reshape(-1, 8, 8)
INK = np.rint(IMAGES[3] * 255).astype("uint8")


def _save_picture(path, array, mode=None, **settings):
    from PIL import Image

    picture = Image.fromarray(array)
    (picture.convert(mode) if mode else picture).save(path, **settings)
    return path


@pytest.fixture
def model(tmp_path):
    """A network whose class is the brightest of the first ten pixels."""
    weights = np.zeros((64, 10), "float32")
    weights[:10] = np.eye(10) * 20
    layer = nn.layers.DenseLayer(
        nn.layers.InputLayer((None, 64)),
        10,
        W=weights,
        nonlinearity=nn.nonlinearities.softmax,
    )
    metadata = {"image_shape": [8, 8], "classes": [f"pixel {i}" for i in range(10)]}
    return save_model(tmp_path / "model", layer, metadata)[1]


def _dot(pixel):
    image = np.zeros((8, 8), "float32")
    image.flat[pixel] = 1
    return image


def test_picture_of_light_ink_is_read_as_it_is(tmp_path):
    images, single = read_images(_save_picture(tmp_path / "a.png", INK), SHAPE)
    assert single
    assert images.dtype == np.float32
    assert np.array_equal(images[0], INK / np.float32(255))


def test_picture_of_dark_ink_is_inverted_by_its_border(tmp_path):
    images, _ = read_images(_save_picture(tmp_path / "a.png", 255 - INK), SHAPE)
    assert np.allclose(images[0], INK / 255, atol=1e-6)


@pytest.mark.parametrize(("invert", "sign"), [("yes", -1), ("no", 1)])
def test_inversion_can_be_ordered(tmp_path, invert, sign):
    file = _save_picture(tmp_path / "a.png", INK)
    found = read_images(file, SHAPE, invert)[0][0]
    assert np.allclose(found, INK / 255 if sign > 0 else 1 - INK / 255, atol=1e-6)


def test_larger_picture_is_averaged_to_size(tmp_path):
    large = np.kron(INK, np.ones((20, 20), "uint8"))
    images, _ = read_images(_save_picture(tmp_path / "a.png", large), SHAPE)
    assert images.shape == (1, 8, 8)
    assert np.allclose(images[0], INK / 255, atol=1e-5)


@pytest.mark.parametrize("mode", ["RGB", "P", "1", "LA"])
def test_picture_of_any_mode_becomes_grey(tmp_path, mode):
    black_and_white = np.where(INK > 127, 255, 0).astype("uint8")
    file = _save_picture(tmp_path / "a.png", black_and_white, mode)
    assert np.array_equal(read_images(file, SHAPE)[0][0], black_and_white / 255)


def test_transparent_ground_counts_as_white_paper(tmp_path):
    pixels = np.zeros((8, 8, 4), "uint8")
    pixels[..., 3] = INK  # black ink of varying cover, the rest transparent
    images, _ = read_images(_save_picture(tmp_path / "a.png", pixels), SHAPE)
    assert np.allclose(images[0], INK / 255, atol=0.01)


def test_sixteen_bit_picture_is_scaled(tmp_path):
    file = _save_picture(tmp_path / "a.png", INK.astype("uint16") * 257)
    assert np.allclose(read_images(file, SHAPE)[0][0], INK / 255, atol=1e-6)


@pytest.mark.parametrize(
    ("array", "single"),
    [
        (IMAGES[3], True),
        (IMAGES[3].ravel(), True),
        (IMAGES[3][None], False),
        (IMAGES[3].reshape(1, 64), False),
        (np.rint(IMAGES[3] * 16).astype("int64"), True),
        (IMAGES[3] * 255, True),
        (IMAGES[3].astype("float64"), True),
        (np.kron(IMAGES[3], np.ones((3, 3), "float32"))[None], False),
    ],
)
def test_array_of_any_layout_and_scale_gives_the_same_image(tmp_path, array, single):
    np.save(tmp_path / "a.npy", array)
    images, found = read_images(tmp_path / "a.npy", SHAPE)
    assert found == single
    assert images.shape == (1, 8, 8)
    assert np.allclose(images[0], IMAGES[3], atol=1e-6)


def test_idx_file_of_images_is_read_and_resized(tmp_path):
    large = np.kron(INK, np.ones((4, 4), "uint8"))
    write_idx(tmp_path / "a.gz", np.stack([large, 0 * large]))
    images, single = read_images(tmp_path / "a.gz", SHAPE)
    assert not single
    assert np.allclose(images, [INK / 255, 0 * INK], atol=1e-6)


def test_predictions_name_file_index_class_and_probability(tmp_path, model):
    np.save(tmp_path / "two.npy", np.stack([_dot(7), _dot(2)]))
    one = _save_picture(tmp_path / "one.png", np.uint8(_dot(9) * 255))
    files = [str(tmp_path / "two.npy"), str(one)]
    found = list(predict_files(model, files))
    assert [(p.file, p.number, p.label) for p in found] == [
        (files[0], 0, "pixel 7"),
        (files[0], 1, "pixel 2"),
        (files[1], None, "pixel 9"),
    ]
    expected = np.exp(20) / (np.exp(20) + 9)
    assert [p.probability for p in found] == pytest.approx([expected] * 3)


def test_file_without_images_gives_no_prediction(tmp_path, model):
    np.save(tmp_path / "none.npy", np.zeros((0, 8, 8)))
    assert list(predict_files(model, [str(tmp_path / "none.npy")])) == []


def _npy(array):
    return lambda path: np.save(path, array, allow_pickle=True)


@pytest.mark.parametrize(
    ("write", "text"),
    [
        (lambda path: None, "cannot be read: No such file"),
        (lambda path: path.mkdir(), "cannot be read"),
        (lambda path: path.write_bytes(b""), "not a picture"),
        (lambda path: path.write_text("hello"), "not a picture"),
        (lambda path: path.write_bytes(b"\x93NUMPY\x01\0"), r"damaged \.npy"),
        (_npy(np.array([{"a": 1}], dtype=object)), r"damaged \.npy"),
        (_npy(np.zeros((8, 8), complex)), "no dtype of pixels"),
        (_npy(np.zeros(63)), r"array \(63,\) is neither"),
        (_npy(np.zeros((2, 3, 8, 8))), "is neither images"),
        (_npy(np.full((8, 8), np.nan)), "pixels from nan"),
        (_npy(np.full((8, 8), -1)), "pixels from -1"),
        (_npy(np.full((8, 8), 256)), "pixels from 256"),
    ],
)
def test_file_that_holds_no_images_is_a_named_error(tmp_path, write, text):
    path = tmp_path / "file.npy"
    write(path)
    with pytest.raises(DataError, match=text) as caught:
        read_images(path, SHAPE)
    assert "file.npy" in str(caught.value)


def test_truncated_picture_is_a_named_error(tmp_path):
    random = np.random.default_rng(0).integers(0, 256, (64, 64)).astype("uint8")
    file = _save_picture(tmp_path / "a.png", random)
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(DataError, match=r"a\.png: damaged picture"):
        read_images(file, SHAPE)


def test_picture_of_too_many_pixels_is_refused(tmp_path):
    from PIL import Image

    Image.new("1", (2**13, 2**13 + 1)).save(tmp_path / "a.png")
    with pytest.raises(DataError, match="are over"):
        read_images(tmp_path / "a.png", SHAPE)


@pytest.mark.parametrize(
    "change",
    [
        {"image_shape": [8, 9]},
        {"image_shape": [64]},
        {"image_shape": None},
        {"classes": ["0", "1"]},
        {"classes": 10},
    ],
)
def test_metadata_that_does_not_fit_the_network_is_refused(model, change):
    document = json.loads(model.read_text())
    document["metadata"] |= change
    model.write_text(json.dumps(document))
    with pytest.raises(DataError, match="do not fit a network from"):
        list(predict_files(model, []))


def test_unknown_inversion_is_refused(tmp_path):
    with pytest.raises(ArgumentError, match="invert = 'maybe'"):
        read_images(_save_picture(tmp_path / "a.png", INK), SHAPE, "maybe")


# --- pictures as they are ---


@pytest.fixture
def colours(tmp_path):
    """A network whose class is the strongest of red, green and blue."""
    weights = np.zeros((3, 4, 5, 3), "float32")
    for channel in range(3):
        weights[channel, :, :, channel] = 0.5
    layer = nn.layers.DenseLayer(
        nn.layers.InputLayer((None, 3, 4, 5)),
        3,
        W=weights.reshape(60, 3),
        nonlinearity=nn.nonlinearities.softmax,
    )
    metadata = {"image_shape": [3, 4, 5], "classes": ["red", "green", "blue"]}
    return save_model(tmp_path / "colours", layer, metadata)[1]


def _of(colour, size=(4, 5)):
    image = np.zeros((*size, 3), "uint8")
    image[..., colour] = 200
    return image


def test_colours_of_pictures_of_any_size_are_told(tmp_path, colours):
    files = [
        str(_save_picture(tmp_path / f"{i}.png", _of(i, (40 + i, 50))))
        for i in range(3)
    ]
    found = list(predict_files(colours, files))
    assert [f.label for f in found] == ["red", "green", "blue"]
    assert [f.file for f in found] == files
    assert {f.number for f in found} == {None}
    assert all(f.probability > 0.99 for f in found)


def test_arrays_of_colours_in_several_batches(tmp_path, colours):
    images = np.stack([_of(i % 3).transpose(2, 0, 1) for i in range(BATCH + 8)])
    np.save(tmp_path / "bytes.npy", images)
    np.save(tmp_path / "floats.npy", images.astype("float32") / 255)
    np.save(tmp_path / "one.npy", images[1])
    for name in ("bytes.npy", "floats.npy"):
        found = list(predict_files(colours, [str(tmp_path / name)]))
        assert [f.number for f in found] == list(range(BATCH + 8))
        labels = [("red", "green", "blue")[i % 3] for i in range(BATCH + 8)]
        assert [f.label for f in found] == labels
    (one,) = predict_files(colours, [str(tmp_path / "one.npy")])
    assert (one.label, one.number) == ("green", None)


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (np.zeros((2, 3, 5, 4)), r"\(2, 3, 5, 4\) is no images \(n, 3, 4, 5\)"),
        (np.zeros((2, 4, 5)), "is no images"),
        (np.full((2, 3, 4, 5), 300), "pixels from 300 to 300"),
        (np.full((2, 3, 4, 5), "a"), "no dtype of pixels"),
    ],
)
def test_arrays_that_are_no_colours_are_named_errors(tmp_path, array, text):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(DataError, match=text):
        read_coloured(tmp_path / "a.npy", (3, 4, 5))


def test_grey_pictures_of_one_channel(tmp_path):
    path = _save_picture(tmp_path / "a.png", _of(1), "L")
    images, single = read_coloured(path, (1, 4, 5))
    assert single
    assert images.shape == (1, 1, 4, 5)
    assert images.max() == pytest.approx(200 * 0.587 / 255, abs=0.01)
    np.save(tmp_path / "b.npy", np.zeros((6, 4, 5), "uint8"))
    assert read_coloured(tmp_path / "b.npy", (1, 4, 5))[0].shape == (6, 1, 4, 5)
