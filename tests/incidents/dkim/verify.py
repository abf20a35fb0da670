#!/usr/bin/python3
"""Verifies every DKIM signature of the mail on standard input; exit code 0 when each holds, 1 when one does not or there is none.

Usage: verify.py PUBLIC-KEY.pem [SELECTOR=PUBLIC-KEY.pem …]
The first key is answered for every selector and domain but those named, so that no name server is asked. RSA and Ed25519.
"""
import base64
import sys

import dkim


def record(name: str) -> bytes:
    with open(name, encoding="ascii") as file:
        der = base64.b64decode("".join(line.strip() for line in file if not line.startswith("-----")))
    # The record of an Ed25519 key holds its 32 bytes alone (RFC 8463 4.2).
    kind, key = ("ed25519", der[-32:]) if len(der) == 44 else ("rsa", der)
    return f"v=DKIM1; k={kind}; p={base64.b64encode(key).decode()}".encode()


def main() -> int:
    records = {selector.encode(): record(name) for selector, name in (word.split("=", 1) for word in sys.argv[2:])}
    default = record(sys.argv[1])
    mail = sys.stdin.buffer.read()
    count = (b"\n" + mail.split(b"\r\n\r\n", 1)[0].lower()).count(b"\ndkim-signature:")
    if count == 0:
        print("no signature", file=sys.stderr)
        return 1

    def answer(name: bytes, timeout: int = 5) -> bytes:
        return records.get(name.split(b".", 1)[0], default)

    try:
        held = all(dkim.DKIM(mail).verify(index, dnsfunc=answer) for index in range(count))
    except dkim.DKIMException as error:
        print(error, file=sys.stderr)
        return 1
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
