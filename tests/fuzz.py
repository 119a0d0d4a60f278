"""Damaged and hostile files against the readers of .bin verification sets and of RecordIO folders.

    .venv/bin/python tests/fuzz.py --inputs 2000            both kinds, 2000 inputs each
    .venv/bin/python tests/fuzz.py --kind bin --seed 7
    .venv/bin/python tests/fuzz.py --replay runs/fuzz/bin-0-123.json

A reader may read an input or refuse it, with a ValueError or FileNotFoundError of one line. It fails when it raises anything else,
takes too long, takes more memory before decoding than twice the input and 1 MiB, ends the process, or does what a reader has no
business to do: run code, import, start a process, write, or open another file. An audit hook sees all of these.
Every input follows from the seed and its number. One child process reads all, so that a crash or a hang in C is reported as well.
"""
import argparse, gc, io, json, mmap, os, pickle, pickletools, random, re, resource, signal, struct, subprocess, sys, tempfile, time
import traceback, tracemalloc, warnings
from collections import Counter
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from topofr_nb.data.bins import open_bin
from topofr_nb.data.images import decode_image
from topofr_nb.data.records import RecordFaces

root = Path(__file__).resolve().parent.parent
seconds_each, extra_memory, most_decoded = 5.0, 2**20, 24
address_space, most_shown, again = 2 * 2**30, 10, "to see it again: .venv/bin/python tests/fuzz.py --replay"


# -------------------------------------------------------------------------------------------------------------------- watch

class Late(BaseException):
    "The time for one input is over"


class Watch:
    "An audit hook that, while a folder is being read, notes and stops everything but reading its files"
    def __init__(self):
        self.folder, self.seen, self.reason = None, [], ""
        sys.addaudithook(self)

    def allowed(self, event, values):
        if event == "array.__new__": return True  # Pillow, for the tables of a JPEG
        if event == "mmap.__new__": return values[2] == mmap.ACCESS_READ
        if event in ("os.listdir", "os.scandir"): return str(values[0]).startswith(self.folder)
        if event != "open": return False
        path, _, flags = values
        return str(path).startswith(self.folder) and not flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND)

    def __call__(self, event, values):
        if self.folder is None or self.allowed(event, values): return
        self.seen.append(f"{event}{values!a}"[:200])
        raise PermissionError(f"{event} while reading")


def late(*_): raise Late


def judge(watch, reader, folder, seconds=seconds_each):
    "What `reader` does with the files of `folder`: (outcome, part of the allowed memory); the outcome begins with FAILED when it may not"
    size = sum(path.stat().st_size for path in folder.iterdir())
    tracemalloc.reset_peak()
    before, share, stage = tracemalloc.get_traced_memory()[0], 0.0, "opened"
    watch.folder, watch.seen, watch.reason = str(folder), [], ""
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        images = reader(folder)
        share = (tracemalloc.get_traced_memory()[1] - before) / (2 * size + extra_memory)
        stage = "decoded"
        for image in images[:most_decoded]: image()
        outcome = "read"
    except (ValueError, FileNotFoundError) as error:
        if stage == "opened": share = (tracemalloc.get_traced_memory()[1] - before) / (2 * size + extra_memory)
        watch.reason = str(error)
        outcome = f"refused when {stage}" if len(watch.reason.splitlines()) == 1 else f"FAILED: {error!a}"
    except Late: outcome = f"FAILED: more than {seconds:g} s"
    except BaseException as error: outcome = f"FAILED: {type(error).__name__}: {error!a}"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        watch.folder = None
    if watch.seen: outcome = f"FAILED: did {'; '.join(watch.seen[:3])}"
    elif share > 1: outcome = f"FAILED: took {share:.1f} times the memory that {size} bytes may take"
    return outcome, share


# ---------------------------------------------------------------------------------------------------------- verification sets

def encoded(i, kind, size=12):
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(i).integers(0, 256, (size, size, 3), dtype=np.uint8)).save(file, kind)
    return file.getvalue()


