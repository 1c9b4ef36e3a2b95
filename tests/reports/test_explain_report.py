"""One page from the files of an explain job."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import pytest

from figureground.base.errors import DataError, OptionError
from figureground.base.record import append_line, provenance, write_json
from figureground.reports.explain_report import write_explain_report

DOT = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8A"
    "AQUBAScY42YAAAAASUVORK5CYII="
)
HOSTILE = "\"><img src=x onerror=alert(1)></template><script>alert(2)</script>&amp;'.jpg"


class Page(HTMLParser):
    """Tags with their attributes, and the text between them."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text: list[str] = []
        self.feed(source)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "img", "input", "link", "br"}:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not self.open or self.open[-1] not in {"style", "script"}:
            self.text.append(data)

    def every(self, tag: str, **wanted: str) -> list[dict[str, str | None]]:
        return [
            attributes
            for name, attributes in self.tags
            if name == tag and all(attributes.get(key) == value for key, value in wanted.items())
        ]

    def words(self) -> str:
        return " ".join(" ".join(self.text).split())


def record(**more):
    return {
        "schema": 1,
        "model": {
            "name": "timm:resnet18",
            "layer": "layer4",
            "layer_reason": "last with positions",
            "preprocessing": "224 px",
        },
        "methods": ["grad-cam", "eigen-cam"],
        "provenance": provenance("figureground explain images", (3,)),
        "failed": [],
        "seconds": 4.2,
        "notes": [],
    } | more


def entry(name: str = "a.jpg", **more):
    panel = {
        "method": "grad-cam",
        "layer": "layer4",
        "class": 0,
        "label": "tabby",
        "png": "images/0.png",
        "thumbnail": DOT,
        "problem": None,
        "boxes": [[1, 2, 5, 6]],
        "truth_iou": 0.63,
    }
    return {
        "image": name,
        "size": [8, 7],
        "thumbnail": DOT,
        "predictions": [{"index": 1, "name": "tabby", "score": 0.5}],
        "classes": [{"index": 1, "name": "tabby", "score": 0.5}],
        "panels": [panel],
    } | more


def saved(folder, entries, **more):
    write_json(folder / "record.json", record(images=len(entries), **more))
    for each in entries:
        append_line(folder / "entries.jsonl", each)
    return folder


def page_of(folder) -> Page:
    page = Page(write_explain_report(folder).read_text(encoding="utf-8"))
    assert page.open == []
    return page


def test_page_says_what_was_run_and_shows_each_image(tmp_path):
    page = page_of(saved(tmp_path, [entry("cats/a.jpg"), entry("b.jpg")]))
    words = page.words()
    shown = "timm:resnet18|layer4|last with positions|224 px|grad-cam, eigen-cam|seeds 3|cats/a.jpg"
    shown += "|figureground explain images|b.jpg|tabby|50 %|IoU 0.63"
    for expected in shown.split("|"):
        assert expected in words
    assert [card["id"] for card in page.every("article")] == ["image-1", "image-2"]
    assert page.every("a", href="./images/0.png")
    assert page.every("rect", **{"class": "found", "x": "1.0", "width": "4.0"})


def test_page_asks_nothing_from_outside(tmp_path):
    outside = "https://example.org/x.png"
    given = [entry(thumbnail=outside), entry()]
    figures = [{"title": "t", "caption": "c", "png": outside}]
    page = page_of(saved(tmp_path, given, figures=figures))
    assert not page.every("link")
    for tag, attributes in page.tags:
        assert "src" not in attributes or str(attributes["src"]).startswith("data:image/"), tag
        assert str(attributes.get("href", "#")).startswith(("#", "./")), tag
    source = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert outside not in source
    assert not re.search(r"url\(|@import", source)
    assert "default-src 'none'" in str(page.every("meta")[1]["content"])


def test_hostile_names_are_shown_as_text(tmp_path):
    given = entry(HOSTILE, truth={"label": HOSTILE, "boxes": []}, seen=[2, 0, 6, 7])
    given["predictions"][0]["name"] = HOSTILE
    given["panels"][0] |= {"problem": HOSTILE, "method": HOSTILE, "label": HOSTILE}
    table = {"title": HOSTILE, "columns": [HOSTILE], "rows": [[HOSTILE]]}
    page = page_of(
        saved(
            tmp_path,
            [given, entry()],
            refused={HOSTILE: HOSTILE},
            model={"name": HOSTILE, "layer": HOSTILE},
            failed=[{"path": HOSTILE, "reason": HOSTILE}],
            notes=[HOSTILE],
            tables=[table],
        )
    )
    assert len(page.every("script")) == 1
    assert not any("onerror" in attributes for _, attributes in page.tags)
    assert page.words().count("<script>alert(2)</script>") >= 8
    assert page.every("article")[0]["data-words"] == f"{HOSTILE.lower()} tabby"


