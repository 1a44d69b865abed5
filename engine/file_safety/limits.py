"""What a file may ask of us, in one place, and how amounts of memory are written."""

MIB = 2**20
GIB = 2**30

ADDRESS_SPACE = GIB  # of the inspector process
CPU_SECONDS = 20
WALL_SECONDS = 60
DECODE_SECONDS = 3600  # of processor time for the images of one open file, however often they are read

JSON_BYTES = 8 * MIB
JSON_DEPTH = 64
LAYERS = 512
ACTIVATIONS = 2**25  # numbers in one layer's output for one image
ALL_ACTIVATIONS = 2**26  # in those of all layers together
CLASSES = 65_535  # answers are kept in two bytes
PIECE_BYTES = 16 * MIB  # read of an array at a time
RANK = 8  # axes of an array

MODEL_FILE_BYTES = GIB  # with optimizer state, which is never read
WEIGHT_BYTES = 768 * MIB  # of all weights together, as stored and in memory
INFLATED_BYTES = 256 * MIB  # of a .keras member that is compressed; Keras stores them plainly
ATTRIBUTE_STRINGS = 10_000  # in a list of names

DATA_BYTES = 64 * GIB
HASHED_BYTES = 65 * GIB  # of a file that is described
REFUSED_HASHED_BYTES = GIB  # where that file would not be opened
IMAGES = 10_000_000
CHUNK_BYTES = 64 * MIB
RATIO = 1_000  # declared bytes for each stored byte, from this size on:
SMALL = 16 * MIB


def amount(count: float) -> str:
    """`count` bytes for people: 12 bytes, 388 KiB, 1.4 TiB."""
    for unit in ("bytes", "KiB", "MiB", "GiB", "TiB"):
        if count < 1024 or unit == "TiB":
            return f"{count:.0f} {unit}" if unit in ("bytes", "KiB") else f"{count:.1f} {unit}"
        count /= 1024
    raise AssertionError
