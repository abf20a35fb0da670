#!/usr/bin/env python3
"""Makes the archives beside this file with other programs than the reader's: Python's tarfile, gzip, bz2 and lzma, GNU tar, zstd, 7z, gcab.

It refuses real data: every name and number is invented. Run it only to add a file; `tests/run` reads what is committed.
"""
import bz2, gzip, io, lzma, pathlib, struct, subprocess, tarfile, tempfile, zlib

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
            put(f"sparse-{form}.tar", ran("tar", "-C", folder, "-b", "1", "-S", "--mtime=2026-11-28", f"--format={form}", "-cf", "-", "holes.csv"))
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
    put("zeros.xz", lzma.compress(bytes(16 * 1024 * 1024)))
    put("x86.csv.xz", lzma.compress(CSV, filters=[{"id": lzma.FILTER_X86}, {"id": lzma.FILTER_LZMA2, "preset": 9}]))


def sevenz():
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        (root / "5年").mkdir()
        (root / "5年/名簿.csv").write_bytes(CSV)
        (root / "b.txt").write_bytes(b"hello\n")
        (root / "empty.txt").write_bytes(b"")

        def made(name, *options, files=("5年", "b.txt", "empty.txt")):
            subprocess.run(["7z", "a", "-mtm=off", "-bso0", *options, name, *files], cwd=root, check=True)
            put(name, (root / name).read_bytes())

        made("lzma2.7z", "-m0=lzma2")
        made("lzma.7z", "-m0=lzma", "-ms=off")
        made("ppmd.7z", "-m0=ppmd")
        made("bzip2.7z", "-m0=bzip2")
        made("deflate.7z", "-m0=deflate")
        made("copy.7z", "-m0=copy")
        made("bcj.7z", "-m0=bcj", "-m1=lzma2")
        made("bcj2.7z", "-m0=bcj2", "-m1=lzma", "-m2=lzma", "-m3=lzma", "-mb0s0:1", "-mb0s1:2", "-mb0s2:3")
        made("delta.7z", "-m0=delta:4", "-m1=lzma2")
        made("deflate64.7z", "-m0=deflate64")
        made("names.7z", "-phimitsu", "-mhe=on")
        made("content.7z", "-phimitsu")
        subprocess.run(["7z", "a", "-mtm=off", "-bso0", "mixed.7z", "b.txt"], cwd=root, check=True)
        made("mixed.7z", "-phimitsu", files=("5年",))
        subprocess.run(["7z", "a", "-mtm=off", "-bso0", "-v160b", "parts.7z", "5年", "b.txt"], cwd=root, check=True)
        put("parts.7z.001", (root / "parts.7z.001").read_bytes())
        (root / "zeros.csv").write_bytes(bytes(16 * 1024 * 1024))
        made("zeros.7z", files=("zeros.csv", "5年/名簿.csv"))


def number(value):
    """7z's number: the top bits of the first octet say how many follow."""
    for more in range(8):
        if value < 1 << 7 * (more + 1):
            first = 0xFF << 8 - more & 0xFF | value >> 8 * more
            return bytes([first]) + (value & (1 << 8 * more) - 1).to_bytes(more, "little")


def folders():
    """A 7z of two hundred thousand folders without names, in less than five hundred octets."""
    count = 200_000
    empty, names = b"\xff" * (count // 8), bytes(1 + 2 * count)
    header = b"\x01\x05" + number(count) + b"\x0e" + number(len(empty)) + empty + b"\x11" + number(len(names)) + names + b"\0\0"
    packed = lzma.compress(header, format=lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA1, "dict_size": 1 << 20}])
    coder = b"\x23\x03\x01\x01" + number(5) + bytes([93]) + struct.pack("<I", 1 << 20)
    streams = b"\x06" + number(0) + number(1) + b"\x09" + number(len(packed)) + b"\0"
    streams += b"\x07\x0b" + number(1) + b"\0" + number(1) + coder + b"\x0c" + number(len(header)) + b"\x0a\x01"
    index = b"\x17" + streams + struct.pack("<I", zlib.crc32(header)) + b"\0\0"
    start = struct.pack("<QQI", len(packed), len(index), zlib.crc32(index))
    put("folders.7z", b"7z\xbc\xaf\x27\x1c\0\4" + struct.pack("<I", zlib.crc32(start)) + start + packed + index)


def crc16(octets):
    value = 0
    for byte in octets:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
    return value