def test_every_picture_has_words_for_those_who_cannot_see_it(tmp_path):
    given = entry("cats/a.jpg")
    given["panels"][0]["heat"] = DOT
    page = page_of(saved(tmp_path, [given]))
    alts = [attributes["alt"] for attributes in page.every("img")]
    about = "grad-cam map for tabby on a.jpg"
    assert alts == ["a.jpg", about, f"{about}, alone"]


def test_script_is_the_one_that_the_policy_allows(tmp_path):
    write_explain_report(saved(tmp_path, [entry()]))
    source = (tmp_path / "report.html").read_text(encoding="utf-8")
    script = re.findall(r"<script>(.*?)</script>", source, re.DOTALL)[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in source


def test_blank_map_is_marked_and_counted(tmp_path):
    given = entry()
    given["panels"][0]["problem"] = "every value is zero"
    page = page_of(saved(tmp_path, [given, entry()]))
    assert "1 map with a problem" in page.words()
    assert page.every("span", **{"class": "problem"})
    assert "every value is zero" in page.words()
    assert [card["data-problems"] for card in page.every("article")] == ["1", "0"]


def test_of_very_many_images_some_are_shown_and_those_with_a_problem(tmp_path, monkeypatch):
    monkeypatch.setattr("figureground.reports.explain_report._MOST_CARDS", 8)
    given = [entry(f"{number}.jpg") for number in range(1, 41)]
    for number in (3, 7, 20, 21, 22, 23):
        given[number - 1]["panels"][0]["problem"] = "every value is zero"
    page = page_of(saved(tmp_path, given))
    shown = [int(str(card["id"]).removeprefix("image-")) for card in page.every("article")]
    assert shown == [3, 7, 10, 20, 21, 30, 40]
    assert "Of 40 images the page shows 4 at even steps and the first 4 whose maps" in page.words()
    assert "6 maps with a problem" in page.words()


def test_an_incomplete_map_is_not_called_blank(tmp_path):
    given = entry()
    given["panels"][0] |= {"problem": "terms miss 30%", "problem_kind": "incomplete"}
    page = page_of(saved(tmp_path, [given, given]))
    assert "2 maps incomplete" in page.words()
    assert len(page.every("span", **{"class": "badge"})) == 2


def test_failed_files_are_listed_with_reasons(tmp_path):
    failed = [{"path": "bad.jpg", "reason": "truncated"}]
    words = page_of(saved(tmp_path, [entry()], failed=failed)).words()
    assert "1 file could not be explained" in words
    assert "bad.jpg truncated" in words


def test_half_written_last_line_is_left_out_and_named(tmp_path):
    saved(tmp_path, [entry("a.jpg"), entry("b.jpg")])
    whole = (tmp_path / "entries.jsonl").read_text()
    (tmp_path / "entries.jsonl").write_text(whole[:-40])
    page = page_of(tmp_path)
    assert len(page.every("article")) == 1
    assert "1 saved entries left out: line 2 of entries.jsonl" in page.words()
    assert "The record speaks of 2 images; 1 can be shown." in page.words()


def test_broken_line_in_the_middle_costs_only_itself(tmp_path):
    saved(tmp_path, [entry("a.jpg"), {"image": "no-size.jpg"}, entry("c.jpg")])
    page = page_of(tmp_path)
    assert [card["id"] for card in page.every("article")] == ["image-1", "image-2"]
    assert "line 2 of entries.jsonl: not an entry of a report" in page.words()


def test_bytes_that_are_no_text_do_not_stop_the_page(tmp_path):
    saved(tmp_path, [entry("a.jpg")])
    name = json.dumps(entry("odd-\udc80.jpg")).encode()
    with (tmp_path / "entries.jsonl").open("ab") as file:
        file.write(name + b"\n" + b'{"image": "\xff\xfe"\n')
    page = page_of(tmp_path)
    assert len(page.every("article")) == 2
    assert "odd-?.jpg" in page.words()
    assert "line 3 of entries.jsonl" in page.words()


def test_folder_without_entries_gives_a_page_that_says_so(tmp_path):
    words = page_of(saved(tmp_path, [])).words()
    assert "No image was explained." in words
    assert "0 images" in words


def test_bare_record_is_enough(tmp_path):
    write_json(tmp_path / "record.json", {"schema": 1})
    assert "What this model looks at" in page_of(tmp_path).words()


def test_cards_beyond_the_first_page_wait_in_templates(tmp_path):
    source = write_explain_report(
        saved(tmp_path, [entry(f"{number}.jpg") for number in range(120)])
    ).read_text()
    pieces = source.split('<template class="more">')
    assert [piece.count("<article") for piece in pieces] == [50, 50, 20]
    assert source.count("</template>") == 2
    Page(source)


def test_tables_and_figures_of_the_record_are_shown(tmp_path):
    table = {"title": "Faithfulness", "columns": ["method", "drop"], "rows": [["cam", 0.123456]]}
    figure = {"title": "Curve", "caption": "Lower is better.", "png": DOT}
    page = page_of(saved(tmp_path, [], tables=[table], figures=[figure]))
    assert "Faithfulness method drop cam 0.1235" in page.words()
    assert page.every("img", src=DOT, alt="Lower is better.")


def test_notes_are_shown(tmp_path):
    assert "Batch was halved." in page_of(saved(tmp_path, [], notes=["Batch was halved."])).words()


def test_record_of_another_schema_is_refused(tmp_path):
    write_json(tmp_path / "record.json", {"schema": 2})
    with pytest.raises(DataError, match="schema 2; this version reads schema 1"):
        write_explain_report(tmp_path)


@pytest.mark.parametrize("content", ["[]", "3", "null"])
def test_record_that_is_no_object_is_refused(tmp_path, content):
    (tmp_path / "record.json").write_text(content)
    with pytest.raises(DataError, match="schema None"):
        write_explain_report(tmp_path)


def test_missing_record_is_refused_by_name(tmp_path):
    with pytest.raises(DataError, match=r"record\.json"):
        write_explain_report(tmp_path)


def test_unknown_colour_map_of_a_record_is_refused(tmp_path):
    with pytest.raises(OptionError, match="no colour map 'rainbow'"):
        write_explain_report(saved(tmp_path, [], colour_map="rainbow"))


def test_failed_write_leaves_the_old_page_and_no_scraps(tmp_path):
    saved(tmp_path, [entry()])
    write_json(tmp_path / "record.json", record(tables=[{"columns": ["a"], "rows": [[1, 2]]}]))
    (tmp_path / "report.html").write_text("old")
    with pytest.raises(DataError, match="row 1 of table"):
        write_explain_report(tmp_path)
    assert (tmp_path / "report.html").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "entries.jsonl",
        "record.json",
        "report.html",
    ]


