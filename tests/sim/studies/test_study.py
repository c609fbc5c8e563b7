"""What every study shares: checks before it measures, files, tables."""

import json
import re

import pytest

from fusioncim_golden.errors import InputError
from fusioncim_sim.files import to_json
from fusioncim_sim.studies import accuracy
from fusioncim_sim.studies.study import Request, Study, Table, read, run


def study(measured, **more):
    return Study(files={"one*.json": ("a",)}, measure=lambda _: iter(measured), **more)


def test_every_file_is_written_as_soon_as_it_is_there(tmp_path, capsys):
    def measure(request):
        yield "one.json", {"a": 1}
        assert read(request.output, "one") == {"a": 1}
        yield "one_more.json", {"a": request.jobs}

    seen = []
    one = Study(files={"one*.json": ("a",)}, measure=measure, show=lambda data: f"a is {data['a']}", also=seen.append)
    output = tmp_path / "new" / "directory"
    run(one, Request(output=output, jobs=3))
    assert read(output, "one*") == {"one": {"a": 1}, "one_more": {"a": 3}}
    assert (output / "one.json").read_bytes() == to_json({"a": 1})
    assert re.findall("a is .|wrote .*one.*", capsys.readouterr().out) == [
        f"wrote {output / 'one.json'}",
        "a is 1",
        f"wrote {output / 'one_more.json'}",
        "a is 3",
    ]
    assert seen == [output]


def test_what_is_only_printed_leaves_nothing(tmp_path):
    run(study([], also=lambda _: pytest.fail("nothing was written")), Request(output=tmp_path / "new", jobs=1))
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("name", ["one.json", "one_more.json"])
def test_files_of_others_are_refused_before_anything_is_measured(name, tmp_path):
    (tmp_path / name).write_text("{}", encoding="utf-8")
    one = Study(files={"one*.json": ("a",)}, measure=lambda _: pytest.fail("it was measured"))
    with pytest.raises(InputError, match=f"was not written by this command.*{name}"):
        run(one, Request(output=tmp_path, jobs=1))


def test_a_file_is_no_directory(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"the output must be a directory, not the file .*file"):
        run(study([]), Request(output=tmp_path / "file", jobs=1))


def test_a_table_gets_the_files_that_it_names(tmp_path):
    for name in ("one", "two", "two_more"):
        (tmp_path / f"{name}.json").write_bytes(to_json({"name": name}))
    table = Table("page", "mark", lambda one, every: f"{one['name']} {' '.join(every)}", ["one", "two*"])
    assert table.text(tmp_path) == "one two two_more"
    (tmp_path / "one.json").unlink()
    with pytest.raises(InputError, match=r"the measurement cannot be read \(No such file or directory\): .*one\.json"):
        table.text(tmp_path)


def test_a_study_is_measured_again_over_its_own_file(tmp_path, monkeypatch, capsys):
    heads = accuracy.load_heads(accuracy.fixture(), accuracy.SMALL)
    short = [head.first(40) for head in heads if head.name == "wide"]
    monkeypatch.setattr(accuracy, "load_heads", lambda *_: short)
    for _ in range(2):
        run(accuracy.STUDY, Request(output=tmp_path, jobs=1))
    assert [path.name for path in tmp_path.iterdir()] == ["accuracy.json"]
    assert json.loads((tmp_path / "accuracy.json").read_bytes())["heads"].keys() == {"wide"}
    assert "error of 1 real heads" in capsys.readouterr().out
