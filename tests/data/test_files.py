"""Files of others: bounded, regular, told in one line, never obeyed by a terminal."""

import contextlib
import gzip
import io
import os
import struct
import subprocess
import sys
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from symgraph import nn
from symgraph.data import write_idx
from symgraph.data.files import npy_array, printable, read_file, unpacked
from symgraph.data.idx import read_idx
from symgraph.data.images import load_image_folder
from symgraph.errors import ArgumentError, DataError
from symgraph.train.checkpoint import load_model, save_model
from symgraph.train.cli import main

posix = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes in folders")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    layer = nn.layers.DenseLayer(
        nn.layers.InputLayer((None, 64)), 10, nonlinearity=nn.nonlinearities.softmax
    )
    folder = tmp_path_factory.mktemp("model")
    metadata = {"image_shape": [8, 8], "classes": [str(k) for k in range(10)]}
    save_model(folder, layer, metadata)
    return folder


def told(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """The one line that a command refuses its input with."""
    code = main([str(word) for word in words])
    out, err = capsys.readouterr()
    assert code == 2, (code, out, err)
    assert err.startswith("symgraph: error: ")
    assert err.count("\n") == 1
    assert err[:-1].isprintable()
    return err


# --- what is no regular file --------------------------------------------------------


@posix
def test_a_pipe_does_not_keep_the_reader_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="not a regular file"):
        read_file(tmp_path / "pipe")


@posix
@pytest.mark.parametrize("target", ["/dev/zero", "/dev/null", "."])
def test_devices_and_folders_are_refused(tmp_path: Path, target: str) -> None:
    (tmp_path / "link.png").symlink_to(target)
    with pytest.raises(DataError, match="not a regular file"):
        read_file(tmp_path / "link.png")


@posix
def test_strange_files_among_the_pictures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], model: Path
) -> None:
    for kind in ("cat", "dog"):
        (tmp_path / "data" / kind).mkdir(parents=True)
    os.mkfifo(tmp_path / "data" / "cat" / "a.png")
    (tmp_path / "data" / "dog" / "b.png").symlink_to("/dev/zero")
    for words in (
        ("train", tmp_path / "data"),
        ("predict", model, tmp_path / "data"),
        ("predict", model, tmp_path / "data" / "cat" / "a.png"),
        ("predict", model, tmp_path / "data" / "dog" / "b.png"),
        ("predict", tmp_path / "data" / "cat" / "a.png", "x.png"),
        ("train", tmp_path / "data" / "cat" / "a.png"),
    ):
        text = told(capsys, *words)
        assert "regular" in text or "neither a folder" in text or "No such" in text


# --- limits -------------------------------------------------------------------------


def test_more_than_the_limit_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(11))
    assert read_file(tmp_path / "a", 11) == bytes(11)
    assert read_file(tmp_path / "a", 11, 3) == bytes(3)
    with pytest.raises(DataError, match="over 10 bytes"):
        read_file(tmp_path / "a", 10)


def test_gzip_is_unpacked_up_to_the_limit() -> None:
    packed = gzip.compress(bytes(100)) + gzip.compress(b"more")
    assert unpacked(packed, "f", 104) == bytes(100) + b"more"
    assert unpacked(packed + b"\0\0", "f", 104) == bytes(100) + b"more"
    assert unpacked(b"plain", "f", 1) == b"plain"
    for damaged in (packed[:-3], packed + b"x", packed[:20], b"\x1f\x8b"):
        with pytest.raises(DataError, match="f: "):
            unpacked(damaged, "f", 104)
    for limit in (0, 50, 99, 100, 103):
        with pytest.raises(DataError, match=f"f: over {limit} bytes when unpacked"):
            unpacked(packed, "f", limit)


def test_a_small_file_that_unpacks_to_much_takes_little_memory(tmp_path: Path) -> None:
    bomb = gzip.compress(bytes(30_000_000), 9)
    (tmp_path / "x.gz").write_bytes(bomb)
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="when unpacked"):
            read_idx(tmp_path / "x.gz", 1_000_000)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


# --- headers ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "shape",
    [(0, 2**32 - 1, 2**32 - 1), (2**32 - 1,) * 3, (1,) * 200, (7,)],
)
def test_idx_headers_of_all_sizes(tmp_path: Path, shape: tuple[int, ...]) -> None:
    head = struct.pack(f">2xBB{len(shape)}I", 8, len(shape), *shape)
    (tmp_path / "x").write_bytes(head)
    with pytest.raises(DataError, match="IDX"):
        read_idx(tmp_path / "x")


def npy(text: str) -> bytes:
    body = text.encode("latin1")
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(body)) + body