def lh5(content):
    """-lh5- with every octet as a literal of eight bits: one code in the table of lengths, 256 of length 8 in the next, no match."""
    bits = f"{len(content):016b}" + f"{0:05b}{10:05b}" + f"{256:09b}" + f"{0:04b}{0:04b}"
    bits += "".join(f"{byte:08b}" for byte in content)
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def lzh_member(level, name, content, method=b"-lh5-", folder=b"", extras=()):
    packed = lh5(content) if method == b"-lh5-" else content
    sizes = lambda extra: struct.pack("<II", len(packed) + extra, len(content))
    common = method, struct.pack("<I", 0x5A000000) + b"\x20" + bytes([level])
    if level == 0:
        name = folder + name
        body = common[0] + sizes(0) + common[1] + bytes([len(name)]) + name + struct.pack("<H", crc16(content))
        return bytes([len(body), sum(body) & 255]) + body + packed
    width, size = ("<I", 4) if level == 3 else ("<H", 2)
    parts = [b"\x01" + name] + ([b"\x02" + folder] if folder else []) + list(extras)
    chained = b"".join(part + struct.pack(width, len(after) + 1 + size - 1 if after else 0) for part, after in zip(parts, parts[1:] + [b""]))
    first = struct.pack(width, len(parts[0]) + size)
    if level == 1:
        body = common[0] + sizes(len(chained)) + common[1] + b"\0" + struct.pack("<H", crc16(content)) + b"M" + first
        return bytes([len(body), sum(body) & 255]) + body + chained + packed
    body = common[0] + sizes(0) + common[1] + struct.pack("<H", crc16(content)) + b"M"
    if level == 2:
        return struct.pack("<H", 2 + len(body) + 2 + len(chained)) + body + first + chained + packed
    return b"\x04\0" + body + struct.pack("<I", 2 + len(body) + 8 + len(chained)) + first + chained + packed


def lzh():
    name, folder = "表と名簿.csv".encode("cp932"), "5年".encode("cp932") + b"\xff"
    comment = b"\x3f" + "夏の名簿".encode("cp932")
    for level in range(4):
        extras = [comment] if level else []
        member = lzh_member(level, name, CSV, folder=folder, extras=extras)
        put(f"level{level}.lzh", member + lzh_member(level, b"b.txt", b"hello\n", method=b"-lh0-") + b"\0")
    wide = [b"\x44" + "𠮷田名簿.csv".encode("utf-16-le"), b"\x45" + "5年".encode("utf-16-le") + b"\xff\xff"]
    put("wide.lzh", lzh_member(2, b"?.csv", CSV, extras=wide) + b"\0")
    put("euc_jp.lzh", b"".join(lzh_member(1, name.encode("euc_jp"), CSV) for name in ["名簿.csv", "児童の連絡先.csv"]) + b"\0")


def cab_sum(octets, value=0):
    whole = len(octets) // 4 * 4
    for word in struct.unpack(f"<{whole // 4}I", octets[:whole]):
        value ^= word
    rest = 0
    for byte in octets[whole:]:
        rest = rest << 8 | byte
    return value ^ rest


def cab(folders, files, flags=0, before=b""):
    """A cabinet of folders (method, [(packed, size)]) and files (name, attributes, folder, start, size)."""
    entries = b"".join(struct.pack("<IIHHHH", size, start, folder, 0, 0, attributes) + name + b"\0" for name, attributes, folder, start, size in files)
    at = 36 + len(before) + 8 * len(folders)
    data = at + len(entries)
    heads = blocks = b""
    for method, parts in folders:
        heads += struct.pack("<IHH", data + len(blocks), len(parts), method)
        for packed, size in parts:
            sizes = struct.pack("<HH", len(packed), size)
            blocks += struct.pack("<I", cab_sum(sizes, cab_sum(packed))) + sizes + packed
    head = struct.pack("<4sIIIIIBBHHHHH", b"MSCF", 0, data + len(blocks), 0, at, 0, 3, 1, len(folders), len(files), flags, 1, 0)
    return head + before + heads + entries + blocks


def lzx(content):
    """LZX with one block that is not compressed (MS-PATCH 2.3.1.3): no E8 translation, type 3, its size, three old offsets."""
    bits = f"0011{len(content):024b}0000"
    words = b"".join(int(bits[at : at + 16], 2).to_bytes(2, "little") for at in (0, 16))
    return words + struct.pack("<III", 1, 1, 1) + content + bytes(len(content) % 2)


