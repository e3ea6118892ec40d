"""Random numbers: known answers of Philox, streams and seeds, distributions."""

import copy
import math
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.stats
from family_checks import check_against_inferred

import symgraph.tensor as T
from symgraph.backends.reference import evaluate
from symgraph.config import config
from symgraph.core.node import Constant, Variable, scalar_constant
from symgraph.errors import (
    ArgumentError,
    DtypeError,
    NotSupportedError,
    ShapeError,
)
from symgraph.ops.philox import philox, philox_words, splitmix64
from symgraph.ops.random import (
    MRG_RandomStreams,
    Permutation,
    RandomBits,
    RandomStreams,
)

N = 40_000
# (counter, key, answer), from the test vectors that come with the Random123 library
KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2,
     (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    ((0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344), (0xA4093822, 0x299F31D0),
     (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1)),
]  # fmt: skip


def draw(out: Variable, values: Any = None) -> np.ndarray:
    """Value of a random variable; what was inferred of its graph is checked too."""
    check_against_inferred([out], values or {})
    return evaluate([out], values)[0]


def advance(rng: RandomStreams) -> None:
    """What a call of a compiled function does to the streams."""
    updates = rng.updates()
    news = evaluate([new for _, new in updates])
    for (state, _), new in zip(updates, news, strict=True):
        state.set_value(new)


@pytest.mark.parametrize("counter,key,answer", KNOWN)
def test_philox_gives_the_published_answers(
    counter: tuple[int, ...], key: tuple[int, int], answer: tuple[int, ...]
) -> None:
    words = philox_words(tuple(np.array([c], np.uint64) for c in counter), key)  # type: ignore[arg-type]
    assert tuple(int(w[0]) for w in words) == answer


@pytest.mark.parametrize("counter,key,answer", KNOWN)
def test_bits_join_the_first_two_words_of_index_and_call(
    counter: tuple[int, ...], key: tuple[int, int], answer: tuple[int, ...]
) -> None:
    index = np.array([counter[0] | counter[1] << 32], np.uint64)
    got = philox(key[0] | key[1] << 32, counter[2] | counter[3] << 32, index)
    assert int(got[0]) == answer[0] | answer[1] << 32


def test_philox_agrees_with_numpys_own_generator() -> None:
    # NumPy has Philox4x64; its 4x32 cousin is checked by the known answers. Here: one
    # index at a time equals all at once.
    index = np.arange(1000)
    whole = philox(7, 9, index)
    assert [int(philox(7, 9, np.array([i]))[0]) for i in (0, 1, 999)] == [
        int(whole[i]) for i in (0, 1, 999)
    ]
    assert len(set(whole.tolist())) == 1000


def test_splitmix_gives_the_published_sequence() -> None:
    # the first three outputs of SplitMix64 seeded with 1234567
    state, outputs = 1234567, []
    for _ in range(3):
        outputs.append(splitmix64(state))
        state = (state + 0x9E3779B97F4A7C15) % 2**64
    assert outputs == [6457827717110365317, 3203168211198807973, 9817491932198370423]


def test_random_bits_are_philox_of_the_linear_index() -> None:
    key, call = scalar_constant(5, "uint64"), scalar_constant(3, "uint64")
    n = T.lscalar("n")
    out = RandomBits(2)(key, call, n, scalar_constant(4, "int64"))
    assert out.type.shape == (None, 4)
    assert out.type.dtype == "uint64"
    bits = draw(out, {n: np.int64(3)})
    assert np.array_equal(bits, philox(5, 3, np.arange(12)).reshape(3, 4))
    with pytest.raises(DtypeError):
        RandomBits(1)(key, T.lscalar("call"), n)
    with pytest.raises(ShapeError):
        RandomBits(2)(key, call, n)


# --- streams --------------------------------------------------------------------------


def test_equal_seeds_give_equal_numbers_and_others_do_not() -> None:
    def numbers(seed: Any) -> list[float]:
        rng = RandomStreams(seed)
        return [*draw(rng.uniform((3,))), *draw(rng.normal((3,)))]

    assert numbers(1) == numbers(1)
    lists = [numbers(seed) for seed in (0, 1, 2, -1, 2**63, [1, 2], [2, 1])]
    assert len({tuple(some) for some in lists}) == len(lists)
    assert numbers(None) != numbers(None)


def test_each_call_of_a_method_is_a_stream_of_its_own() -> None:
    rng = RandomStreams(3)
    first, second = rng.uniform((500,)), rng.uniform((500,))
    a, b = draw(first), draw(second)
    assert abs(np.corrcoef(a, b)[0, 1]) < 0.15
    assert not set(a.tolist()) & set(b.tolist())


