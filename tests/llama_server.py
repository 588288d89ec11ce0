"""llama.cpp's own HTTP server on a free port, with a tiny model of random weights that is made on the spot.

Run as a program it prints its address and serves until its standard input ends.
"""

import struct
import sys
import tempfile
from array import array
from itertools import product
from pathlib import Path
from random import Random

WIDTH, HEADS, HIDDEN, CONTEXT = 64, 4, 128, 2048
NORMAL, UNKNOWN, CONTROL, BYTE = 1, 2, 3, 6
U32, F32, STRING, ARRAY, I32 = 4, 6, 8, 9, 5
ALIGNMENT = 32
KEY = "sk-tiny-0123456789abcdef"
CHAT_TEMPLATE = "{% for message in messages %}{{ message.role }}: {{ message.content }} {% endfor %}assistant:"


def write_model(path: Path, seed: int = 0) -> None:
    """A one-layer llama whose words are syllables: it speaks no language, but every part of a real server works with it."""
    random = Random(seed)
    words = ["▁" + "".join(parts) for parts in product("bdfgklmnprstvz", "aeiou", ["", "n", "r", "s"])]
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *words]
    types = [UNKNOWN, CONTROL, CONTROL, *[BYTE] * 256, *[NORMAL] * len(words)]
    metadata: list[tuple[str, int, object]] = [
        ("general.architecture", STRING, "llama"),
        ("general.name", STRING, "tiny"),
        ("llama.vocab_size", U32, len(tokens)),
        ("llama.context_length", U32, CONTEXT),
        ("llama.embedding_length", U32, WIDTH),
        ("llama.block_count", U32, 1),
        ("llama.feed_forward_length", U32, HIDDEN),
        ("llama.attention.head_count", U32, HEADS),
        ("llama.attention.head_count_kv", U32, HEADS),
        ("llama.rope.dimension_count", U32, WIDTH // HEADS),
        ("llama.attention.layer_norm_rms_epsilon", F32, 1e-5),
        ("tokenizer.ggml.model", STRING, "llama"),
        ("tokenizer.ggml.tokens", ARRAY, (STRING, tokens)),
        ("tokenizer.ggml.scores", ARRAY, (F32, [0.0] * len(tokens))),
        ("tokenizer.ggml.token_type", ARRAY, (I32, types)),
        ("tokenizer.ggml.unknown_token_id", U32, 0),
        ("tokenizer.ggml.bos_token_id", U32, 1),
        ("tokenizer.ggml.eos_token_id", U32, 2),
        ("tokenizer.chat_template", STRING, CHAT_TEMPLATE),
    ]
    square, wide, tall = (WIDTH, WIDTH), (WIDTH, HIDDEN), (HIDDEN, WIDTH)
    shapes = {"token_embd": (WIDTH, len(tokens)), "output": (WIDTH, len(tokens)), "output_norm": (WIDTH,)}
    layer = {"attn_norm": (WIDTH,), "attn_q": square, "attn_k": square, "attn_v": square, "attn_output": square}
    layer |= {"ffn_norm": (WIDTH,), "ffn_gate": wide, "ffn_up": wide, "ffn_down": tall}
    shapes |= {f"blk.0.{name}": shape for name, shape in layer.items()}

    header, data = bytearray(), bytearray()
    for name, shape in shapes.items():
        header += _string(f"{name}.weight") + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, 0, len(data))
        data += _weights(random, name, shape, silent=len(tokens) - len(words))
        data += bytes(-len(data) % ALIGNMENT)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(shapes), len(metadata))
    for key, kind, value in metadata:
        head += _string(key) + struct.pack("<I", kind) + _value(kind, value)
    head += header
    path.write_bytes(head + bytes(-len(head) % ALIGNMENT) + data)


def _weights(random: Random, name: str, shape: tuple[int, ...], silent: int) -> bytes:
    if len(shape) == 1:
        return array("f", [1.0] * shape[0]).tobytes()
    values = array("f", [random.gauss(0, 0.5) for _ in range(shape[0] * shape[1])])
    if name == "output":  # bytes and control tokens weigh nothing, so that the model says whole words and never stops by itself
        values[: silent * WIDTH] = array("f", [0.0] * (silent * WIDTH))
    return values.tobytes()


def _string(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()


def _value(kind: int, value: object) -> bytes:
    match value:
        case str():
            return _string(value)
        case (item, list() as items):
            return struct.pack("<IQ", item, len(items)) + b"".join(_value(item, each) for each in items)
        case _:
            return struct.pack({U32: "<I", I32: "<i", F32: "<f"}[kind], value)


def main() -> None:
    import xllamacpp

    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder, "tiny.gguf")
        write_model(model)
        params = xllamacpp.CommonParams()
        params.model.path = str(model)
        params.model_alias = {"tiny"}
        params.hostnames = ["127.0.0.1"]
        params.api_keys = [KEY]
        params.port = 0
        params.n_ctx = CONTEXT
        params.n_predict = 64
        params.n_parallel = 1
        params.n_gpu_layers = 0
        params.warmup = False
        params.cpuparams.n_threads = 1
        params.verbosity = 1
        server = xllamacpp.Server(params)
        print(server.listening_address, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