pictures = [encoded(i, ("JPEG", "PNG", "JPEG", "WEBP", "JPEG", "BMP")[i]) for i in range(6)]
arrays = [np.frombuffer(data, np.uint8) for data in pictures]
answers = [True, False, True]


def python2(protocol):
    "A set as Python 2 wrote it, whose strings are bytes"
    def quoted(data): return b"S" + b"'" + "".join(f"\\x{byte:02x}" for byte in data).encode() + b"'\n"
    def binary(data): return b"T" + struct.pack("<i", len(data)) + data
    if protocol == 0: return b"((lp1\n" + b"".join(quoted(data) + b"p%d\na" % (i + 2) for i, data in enumerate(pictures)) + b"(lp8\nI01\naI00\naI01\natp9\n."
    return b"\x80\x02]q\x01(" + b"".join(binary(data) + b"q" + bytes([i + 2]) for i, data in enumerate(pictures)) + b"e]q\x08(\x88\x89\x88e\x86q\x09."


class Call:
    def __init__(self, f, *values): self.values = f, values
    def __reduce__(self): return self.values


def trojans():
    calls = [Call(os.system, "true"), Call(eval, "1"), Call(exec, "1"), Call(__import__, "this"), Call(open, "stolen", "w"), Call(getattr, "", "join"),
             Call(bytearray, 10**9), Call(np.zeros, 10**9), Call(np.ndarray, (10**9,))]
    for protocol in range(6):
        for call in calls: yield pickle.dumps(([call] * 2, [True]), protocol)
    yield b"cos\nsystem\n(S'true'\ntR."
    yield b"(S'true'\nios\nsystem\n."
    yield b"(cos\nsystem\nS'true'\no."
    yield b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R."
    yield b"\x80\x04\x8c\x05numpy\x8c\x0ecore.os.system\x93."


def bombs():
    yield b"Nr\xff\xff\xff\x7f."
    yield b"Np" + b"9" * 30 + b"\n."
    yield b"I" + b"9" * 200_000 + b"\n."
    yield b"L" + b"9" * 200_000 + b"L\n."
    yield b"\x8b\xff\xff\xff\x7f."
    yield b"\x8a\xff" + b"\xff" * 255 + b"."
    yield b"\x80\x04\x95" + b"\xff" * 8 + b"N."
    for code in b"BTX": yield bytes([code]) + b"\xff\xff\xff\x7f" + b"x" * 100 + b"."
    for code in b"\x8d\x8e\x96": yield bytes([code]) + b"\xff" * 7 + b"\x7f" + b"x" * 100 + b"."
    for code in b"](N}\x8f)\x88": yield bytes([code]) * 200_000 + b"."
    yield b"N" + b"\x85" * 200_000 + b"."
    yield b"]" * 100_000 + b"a" * 99_999 + b"."
    yield b"]" + b"q\x00h\x00h\x00\x86" * 50_000 + b"."
    yield b"]q\x00" + b"h\x00a" * 50_000 + b"."
    yield b"((" + b"h\x00" * 1000 + b"t" * 1000 + b"."
    yield b"X" + struct.pack("<I", 300_000) + b"a" * 299_997 + "\u4e00".encode() + b"."
    yield b"V" + b"a" * 300_000 + b"\\U0001f600\n."
    yield b"S'" + b"\\" * 300_000 + b"'\n."
    yield pickle.dumps(([b"x"] * 2, np.ones(500_000, bool)), 3)
    yield b"](" + b"C\x00" * 100_000 + b"e](" + b"\x88" * 50_000 + b"e\x86."
    yield b"](C\x01x" + b"q\x00" + b"h\x00" * 99_999 + b"e](" + b"\x88" * 50_000 + b"e\x86."
    array = pickle.dumps(([np.zeros(4, np.uint8)] * 2, [True]), 2)
    for shape in (b"J\xff\xff\xff\x7f\x85", b"J\xff\xff\xff\xff\x85", b"\x8a\x08" + b"\xff" * 7 + b"\x7f\x85", b"(" + b"K\x04" * 100 + b"t"):
        yield array.replace(b"K\x04\x85", shape)
    yield pickle.dumps(([np.array([[0]], object)] * 2, [True]), 3)
    yield pickle.dumps(([np.zeros(1, "V1000000")] * 2, [True]), 3)


