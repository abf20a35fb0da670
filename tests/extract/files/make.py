#!/usr/bin/env python3
"""Makes the archives beside this file with other programs than the reader's: Python's tarfile, gzip, bz2 and lzma, GNU tar, zstd.

It refuses real data: every name and number is invented. Run it only to add a file; `tests/run` reads what is committed.
"""
import bz2, gzip, io, lzma, pathlib, subprocess, tarfile, tempfile

HERE = pathlib.Path(__file__).parent
CSV = "氏名,電話,住所\n山田太郎,090-0000-0001,東京都\n佐藤花子,090-0000-0002,大阪府\n".encode()


def put(name, octets):
    (HERE / name).write_bytes(octets)


def tar(members, **options):
    """A tar of (name, content) or (name, target of a link)."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", **options) as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            if isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
                archive.addfile(info)
            elif content is None:
                info.type = tarfile.DIRTYPE
                archive.addfile(info)
            else:
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    octets = file.getvalue()
    return octets.rstrip(b"\0") + bytes(-len(octets.rstrip(b"\0")) % 512) + bytes(1024)


def gz(content, name=None, comment=None):
    """RFC 1952 by hand, as Python's gzip writes no comment."""
    plain = gzip.compress(content, mtime=0)
    flags, extra = 0, b""
    if name:
        flags, extra = flags | 8, extra + name + b"\0"
    if comment:
        flags, extra = flags | 16, extra + comment + b"\0"
    return plain[:3] + bytes([flags]) + plain[4:10] + extra + plain[10:]


def ran(*command, stdin=b""):
    return subprocess.run(command, input=stdin, check=True, stdout=subprocess.PIPE).stdout


def tars():
    long = "/".join(["学年別" * 8] * 3) + "/名簿.csv"
    put("ustar.tar", tar([("5年", None), ("5年/名簿.csv", CSV), ("最新.csv", "5年/名簿.csv")], format=tarfile.USTAR_FORMAT))
    put("pax.tar", tar([(long, CSV)], format=tarfile.PAX_FORMAT, pax_headers={"comment": "取扱注意"}))
    put("gnu.tar", tar([(long, CSV), ("b.txt", b"hello\n")], format=tarfile.GNU_FORMAT))
    for encoding in ["cp932", "euc_jp"]:
        members = [("名簿.csv", CSV), ("児童の連絡先.csv", CSV)]
        put(f"{encoding}.tar", tar(members, format=tarfile.GNU_FORMAT, encoding=encoding))
    old = bytearray(tar([("meibo.csv", CSV)], format=tarfile.USTAR_FORMAT))
    old[257:512] = bytes(255)
    old[148:156] = b"        "
    old[148:156] = b"%06o\0 " % sum(old[:512])
    put("old.tar", bytes(old))
    with tempfile.TemporaryDirectory() as folder:
        with open(f"{folder}/holes.csv", "wb") as file:
            file.seek(1024 * 1024)
            file.write(CSV)
        for form in ["gnu", "pax"]:
            put(f"sparse-{form}.tar", ran("tar", "-C", folder, "-b", "1", "-S", f"--format={form}", "-cf", "-", "holes.csv"))
    hostile = [("../../etc/meibo.csv", CSV), ("/root/.ssh/meibo.csv", CSV), ("C:\\windows\\meibo.csv", CSV), ("長" * 3000 + ".csv", CSV)]
    put("hostile.tar.xz", lzma.compress(tar(hostile, format=tarfile.PAX_FORMAT)))


def packed():
    inner = tar([("名簿.csv", CSV), ("b.txt", b"hello\n")], format=tarfile.PAX_FORMAT)
    put("roster.tar.gz", gz(inner))
    put("roster.tar.bz2", bz2.compress(inner))
    put("roster.tar.xz", lzma.compress(inner))
    put("roster.tar.zst", ran("zstd", "-c", "-q", stdin=inner))
    put("roster.csv.gz", gz(CSV, "名簿.csv".encode("cp932"), "夏の名簿".encode("cp932")))
    lines = CSV.splitlines(keepends=True)
    put("two.csv.gz", gz(lines[0] + lines[1]) + gz(lines[2]))
    put("two.csv.bz2", bz2.compress(lines[0] + lines[1]) + bz2.compress(lines[2]))
    put("two.csv.xz", lzma.compress(lines[0] + lines[1]) + bytes(8) + lzma.compress(lines[2]))
    skippable = b"\x52\x2a\x4d\x18\x04\0\0\0note"
    put("two.csv.zst", b"".join([ran("zstd", "-c", "-q", stdin=lines[0] + lines[1]), skippable, ran("zstd", "-c", "-q", stdin=lines[2])]))
    put("zeros.xz", lzma.compress(bytes(64 * 1024 * 1024)))
    put("x86.csv.xz", lzma.compress(CSV, filters=[{"id": lzma.FILTER_X86}, {"id": lzma.FILTER_LZMA2, "preset": 9}]))


tars()
packed()
