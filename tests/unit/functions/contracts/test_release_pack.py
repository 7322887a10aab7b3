"""How a release is stored in S3: complete and verified, or refused."""

import gzip
import hashlib

import pytest

from contracts.release_pack import Pack, PackFormatError, pack

BLOBS = {hashlib.sha256(data).hexdigest(): data for data in (b"", b"one\n", bytes(100_000))}


def read(data):
    opened = Pack(data)
    return opened.header, dict(opened.blobs())


def test_pack_survives_writing_and_reading():
    assert read(pack({"a": "ø"}, BLOBS)) == ({"a": "ø"}, BLOBS)


def test_same_files_in_another_order_give_the_same_bytes():
    other = dict(reversed(BLOBS.items()))
    assert pack({}, BLOBS) == pack({}, other)


@pytest.mark.parametrize("length", range(0, len(pack({}, BLOBS)), 7))
def test_refuses_a_pack_that_is_truncated_anywhere(length):
    with pytest.raises(PackFormatError):
        read(pack({}, BLOBS)[:length])


@pytest.mark.parametrize(
    "text",
    [
        b"", b"{}\n", b"[]\n", b"no json\n", b'{"blobs": [["x"]]}\n', b'{"blobs": [["x", 1]]}\na',
        b'{"blobs": [["x", 5]]}\na', b'{"blobs": 3}\n',
    ],
)  # fmt: skip
def test_refuses_a_pack_with_an_unexpected_first_line(text):
    with pytest.raises(PackFormatError):
        read(gzip.compress(text))


def test_refuses_a_pack_with_a_flipped_bit():
    data = bytearray(pack({}, BLOBS))
    data[len(data) // 2] ^= 1
    with pytest.raises(PackFormatError):
        read(bytes(data))
