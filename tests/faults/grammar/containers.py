"""Changes to what a configuration lies in: HDF5 groups, attributes and data sets; members of a zip archive."""

import io
import json
import random
import re
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from tests.faults.grammar import configurations

Change = Callable[[random.Random, h5py.File], str]
WEIGHTS = "model.weights.h5"


def groups_in(file: h5py.File) -> list[h5py.Group]:
    found: list[h5py.Group] = [file]
    file.visititems(lambda _, item: found.append(item) if isinstance(item, h5py.Group) else None)
    return found


def arrays_in(file: h5py.File) -> list[h5py.Dataset]:
    found: list[h5py.Dataset] = []
    file.visititems(lambda _, item: found.append(item) if isinstance(item, h5py.Dataset) else None)
    return found


def attribute_changed(rng: random.Random, file: h5py.File) -> str:
    held = [(group, name) for group in groups_in(file) for name in group.attrs if name != "model_config"]
    if not held:
        return group_added(rng, file)
    group, name = rng.choice(held)
    value = group.attrs[name]
    if name in ("layer_names", "weight_names") or name.endswith("_names"):
        return names_changed(rng, group, name)
    text = is_unicode(group, name)
    fresh = rng.choice(
        ("theano", "jax", "torch", "cntk", "tensorflow", "", "2.3.1", "3.15.1", "1.2.2", "2.12.0", "x", 5)
    )
    plain = rng.random() < 0.5 and text
    group.attrs[name] = fresh if plain or isinstance(fresh, int) or not fresh else np.bytes_(fresh)
    return f"{group.name} {name}: {value!r} -> {fresh!r}"


def names_changed(rng: random.Random, group: h5py.Group, name: str) -> str:
    names = [item.decode() if isinstance(item, bytes) else str(item) for item in group.attrs[name]]
    before, way = list(names), rng.randrange(8)
    if way == 0 and len(names) > 1:
        place = rng.randrange(len(names) - 1)
        names[place], names[place + 1] = names[place + 1], names[place]
    elif way == 1 and names:
        names.append(rng.choice(names))
    elif way == 2 and names:
        names.pop(rng.randrange(len(names)))
    elif way == 3:
        names.insert(rng.randint(0, len(names)), "ghost")
    elif way == 4 and names:
        names[rng.randrange(len(names))] = rng.choice(names)
    elif way == 5:
        group.attrs.create(name, np.array(names, dtype=h5py.string_dtype()) if names else np.zeros(0))
        return f"{group.name} {name} as text of any length"
    elif way == 6:
        del group.attrs[name]
        group.attrs[name + "0"] = [item.encode() for item in names]
        return f"{group.name} {name} in parts"
    elif way == 7:
        del group.attrs[name]
        return f"{group.name} {name} removed"
    group.attrs[name] = [item.encode() for item in names]
    return f"{group.name} {name}: {configurations.brief(before)} -> {configurations.brief(names)}"


def attribute_added(rng: random.Random, file: h5py.File) -> str:
    group = rng.choice(groups_in(file))
    name = rng.choice(
        ("backend", "keras_version", "layer_names", "weight_names", "model_config", "layer_names0", "name", "dtype")
    )
    if name in group.attrs:
        return attribute_changed(rng, file)
    value: Any = [b"x"] if "names" in name else rng.choice(("theano", "2.3.1", "bfloat16"))
    group.attrs[name] = value
    return f"{group.name} {name}={value!r} added"


def backend_changed(rng: random.Random, file: h5py.File) -> str:
    place = rng.choice([group for group in (file, file.get("model_weights")) if group is not None])
    value = rng.choice(("theano", "jax", "torch", "cntk", "tensorflow", "numpy", "openvino", "", "Theano"))
    text = "backend" not in place.attrs or is_unicode(place, "backend")
    if rng.random() < 0.2 and "backend" in place.attrs:
        del place.attrs["backend"]
        return f"{place.name} backend removed"
    place.attrs["backend"] = value if (rng.random() < 0.5 and text) or not value else np.bytes_(value)
    return f"{place.name} backend={value!r}"