def huge_headers():
    for data in pictures[:2]:
        claim = bytearray(data)
        at = 16 if data[:4] == b"\x89PNG" else data.index(b"\xff\xc0") + 5
        claim[at:at + (8 if at == 16 else 4)] = struct.pack(">II" if at == 16 else ">HH", 60000, 60000)
        yield pickle.dumps(([bytes(claim)] * 2, [True]), 3)
    yield pickle.dumps(([b"BM" + struct.pack("<IIIIiiHHIIiiII", 100, 0, 54, 40, 60000, 60000, 1, 24, 0, 0, 0, 0, 0, 0)] * 2, [True]), 3)
    yield pickle.dumps(([b"P6 60000 60000 255 "] * 2, [True]), 3)


def opcode_soup(rng):
    "A program of random opcodes with arguments that mostly fit"
    def argument(op):
        name = op.arg.name if op.arg else ""
        n = rng.choice((0, 1, 2, 3, 7, 255))
        if "nl" in name: return rng.choice((b"1\n", b"00\n", b"'ab'\n", b"numpy\ndtype\n", b"numpy\nndarray\n", b"99999999999\n", b"\n"))
        width = int(name[-1]) if name[-1:].isdigit() else 0
        return (n % 256**width).to_bytes(width, "little") + (b"" if "int" in name else b"a" * n)
    start = rng.choice((b"", b"\x80\x02", b"\x80\x04"))
    return start + b"".join(op.code.encode("latin-1") + argument(op) for op in rng.choices(pickletools.opcodes, k=rng.randint(1, 60))) + b"."


