"""Decoding one picture: colours, sizes, transparency, orientation, bad files."""

import io

import numpy as np
import pytest

from symgraph.data import pictures
from symgraph.data.pictures import decode_picture
from symgraph.errors import DataError

Image = pytest.importorskip("PIL.Image")


def encoded(array, kind="PNG", mode=None, **settings):
    stream = io.BytesIO()
    Image.fromarray(array, mode).save(stream, kind, **settings)
    return stream.getvalue()


@pytest.fixture
def colours():
    return np.random.default_rng(0).integers(0, 256, (6, 4, 3), np.uint8)


def test_colours_come_with_the_channels_in_front(colours):
    found = decode_picture(encoded(colours), "a.png")
    assert (found.dtype, found.shape) == (np.uint8, (3, 6, 4))
    assert np.array_equal(found, colours.transpose(2, 0, 1))


def test_brightness_of_colours_is_that_of_television(colours):
    found = decode_picture(encoded(colours), "a.png", channels=1)
    expected = colours @ np.array([0.299, 0.587, 0.114])  # ITU-R BT.601
    assert found.shape == (1, 6, 4)
    assert np.abs(found[0] - expected).max() <= 1


def test_grey_pictures_have_three_equal_channels(colours):
    grey = colours[:, :, 0].copy()
    found = decode_picture(encoded(grey), "a.png")
    assert np.array_equal(found, np.stack([grey] * 3))


def test_scaling_takes_the_mean_of_the_area(colours):
    found = decode_picture(encoded(colours), "a.png", size=(3, 2))
    blocks = colours.reshape(3, 2, 2, 2, 3).mean((1, 3)).transpose(2, 0, 1)
    assert np.abs(found - blocks).max() <= 1


def test_large_jpeg_pictures_keep_their_mean():
    ramp = np.tile(np.linspace(0, 255, 800).astype(np.uint8), (600, 1))
    found = decode_picture(encoded(ramp, "JPEG"), "a.jpg", size=(32, 32), channels=1)
    expected = ramp.reshape(600, 32, 25).mean((0, 2))
    assert np.abs(found[0] - expected).max() < 6


def test_transparent_parts_show_white():
    array = np.zeros((2, 2, 4), np.uint8)
    array[0, :, 3] = 255  # black above, nothing below
    found = decode_picture(encoded(array), "a.png")
    assert found[:, 0].max() == 0
    assert found[:, 1].min() == 255


def test_sixteen_bits_are_scaled_to_eight():
    array = np.array([[0, 65535, 32768]], np.uint16)
    found = decode_picture(encoded(array), "a.png", channels=1)
    assert found.tolist() == [[[0, 255, 128]]]


def test_the_orientation_a_camera_noted_is_obeyed():
    array = np.zeros((8, 16), np.uint8)
    array[:, :8] = 255  # white on the left
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise by 90 degrees
    data = encoded(array, "JPEG", exif=exif, quality=95)
    found = decode_picture(data, "a.jpg", channels=1)[0]
    assert found.shape == (16, 8)
    assert found[:7].min() > 200
    assert found[9:].max() < 50


def test_bad_files_are_named():
    with pytest.raises(DataError, match=r"a\.png: not a picture"):
        decode_picture(b"hello", "a.png")
    good = encoded(
        np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8), "JPEG"
    )
    with pytest.raises(DataError, match=r"a\.jpg: damaged picture: .*truncated"):
        decode_picture(good[: len(good) // 2], "a.jpg")


def test_too_many_pixels_are_refused_before_decoding(monkeypatch):
    monkeypatch.setattr(pictures, "MAX_PIXELS", 100)
    data = encoded(np.zeros((11, 10), np.uint8))
    with pytest.raises(DataError, match=r"a\.png: 10x11 pixels are over 100"):
        decode_picture(data, "a.png")


def test_decompression_bombs_are_refused(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(DataError, match="damaged picture: Image size"):
        decode_picture(encoded(np.zeros((11, 10), np.uint8)), "a.png")
