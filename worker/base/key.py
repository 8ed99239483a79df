"""The key of a random stream, from its address."""

import hashlib

Key = tuple[int, int]


def key(*address: str | int | float) -> Key:
    """The 64-bit key of an address, as two 32-bit words.

    Parts are written with their type and `repr`, so 1, 1.0 and "1" are three addresses.
    """
    text = "\x1f".join(f"{type(part).__name__}:{part!r}" for part in address)
    digest = hashlib.sha256(text.encode()).digest()
    return int.from_bytes(digest[:4], "little"), int.from_bytes(digest[4:8], "little")
