"""Streams of pictures: those of the loader, each epoch once, in bounded memory."""

import threading
import warnings
import zipfile

import numpy as np
import pytest
from PIL import Image

import symgraph as sg
from symgraph import nn
from symgraph.data import Rescale, load_image_folder, stream_image_folder
from symgraph.data import picture_stream as module
from symgraph.errors import ArgumentError, DataError
from symgraph.train.callbacks import Lambda, Resume


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Pictures of two colours, 50 of each, of sizes that differ."""
    folder = tmp_path_factory.mktemp("pictures") / "flags"
    random = np.random.default_rng(0)
    for label, colour in (("blue", 2), ("red", 0)):
        (folder / label).mkdir(parents=True)
        for number in range(50):
            pixels = random.integers(0, 90, (9 + number % 3, 12, 3))
            pixels[..., colour] += 120
            picture = Image.fromarray(pixels.astype("uint8"))
            picture.save(folder / label / f"{number:02d}.png")
    return folder


def gathered(stream, epoch):
    batches = list(stream.of_epoch(epoch))
    return [np.concatenate(each) for each in zip(*batches, strict=True)]


def ordered(x, y):
    rows = sorted(range(len(x)), key=lambda row: (int(y[row]), x[row].tobytes()))
    return x[rows], y[rows]


def test_the_parts_are_those_of_the_loader_and_epochs_have_orders_of_their_own(folder):
    images = load_image_folder(folder, 6, seed=2)
    train, test = stream_image_folder(folder, 6, batch_size=16, seed=2, threads=3)
    assert train.classes == images.classes
    assert (len(train), len(test)) == (5, 2)
    x, y = gathered(test, 1)
    np.testing.assert_array_equal(x, images.x_test)
    np.testing.assert_array_equal(y, images.y_test)
    first, second = gathered(train, 1), gathered(train, 2)
    assert not np.array_equal(first[0], second[0])
    for found in (first, second):
        for mine, wanted in zip(
            ordered(*found), ordered(images.x_train, images.y_train)
        ):
            np.testing.assert_array_equal(mine, wanted)
    for a, b in zip(first, gathered(train, 1), strict=True):
        np.testing.assert_array_equal(a, b)


def test_archives_are_read_by_several_threads_at_once(folder, tmp_path):
    with zipfile.ZipFile(tmp_path / "flags.zip", "w") as archive:
        for path in folder.rglob("*.png"):
            archive.write(path, path.relative_to(folder))
    for plain, packed in zip(
        stream_image_folder(folder, 6, threads=4),
        stream_image_folder(tmp_path / "flags.zip", 6, threads=4),
        strict=True,
    ):
        for a, b in zip(gathered(plain, 3), gathered(packed, 3), strict=True):
            np.testing.assert_array_equal(a, b)


def test_only_a_few_batches_are_in_the_making(folder, monkeypatch):
    decoded = []
    real = module.decode_picture

    def counted(*arguments):
        decoded.append(1)
        return real(*arguments)

    monkeypatch.setattr(module, "decode_picture", counted)
    train, _ = stream_image_folder(folder, 6, batch_size=4, threads=2)
    batches = train.of_epoch(1)
    next(batches)
    assert len(decoded) <= 4 * (module.AHEAD + 1)
    batches.close()
    left = [t for t in threading.enumerate() if t.name.startswith("symgraph-pictures")]
    assert left == []


def model():
    nn.random.set_rng(np.random.RandomState(0))
    with sg.config.override(floatX="float32"):
        layer = nn.layers.InputLayer((None, 3, 6, 6))
        layer = nn.layers.DropoutLayer(layer, p=0.1)
        layer = nn.layers.DenseLayer(layer, 2, nonlinearity=nn.nonlinearities.softmax)
        made = nn.Model(layer, learning_rate=0.02, metrics=["accuracy"],
                        preprocessing=Rescale(1 / 255))  # fmt: skip
    nn.random.set_rng(np.random)
    return made


def test_a_stream_trains_validates_and_goes_on_after_a_kill(folder, tmp_path):
    train, test = stream_image_folder(folder, 6, batch_size=16)
    whole = model()
    history = whole.fit(train, epochs=6, validation=test)
    assert history["validation_accuracy"][-1] == 1.0

    def killed(run):
        if run.epoch == 3:
            raise KeyboardInterrupt

    saved = [Resume(tmp_path / "resume"), Lambda(on_epoch_begin=killed)]
    with pytest.raises(KeyboardInterrupt):
        model().fit(train, epochs=6, validation=test, callbacks=saved)
    again = model()
    saved = [Resume(tmp_path / "resume"), Lambda(on_epoch_begin=lambda run: None)]
    again.fit(train, epochs=6, validation=test, callbacks=saved)
    for mine, wanted in zip(again.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, wanted)


def test_a_damaged_picture_stops_with_its_name_or_is_left_out(folder, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for number in range(5):
            Image.new("RGB", (4, 4), (number, 0, 0)).save(
                tmp_path / name / f"{number}.png"
            )
    (tmp_path / "a" / "3.png").write_bytes(b"no picture")
    train, test = stream_image_folder(tmp_path, 4, batch_size=3)
    with pytest.raises(DataError, match=r"3\.png: not a picture; remove the file"):
        [*train.of_epoch(1), *test.of_epoch(1)]
    streams = stream_image_folder(tmp_path, 4, batch_size=3, skip_bad=True)
    rows = sum(len(y) for stream in streams for _ in (1, 2) for _, y in stream)
    assert rows == 2 * 9
    assert [s.skipped for s in streams if s.skipped] == [
        [str(tmp_path / "a" / "3.png")]
    ]


@pytest.mark.parametrize(
    "settings, text",
    [
        ({"size": None}, "a size is needed"),
        ({"size": 0}, "use 1 to 4096"),
        ({"batch_size": 0}, "batch_size = 0"),
        ({"threads": 0}, "threads = 0"),
        ({"channels": 2}, "channels = 2"),
        ({"seed": -1}, "seed = -1"),
    ],
)
def test_wrong_settings_are_told_at_once(folder, settings, text):
    with pytest.raises(ArgumentError, match=text):
        stream_image_folder(folder, **{"size": 6} | settings)


def test_filters_of_warnings_are_the_same_after_threads_have_decoded(folder):
    before = list(warnings.filters)
    train, _ = stream_image_folder(folder, 6, threads=4)
    for _ in range(3):
        list(train)
    assert list(warnings.filters) == before


def test_rows_of_a_memory_map_are_trained_on_without_a_copy(tmp_path):
    random = np.random.default_rng(0)
    x = random.integers(0, 256, (64, 3, 6, 6), np.uint8)
    y = (x.mean(axis=(1, 2, 3)) > 127).astype(np.int32)
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    made = model()
    arrays = made.intake.arrays(mapped, y, None, None)
    assert np.shares_memory(arrays.inputs[0], mapped)
    assert made.evaluate(mapped, y) == made.evaluate(x, y)