def test_page_that_cannot_be_put_in_place_is_an_error_and_leaves_no_scraps(tmp_path):
    saved(tmp_path, [entry()])
    (tmp_path / "report.html").mkdir()
    with pytest.raises(DataError, match=r"cannot write .*report\.html"):
        write_explain_report(tmp_path)
    assert not list(tmp_path.glob(".*"))


def test_page_names_no_folder_of_the_machine(tmp_path):
    place = "/pictures/somebody/place"
    saved(
        tmp_path,
        [entry(f"{place}/cats/a.jpg"), entry(f"{place}/b.jpg")],
        failed=[{"path": f"{place}/cats/bad.jpg", "reason": "truncated"}],
        model={"name": f"{place}/run", "layer": "layer4"},
        notes=[f"weights of {place}/w.pt"],
        refused={"cam": f"see {place}/x"},
        provenance=provenance(f"figureground explain {place} --model {place}/run"),
    )
    page = page_of(tmp_path)
    assert "somebody" not in (tmp_path / "report.html").read_text()
    for shown in ("cats/a.jpg", "cats/bad.jpg", "weights of w.pt", "What run looks at"):
        assert shown in page.words()
    assert "explain place --model run" in page.words()


def test_a_method_that_does_not_work_is_a_problem_on_the_page(tmp_path):
    page = page_of(saved(tmp_path, [entry()], refused={"cam": "the head is not linear"}))
    assert "cam does not work with this network: the head is not linear" in page.words()


def test_concepts_stand_under_their_own_panel(tmp_path):
    concepts = [{"colour": "#e69f00", "labels": [["tabby", 0.4]]}]
    given = entry(concepts=concepts)
    given["panels"].append({"method": "dff", "layer": "layer4", "png": "d.png", "thumbnail": DOT})
    page = page_of(saved(tmp_path, [given]))
    source = (tmp_path / "report.html").read_text()
    figures = re.findall(r"<figure.*?</figure>", source, re.DOTALL)
    assert ["tabby 40\N{NO-BREAK SPACE}%" in one for one in figures] == [False, True]
    assert "<b>dff</b>" in figures[1]
    assert page.every("ul", **{"aria-label": "Concepts"})


def test_what_was_not_seen_and_small_pixels_are_explained(tmp_path):
    words = page_of(saved(tmp_path, [entry(seen=[2, 0, 6, 7])])).words()
    assert "not seen by the network" in words
    assert "cut away before the network saw the image" in words
    source = (tmp_path / "report.html").read_text()
    assert 'class="picture pixels"' in source
    assert "image-rendering: pixelated" in source
