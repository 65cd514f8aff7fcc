"""Virtual hard disks (VHD) to and from raw files, as the simulator's storage manager needs them. Python only."""
import os
import struct

SECTOR = 512
BLOCK = 2 << 20


class BadVHD(Exception):
    """The bytes are no virtual hard disk that can be imported."""


def checksum(data):
    return ~sum(data) & 0xFFFFFFFF


def geometry(size):
    """Cylinders, heads and sectors of a size, by the rules of the format's specification."""
    total = min(size // SECTOR, 65535 * 16 * 255)
    if total > 65535 * 16 * 63:
        sectors, heads = 255, 16
        cylinders = total // sectors // heads
    else:
        sectors, heads = 17, max(4, (total // 17 + 1023) // 1024)
        if total // 17 >= heads * 1024 or heads > 16:
            sectors, heads = 31, 16
        if total // sectors >= heads * 1024:
            sectors, heads = 63, 16
        cylinders = total // sectors // heads
    return cylinders, heads, sectors


def footer(size, kind, data_offset):
    head = struct.pack(
        ">8sIIQI4sIIQQHBBI", b"conectix", 2, 0x00010000, data_offset, 0, b"tap\0", 0x00010003, 0, size, size,
        *geometry(size), kind)
    rest = os.urandom(16) + b"\0" + b"\0" * 427
    data = head + struct.pack(">I", 0) + rest
    return head + struct.pack(">I", checksum(data)) + rest


def data_ranges(file, size):
    """The ranges of a sparse file that hold data."""
    position = 0
    while position < size:
        try:
            begin = os.lseek(file, position, os.SEEK_DATA)
        except OSError:
            return
        end = os.lseek(file, begin, os.SEEK_HOLE)
        yield begin, min(end, size)
        position = end


def copy_sparse(source, target, size=None):
    """Copies what a sparse file holds, hole by hole."""
    with open(source, "rb") as reader, open(target, "wb") as writer:
        length = os.fstat(reader.fileno()).st_size
        writer.truncate(size or length)
        for begin, end in list(data_ranges(reader.fileno(), length)):
            reader.seek(begin)
            writer.seek(begin)
            while begin < end:
                piece = reader.read(min(1 << 20, end - begin))
                if piece.strip(b"\0"):
                    writer.write(piece)
                else:
                    writer.seek(len(piece), 1)
                begin += len(piece)


def raw_to_vhd(raw, out):
    """Writes a raw file as a dynamic VHD to a file object, block by block in order."""
    with open(raw, "rb") as reader:
        size = os.fstat(reader.fileno()).st_size
        count = (size + BLOCK - 1) // BLOCK
        wanted = set()
        for begin, end in data_ranges(reader.fileno(), size):
            wanted.update(range(begin // BLOCK, (end - 1) // BLOCK + 1))
        table_sectors = (count * 4 + SECTOR - 1) // SECTOR
        position = 3 + table_sectors
        table = [0xFFFFFFFF] * count
        for block in sorted(wanted):
            table[block] = position
            position += 1 + BLOCK // SECTOR
        tail = footer(size, 3, SECTOR)
        header = struct.pack(">8sQQIII", b"cxsparse", 0xFFFFFFFFFFFFFFFF, 3 * SECTOR, 0x00010000, count, BLOCK)
        body = header + struct.pack(">I", 0) + b"\0" * (1024 - 40)
        body = header + struct.pack(">I", checksum(body)) + b"\0" * (1024 - 40)
        out.write(tail + body)
        packed = struct.pack(">%dI" % count, *table)
        out.write(packed + b"\xff" * (table_sectors * SECTOR - len(packed)))
        for block in sorted(wanted):
            reader.seek(block * BLOCK)
            out.write(b"\xff" * SECTOR)
            out.write(reader.read(BLOCK).ljust(BLOCK, b"\0"))
        out.write(tail)


def vhd_length(raw):
    """How many bytes raw_to_vhd writes."""

    class Counter:
        count = 0

        def write(self, data):
            self.count += len(data)

    counter = Counter()
    raw_to_vhd(raw, counter)
    return counter.count


def vhd_to_raw(path, target, size_max):
    """Writes a fixed or dynamic VHD as a raw file. Refuses what is no VHD, has a parent, or is larger than allowed."""
    with open(path, "rb") as reader:
        length = os.fstat(reader.fileno()).st_size
        if length < SECTOR:
            raise BadVHD("too short")
        reader.seek(length - SECTOR)
        tail = reader.read(SECTOR)
        if tail[:8] != b"conectix":
            raise BadVHD("no footer")
        size, = struct.unpack(">Q", tail[48:56])
        kind, = struct.unpack(">I", tail[60:64])
        if size > size_max:
            raise BadVHD("larger than the disk: %d > %d" % (size, size_max))
        with open(target, "wb") as writer:
            writer.truncate(size_max)
            if kind == 2:
                reader.seek(0)
                rest = size
                while rest:
                    piece = reader.read(min(1 << 20, rest))
                    if not piece:
                        raise BadVHD("cut off")
                    if piece.strip(b"\0"):
                        writer.write(piece)
                    else:
                        writer.seek(len(piece), 1)
                    rest -= len(piece)
                return
            if kind != 3:
                raise BadVHD("type %d" % kind)
            offset, = struct.unpack(">Q", tail[16:24])
            reader.seek(offset)
            header = reader.read(1024)
            if header[:8] != b"cxsparse":
                raise BadVHD("no dynamic header")
            table_offset, _, count, block = struct.unpack(">QIII", header[16:36])
            reader.seek(table_offset)
            table = struct.unpack(">%dI" % count, reader.read(4 * count))
            bitmap = ((block // SECTOR + 7) // 8 + SECTOR - 1) // SECTOR * SECTOR
            for index, sector in enumerate(table):
                if sector == 0xFFFFFFFF:
                    continue
                reader.seek(sector * SECTOR + bitmap)
                writer.seek(index * block)
                piece = reader.read(min(block, size - index * block))
                if piece.strip(b"\0"):
                    writer.write(piece)
