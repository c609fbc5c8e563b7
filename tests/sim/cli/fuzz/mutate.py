"""Spoils files: bytes of any file, numbers, words and lines of a text, members of an archive whose sums stay right."""

import io
import json
import re
import zipfile

BYTES = (b"\x00", b"\xff", b"\n", b"{", b"[", b"(", b'"', b"\xef\xbb\xbf", b"\x80", b"\xc3\x28", b"\\", b"%", b"/*")
WORDS = (
    *("0", "-1", "1e999", "-1e308", "nan", "NaN", "Infinity", "inf", "1.5", "0x10", "1_000", "9" * 400, "1048576"),
    *("18446744073709551616", "true", "false", "null", "None", '"x"', '""', "[]", "{}", "[[[]]]", "'", "é", "\x1b[31m"),
    *("-0.0", "1e-320", "[" * 3000, "2026-01-01", "i8", "<f4", "|O", ">f2", "F64", "BF16", "library", "cell", "when"),
)
TOKEN = re.compile(rb"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?|\"[^\"\n]{0,60}\"|[A-Za-z_]\w*")
"""A number, a string or a word."""
MOST_BYTES = 1 << 20


def spoilt(random, content, others):
    """The content with one to four things wrong; others: contents of the same kind, of which a part may come."""
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        content = random.choice(WAYS)(random, content, others)[:MOST_BYTES]
    return content


def place(random, content):
    return random.randrange(len(content) + 1)


def part(random, content):
    begin = place(random, content)
    return begin, min(len(content), begin + int(2 ** random.uniform(0, 9)))


def flip(random, content, _):
    if not content:
        return random.choice(BYTES)
    n = random.randrange(len(content))
    return content[:n] + bytes([content[n] ^ 1 << random.randrange(8)]) + content[n + 1 :]


def replaced_byte(random, content, _):
    n = place(random, content)
    return content[:n] + bytes([random.randrange(256)]) + content[n + 1 :]


def inserted(random, content, _):
    n = place(random, content)
    return content[:n] + random.choice(BYTES) * random.choice((1, 1, 1, 2, 2000)) + content[n:]


def left_out(random, content, _):
    begin, end = part(random, content)
    return content[:begin] + content[end:]


def twice(random, content, _):
    begin, end = part(random, content)
    return content[:end] + content[begin:end] + content[end:]


def cut(random, content, _):
    return content[: place(random, content)]


def longer(random, content, _):
    return content + random.randbytes(random.choice((1, 8, 4096)))


def spliced(random, content, others):
    other = random.choice(others)
    return content[: place(random, content)] + other[place(random, other) :]


def other_token(random, content, others):
    found = list(TOKEN.finditer(content))
    if not found:
        return content
    token = random.choice(found)
    there = [each[0] for each in TOKEN.finditer(random.choice(others))]
    new = random.choice([*there, b""]) if random.random() < 0.3 else random.choice(WORDS).encode()
    return content[: token.start()] + new + content[token.end() :]


def other_lines(random, content, _):
    rows = content.split(b"\n")
    n, m = random.randrange(len(rows)), random.randrange(len(rows))
    how = random.randrange(3)
    if how == 0:
        del rows[n]
    elif how == 1:
        rows.insert(m, rows[n])
    else:
        rows[n], rows[m] = rows[m], rows[n]
    return b"\n".join(rows)


def other_member(random, content, others):
    """An archive whose members are spoilt, with right sums; another file as it is."""
    members = members_of(content)
    if not members:
        return other_token(random, content, others)
    name = random.choice(list(members))
    inner = [x for each in others for x in members_of(each).values()] or [b"x"]
    how = random.random()
    if how < 0.7:
        members[name] = spoilt(random, members[name], inner)
    elif how < 0.8:
        del members[name]
    else:
        members[random.choice(("head_q.npy", "x", "../x.npy", "a/b.npy", name.upper(), "head_scale.npy"))] = members[
            name
        ]
    return archive(members, random.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)))


def other_header(random, content, others):
    """A safetensors file whose header is spoilt, its length right; another file as of `other_token`."""
    size = int.from_bytes(content[:8], "little")
    if not 0 < size <= len(content) - 8:
        return other_token(random, content, others)
    text = other_token(random, content[8 : 8 + size], [each[8:] for each in others])
    return len(text).to_bytes(8, "little") + text + content[8 + size :]


def other_value(random, content, others):
    """A JSON file of which a value is left out, or is another one; another file as of `other_token`."""
    try:
        data = json.loads(content)
    except (ValueError, RecursionError):
        return other_token(random, content, others)
    box, key = data, None
    while isinstance(box, dict | list) and box:
        outer, key = box, random.choice(list(box) if isinstance(box, dict) else range(len(box)))
        box = outer[key]
        if random.random() < 0.3:
            break
    if key is None:
        return b"[]"
    if random.random() < 0.4:
        del outer[key]
    else:
        values = (0, -1, 1.5, "x", "", None, True, [], {}, [1], {"a": 1}, 1 << 70, float("nan"), float("inf"), [[]])
        outer[key] = random.choice(values)
    return json.dumps(data).encode()


def members_of(content):
    """The members of an archive that can be read, by name."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as found:
            return {name: found.read(name) for name in found.namelist()}
    except Exception:  # whatever a spoilt archive makes of it
        return {}


def archive(members, kind):
    """An archive of members."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", kind) as found:
        for name, content in members.items():
            found.writestr(name, content)
    return file.getvalue()


WAYS = (
    *(flip, replaced_byte, inserted, left_out, twice, cut, longer, spliced),
    *(other_token, other_token, other_lines, other_member, other_member, other_header, other_value, other_value),
)
