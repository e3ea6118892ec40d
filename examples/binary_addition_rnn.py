"""A recurrent network learns to add two 8-bit numbers, bit by bit.

At each time step it sees one bit of each number, the lowest first, and gives one bit of
the sum; the carry it must find for itself and keep in 16 sigmoid units. The loop over the
bits is `sg.scan`, its gradient too; plain gradient descent takes one addition a step.

    python examples/binary_addition_rnn.py
    python examples/binary_addition_rnn.py --bits 12 --hidden 24 --additions 60000
"""

import argparse

import numpy as np

import symgraph as sg
import symgraph.tensor as T


def bits_of(numbers, width):
    """(n,) integers as (n, width) bits, the lowest first."""
    return (numbers[:, None] >> np.arange(width)) & 1


def numbers_of(bits):
    """(n, width) bits as (n,) integers."""
    return bits.astype(np.int64) @ (1 << np.arange(bits.shape[1]))


def questions(a, b, width):
    """Both numbers as inputs, (n, width, 2)."""
    return np.stack([bits_of(a, width), bits_of(b, width)], axis=2).astype("float32")


def answers(a, b, width):
    """Their sum as targets, (n, width, 1)."""
    return bits_of(a + b, width)[..., None].astype("float32")


def build(hidden, learning_rate=0.1, seed=0):
    """Declare the network; return its training step and what it answers."""
    random = np.random.default_rng(seed)

    def weights(rows, columns, name):
        values = random.uniform(-1, 1, (rows, columns)).astype("float32")
        return sg.shared(values, name=name)

    w_in = weights(2, hidden, "w_in")
    w_hid = weights(hidden, hidden, "w_hid")
    w_out = weights(hidden, 1, "w_out")
    params = [w_in, w_hid, w_out]

    x, y = T.ftensor3("x"), T.ftensor3("y")  # (batch, time, features)
    rows = T.dot(x.dimshuffle(1, 0, 2), w_in)  # (time, batch, hidden)
    start = T.zeros((x.shape[0], hidden), "float32")
    states, _ = sg.scan(
        lambda row, state: T.nnet.sigmoid(row + T.dot(state, w_hid)), rows, start
    )
    output = T.nnet.sigmoid(T.dot(states, w_out)).dimshuffle(1, 0, 2)
    loss = T.sqr(output - y).sum() / 2
    error = T.abs(output - y).sum()
    gradients = sg.grad(loss, params)
    updates = [
        (p, p - learning_rate * g) for p, g in zip(params, gradients, strict=True)
    ]
    train = sg.function([x, y], error, updates=updates)
    answer = sg.function([x], T.cast(T.round(output), "int8"))
    return train, answer


def main(argv=None):
    """Train, print how the error falls, then try pairs that were never shown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bits", type=int, default=8)
    parser.add_argument("--hidden", type=int, default=16)
    parser.add_argument("--additions", type=int, default=20000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(argv)
    width, largest = options.bits, 2 ** (options.bits - 1)
    random = np.random.default_rng(options.seed)
    pairs = random.permutation(largest**2)  # pair k is (k // largest, k % largest)
    shown, unseen = pairs[::2], pairs[1::2][:2000]

    train, answer = build(options.hidden, seed=options.seed)
    every = max(1, options.additions // 10)
    for done in range(0, options.additions, every):
        chosen = random.choice(shown, min(every, options.additions - done))
        a, b = np.divmod(chosen, largest)
        errors = train.epoch(questions(a, b, width), answers(a, b, width), batch_size=1)
        print(f"after {done + len(a):6d} additions: error {errors[-100:].mean():.4f}")

    a, b = np.divmod(unseen, largest)
    found = numbers_of(answer(questions(a, b, width))[..., 0])
    for i in range(5):
        print(f"{a[i]} + {b[i]} = {found[i]}")
    print(f"right: {np.mean(found == a + b):.2%} of {len(unseen)} unseen pairs")


if __name__ == "__main__":
    main()
