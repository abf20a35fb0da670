#!/usr/bin/python3
"""Verifies the DKIM signature of the mail on standard input; exit code 0 when it holds, 1 when it does not.

Usage: verify.py PUBLIC-KEY.pem
The key is answered for every selector and domain, so that no name server is asked.
"""
import sys

import dkim


def main() -> int:
    with open(sys.argv[1], encoding="ascii") as file:
        key = "".join(line.strip() for line in file if not line.startswith("-----"))
    record = f"v=DKIM1; k=rsa; p={key}".encode()
    mail = sys.stdin.buffer.read()
    if b"\ndkim-signature:" not in b"\n" + mail.split(b"\r\n\r\n", 1)[0].lower():
        print("no signature", file=sys.stderr)
        return 1
    try:
        held = dkim.verify(mail, dnsfunc=lambda name, timeout=5: record)
    except dkim.DKIMException as error:
        print(error, file=sys.stderr)
        return 1
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
