"""The keys in force: the file is read again when it changes, so that a revoked key ends without a restart."""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tallyroom.codec.apikeys import ApiKey, decode_keys, digest, in_force
from tallyroom.domain.errors import SettingError
from tallyroom.telemetry.logs import get_logger

LOOK_S: Final = 1.0


class KeyRing:
    """Keys by hash. Without a file there are none."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._seen: tuple[int, ...] | None = None
        self._keys: Mapping[str, ApiKey] = {}

    def load(self) -> None:
        """Read the file if it is another one than before. Raises SettingError; then the keys stay as they were."""
        if self._path is None:
            return
        try:
            found = os.stat(self._path)  # noqa: PTH116 - with inode and nanoseconds: a replaced file of equal size is seen
            seen = (found.st_ino, found.st_mtime_ns, found.st_size)
            if seen == self._seen:
                return
            data = self._path.read_bytes()
        except OSError as error:
            raise SettingError(
                f"TALLYROOM_API_KEYS={self._path} cannot be read: {error.strerror}.",
                "name a file made by `tallyroom apikeys add`",
            ) from error
        self._keys = in_force(decode_keys(data, str(self._path)).keys)
        self._seen = seen

    def find(self, authorization: str) -> ApiKey | None:
        """The key that an Authorization header carries, None if it is not known or not in force."""
        scheme, _, key = authorization.partition(" ")
        if scheme.lower() != "bearer":
            return None
        return self._keys.get(digest(key.strip()))

    async def follow(self) -> None:
        """Look for changes until cancelled. A file that cannot be read leaves the keys as they are."""
        said = ""
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await asyncio.to_thread(self.load)
                said = ""
            except SettingError as error:
                if said != error.what:
                    said = error.what
                    get_logger("gateway").warning("API keys stay as they are", reason=said)
