"""What is inside an attached report: gzip, zip, plain, or base64 once too often? Unpacked under caps."""

import base64
import binascii
import io
import re
import zipfile
import zlib

from deliverability.report_record import ReportRefused

PACKED_BYTES = 10_000_000  # an attachment
UNPACKED_BYTES = 20_000_000  # all that comes out of it; the largest real reports have some 5 MB
MOST_FILES = 20  # of one archive, members of one gzip file
_DEEPEST = 3  # packed within packed
_GZIP, _ZIP = b"\x1f\x8b", b"PK\x03\x04"
_BASE64 = re.compile(rb"[A-Za-z0-9+/=\s]{40,}")


def unpack(packed: bytes, depth: int = 0) -> list[bytes]:
    """Return the plain files in an attachment; raises ReportRefused with a slug."""
    if not packed.strip():
        raise ReportRefused("empty")
    if len(packed) > (UNPACKED_BYTES if depth else PACKED_BYTES):
        raise ReportRefused("attachment-too-large")
    if depth > _DEEPEST:
        raise ReportRefused("packed-too-often")
    if packed.startswith(_GZIP):
        return unpack(_gunzip(packed), depth + 1)
    if packed.startswith(_ZIP):
        return [plain for file in _unzip(packed) for plain in unpack(file, depth + 1)]
    if _BASE64.fullmatch(packed):
        try:
            return unpack(base64.b64decode(packed), depth + 1)
        except binascii.Error as broken:
            raise ReportRefused("base64-broken") from broken
    return [packed]


def _gunzip(packed: bytes) -> bytes:
    """Return the members of a gzip file; what follows the last one is ignored, as some reporters append to it."""
    plain = b""
    for _ in range(MOST_FILES):
        if not packed.startswith(_GZIP):
            break
        member = zlib.decompressobj(wbits=31)
        try:
            plain += member.decompress(packed, UNPACKED_BYTES - len(plain) + 1)
        except zlib.error as broken:
            raise ReportRefused("gzip-broken") from broken
        if len(plain) > UNPACKED_BYTES:
            raise ReportRefused("unpacked-too-large")
        if not member.eof:
            raise ReportRefused("gzip-cut-off")
        packed = member.unused_data
    return plain


def _unzip(packed: bytes) -> list[bytes]:
    files, total = [], 0
    try:
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            entries = [one for one in archive.infolist() if not one.is_dir() and "__MACOSX" not in one.filename]
            if len(entries) > MOST_FILES:
                raise ReportRefused("zip-too-many-files")
            for entry in entries:
                if entry.flag_bits & 1 or entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    raise ReportRefused("zip-encrypted" if entry.flag_bits & 1 else "zip-method")
                with archive.open(entry) as file:
                    files.append(file.read(UNPACKED_BYTES - total + 1))
                total += len(files[-1])
                if total > UNPACKED_BYTES:
                    raise ReportRefused("unpacked-too-large")
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, ValueError) as broken:
        raise ReportRefused("zip-broken") from broken
    return files