@pytest.mark.parametrize(
    "text",
    [
        "{'descr':'<f8','fortran_order':False,'shape':(1000000000000,)}",
        "{'descr':'<f8','fortran_order':False,'shape':(-1,)}",
        "{'descr':'|O','fortran_order':False,'shape':(1,)}",
        "{'descr':'<f8','fortran_order':False,'shape':(0, 10**30)}",
        "{'descr':'<f8','fortran_order':False,'shape':(0, " + "9" * 30 + ")}",
        "{'descr':[('a','<f8')]*3,'fortran_order':0}",
        "[" * 5000, "(" * 90, "{}", "", "\0", "é" * 9, "{'descr':'<M8[Y]'}",
    ],
)  # fmt: skip
def test_npy_headers_of_all_kinds(text: str) -> None:
    with pytest.raises(DataError, match=r"f: .*\.npy"):
        npy_array(npy(text), "f")


@pytest.mark.parametrize("order", "CF")
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0, 4)])
def test_npy_arrays_come_back(order: str, shape: tuple[int, ...]) -> None:
    array = np.asarray(np.random.default_rng(0).random(shape), order=order)
    file = io.BytesIO()
    np.save(file, array)
    np.testing.assert_array_equal(npy_array(file.getvalue(), "f"), array)


# --- models -------------------------------------------------------------------------


def changed(model: Path, to: Path, old: str, new: str) -> Path:
    to.mkdir()
    text = (model / "model.json").read_text()
    assert old in text
    (to / "model.json").write_text(text.replace(old, new, 1))
    weights = (model / "model.safetensors").read_bytes()
    (to / "model.safetensors").write_bytes(weights)
    return to


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"num_units": 10', '"num_units": 1000000000'),
        ('"num_units": 10', '"num_units": "many"'),
        ('"num_units": 10', '"num_units": -1'),
        ('"num_units": 10', '"num_units": 1e400'),
        ('"parameters": {}', '"parameters": []'),
        ('"dtype": "float64"', '"dtype": "V9"'),
        ('"arguments": {', '"arguments": {"x": 1, '),
        ('"type": "DenseLayer"', '"type": ["DenseLayer"]'),
        ('"format"', '"fromat"'),
        ('"name": null', '"name": {}'),
    ],
)
def test_a_changed_model_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], model: Path, old: str, new: str
) -> None:
    if old not in (model / "model.json").read_text():
        old = old.replace("float64", "float32")
    np.save(tmp_path / "x.npy", np.zeros((2, 8, 8)))
    where = changed(model, tmp_path / "m", old, new)
    code = main(["predict", str(where), str(tmp_path / "x.npy")])
    _, err = capsys.readouterr()
    if '"name"' not in old:  # a name may be anything
        assert code == 2
        assert err.count("\n") == 1


def test_units_are_compared_with_the_weights_before_they_are_made(
    tmp_path: Path, model: Path
) -> None:
    where = changed(model, tmp_path / "m", '"num_units": 10', '"num_units": 30000000')
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="more than the weights hold"):
            load_model(where)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


def test_weights_that_are_no_numbers_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = np.full((64, 10), np.nan, "float32")
    layer = nn.layers.DenseLayer(nn.layers.InputLayer((None, 64)), 10, W=weights)
    metadata = {"image_shape": [8, 8], "classes": [str(k) for k in range(10)]}
    save_model(tmp_path, layer, metadata)
    np.save(tmp_path / "x.npy", np.ones((2, 8, 8)))
    assert "no numbers" in told(capsys, "predict", tmp_path, tmp_path / "x.npy")


# --- archives, names, settings -----------------------------------------------------


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_archives_packed_in_other_ways(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], method: int
) -> None:
    path = tmp_path / "data.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        for name in ("cat/a.png", "dog/b.png"):
            archive.writestr(name, bytes(500))
    told(capsys, "train", path)
    data = bytearray(path.read_bytes())
    for at in range(40, 80):
        data[at] ^= 0x5A
    path.write_bytes(data)
    told(capsys, "train", path)


def test_archives_of_a_newer_version(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "data.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("cat/a.png", b"x")
    data = bytearray(path.read_bytes())
    data[data.find(b"PK\x01\x02") + 6] = 99  # version needed to extract
    path.write_bytes(data)
    assert "not a zip archive" in told(capsys, "train", path)


@posix
def test_names_reach_the_terminal_as_text(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], model: Path
) -> None:
    for name in (b"\xff\xfe.png", b"\x1b]0;owned\x07.png", b"\x1b[2J.npy"):
        path = os.fsencode(tmp_path) + b"/" + name
        with open(path, "wb") as file:
            file.write(b"nothing")
        told(capsys, "predict", model, os.fsdecode(path))
    good = os.fsencode(tmp_path) + b"/\x1b[31m\xff.npy"
    with open(good, "wb") as file:
        np.save(file, np.zeros((8, 8)))
    for form in ("text", "json", "csv"):
        assert main(["predict", str(model), os.fsdecode(good), "--format", form]) == 0
        assert capsys.readouterr().out.replace("\n", "").isprintable()


