"""Samples of a Gaussian by hybrid Monte Carlo, written for Theano.

python -m symgraph.compat examples/theano/hybrid_monte_carlo.py

The leapfrog steps are a scan inside of which a gradient is taken; proposals are accepted
by Metropolis and Hastings' rule; the step size follows the rate of acceptance. Duane et
al. 1987, Hybrid Monte Carlo; Neal 2011, MCMC using Hamiltonian dynamics, section 5.
"""

import argparse

import numpy as np
import theano
import theano.tensor as T
from theano.tensor.shared_randomstreams import RandomStreams


def simulate(position, velocity, stepsize, n_steps, energy):
    """Positions and velocities after the leapfrog steps, half steps at both ends."""

    def slope(pos):
        return T.grad(energy(pos).sum(), pos)

    def leapfrog(pos, vel, step):
        vel = vel - step * slope(pos)
        return [pos + step * vel, vel], {}

    vel_half = velocity - 0.5 * stepsize * slope(position)
    first = position + stepsize * vel_half
    (all_pos, all_vel), updates = theano.scan(
        leapfrog,
        outputs_info=[dict(initial=first), dict(initial=vel_half)],
        non_sequences=[stepsize],
        n_steps=n_steps - 1,
    )
    assert not updates
    final = all_pos[-1]
    return final, all_vel[-1] - 0.5 * stepsize * slope(final)


def hmc_move(streams, positions, energy, stepsize, n_steps):
    """Which proposals are accepted, and the proposals."""
    velocity = streams.normal(size=positions.shape)
    final_pos, final_vel = simulate(positions, velocity, stepsize, n_steps, energy)

    def hamiltonian(pos, vel):
        return energy(pos) + 0.5 * (vel**2).sum(axis=1)

    difference = hamiltonian(positions, velocity) - hamiltonian(final_pos, final_vel)
    uniform = streams.uniform(size=difference.shape)
    return T.exp(difference) - uniform >= 0, final_pos


def sampler(positions, energy, stepsize=0.1, n_steps=10, target=0.9, seed=12345):
    """A function that moves all particles once and gives the mean acceptance."""
    size = theano.shared(np.asarray(stepsize, theano.config.floatX), "stepsize")
    average = theano.shared(np.asarray(target, theano.config.floatX), "acceptance")
    accept, final = hmc_move(RandomStreams(seed), positions, energy, size, n_steps)
    mask = accept.dimshuffle(0, *(("x",) * (final.ndim - 1)))
    rate = accept.mean(dtype=theano.config.floatX)
    larger = T.switch(average > target, size * 1.02, size * 0.98)
    return theano.function(
        [],
        rate,
        updates=[
            (positions, T.switch(mask, final, positions)),
            (size, T.clip(larger, 0.001, 0.5)),
            (average, 0.9 * average + np.asarray(0.1, theano.config.floatX) * rate),
        ],
    )


def main(argv=None):
    """Sample, print and return the covariance that was asked and that was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=300)
    parser.add_argument("--particles", type=int, default=50)
    options = parser.parse_args(argv)
    rng = np.random.RandomState(7)
    mean = np.array([1.0, -2.0], theano.config.floatX)
    cov = np.array([[1.0, 0.6], [0.6, 0.8]], theano.config.floatX)
    inverse = np.linalg.inv(cov).astype(theano.config.floatX)

    def energy(x):
        return 0.5 * (T.dot(x - mean, inverse) * (x - mean)).sum(axis=1)

    start = rng.randn(options.particles, 2).astype(theano.config.floatX)
    positions = theano.shared(start)
    draw = sampler(positions, energy)
    for _ in range(options.samples // 5):
        draw()
    rates, found = [], []
    for _ in range(options.samples):
        rates.append(draw())
        found.append(positions.get_value())
    samples = np.concatenate(found)
    got = np.cov(samples.T)
    print(f"acceptance {np.mean(rates):.2f}")
    print(f"mean {mean.tolist()}, found {np.round(samples.mean(0), 2).tolist()}")
    print(f"covariance {cov.tolist()}, found {np.round(got, 2).tolist()}")
    return cov, got


if __name__ == "__main__":
    main()
