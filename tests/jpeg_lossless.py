"""A minimal encoder of lossless JPEG with first-order prediction (ITU-T T.81 annex H); no library offers one."""

import numpy as np

CODE_BITS = 5
CATEGORIES = 17


def encode_jpeg_lossless(stored_yx: np.ndarray) -> bytes:
    """One frame of unsigned 16-bit samples; every category 0..16 has a 5-bit code equal to its number."""
    rows, columns = stored_yx.shape
    lengths = bytes([0, 0, 0, 0, CATEGORIES, *[0] * 11])
    frame = bytes([16]) + rows.to_bytes(2, "big") + columns.to_bytes(2, "big") + bytes([1, 1, 0x11, 0])
    return b"".join(
        [
            b"\xff\xd8",
            _segment(0xC3, frame),
            _segment(0xC4, bytes([0]) + lengths + bytes(range(CATEGORIES))),
            _segment(0xDA, bytes([1, 1, 0x00, 1, 0, 0])),
            _entropy_coded(_differences(stored_yx)),
            b"\xff\xd9",
        ]
    )


def _segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(body) + 2).to_bytes(2, "big") + body


def _differences(stored_yx: np.ndarray) -> list[int]:
    """Differences to the left neighbour, to the one above in the first column, modulo 2^16 in -32767..32768."""
    values = stored_yx.astype(np.int64)
    prediction = np.empty_like(values)
    prediction[:, 1:] = values[:, :-1]
    prediction[1:, 0] = values[:-1, 0]
    prediction[0, 0] = 1 << 15
    wrapped = (values - prediction + 32767) % 65536 - 32767
    return [int(v) for v in wrapped.ravel()]


def _entropy_coded(differences: list[int]) -> bytes:
    bits = "".join(_code(d) for d in differences)
    bits += "1" * (-len(bits) % 8)
    data = int(bits, 2).to_bytes(len(bits) // 8, "big")
    return data.replace(b"\xff", b"\xff\x00")


def _code(difference: int) -> str:
    category = abs(difference).bit_length()
    code = format(category, f"0{CODE_BITS}b")
    if category in (0, 16):
        return code
    value = difference if difference > 0 else difference + (1 << category) - 1
    return code + format(value, f"0{category}b")
