"""How does the encoder learn what replies mean? `python -m classifier.tune`, for developers: 75 minutes on two cores.

The last layers of the wheel's encoder get `UNITS` more units in their feed-forward part and may change their biases and
norms; a small network on top tells the labels. All learn together, in JAX (extra `tune`). New units are rounded to four
bits in every step, as the wheel will hold them, with the gradient passed straight through; all other weights stay.
Below the tuned layers nothing changes, so what arrives there is computed once.

Written: `weights/encoder.npz`, tuned on every text, and `corpus/sense_held_out.npz`, what encoders said that had seen
neither a text's author nor its family: `train` chooses bars and temperature on that.
"""

import hashlib
import sys
import time
import warnings
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from classifier.embeddings import LONGEST, TUNED, wheel_file
from classifier.encoder import BLOCK, BLOCK_BYTES, EncoderFile, pack, read_encoder, unpack
from classifier.folds import folds
from classifier.labels import Example, read_corpus
from classifier.model import softmax
from classifier.tokenizer import read_tokenizer
from classifier.train import SENSE_HELD_OUT

LAYERS, UNITS, HEAD = 8, 128, 256  # tuned layers, new units in each, units of the network on top
EPOCHS, FOLDS = 4, 3
RATE, OLD_RATE, DECAY = 2e-3, 1e-3, 0.01  # of what is new, of biases and norms; weight decay of what is new
DROPPED, SMOOTHED, UNHEARD = 0.1, 0.05, 0.1
TOGETHER = {16: 64, 32: 40, 48: 32, 64: 24, 96: 16, 128: 12, 192: 8, 256: 6, 512: 3}  # texts a step by most pieces
FLOATS = ("q.b", "k.b", "v.b", "ao.b", "aln.w", "aln.b", "fi.b", "fo.b", "oln.w", "oln.b")
MATRICES = {"q.w": 1, "k.w": 1, "v.w": 1, "ao.w": 1, "fi.w": 4, "fo.w": 1}  # rows, in multiples of the hidden size
Tree = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Texts:
    """What arrives at the first tuned layer, text after text: shape (pieces, 384), half precision."""

    states: np.ndarray
    starts: np.ndarray  #: of each text, and the end
    labels: np.ndarray  #: numbers of the labels in order of name

    def batches(self, rows: np.ndarray, chance: np.random.Generator | None = None) -> Iterator[tuple[int, list[int]]]:
        """Yield (padded length, rows) of texts of about one length, in random order where there is chance."""
        rows = rows if chance is None else chance.permutation(rows)
        by_length: defaultdict[int, list[int]] = defaultdict(list)
        lengths = np.diff(self.starts)
        for row in rows.tolist():
            by_length[next(length for length in TOGETHER if length >= lengths[row])].append(row)
        found = [
            (length, some[start : start + TOGETHER[length]])
            for length, some in by_length.items()
            for start in range(0, len(some), TOGETHER[length])
        ]
        order = range(len(found)) if chance is None else chance.permutation(len(found)).tolist()
        yield from (found[number] for number in order)

    def padded(self, length: int, rows: Sequence[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return states, which pieces are real, labels, and weights: 0 for the texts that fill a batch up."""
        count = TOGETHER[length]
        states = np.zeros((count, length, self.states.shape[1]), dtype=np.float32)
        real = np.zeros((count, length), dtype=bool)
        real[:, 0] = True
        labels, weights = np.zeros(count, dtype=np.int32), np.zeros(count, dtype=np.float32)
        for place, row in enumerate(rows):
            own = self.states[self.starts[row] : self.starts[row + 1]]
            states[place, : len(own)], real[place, : len(own)] = own, True
            labels[place], weights[place] = self.labels[row], 1.0
        return states, real, labels, weights


class Encoder:
    """The wheel's layers in JAX."""

    def __init__(self, file: EncoderFile) -> None:
        self.file = file
        self.first = file.layers - LAYERS
        self.layers: list[Tree] = [
            {name: jnp.asarray(file.floats(f"l{n}.{name}")) for name in FLOATS}
            | {name: jnp.asarray(file.weights(f"l{n}.{name}", rows * file.hidden)) for name, rows in MATRICES.items()}
            for n in range(file.layers)
        ]
        self.lower = jax.jit(lambda states, real: self._through(states, real, range(self.first), {}))
        self.points = jax.jit(self._points)

    def _points(self, changes: Tree, states: Any, real: Any) -> Any:
        """Return points, shape (texts, 384), length 1, of what arrives at the first tuned layer."""
        states = self._through(states, real, range(self.first, self.file.layers), changes)
        mean = (states * real[..., None]).sum(1) / real.sum(1)[:, None]
        return mean / jnp.linalg.norm(mean, axis=1, keepdims=True)

    def _through(self, states: Any, real: Any, numbers: range, changes: Tree) -> Any:
        for number in numbers:
            layer = self.layers[number] | changes.get(f"l{number}", {})
            states = self._norm(states + self._attend(layer, states, real), layer["aln.w"], layer["aln.b"])
            passed = jax.nn.gelu(states @ layer["fi.w"].T + layer["fi.b"], approximate=False) @ layer["fo.w"].T
            if "up" in layer:
                units = jax.nn.gelu(states @ rounded(layer["up"]).T + layer["up.b"], approximate=False)
                passed += units @ rounded(layer["down"]).T
            states = self._norm(states + passed + layer["fo.b"], layer["oln.w"], layer["oln.b"])
        return states

    def _attend(self, layer: Tree, states: Any, real: Any) -> Any:
        texts, length, hidden = states.shape

        def heads(name: str) -> Any:
            made = states @ layer[f"{name}.w"].T + layer[f"{name}.b"]
            return made.reshape(texts, length, self.file.heads, -1).transpose(0, 2, 1, 3)

        asked, offered, said = heads("q"), heads("k"), heads("v")
        fit = jnp.einsum("bhld,bhmd->bhlm", asked, offered) / np.sqrt(hidden // self.file.heads)
        share = jax.nn.softmax(fit + jnp.where(real, 0.0, -1e9)[:, None, None, :], axis=-1)
        heard = jnp.einsum("bhlm,bhmd->bhld", share, said).transpose(0, 2, 1, 3).reshape(texts, length, hidden)
        return heard @ layer["ao.w"].T + layer["ao.b"]

    def _norm(self, states: Any, weight: Any, bias: Any) -> Any:
        middle = states.mean(-1, keepdims=True)
        spread = ((states - middle) ** 2).mean(-1, keepdims=True)
        return (states - middle) / jnp.sqrt(spread + self.file.epsilon) * weight + bias

    def prepare(self, corpus: Sequence[Example]) -> Texts:
        """Cut texts into pieces and take them to the first tuned layer."""
        file, cutter = self.file, read_tokenizer(self.file)
        pieces = [cutter.cut(f"query: {one.text[:LONGEST]}") for one in corpus]
        words = np.frombuffer(file.raw("emb.word"), np.uint8).reshape(-1, file.hidden // BLOCK * BLOCK_BYTES)
        places = file.floats("emb.pos").reshape(-1, file.hidden)
        kind = file.floats("emb.type")[: file.hidden]
        weight, bias = file.floats("emb.ln.w"), file.floats("emb.ln.b")
        starts = np.concatenate([[0], np.cumsum([len(some) for some in pieces])])
        numbers = np.concatenate([np.array(some) for some in pieces])
        unpacked = unpack(words[numbers].tobytes(), len(numbers))
        at = np.concatenate([np.arange(len(some)) for some in pieces])
        raw = np.asarray(self._norm(jnp.asarray(unpacked + places[at] + kind), weight, bias), dtype=np.float16)
        names = sorted({str(one.label) for one in corpus})
        texts = Texts(raw, starts, np.array([names.index(str(one.label)) for one in corpus], dtype=np.int32))
        states = np.empty_like(raw)
        for length, rows in texts.batches(np.arange(len(corpus))):
            through = np.asarray(self.lower(*texts.padded(length, rows)[:2]), dtype=np.float16)
            for place, row in enumerate(rows):
                states[starts[row] : starts[row + 1]] = through[place, : starts[row + 1] - starts[row]]
        return Texts(states, starts, texts.labels)

    def embed(self, changes: Tree, texts: Texts, rows: np.ndarray) -> np.ndarray:
        """Return the points of these rows, shape (rows, 384)."""
        points = np.zeros((len(texts.labels), self.file.hidden), dtype=np.float32)
        for length, some in texts.batches(rows):
            points[some] = np.asarray(self.points(changes, *texts.padded(length, some)[:2]))[: len(some)]
        return np.asarray(points[rows])


def rounded(weights: Any) -> Any:
    """Return weights as Q4_0 holds them; the gradient goes through as if nothing was rounded."""
    blocks = weights.reshape(-1, BLOCK)
    largest = jnp.take_along_axis(blocks, jnp.abs(blocks).argmax(axis=1)[:, None], axis=1)
    scale = (largest / -8).astype(jnp.float16).astype(jnp.float32)
    steps = jnp.clip(jnp.round(blocks / jnp.where(scale == 0, 1.0, scale)) + 8, 0, 15) - 8
    held = jnp.where(scale == 0, 0.0, steps * scale)
    return (blocks + jax.lax.stop_gradient(held - blocks)).reshape(weights.shape)


def tune(encoder: Encoder, texts: Texts, rows: np.ndarray, epochs: int = EPOCHS) -> dict[str, np.ndarray]:
    """Tune on these rows; returns what `encoder.with_changes` takes, with the head as `embeddings.tuned` names it."""
    points = encoder.embed({}, texts, rows)
    mean, scale = points.mean(axis=0), points.std(axis=0) + 1e-6
    chance = np.random.default_rng(0)
    learnt = _begin(encoder, chance)
    chance, key = np.random.default_rng(2), jax.random.PRNGKey(0)
    steps = epochs * sum(1 for _ in texts.batches(rows))
    optimiser = _optimiser(steps)
    state = optimiser.init(learnt)

    def loss(learnt: Tree, states: Any, real: Any, labels: Any, weights: Any, key: Any) -> Any:
        first, second, third = jax.random.split(key, 3)
        heard = real & jax.random.bernoulli(third, 1 - UNHEARD, real.shape).at[:, 0].set(True)
        seen = (encoder.points(learnt["layers"], states, heard) - mean) / scale
        seen *= jax.random.bernoulli(first, 1 - DROPPED, seen.shape) / (1 - DROPPED)
        units = jax.nn.relu(seen @ learnt["head"]["hidden"] + learnt["head"]["hidden.b"])
        units *= jax.random.bernoulli(second, 1 - 2 * DROPPED, units.shape) / (1 - 2 * DROPPED)
        said = jax.nn.log_softmax(units @ learnt["head"]["out"] + learnt["head"]["out.b"])
        wanted = jax.nn.one_hot(labels, said.shape[1]) * (1 - SMOOTHED) + SMOOTHED / said.shape[1]
        return -((said * wanted).sum(1) * weights).sum() / 32  # a text weighs the same in every batch

    @jax.jit
    def step(learnt: Tree, state: Any, key: Any, *batch: Any) -> tuple[Tree, Any]:
        slope = jax.grad(loss)(learnt, *batch, key)
        moves, state = optimiser.update(slope, state, learnt)
        return optax.apply_updates(learnt, moves), state

    for _ in range(epochs):
        for length, some in texts.batches(rows, chance):
            key, own = jax.random.split(key)
            learnt, state = step(learnt, state, own, *texts.padded(length, some))
    return _written(jax.tree.map(np.asarray, learnt), mean, scale)


def _begin(encoder: Encoder, chance: np.random.Generator) -> Tree:
    hidden, layers = encoder.file.hidden, range(encoder.first, encoder.file.layers)
    new = {
        f"l{n}": {name: encoder.layers[n][name] for name in FLOATS}
        | {"up": _random(chance, 0.02, UNITS, hidden), "up.b": jnp.zeros(UNITS), "down": jnp.zeros((hidden, UNITS))}
        for n in layers
    }
    head = {
        "hidden": _random(chance, hidden**-0.5, hidden, HEAD),
        "hidden.b": jnp.zeros(HEAD),
        "out": _random(chance, HEAD**-0.5, HEAD, 6),
        "out.b": jnp.zeros(6),
    }
    return {"layers": new, "head": head}


def _random(chance: np.random.Generator, spread: float, *shape: int) -> Any:
    return jnp.asarray(chance.normal(0, spread, shape).astype(np.float32))


def _optimiser(steps: int) -> optax.GradientTransformation:
    def rate(most: float) -> optax.Schedule:
        return optax.warmup_cosine_decay_schedule(0, most, steps // 20, steps, most * 0.02)

    def kind(path: tuple[Any, ...], _: Any) -> str:
        return "old" if path[0].key == "layers" and path[-1].key in FLOATS else "new"

    parts = {"new": optax.adamw(rate(RATE), weight_decay=DECAY), "old": optax.adam(rate(OLD_RATE))}
    parted = optax.multi_transform(parts, lambda learnt: jax.tree_util.tree_map_with_path(kind, learnt))
    return optax.chain(optax.clip_by_global_norm(1.0), parted)


def _written(learnt: Tree, mean: np.ndarray, scale: np.ndarray) -> dict[str, np.ndarray]:
    head = learnt["head"]
    found = {"mean": mean, "scale": scale}
    found |= {name: np.vstack([head[name], head[f"{name}.b"]]) for name in ("hidden", "out")}
    for layer, arrays in learnt["layers"].items():
        found |= {f"{layer}.{name}": pack(array) if name in ("up", "down") else array for name, array in arrays.items()}
    return found


def said_by(encoder: Encoder, found: Mapping[str, np.ndarray], texts: Texts, rows: np.ndarray) -> np.ndarray:
    """Return log probabilities, shape (rows, labels), by a tuned encoder and its head."""
    changes: defaultdict[str, Tree] = defaultdict(dict)
    for name, array in found.items():
        layer, _, tensor = name.partition(".")
        if tensor:
            changes[layer][tensor] = unpack(array.tobytes(), len(array)) if tensor in ("up", "down") else array
    points = encoder.embed(dict(changes), texts, rows)
    units = np.maximum((points - found["mean"]) / found["scale"] @ found["hidden"][:-1] + found["hidden"][-1], 0.0)
    return np.asarray(np.log(np.maximum(softmax(units @ found["out"][:-1] + found["out"][-1]), 1e-9)))


def said_untuned(points: np.ndarray, labels: np.ndarray, inside: np.ndarray, outside: np.ndarray) -> np.ndarray:
    """Return log probabilities by two small networks over the wheel's own points: what tuning is compared to."""
    mean, scale = points[inside].mean(axis=0), points[inside].std(axis=0) + 1e-6
    said = []
    for seed in (0, 1):
        network = MLPClassifier(
            (HEAD,), alpha=1.0, batch_size=256, learning_rate_init=2e-3, max_iter=40, random_state=seed
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # the number of rounds is meant
            network.fit((points[inside] - mean) / scale, labels[inside])
        said.append(network.predict_proba((points[outside] - mean) / scale))
    return np.asarray(np.log(np.maximum(np.mean(said, axis=0), 1e-9)))


def main() -> None:
    """Tune on folds and on everything, and write both files."""
    corpus, begun = read_corpus(), time.monotonic()
    encoder = Encoder(read_encoder(wheel_file()))
    texts, everything = encoder.prepare(corpus), np.arange(len(corpus))
    points = encoder.embed({}, texts, everything)
    tuned, untuned = np.zeros((len(corpus), 6)), np.zeros((len(corpus), 6))
    for number, (inside, outside) in enumerate(folds(corpus, FOLDS), 1):
        tuned[outside] = said_by(encoder, tune(encoder, texts, inside), texts, outside)
        untuned[outside] = said_untuned(points, texts.labels, inside, outside)
        right = (tuned[outside].argmax(axis=1) == texts.labels[outside]).mean()
        sys.stdout.write(f"fold {number}: {right:.3f} right, after {(time.monotonic() - begun) / 60:.0f} min\n")
    np.savez(TUNED, allow_pickle=False, **tune(encoder, texts, everything))
    keys = np.frombuffer(b"".join(hashlib.sha256(one.text.encode()).digest() for one in corpus), np.uint8)
    said = {"tuned": tuned.astype(np.float16), "untuned": untuned.astype(np.float16)}
    np.savez(SENSE_HELD_OUT, allow_pickle=False, keys=keys, **said)
    sys.stdout.write("now `postroom train` and `postroom evaluate`\n")


if __name__ == "__main__":
    main()
