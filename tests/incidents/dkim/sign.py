#!/usr/bin/python3
"""Signs the mail on standard input with DKIM (RFC 6376) and writes it with the signature on top to standard output.

Usage: sign.py PRIVATE-KEY.pem SELECTOR DOMAIN
"""
import sys

import dkim

# Everything a mail program signs; Received is not among them, since every relay adds one.
FIELDS = [b"from", b"to", b"cc", b"subject", b"date", b"message-id", b"mime-version", b"content-type"]


def main() -> int:
    key_file, selector, domain = sys.argv[1:4]
    mail = sys.stdin.buffer.read()
    with open(key_file, "rb") as file:
        key = file.read()
    present = {line.split(b":", 1)[0].lower() for line in mail.split(b"\r\n\r\n", 1)[0].split(b"\r\n")}
    signature = dkim.sign(
        mail,
        selector.encode(),
        domain.encode(),
        key,
        canonicalize=(b"simple", b"simple"),
        include_headers=[field for field in FIELDS if field in present],
    )
    sys.stdout.buffer.write(signature + mail)
    return 0


if __name__ == "__main__":
    sys.exit(main())
