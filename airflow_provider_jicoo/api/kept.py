"""Keep answers that an error does not show, for a person to look at: whole but for the key, and for nobody else."""

from __future__ import annotations

import os
import stat
import time
import uuid

from airflow_provider_jicoo.api.redaction import STARS, key_pattern
from airflow_provider_jicoo.api.said import Answer, Keep, digest
from airflow_provider_jicoo.api.secret import Secret


def keeper(folder: str | None, secrets: tuple[Secret, ...]) -> Keep | None:
    """Return what keeps answers in a folder on the local disk; None where there is none to keep them in.

    A file has mode 0600; the folder is made with mode 0700 where it is missing.

    :param folder: where.
    :param secrets: the API key, which is not written even where the server says it.
    """
    if folder is None:
        return None

    def keep(reply: Answer) -> str:
        try:
            return f"It is kept in {_write(reply, folder, secrets)}."
        except OSError as error:
            # This error is not to give way to another one.
            return f"It could not be kept in {folder}: {error.strerror or type(error).__name__}."

    return keep


def _write(reply: Answer, folder: str, secrets: tuple[Secret, ...]) -> str:
    _make(folder)
    name = f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{reply.status}-{digest(reply.body)}"
    path = os.path.join(folder, f"{name}-{uuid.uuid4().hex[:8]}.txt")
    head = "".join(f"{field}: {value}\n" for field, value in reply.headers.items())
    # Byte for byte, whatever the body is written in.
    body = reply.body.decode("latin-1")
    whole = f"{reply.status}\n{head.encode('utf-8', 'surrogateescape').decode('latin-1')}\n{body}"
    pattern = key_pattern(secrets)
    content = (whole if pattern is None else pattern.sub(STARS, whole)).encode("latin-1")
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(content)
    return path


def _make(folder: str) -> None:
    """Make a folder for this user alone, or refuse what somebody else may have laid out there.

    :raises OSError: it is somebody else's, or others may write to it.
    """
    try:
        os.makedirs(folder, mode=0o700)
        os.chmod(folder, 0o700)
    except FileExistsError:
        found = os.lstat(folder)
        if not stat.S_ISDIR(found.st_mode):
            raise NotADirectoryError(0, "it is no folder") from None
        if found.st_uid != os.geteuid() or found.st_mode & 0o022:
            raise PermissionError(0, "others than this user may write to it; give a folder of its own") from None