def cabs():
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        lines = "".join(f"行番号{n},山川海空,{n * n % 97}\n" for n in range(3000)).encode()
        (root / "long.csv").write_bytes(lines + CSV)
        (root / "b.txt").write_bytes(b"hello\n")
        subprocess.run(["gcab", "-c", "-z", "mszip.cab", "long.csv", "b.txt"], cwd=root, check=True)
        put("mszip.cab", (root / "mszip.cab").read_bytes())
    size = len(CSV)
    put("cp932.cab", cab([(0, [(CSV, size)])], [("表.csv".encode("cp932"), 0x20, 0, 0, size)]))
    put("utf8.cab", cab([(0, [(CSV, size)])], [("名簿.csv".encode(), 0xA0, 0, 0, size)]))
    put("lzx.cab", cab([(15 << 8 | 3, [(lzx(CSV), size)])], [(b"meibo.csv", 0x20, 0, 0, size)]))
    put("quantum.cab", cab([(0x0742, [(CSV, size)])], [(b"meibo.csv", 0x20, 0, 0, size)]))
    put("next.cab", cab([(0, [(CSV, size)])], [(b"a.csv", 0x20, 0, 0, size), (b"b.csv", 0x20, 0xFFFE, 60, 5000)], 2, b"next.cab\0disk 2\0"))
    zeros = bytes(32768)
    blocks, deflate = [], zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = b"CK" + deflate.compress(zeros) + deflate.flush()
    same = [(b"%d.txt" % n, 0x20, 0, 0, 32768 * 60) for n in range(200)]
    put("again.cab", cab([(1, [(packed, 32768)] * 60)], same))


def vint(value):
    octets = b""
    while value > 127:
        octets, value = octets + bytes([value & 127 | 128]), value >> 7
    return octets + bytes([value])


def rar5_block(kind, flags, body, extra=b"", data=b""):
    flags |= (1 if extra else 0) | (2 if data else 0)
    header = vint(kind) + vint(flags) + (vint(len(extra)) if extra else b"") + (vint(len(data)) if data else b"") + body + extra
    header = vint(len(header)) + header
    return struct.pack("<I", zlib.crc32(header)) + header + data


def rar5_file(name, content, method=0, kind=2, flags=0, extra=b""):
    body = vint(4) + vint(len(content)) + vint(0x20) + struct.pack("<I", zlib.crc32(content)) + vint(method << 7) + vint(1)
    return rar5_block(kind, flags, body + vint(len(name)) + name, extra, content)


def rar4_block(kind, flags, body, data=b""):
    rest = bytes([kind]) + struct.pack("<HH", flags, 7 + len(body)) + body
    return struct.pack("<H", zlib.crc32(rest) & 0xFFFF) + rest + data


def rar4_file(name, content, method=0x30, flags=0):
    fields = struct.pack("<IIBIIBBHI", len(content), len(content), 2, zlib.crc32(content), 0x5A000000, 29, method, len(name), 0x20)
    return rar4_block(0x74, flags | 0x8000, fields + name, content)


def rars():
    """RAR by hand, as only RARLAB's own program writes it; real ones are tried elsewhere."""
    name = "5年/名簿.csv".encode()
    record = lambda kind, body: vint(len(vint(kind) + body)) + vint(kind) + body
    secret = record(1, vint(0) + vint(0) + bytes(33))
    link = record(5, vint(1) + vint(0) + vint(len(name)) + name)
    start, end = b"Rar!\x1a\x07\x01\0" + rar5_block(1, 0, vint(0)), rar5_block(5, 0, vint(0))
    put("stored5.rar", start + rar5_file(b"CMT", "夏の名簿".encode(), kind=3) + rar5_file(name, CSV) + rar5_file("最新.csv".encode(), b"", extra=link) + end)
    put("packed5.rar", start + rar5_file(name, CSV, method=3) + rar5_file(b"b.txt", b"hello\n") + end)
    put("content5.rar", start + rar5_file(name, CSV, extra=secret) + rar5_file(b"b.txt", b"hello\n") + end)
    put("names5.rar", b"Rar!\x1a\x07\x01\0" + rar5_block(4, 0, vint(0) + vint(0) + vint(15) + bytes(16)) + bytes(range(64)))
    put("part5.rar", b"Rar!\x1a\x07\x01\0" + rar5_block(1, 0, vint(1)) + rar5_file(name, CSV, flags=16) + rar5_block(5, 0, vint(1)))
    start, end = b"Rar!\x1a\x07\0" + rar4_block(0x73, 0, bytes(6)), rar4_block(0x7B, 0x4000, b"")
    units = lambda text: b"".join(b"\xaa" + "".join(text[at : at + 4]).encode("utf-16-le") for at in range(0, len(text), 4))
    put("stored4.rar", start + rar4_file("表.csv".encode("cp932"), CSV) + rar4_file(b"?.csv\0\0" + units("名簿.csv"), CSV, flags=0x200) + end)
    put("packed4.rar", start + rar4_file(b"meibo.csv", CSV, method=0x33) + rar4_file(b"b.txt", b"hello\n") + end)
    put("content4.rar", start + rar4_file(b"meibo.csv", CSV, flags=4) + rar4_file(b"b.txt", b"hello\n") + end)
    put("names4.rar", b"Rar!\x1a\x07\0" + rar4_block(0x73, 0x80, bytes(6)) + bytes(range(64)))


tars()
packed()
rars()
folders()
sevenz()
lzh()
cabs()