class Bins:
    "Verification sets: one file"
    bad_are = ("refused",)
    mutations = property(lambda self: mutations + of_pickles)

    def __init__(self):
        stored = (pictures, arrays, tuple(pictures), [data[:, None] for data in arrays])
        same = (answers, np.array(answers), [np.bool_(x) for x in answers], [1, 0, 1])
        seeds = [pickle.dumps((stored[i % 4], same[i // 4 % 4]), protocol) for protocol in range(6) for i in (0, 1, 6, 11, 13)]
        self.good = [{"set.bin": data} for data in (*seeds, python2(0), python2(2))]
        self.bad = [{"set.bin": data} for data in (*trojans(), *bombs(), *huge_headers())]
        self.codes = bytes(ord(op.code) for op in pickletools.opcodes)

    def read(self, folder):
        path = folder / "set.bin"
        images, _ = open_bin(path)
        return [lambda i=i, data=data: decode_image(data, 32, f"{path} image {i}") for i, data in enumerate(images[:most_decoded])]

    def fresh(self, rng): return {"set.bin": opcode_soup(rng)}


# ------------------------------------------------------------------------------------------------------------------- RecordIO

magic = 0xced7230a


def part(payload, kind=0): return struct.pack("<II", magic, kind << 29 | len(payload)) + payload + bytes(-len(payload) % 4)
def image_record(label, key, data): return struct.pack("<IfQQ", 0, label, key, 0) + data
def list_record(labels, key): return struct.pack(f"<IfQQ{len(labels)}f", len(labels), 0, key, 0, *labels)


def record_folder(records, prop=b"3,12,12\n", first_key=0, **more):
    "A folder of records, each a list of parts"
    rec, idx = b"", b""
    for key, record in enumerate(records, first_key):
        idx += b"%d\t%d\n" % (key, len(rec))
        rec += b"".join(record)
    return {"train.rec": rec, "train.idx": idx, **({"property": prop} if prop else {}), **more}


def in_parts(payload):
    "A payload with the magic number in its header and behind the image, where a writer has to cut"
    first, *middle, last = (payload + bytes(-len(payload) % 4) + struct.pack("<II", magic, 0)).split(struct.pack("<I", magic))
    return [part(first, 1), *(part(data, 2) for data in middle), part(last, 3)]


class Records:
    "RecordIO folders: records, index, property and names"
    bad_are = ("read", "refused")
    mutations = property(lambda self: mutations + (opcode, opcode_inserted))
    codes = b"\0\1\2\3\n\t\x20\x40\x60\x80\xff0123456789-.,"

    def __init__(self):
        images = [image_record(i // 2, i + 1, data) for i, data in enumerate(pictures)]
        identities = [[part(list_record((2 * i + 1, 2 * i + 3), 7 + i))] for i in range(3)]
        head = [part(list_record((7, 10), 0))]
        plain = record_folder([head, *([part(image)] for image in images), *identities])
        lines = plain["train.idx"].splitlines(keepends=True)
        self.good = [plain, {**plain, "names.txt": b"Ada\nBob\nEve\n"}, {**plain, "train.idx": b"".join(reversed(lines))},
                     record_folder([head, *(in_parts(image_record(i // 2, magic, data)) for i, data in enumerate(pictures)), *identities], prop=None),
                     record_folder([[part(image)] for image in images], prop=None), record_folder([[part(image)] for image in images], first_key=5),
                     record_folder([[part(list_record((i // 2, 5, 7), i) + data)] for i, data in enumerate(pictures)])]
        self.bad = list(self.nasty(plain, images, head, identities))

    def nasty(self, plain, images, head, identities):
        def rec(at, word): return {**plain, "train.rec": plain["train.rec"][:at] + struct.pack("<I", word) + plain["train.rec"][at + 4:]}
        def all_of(name, values): return ({**plain, name: value} for value in values)
        yield from all_of("train.idx", (
            b"", b"\n", b"0\t0", b"0\t0\n" * 20, b"0\t99999\n", b"0\t-8\n", b"0\t3\n", b"9" * 5000 + b"\t0\n", b"0\t" + b"9" * 5000 + b"\n",
            b"9223372036854775807\t0\n", b"-1\t0\n", b"a\tb\n", b"\xff\xfe\n", b"0\t0\n1\t36\n" + b"\n" * 200_000, b"0 " * 100_000,
            b"0\t0\n" + b"5" * 100_000, plain["train.idx"].replace(b"9\t", b"99999999999\t"), b"".join(b"%d\t0\n" % i for i in range(20_000))))
        yield from all_of("property", (b"", b"9" * 5000 + b",112,112", b"-1,2,3", b"1,2", b"0,0,0", b"1,112,112", b"\xff" * 1000, b"nan,1,1",
                                       b"3,112,112," * 50_000))
        yield from all_of("names.txt", (b"", b"\xff\n\xff\n\xff\n", b"a\n" * 200_000, b"a" * 500_000))
        for word in (0x1fffffff, 1 << 29, 2 << 29, 3 << 29, 7 << 29, 0xffffffff): yield rec(4, word)
        for flag in (0xffffffff, 0x7fffffff, 2**30, 1): yield rec(8, flag)
        for pair in ((float("nan"), 1), (1, float("inf")), (-5, 10), (3e38, 3e38), (1, 10), (7, 1e9), (0, 0), (7.5, 10)):
            yield record_folder([[part(list_record(pair, 0))], *([part(image)] for image in images), *identities])
            yield record_folder([head, *([part(image)] for image in images), *([part(list_record(pair, 7 + i))] for i in range(3))])
        for label in (float("nan"), float("inf"), -1.0, 0.5, 3e38, 16777217.0, 3.0):
            for prop in (b"3,12,12\n", None): yield record_folder([[part(image_record(label, i, data))] for i, data in enumerate(pictures)], prop=prop)
        yield record_folder([[part(b"", 1), *[part(b"", 2)] * 20_000, part(images[0], 3)], *([part(image)] for image in images)])
        yield record_folder([[part(images[0], 1)], *([part(image)] for image in images)])
        yield record_folder([[part(b"")] for _ in range(5000)])
        yield record_folder([[part(image_record(i, i, b""))] for i in range(5000)], prop=None)
        yield record_folder([[part(image_record(0, i, huge))] for i, huge in enumerate(self.huge())])

    def huge(self):
        for program in huge_headers(): yield pickle.loads(program)[0][0]

    def read(self, folder):
        faces = RecordFaces(folder, 32)
        return [lambda: faces.labels, lambda: faces.num_classes, *(lambda i=i: faces[i] for i in range(min(len(faces), most_decoded)))]

    def fresh(self, rng):
        "Records of random kinds and lengths under an index that mostly agrees"
        def random_part(): return part(rng.randbytes(rng.choice((0, 4, 24, 32, 33))), rng.choice((0, 0, 0, 1, 2, 3)))
        records = [[random_part() for _ in range(rng.choice((1, 1, 2, 3)))] for _ in range(rng.randint(1, 8))]
        return record_folder(records, first_key=rng.choice((0, 0, 1, 2**31, 2**62)))


# ------------------------------------------------------------------------------------------------------------------ mutations

extremes = (0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x10000, 2**29 - 1, 2**29, 0x7fffffff, 0x80000000, 0xffffffff, 2**63 - 1, 2**64 - 1)


def flip_bits(rng, data, *_):
    for _ in range(rng.randint(1, 8)): data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def set_bytes(rng, data, *_):
    for _ in range(rng.randint(1, 4)): data[rng.randrange(len(data))] = rng.randrange(256)


def truncate(rng, data, *_): del data[rng.randrange(len(data)):]


def insert(rng, data, *_):
    at = rng.randint(0, len(data))
    data[at:at] = rng.randbytes(rng.randint(1, 16))


def remove(rng, data, *_):
    at = rng.randrange(len(data))
    del data[at:at + rng.randint(1, 64)]


def repeat(rng, data, *_):
    at, times = rng.randrange(len(data)), rng.choice((2, 3, 10, 1000))
    data[at:at] = data[at:at + rng.randint(1, 64)] * times


def splice(rng, data, other, _):
    data[rng.randrange(len(data)):] = other[rng.randrange(len(other)):]


def number(rng, data, *_):
    width, at = rng.choice((1, 2, 4, 8)), rng.randrange(len(data))
    data[at:at + width] = (rng.choice(extremes) % 256**width).to_bytes(width, rng.choice(("little", "big")))


def digits(rng, data, *_):
    places = [found.start() for found in re.finditer(rb"[0-9]+", data)]
    if not places: return
    at = rng.choice(places)
    data[at:at + 1] = str(rng.choice((-1, *extremes, 10**30))).encode()


def opcode(rng, data, _, codes):
    head = rng.random() < 0.5
    places = [i for i in (range(min(len(data), 200)) if head else range(max(0, len(data) - 200), len(data))) if data[i] in codes]
    if places: data[rng.choice(places)] = rng.choice(codes)


def opcode_inserted(rng, data, _, codes): data[rng.randint(0, len(data)):0] = bytes(rng.choices(codes, k=rng.randint(1, 3)))


@lru_cache(maxsize=256)
def chunks(data):
    "A pickle cut into its opcodes, as far as they can be read"
    starts = []
    if len(data) > 20_000: return []
    try: starts.extend(at for _, _, at in pickletools.genops(data))
    except Exception: pass
    return [data[start:end] for start, end in zip(starts, [*starts[1:], len(data)])]


def opcodes_moved(rng, data, other, _):
    "Opcodes left out, doubled, exchanged, or taken from another input, with their arguments"
    mine, theirs = list(chunks(bytes(data))), chunks(bytes(other))
    if not mine or not theirs: return
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(mine))
        mine[at] = rng.choice((b"", mine[at] * 2, rng.choice(mine), rng.choice(theirs), mine[at] + rng.choice(theirs)))
    data[:] = b"".join(mine)


mutations = (flip_bits, set_bytes, truncate, insert, remove, repeat, splice, number, number, digits)
of_pickles = (opcode, opcode_inserted, *[opcodes_moved] * 4)


def make_input(kind, seed, i):
    "Input `i`: {file name: bytes}"
    rng = random.Random(f"{seed} {type(kind).__name__} {i}")
    if rng.random() < 0.05: files = kind.fresh(rng)
    else: files = dict(rng.choice(kind.bad if rng.random() < 0.1 else kind.good))
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 5))):
        name = rng.choice(list(files))
        data, other = bytearray(files[name]), rng.choice(kind.good).get(name) or b"\0"
        if data: rng.choice(kind.mutations)(rng, data, other, kind.codes)
        files[name] = bytes(data)
    return files


# ------------------------------------------------------------------------------------------------------------------------ run

def lay(folder, files):
    "Write the files anew, not into those that a reader may still have mapped"
    folder.mkdir(exist_ok=True)
    for path in folder.iterdir(): path.unlink()
    for name, data in files.items(): (folder / name).write_bytes(data)
    return folder


def self_check(watch, scratch):
    "A reader that is broken in any of these ways must be found"
    path = lay(scratch / "check", {"set.bin": b"\x80\x03(X\x04\x00\x00\x00truetq\x00."}) / "set.bin"
    def loads(data): return lambda _: [lambda: pickle.loads(data)]
    def forever(_):
        while True: pass
    def fails(error):
        def reader(_): raise error
        return reader
    broken = {"pickle.find_class": loads(next(trojans())), "compile": lambda _: eval("1"), "os.system": lambda _: os.system("true"),
              "import": lambda _: __import__("this"), "subprocess": lambda _: subprocess.run(["true"]), "'w'": lambda _: open(path, "w"),
              "'/etc/hostname'": lambda _: open("/etc/hostname"), "KeyError": fails(KeyError("length")), "IndexError": fails(IndexError(7)),
              "unpack": fails(struct.error("unpack")), "\\n": fails(ValueError("two\nlines")), "ValueError('')": fails(ValueError("")),
              "MemoryError": loads(next(bombs())), "more than": forever, "the memory": lambda _: [bytearray(2**21)]}
    for sign, reader in broken.items():
        outcome, _ = judge(watch, reader, path.parent, 0.3)
        assert outcome.startswith("FAILED") and sign in outcome, f"a reader that should fail by {sign} counts as: {outcome}"
    return len(broken)


kinds = {"bin": Bins, "rec": Records}


def prepare(scratch):
    "The kinds, with what their readers import once loaded, and limits for this process"
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # libjpeg speaks there of every damaged image
    signal.signal(signal.SIGPROF, late)
    if Path("/proc/self/statm").exists():
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        resource.setrlimit(resource.RLIMIT_AS, (pages * mmap.PAGESIZE + address_space,) * 2)
    made = {name: make() for name, make in kinds.items()}
    for kind in made.values():
        for files in (*kind.good, *kind.bad):
            signal.setitimer(signal.ITIMER_PROF, seconds_each)
            try:
                for image in kind.read(lay(scratch / "warm", files)): image()
            except BaseException: pass
            signal.setitimer(signal.ITIMER_PROF, 0)
    gc.collect()
    gc.freeze()
    tracemalloc.start()
    return made


def known(watch, name, kind, scratch, report):
    "Good seeds are read and hostile ones are not"
    for wanted, inputs in ((("read",), kind.good), (kind.bad_are, kind.bad)):
        for i, files in enumerate(inputs):
            outcome, _ = judge(watch, kind.read, lay(scratch / "known", files))
            if not outcome.startswith(wanted): report(f"{wanted[0]}-{i}", files, f"{outcome} {watch.reason}, expected: {' or '.join(wanted)}")
    return f"{name}: {len(kind.good)} good and {len(kind.bad)} hostile inputs are known"


def fuzz(watch, name, kind, scratch, options, current, report):
    "Judge inputs; a line of counts"
    counts, largest, start, busy = Counter(), 0.0, time.perf_counter(), time.process_time()
    for i in range(options.first, options.first + options.inputs):
        current[:] = struct.pack("<qq", list(kinds).index(name), i)
        files = make_input(kind, options.seed, i)
        outcome, share = judge(watch, kind.read, lay(scratch / str(i % 2), files))
        if outcome.startswith("FAILED"): report(i, files, outcome)
        counts[outcome.split(":")[0]] += 1
        largest = max(largest, share)
    seconds, busy = time.perf_counter() - start, time.process_time() - busy
    return (f"{name}: {options.inputs} inputs in {seconds:.1f} s, {busy:.1f} s of CPU ({options.inputs / busy:.0f}/s), "
            f"{', '.join(f'{n} {what}' for what, n in sorted(counts.items()))}, memory up to {largest:.2f} of what is allowed")


def save(out, name, seed, i, files):
    path = out / f"{name}-{seed}-{i}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"kind": name, "files": {file: data.hex() for file, data in files.items()}}))
    return path


def child(options, scratch, current):
    "All the work; the exit status"
    made = prepare(scratch)
    for picture in pictures: decode_image(picture)  # decoders import what they need before imports are watched
    watch = Watch()
    if options.replay:
        saved = json.loads(options.replay.read_text())
        files = {file: bytes.fromhex(text) for file, text in saved["files"].items()}
        outcome, share = judge(watch, made[saved["kind"]].read, lay(scratch / "replay", files))
        print(f"{outcome} {watch.reason}; memory {share:.2f} of what is allowed")
        return int(outcome.startswith("FAILED"))
    print(f"{self_check(watch, scratch)} broken readers are found", flush=True)
    failures = 0
    for name in options.kinds:
        def report(i, files, what, name=name):
            nonlocal failures
            failures += 1
            if failures > most_shown: return
            print(f"{name} input {i}: {what}\n    {again} {save(options.out, name, options.seed, i, files)}", flush=True)
        print(known(watch, name, made[name], scratch, report), flush=True)
        print(fuzz(watch, name, made[name], scratch, options, current, report), flush=True)
    if failures: print(f"{failures} inputs failed")
    return int(failures > 0)


def wait(process, current, patience=120):
    "Status of the child; it is ended when it stays with one input for too long, idle or deaf to its own alarm"
    last, since = None, time.monotonic()
    while True:
        done, status = os.waitpid(process, os.WNOHANG)
        if done: return os.waitstatus_to_exitcode(status)
        if last != current[:]: last, since = current[:], time.monotonic()
        elif time.monotonic() - since > patience: os.kill(process, signal.SIGKILL)
        time.sleep(0.05)


def main():
    parser = argparse.ArgumentParser(description="Damaged and hostile files against the readers of .bin sets and RecordIO folders.")
    parser.add_argument("--inputs", type=int, default=2000, help="how many of each kind (2000)")
    parser.add_argument("--kind", choices=[*kinds, "all"], default="all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first input (0)")
    parser.add_argument("--replay", type=Path, help="judge one saved input")
    parser.add_argument("--out", type=Path, default=root / "runs" / "fuzz", help="where a failing input is saved")
    options = parser.parse_args()
    options.kinds = list(kinds) if options.kind == "all" else [options.kind]
    current = mmap.mmap(-1, 16)
    with tempfile.TemporaryDirectory(prefix="topofr_nb_") as scratch:
        process = os.fork()
        if not process:
            try: status = child(options, Path(scratch), current)
            except BaseException:
                traceback.print_exc(file=sys.stdout)
                status = 2
            sys.stdout.flush()
            os._exit(status)
        status = wait(process, current)
    if status < 0:
        number, i = struct.unpack("<qq", current)
        name = list(kinds)[number]
        path = save(options.out, name, options.seed, i, make_input(kinds[name](), options.seed, i))
        print(f"{name} input {i} (or what came before the first) ended the process with {signal.Signals(-status).name}\n    {again} {path}")
    return abs(status)


if __name__ == "__main__": sys.exit(main())
