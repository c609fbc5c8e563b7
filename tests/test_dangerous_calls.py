"""The packages run nothing that an input brings: no pickle, no evaluated text, no shell."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("golden/fusioncim_golden", "hw/fusioncim", "sim/fusioncim_sim")
MODULES = {"pickle", "cPickle", "_pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "jsonpickle"}
CALLS = {"eval", "exec", "__import__", "os.system", "os.popen", "yaml.load", "yaml.unsafe_load", "pickle.loads"}
WORDS = {"allow_pickle": True, "shell": True, "trust_remote_code": True, "weights_only": False}
"""Arguments that must not have this value."""
LOADERS = {"torch.load": "weights_only"}
"""Calls that must have this argument."""
ALLOWED = {
    # functions for its own workers, in a directory that only this user reads
    ("hw/fusioncim/build/workers.py", "pickle"),
    ("hw/fusioncim/build/workers.py", "pickle.loads"),
    # the RTL's own source with a fault in it
    ("hw/fusioncim/formal/mutant.py", "exec"),
    # the error alone
    ("sim/fusioncim_sim/heads/torch_file.py", "pickle"),
}


def dangers(text):
    """What of it stands in a source."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from {alias.name.split(".")[0] for alias in node.names} & MODULES
        elif isinstance(node, ast.ImportFrom):
            yield from {(node.module or "").split(".")[0]} & MODULES
        elif isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            words = {word.arg: word.value for word in node.keywords if word.arg}
            if name in CALLS:
                yield name
            for word, value in words.items():
                if word in WORDS and not (isinstance(value, ast.Constant) and value.value != WORDS[word]):
                    yield word
            if name in LOADERS and LOADERS[name] not in words:
                yield name


def test_nothing_of_it_stands_in_the_packages():
    files = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    assert len(files) > 300
    found = {
        (path.relative_to(ROOT).as_posix(), what)
        for path in files
        for what in dangers(path.read_text(encoding="utf-8"))
    }
    assert found == ALLOWED


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("import pickle", "pickle"),
        ("from joblib import load", "joblib"),
        ("x = eval(text)", "eval"),
        ("yaml.load(text)", "yaml.load"),
        ("np.load(path, allow_pickle=True)", "allow_pickle"),
        ("np.load(path, allow_pickle=asked)", "allow_pickle"),
        ("torch.load(path)", "torch.load"),
        ("torch.load(path, weights_only=False)", "weights_only"),
        ("subprocess.run(line, shell=True)", "shell"),
    ],
)
def test_it_is_found(text, what):
    assert list(dangers(text)) == [what]