def group_added(rng: random.Random, file: h5py.File) -> str:
    """A group that nobody asked for, empty or a copy of another."""
    group = rng.choice(groups_in(file))
    name = rng.choice(
        ("ghost", "vars", "0", "2", "layers", "top_level_model_weights", "dense_9", "_layer_checkpoint_dependencies")
    )
    if name in group:
        return array_stored_otherwise(rng, file)
    arrays = arrays_in(file)
    if rng.random() < 0.5 and arrays:
        chosen = rng.choice(arrays)
        file.copy(chosen, group, name=name)
        return f"a copy of {chosen.name} as {group.name}/{name}"
    made = group.create_group(name)
    if rng.random() < 0.5:
        made.attrs["weight_names"] = np.zeros(0) if rng.random() < 0.5 else [b"x"]
    return f"group {made.name} added"


def group_removed(rng: random.Random, file: h5py.File) -> str:
    found = [item.name for item in (*groups_in(file)[1:], *arrays_in(file))]
    if not found:
        return group_added(rng, file)
    name = rng.choice(found)
    del file[name]
    return f"{name} removed"


def group_moved(rng: random.Random, file: h5py.File) -> str:
    found = [item.name for item in (*groups_in(file)[1:], *arrays_in(file))]
    if not found:
        return group_added(rng, file)
    name = rng.choice(found)
    other = rng.choice((f"{name}_1", f"{name}x", name.rpartition("/")[0] + "/0", name.rpartition("/")[0] + "/ghost"))
    if other in file:
        return group_removed(rng, file)
    file.move(name, other)
    return f"{name} moved to {other}"


def groups_swapped(rng: random.Random, file: h5py.File) -> str:
    """Two things of one group change their names."""
    many = [group for group in groups_in(file) if len(group) > 1]
    if not many:
        return group_moved(rng, file)
    group = rng.choice(many)
    one, two = rng.sample(sorted(group), 2)
    group.move(one, "swap")
    group.move(two, one)
    group.move("swap", two)
    return f"{group.name}: {one} and {two} change names"


def linked(rng: random.Random, file: h5py.File) -> str:
    found = arrays_in(file)
    if not found:
        return group_added(rng, file)
    chosen = rng.choice(found).name
    target = rng.choice(found).name
    del file[chosen]
    if target == chosen:
        return f"{chosen} removed"
    hard = rng.random() < 0.5
    file[chosen] = file[target] if hard else h5py.SoftLink(target)
    return f"{chosen} is a {'hard' if hard else 'soft'} link to {target}"


