"""Envelope encryption: one data key per stream, wrapped by the service's master key.

Dropping a stream's wrapped key erases everything private about it at once, while the journal's hash
chain goes on verifying: it covers the ciphertext. Backups still hold the wrapped key until they
expire. AES-256-GCM (NIST SP 800-38D), random 96-bit nonces in front of the ciphertext, bound by the
associated data to what it belongs to.
"""

import base64
import binascii
import os
from collections.abc import Callable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
NONCE_BYTES = 12


class UnreadableError(Exception):
    """A ciphertext that this key does not open: another key, another row, or edited bytes."""


class Envelope:
    """Seals and opens bytes under data keys, and wraps those under one master key."""

    def __init__(
        self, master_key: bytes, random_bytes: Callable[[int], bytes] = os.urandom
    ) -> None:
        if len(master_key) != KEY_BYTES:
            raise ValueError(f"the master key has {len(master_key)} bytes, not {KEY_BYTES}")
        self._master = AESGCM(master_key)
        self._random = random_bytes

    @classmethod
    def from_text(cls, text: str) -> "Envelope":
        """From a setting: 32 bytes in base64. Raises ValueError saying how to make one."""
        try:
            return cls(base64.b64decode(text, validate=True))
        except (binascii.Error, ValueError) as error:
            raise ValueError(
                "the journal key must be 32 random bytes in base64 (openssl rand -base64 32)"
            ) from error

    def new_key(self, owner: bytes) -> tuple[bytes, bytes]:
        """A fresh data key and its wrapped form, which only `owner` (its row's id) can use."""
        key = self._random(KEY_BYTES)
        return key, self._lock(self._master, key, owner)

    def unwrap(self, wrapped: bytes, owner: bytes) -> bytes:
        """The data key in `wrapped`. Raises UnreadableError when it is not `owner`'s or ours."""
        return self._unlock(self._master, wrapped, owner)

    def seal(self, key: bytes, plain: bytes, bound_to: bytes) -> bytes:
        """`plain` encrypted under a data key, readable only where `bound_to` is the same."""
        return self._lock(AESGCM(key), plain, bound_to)

    def open(self, key: bytes, sealed: bytes, bound_to: bytes) -> bytes:
        """What `seal` was given. Raises UnreadableError for another key, row or edited bytes."""
        return self._unlock(AESGCM(key), sealed, bound_to)

    def _lock(self, cipher: AESGCM, plain: bytes, bound_to: bytes) -> bytes:
        nonce = self._random(NONCE_BYTES)
        return nonce + cipher.encrypt(nonce, plain, bound_to)

    def _unlock(self, cipher: AESGCM, sealed: bytes, bound_to: bytes) -> bytes:
        try:
            return cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], bound_to)
        except (InvalidTag, ValueError) as error:
            raise UnreadableError("these bytes do not open with this key") from error
