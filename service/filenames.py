"""Names of files, as clients send them."""

from __future__ import annotations

import re
from email.message import Message


def safe_filename(name: str, fallback: str) -> str:
    """Return the last part of a client's path, without characters that a file name or a log should not hold."""
    last = re.split(r"[/\\]", name)[-1]
    clean = re.sub(r"[^\w.\- ()+@]", "_", last, flags=re.ASCII).strip(" .")
    return clean[-150:] or fallback


def disposition_filename(header: str) -> str:
    """Return the file name in a Content-Disposition, in either of its forms; "" if there is none."""
    message = Message()
    message["Content-Disposition"] = header
    return message.get_filename() or ""
