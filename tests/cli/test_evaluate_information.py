"""``figureground evaluate information`` as it is typed."""

import json


def test_a_model_by_name_on_a_folder_leaves_record_tables_and_page(type_in, tmp_path):
    out = tmp_path / "out"
    typed = ["evaluate", "information", "cluttered-digits", "--random", "--split", "val"]
    typed += ["--model", "figureground:lenet-gap", "--model-arg", "channels=1", "--size", "16"]
    result = type_in(*typed, "--out", str(out))
    assert result.exit_code == 0, result.output
    record = json.loads((out / "record.json").read_text())
    assert record["kind"] == "information"
    assert len(record["tables"][1]["rows"]) == 10
    assert {path.name for path in out.iterdir()} >= {"per_image.npz", "report.html", "tables.md"}
    assert "conditional mutual information" in result.output


def test_what_cannot_be_done_is_one_line_and_status_one(type_in, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "recipe.yaml").write_text("name: x\n")
    base = ["evaluate", "information", "cluttered-digits", "--out", str(tmp_path / "out")]
    for typed, message in (
        (["--model", str(tmp_path / "run"), "--random"], "leave out --random"),
        (["--model", "figureground:lenet-gap", "--random", "--split", "x"], "no split 'x'"),
    ):
        result = type_in(*base, *typed)
        assert result.exit_code == 1
        assert message in result.output


def test_the_classes_that_a_run_left_out_get_a_table_of_their_own(type_in, tmp_path):
    run = tmp_path / "run"
    recipe = tmp_path / "small.yaml"
    recipe.write_text(
        "name: small\nepochs: 1\nbatch_size: 16\ndata: {name: cluttered-digits, count: 60, omit: [9, '7']}\n"
        "model: {name: 'figureground:lenet-gap', arguments: {channels: 1}, preprocessing: {size: [16, 16]}}\n"
    )
    result = type_in("train", str(recipe), "--out", str(run))
    assert result.exit_code == 0, result.output
    for part, more, images in (
        ("train", [], 60),
        ("train", ["--limit", "25", "--overwrite"], 25),
        ("val", ["--limit", "30", "--omitted", "3"], 30),
    ):
        out = tmp_path / part
        typed = ["evaluate", "information", "cluttered-digits", "--model", str(run), *more]
        result = type_in(*typed, "--split", part, "--out", str(out))
        assert result.exit_code == 0, result.output
        record = json.loads((out / "record.json").read_text())
        assert record["images"] == images
        names = [row[0] for row in record["tables"][2]["rows"] if row[0].startswith("recall of '")]
        wanted = ["recall of '3'"] if "--omitted" in more else ["recall of '9'", "recall of '7'"]
        assert names == wanted