def array_stored_otherwise(rng: random.Random, file: h5py.File) -> str:
    """The same numbers, or nearly, stored in another way."""
    found = [item for item in arrays_in(file) if item.dtype.kind == "f"]
    if not found:
        return group_added(rng, file)
    chosen = rng.choice(found)
    name, values, attributes = chosen.name, chosen[()], dict(chosen.attrs)
    way = rng.randrange(12)
    how: dict[str, Any] = {}
    if way == 0:
        values = values.astype(rng.choice(("f8", "f2", ">f4", ">f8", "i4", "u1", "?", "i8")))
    elif way == 1:
        values = values.reshape(rng.choice((values.shape[::-1], (-1,), (*values.shape, 1), (1, *values.shape))))
    elif way == 2:
        values = values[..., :-1]
    elif way == 3 and values.shape:
        how = {"chunks": tuple(max(1, size // 2) for size in values.shape)}
    elif way in (4, 5, 6) and values.size and values.shape:
        how = {"chunks": values.shape, "compression": rng.choice(("gzip", "lzf")), "shuffle": rng.random() < 0.5,
               "fletcher32": rng.random() < 0.3}  # fmt: skip
    elif way == 7:
        values = values.T
    elif way == 8:
        values = np.full_like(values, rng.choice((np.nan, np.inf, 1e38)))
    elif way == 9 and values.shape:
        return torn(rng, file, chosen)
    elif way == 10 and values.shape:
        how = {"maxshape": (None, *values.shape[1:])}
    del file[name]
    made = file.create_dataset(name, data=values, **how)
    for key, value in attributes.items():
        made.attrs[key] = value
    return f"{name} stored as {values.dtype.str}{values.shape} {how or ''}"


def torn(rng: random.Random, file: h5py.File, chosen: h5py.Dataset) -> str:
    """Numbers in a chunk that decodes to fewer bytes than it should."""
    name, values = chosen.name, chosen[()]
    how = rng.choice(("lzf", "gzip", None))
    del file[name]
    made = file.create_dataset(name, values.shape, "f4", chunks=values.shape, compression=how)
    scratch = h5py.File(io.BytesIO(), "w")
    short = values.reshape(-1)[: max(1, values.size // 2)]
    other = scratch.create_dataset("x", data=short, chunks=short.shape, compression=how)
    left_out, stored = other.id.read_direct_chunk((0,))
    made.id.write_direct_chunk((0,) * values.ndim, stored, left_out)
    return f"{name} in a chunk that holds too few numbers ({how})"


HDF5: tuple[Change, ...] = (
    attribute_changed, attribute_changed, attribute_added, backend_changed, group_added, group_added, group_removed,
    group_moved, groups_swapped, linked, array_stored_otherwise, array_stored_otherwise, array_stored_otherwise,
)  # fmt: skip


UNREAD = re.compile(r'_(?:initializer|regularizer|constraint)": \{')  # what is not looked at here


def _closed(text: str, place: int) -> int:
    """Where an object ends that is open at `place`."""
    depth = 1
    while depth and place < len(text):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        place += 1
    return place


def text_changed(rng: random.Random, text: str) -> tuple[str, str]:
    """The text of a configuration in another form, which some readers of JSON take for the same."""
    way = rng.randrange(8)
    unread = [
        stretch for found in UNREAD.finditer(text) for stretch in range(found.start(), _closed(text, found.end()))
    ]
    places = sorted({place for place, sign in enumerate(text) if sign == "{"} - {*unread})
    if way == 0:
        place = rng.choice(places)
        key = rng.choice(("name", "class_name", "config", "filters", "units", "layers", "axis", "padding"))
        value = rng.choice(('"x"', "1", "null", "[]", "{}", '"same"'))
        comma = "" if text[place + 1 :].lstrip().startswith("}") else ", "
        return text[: place + 1] + f'"{key}": {value}{comma}' + text[place + 1 :], f"a second {key} = {value}"
    if way == 1:
        return text.replace("true", rng.choice(("True", "1", "1.0")), 1), "true in another form"
    if way == 2:
        return text.replace("null", rng.choice(("NaN", "None", "Infinity", "nan")), 1), "null in another form"
    if way == 3:
        return rng.choice(("\ufeff", " ", "\n", "x")) + text, "something in front"
    if way == 4:
        return text + rng.choice((" ", "\n", "\0", "x", "{}")), "something behind"
    if way == 5:
        return text.replace("float32", "float\\u0033\\u0032", 1), "an escape in a text"
    if way == 6:
        return text.replace("}}", rng.choice(("},}", "}}", "}} ")), 1), "a comma too many"
    return text.replace(
        ": 3", rng.choice((": 3.0", ": 03", ": +3", ": 3e0", ": 30e-1", ": 0x3")), 1
    ), "a number in another form"


def is_unicode(place: h5py.Group, name: str) -> bool:
    """Whether an attribute holds Unicode. Keras 2.3.1 writes bytes, which h5py shows as text too, and reads no text."""
    kind = place.attrs.get_id(name).get_type()
    return isinstance(kind, h5py.h5t.TypeStringID) and kind.get_cset() == h5py.h5t.CSET_UTF8


def change_h5(rng: random.Random, path: Path, config: int, container: int, text: bool) -> list[str]:
    """Change a `.h5` file: so many times its configuration, so many times what it lies in."""
    told = []
    with h5py.File(path, "r+") as file:
        raw = file.attrs["model_config"]
        written = raw if isinstance(raw, str) else raw.decode()
        written, words = change_config(rng, written, config, text)
        if words:
            told += words
            file.attrs["model_config"] = (
                written
                if rng.random() < 0.5 and is_unicode(file, "model_config")
                else np.void(written.encode())
                if rng.random() < 0.05
                else written.encode()
            )
        for _ in range(container):
            told.append(rng.choice(HDF5)(rng, file))
    return told


def change_config(rng: random.Random, written: str, times: int, text: bool) -> tuple[str, list[str]]:
    told = []
    if times:
        config = json.loads(written)
        for _ in range(times):
            told.append(configurations.changed(rng, config))
        written = json.dumps(config)
    if text:
        written, words = text_changed(rng, written)
        told.append(words)
    return written, told


def change_keras(rng: random.Random, path: Path, config: int, container: int, text: bool) -> list[str]:
    """Change a `.keras` file: its configuration, its weights, or the archive itself."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    written, told = change_config(rng, members["config.json"].decode(), config, text)
    members["config.json"] = written.encode("utf-8", "surrogateescape")
    zipped = []
    for _ in range(container):
        if rng.random() < 0.4:
            held = io.BytesIO(members[WEIGHTS])
            with h5py.File(held, "r+") as file:
                told.append(rng.choice(HDF5)(rng, file))
            members[WEIGHTS] = held.getvalue()
        else:
            zipped.append(rng.choice(ZIP))
    path.write_bytes(archived(rng, members, zipped, told))
    return told


class Member:
    """One member of an archive that is written byte for byte."""

    def __init__(self, name: str, data: bytes) -> None:
        self.name, self.data = name.encode(), data
        self.local_name: bytes | None = None
        self.extra = self.local_extra = self.comment = b""
        self.flags = self.method = 0
        self.version = 20
        self.attributes = 0o600 << 16
        self.local_flags: int | None = None
        self.sum: int | None = None
        self.internal = 0
        self.disk = 0

    def local(self) -> bytes:
        name = self.name if self.local_name is None else self.local_name
        flags = self.flags if self.local_flags is None else self.local_flags
        head = struct.pack("<4s5H3I2H", b"PK\3\4", self.version, flags, self.method, 0, 0x21, self._sum(),
                           len(self._body()), len(self.data), len(name), len(self.local_extra))  # fmt: skip
        return head + name + self.local_extra + self._body()

    def central(self, offset: int) -> bytes:
        kind = (0x0314, self.version, self.flags, self.method, 0, 0x21)
        sizes = (self._sum(), len(self._body()), len(self.data), len(self.name), len(self.extra), len(self.comment))
        place = (self.disk, self.internal, self.attributes, offset)
        head = struct.pack("<4s6H3I5H2I", b"PK\1\2", *kind, *sizes, *place)
        return head + self.name + self.extra + self.comment

    def _sum(self) -> int:
        return zlib.crc32(self.data) if self.sum is None else self.sum

    def _body(self) -> bytes:
        if self.method != zipfile.ZIP_DEFLATED:
            return self.data
        stream = zlib.compressobj(6, zlib.DEFLATED, -15)
        return stream.compress(self.data) + stream.flush()


def field(code: int, body: bytes) -> bytes:
    return struct.pack("<HH", code, len(body)) + body


def unicode_path(member: Member, name: str) -> bytes:
    return field(0x7075, struct.pack("<BI", 1, zlib.crc32(member.name)) + name.encode())


class Archive:
    """Members, and what else lies in the file."""

    def __init__(self, members: dict[str, bytes]) -> None:
        self.members = [Member(name, data) for name, data in members.items()]
        self.front = self.back = self.comment = self.between = b""
        self.count: int | None = None

    def written(self) -> bytes:
        out, offsets = bytearray(self.front), []
        for member in self.members:
            offsets.append(len(out) - len(self.front))
            out += member.local() + self.between
        start = len(out) - len(self.front)
        directory = b"".join(member.central(at) for member, at in zip(self.members, offsets, strict=True))
        count = len(self.members) if self.count is None else self.count
        end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, count, count, len(directory), start, len(self.comment))
        return bytes(out) + directory + end + self.comment + self.back


def other_name(rng: random.Random, archive: Archive) -> str:
    """A member whose name is said a second time, in the field for names in Unicode."""
    member = rng.choice(archive.members)
    name = rng.choice([other.name.decode() for other in archive.members] + ["x", "config.json", ""])
    extra = unicode_path(member, name)
    where = rng.choice(("list", "own", "both"))
    member.extra, member.local_extra = (extra if where != "own" else b""), (extra if where != "list" else b"")
    return f"{member.name!r} has the Unicode path {name!r} ({where})"


def decoy(rng: random.Random, archive: Archive) -> str:
    """A member beside that one Python reads as the configuration and another does not."""

    config = next(member for member in archive.members if member.name == b"config.json")
    try:
        other = json.loads(config.data)
        configurations.changed(rng, other)
        body = json.dumps(other).encode()
    except ValueError:
        body = config.data
    extra = Member(
        rng.choice(
            ("x", "config.json", "config.json\0", "CONFIG.JSON", "./config.json", "/config.json", "config.json/")
        ),
        body,
    )
    if rng.random() < 0.5:
        extra.extra = unicode_path(extra, "config.json")
        if rng.random() < 0.5:
            config.extra = unicode_path(config, "metadata2.json")
    archive.members.insert(rng.randint(0, len(archive.members)), extra)
    return f"a second configuration as {extra.name!r}{' with a Unicode path' if extra.extra else ''}"


def extra_field(rng: random.Random, archive: Archive) -> str:
    member = rng.choice(archive.members)
    code = rng.choice((0x0001, 0x5455, 0x7875, 0x9901, 0xCAFE, 0xFFFF, 0x7075))
    body = rng.choice((b"", b"\1", bytes(8), bytes(16), struct.pack("<QQ", len(member.data), len(member.data))))
    extra = rng.choice((field(code, body), struct.pack("<HH", code, 99), b"\0"))
    if rng.random() < 0.5:
        member.extra = extra
    if rng.random() < 0.5:
        member.local_extra = extra
    return f"{member.name!r} has an extra field {code:#x} of {len(body)} bytes"


def odd_member(rng: random.Random, archive: Archive) -> str:
    member = rng.choice(archive.members)
    way = rng.randrange(10)
    if way == 0:
        member.method = zipfile.ZIP_DEFLATED
        return f"{member.name!r} compressed"
    if way == 1:
        member.flags = rng.choice((0x1, 0x2, 0x8, 0x20, 0x40, 0x800, 0x2000))
        return f"{member.name!r} has flags {member.flags:#x}"
    if way == 2:
        member.local_name = rng.choice((b"x", b"config.json", member.name + b"\0", member.name.upper()))
        return f"{member.name!r} calls itself {member.local_name!r}"
    if way == 3:
        member.comment = b"PK\5\6" + bytes(18) if rng.random() < 0.5 else b"comment"
        return f"{member.name!r} has a comment"
    if way == 4:
        member.version = rng.choice((0, 10, 45, 63, 64, 200))
        return f"{member.name!r} needs version {member.version}"
    if way == 5:
        member.sum = 5
        return f"{member.name!r} has a wrong sum"
    if way == 6:
        member.attributes = rng.choice((0, 0o120777 << 16, 0x10, 0o40755 << 16))
        return f"{member.name!r} has attributes {member.attributes:#x}"
    if way == 7:
        member.name += rng.choice((b"\0", b"\0x", b"/", b" "))
        return f"a member named {member.name!r}"
    if way == 8:
        member.local_flags = rng.choice((0x1, 0x8, 0x800))
        return f"{member.name!r} has flags {member.local_flags:#x} of its own"
    member.internal, member.disk = 1, rng.choice((0, 1))
    return f"{member.name!r} is text, on disk {member.disk}"


def odd_archive(rng: random.Random, archive: Archive) -> str:
    way = rng.randrange(9)
    if way == 0:
        archive.front = rng.choice((b"#!x\n", bytes(512), b"PK\3\4"))
        return f"{len(archive.front)} bytes in front"
    if way == 1:
        archive.back = rng.choice((b"\n", bytes(22), b"PK\5\6" + bytes(18)))
        return f"{len(archive.back)} bytes behind"
    if way == 2:
        archive.comment = rng.choice((b"hello", b"PK\5\6" + bytes(18), b"\0\0"))
        return "a comment"
    if way == 3:
        archive.between = b"between"
        return "bytes between members"
    if way == 4:
        archive.count = rng.choice((0, 1, 2, 4))
        return f"says that it has {archive.count} members"
    if way == 5:
        rng.shuffle(archive.members)
        return "members in another order"
    if way == 6:
        twice = rng.choice(archive.members)
        archive.members.append(Member(twice.name.decode(), rng.choice((twice.data, b"{}"))))
        return f"{twice.name!r} twice"
    if way == 7:
        archive.members.append(
            Member(rng.choice(("assets/x", "assets/", "model.weights.npz", "variables.h5", "x")), b"")
        )
        return f"a member {archive.members[-1].name!r} more"
    gone = archive.members.pop(rng.randrange(len(archive.members)))
    return f"no {gone.name!r}"


def metadata(rng: random.Random, archive: Archive) -> str:
    member = next((member for member in archive.members if member.name == b"metadata.json"), archive.members[0])
    member.data = rng.choice(
        (b"", b"{}", b"[]", b'{"keras_version": "2.12.0"}', b'{"keras_version": 3}', b"null", b"x")
    )
    return f"{member.name!r} is {member.data!r}"


ZIP = (other_name, other_name, decoy, decoy, extra_field, odd_member, odd_member, odd_archive, odd_archive, metadata)


def archived(rng: random.Random, members: dict[str, bytes], changes: list[Any], told: list[str]) -> bytes:
    archive = Archive(members)
    for change in changes:
        told.append(change(rng, archive))
    return archive.written()