def test_all_uses_in_one_call_see_the_same_numbers_and_the_next_call_others() -> None:
    rng = RandomStreams(3)
    u = rng.uniform((500,))
    same, before = evaluate([u - u, u])
    assert not same.any()
    advance(rng)
    (after,) = evaluate([u])
    assert abs(np.corrcoef(before, after)[0, 1]) < 0.15
    assert not set(before.tolist()) & set(after.tolist())


def test_the_counter_is_shared_with_a_default_update() -> None:
    rng = RandomStreams(3)
    u = rng.uniform((2,))
    ((state, new),) = rng.updates()
    assert state.default_update is new
    assert new.type == state.type
    assert state.get_value() == 0
    assert state.type.dtype == "uint64"
    assert evaluate([new])[0] == 1
    assert u.type.shape == (2,)


def test_seed_starts_existing_streams_as_if_made_with_it() -> None:
    rng = RandomStreams(1)
    u = rng.uniform((5,))
    first = draw(u)
    advance(rng)
    rng.seed(1)
    assert np.array_equal(draw(u), first)
    rng.seed(2)
    assert np.array_equal(draw(u), draw(RandomStreams(2).uniform((5,))))


def test_wrong_seeds_are_refused() -> None:
    for seed in ("a", 1.5, True, [1.5]):
        with pytest.raises(ArgumentError, match="seed"):
            RandomStreams(seed)


def test_theanos_name_has_a_fixed_default_seed() -> None:
    a, b = MRG_RandomStreams(), MRG_RandomStreams(12345)
    assert np.array_equal(draw(a.uniform((4,))), draw(b.uniform((4,))))


def test_streams_can_be_copied_and_pickled() -> None:
    rng = RandomStreams(4)
    u = rng.uniform((3,))
    for twin_rng, twin in (
        copy.deepcopy((rng, u)),
        pickle.loads(pickle.dumps((rng, u))),
    ):
        assert np.array_equal(draw(twin), draw(u))
        advance(twin_rng)
        assert not np.array_equal(draw(twin), draw(u))


# --- sizes and dtypes -----------------------------------------------------------------


def test_sizes_may_be_ints_tuples_scalars_and_shapes() -> None:
    rng, x, n = RandomStreams(0), T.fmatrix("x"), T.iscalar("n")
    values = {x: np.zeros((2, 3), "float32"), n: np.int32(4)}
    for size, static, shape in (
        (5, (5,), (5,)),
        ((2, 3), (2, 3), (2, 3)),
        ((), (), ()),
        (x.shape, (None, None), (2, 3)),
        ((n, 2), (None, 2), (4, 2)),
        ((x.shape[0], n * 2), (None, None), (2, 8)),
        (np.array([2, 1]), (2, 1), (2, 1)),
        ((0, 3), (0, 3), (0, 3)),
    ):
        for method in (rng.uniform, rng.normal, rng.binomial, rng.integers):
            out = method(size)
            assert out.type.shape == static
            used = {k: v for k, v in values.items()}
            assert draw(out, used).shape == shape


def test_without_a_size_the_parameters_tell_it() -> None:
    rng, m = RandomStreams(0), T.dmatrix("m")
    data = {m: np.arange(6.0).reshape(2, 3)}
    low = draw(rng.uniform(low=m, high=m + 1), data)
    assert ((low >= data[m]) & (low <= data[m] + 1)).all()
    assert draw(rng.normal(avg=m, std=0.0), data).tolist() == data[m].tolist()
    assert draw(rng.binomial(p=m > 2), data).tolist() == [[0, 0, 0], [1, 1, 1]]
    assert rng.uniform().type.shape == ()
    assert rng.integers().type.shape == ()


def test_a_vector_size_of_unknown_length_needs_ndim() -> None:
    rng, size = RandomStreams(0), T.lvector("size")
    with pytest.raises(ShapeError, match="ndim"):
        rng.uniform(size)
    out = rng.uniform(size, ndim=2)
    assert draw(out, {size: np.array([2, 3])}).shape == (2, 3)


def test_dtypes_are_floatx_or_those_of_the_parameters_or_as_told() -> None:
    rng = RandomStreams(0)
    with config.override(floatX="float32"):
        assert rng.uniform((2,)).type.dtype == "float32"
        assert rng.normal((2,)).type.dtype == "float32"
        assert rng.binomial((2,)).type.dtype == "int64"
        assert rng.binomial((2,), dtype="floatX").type.dtype == "float32"
        assert rng.uniform((2,), low=T.dscalar()).type.dtype == "float64"
    assert rng.uniform((2,)).type.dtype == "float64"
    assert rng.uniform((2,), low=T.fscalar()).type.dtype == "float32"
    assert rng.normal((2,), dtype="float32").type.dtype == "float32"
    assert rng.integers((2,), dtype="int8").type.dtype == "int8"
    with pytest.raises(DtypeError, match="float32 or float64"):
        rng.uniform((2,), dtype="int32")