def test_what_is_printable_stays() -> None:
    assert printable("Straße 日本.png\n") == "Straße 日本.png\n"
    assert printable("\x9b31m\u202e\ud800") == r"\x9b31m\u202e\ud800"


@pytest.mark.parametrize("data", ["digits", "folder"])
def test_a_negative_seed_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], data: str
) -> None:
    where = data if data == "digits" else tmp_path
    assert "seed = -1" in told(capsys, "train", where, "--seed", "-1")
    with pytest.raises(ArgumentError, match="seed = -1"):
        load_image_folder(tmp_path, seed=-1)


@pytest.mark.parametrize("text", ["x" + ".a" * 900, "x" + ".T" * 900, "(" * 150 + "x"])
def test_deep_expressions_are_refused(
    capsys: pytest.CaptureFixture[str], text: str
) -> None:
    told(capsys, "explain", text)
    told(capsys, "explain", f"{text}()" if text[0] == "x" else text)


# --- files with random changes -----------------------------------------------------

ATTACKS = int(os.environ.get("SYMGRAPH_ATTACKS", "60"))


def originals(model: Path) -> dict[str, bytes]:
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (3, 8, 8)).astype(np.uint8)
    made: dict[str, bytes] = {}
    for name in ("x.idx", "x.idx.gz"):
        write_idx(model / name, images)
        made[name] = (model / name).read_bytes()
    file = io.BytesIO()
    np.save(file, images)
    made["x.npy"] = file.getvalue()
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(images[0]).save(file, "png")
    made["x.png"] = file.getvalue()
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for k in range(4):
            archive.writestr(f"{'ab'[k % 2]}/{k}.png", made["x.png"])
    made["x.zip"] = file.getvalue()
    made["model.json"] = (model / "model.json").read_bytes()
    made["model.safetensors"] = (model / "model.safetensors").read_bytes()
    return made


def mutated(data: bytes, random: np.random.Generator) -> bytes:
    """The bytes with a few of them changed, cut off, doubled or made extreme."""
    out = bytearray(data)
    head = min(len(out), 200)
    for _ in range(random.integers(1, 5)):
        at = int(random.integers(0, head if random.random() < 0.7 else len(out)))
        match random.integers(6):
            case 0:
                out[at] = random.integers(256)
            case 1:
                out[at] ^= 1 << random.integers(8)
            case 2:
                out[at : at + 4] = b"\xff" * 4
            case 3:
                del out[at : at + int(random.integers(1, 20))]
            case 4:
                out[at:at] = out[at : at + int(random.integers(1, 20))]
            case 5:
                out[at : at + 1] = random.choice(
                    [b"9" * 12, b"-1", b"[[", b'"', b"\0" * 8]
                )
        head = min(len(out), 200)
        if not out:
            break
    return bytes(out)


def test_files_with_random_changes_are_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], model: Path
) -> None:
    sources = originals(model)
    random = np.random.default_rng(ATTACKS)
    names = list(sources)
    np.save(tmp_path / "good.npy", np.zeros((1, 8, 8)))
    where = tmp_path / "model"
    where.mkdir()
    for number in range(ATTACKS):
        name = names[number % len(names)]
        data = mutated(sources[name], random)
        path = tmp_path / name
        path.write_bytes(data)
        if name.startswith("model"):
            for part in ("model.json", "model.safetensors"):
                (where / part).write_bytes(data if part == name else sources[part])
            code = main(["predict", str(where), str(tmp_path / "good.npy")])
        elif name == "x.zip":
            with contextlib.suppress(DataError):
                load_image_folder(path, 8)
            continue
        else:
            code = main(["predict", str(model), str(path)])
        err = capsys.readouterr().err
        assert code in (0, 2), (name, number)
        assert err.count("\n") == (code == 2), (name, number, err)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux")
def test_memory_stays_small_whatever_the_files_say(tmp_path: Path, model: Path) -> None:
    (tmp_path / "bomb.idx.gz").write_bytes(
        gzip.compress(
            struct.pack(">2xBB3I", 8, 3, 2000, 200, 200) + bytes(80_000_000), 9
        )
    )
    (tmp_path / "big.npy").write_bytes(
        npy("{'descr':'<f8','fortran_order':False,'shape':(99999999999,)}")
    )
    code = (
        "import sys\n"
        "from symgraph.train.cli import main\n"
        "for file in sys.argv[2:]:\n"
        "    assert main(['predict', sys.argv[1], file]) == 2\n"
        "status = open('/proc/self/status').read()\n"
        "assert int(status.split('VmHWM:')[1].split()[0]) < 300 * 1024, status\n"
    )
    files = [str(tmp_path / "bomb.idx.gz"), str(tmp_path / "big.npy")]
    done = subprocess.run(
        [sys.executable, "-c", code, str(model), *files], capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert not done.returncode, done.stderr
    assert done.stderr.count("\n") == 2