# --- distributions --------------------------------------------------------------------


@pytest.mark.parametrize("dtype,bits", [("float32", 24), ("float64", 53)])
def test_uniform_numbers_are_the_upper_bits_in_the_half_open_interval(
    dtype: str, bits: int
) -> None:
    rng = RandomStreams(1)
    u = draw(rng.uniform((N,), dtype=dtype))
    whole = u.astype("float64") * 2**bits
    assert (whole == np.floor(whole)).all()
    assert u.min() >= 0
    assert u.max() < 1
    assert scipy.stats.kstest(u.astype("float64"), "uniform").statistic < 1.6 / N**0.5


def test_uniform_takes_bounds() -> None:
    u = draw(RandomStreams(2).uniform((N,), low=-3.0, high=5))
    assert u.min() >= -3
    assert u.max() <= 5
    assert abs(u.mean() - 1) < 0.05
    assert scipy.stats.kstest((u + 3) / 8, "uniform").statistic < 1.6 / N**0.5


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_normal_numbers_are_normal(dtype: str) -> None:
    z = draw(RandomStreams(3).normal((N,), dtype=dtype)).astype("float64")
    assert np.isfinite(z).all()
    assert abs(z).max() < 6.7
    assert abs(z.mean()) < 4 / N**0.5
    assert abs(z.std() - 1) < 4 / (2 * N) ** 0.5
    assert scipy.stats.kstest(z, "norm").statistic < 1.6 / N**0.5
    assert abs(scipy.stats.kurtosis(z)) < 0.12


def test_normal_takes_mean_and_deviation() -> None:
    avg = np.array([0.0, 10.0])
    z = draw(RandomStreams(4).normal((N // 2, 2), avg=avg, std=3.0))
    np.testing.assert_allclose(z.mean(0), avg, atol=0.1)
    np.testing.assert_allclose(z.std(0), 3, atol=0.06)


def test_the_extreme_bits_give_finite_normal_numbers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    corners = np.array([0, 2**64 - 1, 2**32 - 1, 2**64 - 2**32], "uint64")

    def bits(self: RandomBits, *arrays: np.ndarray) -> tuple[np.ndarray]:
        return (corners,)

    monkeypatch.setattr(RandomBits, "reference", bits)
    for dtype in ("float32", "float64"):
        (z,) = evaluate([RandomStreams(0).normal((4,), dtype=dtype)])
        assert np.isfinite(z).all()
        assert z[0] == pytest.approx(math.sqrt(64 * math.log(2)), rel=1e-6)
        (u,) = evaluate([RandomStreams(0).uniform((4,), dtype=dtype)])
        assert u[0] == 0
        assert u[1] < 1


@pytest.mark.parametrize("p", [0.0, 0.2, 0.5, 1.0])
@pytest.mark.parametrize("dtype", ["int64", "float32"])
def test_bernoulli_numbers_succeed_with_probability_p(p: float, dtype: str) -> None:
    rng = RandomStreams(5)
    for out in (
        rng.binomial((N,), p=p, dtype=dtype),
        rng.bernoulli((N,), p, dtype=dtype),
    ):
        b = draw(out)
        assert b.dtype == dtype
        assert set(np.unique(b)) <= {0, 1}
        assert abs(b.mean() - p) <= 4 * (p * (1 - p) / N) ** 0.5


def test_binomial_numbers_count_successes() -> None:
    b = draw(RandomStreams(6).binomial((N // 10,), n=10, p=0.3))
    counts = np.bincount(b, minlength=11) / b.size
    np.testing.assert_allclose(
        counts, scipy.stats.binom.pmf(range(11), 10, 0.3), atol=0.03
    )
    assert not draw(RandomStreams(6).binomial((4,), n=0)).any()
    p = np.array([0.0, 1.0])
    assert draw(RandomStreams(6).binomial((3, 2), n=5, p=p).sum(axis=0)).tolist() == [
        0,
        15,
    ]
    with pytest.raises(NotSupportedError, match="Python int"):
        RandomStreams(6).binomial((3,), n=T.iscalar("n"))


def test_integers_are_equally_likely_within_their_bounds() -> None:
    rng = RandomStreams(7)
    d = draw(rng.integers((N,), -2, 5))
    counts = np.bincount(d + 2, minlength=7)
    assert d.min() == -2
    assert d.max() == 4
    assert scipy.stats.chisquare(counts).pvalue > 1e-3
    both = draw(rng.random_integers((1000,), 1, 6))
    assert set(both.tolist()) == {1, 2, 3, 4, 5, 6}
    wide = draw(rng.integers((1000,), -(2**62), 2**62))
    assert wide.min() < -(2**61)
    assert wide.max() > 2**61
    high = T.iscalar("high")
    assert draw(rng.integers((50,), 0, high), {high: np.int32(3)}).max() == 2
    with pytest.raises(ArgumentError, match="below"):
        rng.integers((2,), 3, 3)
    with pytest.raises(DtypeError):
        rng.integers((2,), 0.5, 3)


@pytest.mark.parametrize("n", [0, 1, 2, 7])
def test_a_permutation_has_every_number_once(n: int) -> None:
    rng, size = RandomStreams(8), T.iscalar("n")
    out = rng.permutation(n=n)
    assert out.type.shape == (n,)
    assert out.type.dtype == "int64"
    assert sorted(draw(out).tolist()) == list(range(n))
    some = draw(rng.permutation(n=size), {size: np.int32(n)})
    assert sorted(some.tolist()) == list(range(n))


def test_all_permutations_are_equally_likely() -> None:
    counts: dict[tuple[int, ...], int] = {}
    op = Permutation()
    for call in range(3000):
        (p,) = op.reference(np.uint64(1), np.uint64(call), np.int64(4))
        counts[tuple(p.tolist())] = counts.get(tuple(p.tolist()), 0) + 1
    assert len(counts) == 24
    assert scipy.stats.chisquare(list(counts.values())).pvalue > 1e-3


def test_choice_draws_from_numbers_and_vectors() -> None:
    rng, pool = RandomStreams(9), T.dvector("pool")
    assert set(draw(rng.choice((300,), a=3)).tolist()) == {0, 1, 2}
    data = {pool: np.array([0.5, 7.0])}
    assert set(draw(rng.choice((40, 2), a=pool), data).ravel().tolist()) == {0.5, 7.0}
    assert rng.choice(a=5).type.shape == ()
    drawn = draw(rng.choice(4, a=6, replace=False))
    assert len(set(drawn.tolist())) == 4
    assert set(drawn.tolist()) <= set(range(6))
    with pytest.raises(ArgumentError, match="without"):
        rng.choice(7, a=6, replace=False)
    with pytest.raises(NotSupportedError):
        rng.choice(2, a=3, replace=False, p=[0.2, 0.3, 0.5])
    with pytest.raises(ShapeError):
        rng.choice(2, a=T.dmatrix())


def test_choice_by_weight_follows_the_weights() -> None:
    p = np.array([0.1, 0.0, 0.6, 0.3])
    drawn = draw(RandomStreams(10).choice((N // 4,), a=4, p=p))
    counts = np.bincount(drawn, minlength=4) / drawn.size
    assert counts[1] == 0
    np.testing.assert_allclose(counts, p, atol=0.02)


def test_multinomial_gives_one_hot_rows() -> None:
    p = np.tile([0.2, 0.5, 0.3], (N // 8, 1))
    p[0] = [0, 0, 1]
    pvals = T.dmatrix("pvals")
    rows = draw(RandomStreams(11).multinomial(pvals=pvals), {pvals: p})
    assert rows.dtype == "int64"
    assert (rows.sum(1) == 1).all()
    assert rows[0].tolist() == [0, 0, 1]
    np.testing.assert_allclose(rows[1:].mean(0), [0.2, 0.5, 0.3], atol=0.03)
    one = draw(RandomStreams(11).multinomial(pvals=np.array([0.0, 1.0])))
    assert one.tolist() == [0, 1]
    with pytest.raises(NotSupportedError):
        RandomStreams(11).multinomial(n=2, pvals=pvals)


def unsupported(rng: RandomStreams) -> list[Callable[[], Any]]:
    return [
        lambda: rng.permutation(size=(2,), n=3),
        lambda: rng.multinomial(size=(2,), pvals=[[0.5, 0.5]]),
        lambda: rng.choice((2, 2), a=9, replace=False),
    ]


@pytest.mark.parametrize("number", range(3))
def test_what_is_not_supported_says_what_is(number: int) -> None:
    with pytest.raises(NotSupportedError, match=r"only|one extent"):
        unsupported(RandomStreams(0))[number]()


def test_gradients_flow_through_the_parameters_of_a_distribution() -> None:
    rng, mu, sigma = RandomStreams(12), T.dscalar("mu"), T.dscalar("sigma")
    z = rng.normal((50,), avg=mu, std=sigma)
    g_mu, g_sigma = T.grad(T.sum(z), [mu, sigma])
    values = {mu: np.array(1.0), sigma: np.array(2.0)}
    a, b, sample = evaluate([g_mu, g_sigma, z], values)
    assert a == 50
    assert b == pytest.approx(np.sum((sample - 1) / 2))


def test_permutation_of_a_constant_size_is_known_while_building() -> None:
    out = RandomStreams(0).permutation(n=T.constant(5))
    assert out.type.shape == (5,)
    assert isinstance(out.owner.inputs[2], Constant)
