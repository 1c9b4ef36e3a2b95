"""Pascal VOC files: corners that count from 1 and include the last pixel."""

import pytest

from figureground.base.errors import DataError
from figureground.data import read_annotations


def thing(name, corners):
    tags = zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True)
    inner = "".join(f"<{tag}>{value}</{tag}>" for tag, value in tags)
    return f"<object><name>{name}</name><part><bndbox/></part><bndbox>{inner}</bndbox></object>"


def write(photos, name, *things, head="", size=None):
    folder = photos.parent / "Annotations"
    folder.mkdir(exist_ok=True)
    if size:
        head += f"<size><width>{size[0]}</width><height>{size[1]}</height></size>"
    (folder / name).write_text(f"<annotation>{head}{''.join(things)}</annotation>")
    return folder


def test_full_picture_is_a_box_from_1_to_the_size(photos):
    folder = write(photos, "dog.xml", thing("dog", (1, 1, 40, 30)), thing("dog", (5, 6, 5, 6)),
                   thing("cat", (2, 2, 3, 3)), size=(40, 30))  # fmt: skip
    made = read_annotations(folder)
    assert made.format == "voc"
    assert made.problems == ()
    assert [image.label for image in made] == ["dog", "cat"]
    assert made[0].boxes.tolist() == [[0, 0, 40, 30], [4, 5, 5, 6]]
    assert made[1].boxes.tolist() == [[1, 1, 3, 3]]


def test_a_corner_at_0_makes_the_whole_folder_count_from_0_and_is_reported(photos):
    write(photos, "dog.xml", thing("dog", (0, 4, 39, 29)))
    made = read_annotations(write(photos, "cat.xml", thing("cat", (3, 3, 3, 4))))
    assert [image.boxes.tolist() for image in made] == [[[3, 3, 4, 5]], [[0, 4, 40, 30]]]
    assert made.problem_counts == {"counted-from-0": 1}


def test_picture_is_found_by_filename_with_or_without_extension(photos):
    write(photos, "a.xml", thing("x", (1, 1, 2, 2)), head="<filename>dog.jpg</filename>")
    folder = write(photos, "b.xml", thing("x", (1, 1, 2, 2)), head="<filename>n1/10</filename>")
    assert [image.path.name for image in read_annotations(folder)] == ["dog.jpg", "10.JPEG"]


def test_files_come_in_natural_order(photos):
    for name in ("10.xml", "2.xml"):
        folder = write(photos, name, thing("x", (1, 1, 2, 2)))
    made = read_annotations(folder, images=photos / "n1")
    assert [image.path.name for image in made] == ["2.JPEG", "10.JPEG"]


def test_one_file_can_be_read_alone_and_may_mark_nothing(photos):
    folder = write(photos, "dog.xml")
    (image,) = read_annotations(folder / "dog.xml", images=photos)
    assert image.label is None
    assert image.boxes.shape == (0, 4)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_document_type_is_refused_so_that_entities_cannot_unfold(photos, encoding):
    folder = write(photos, "dog.xml", thing("dog", (1, 1, 2, 2)))
    bomb = (
        f'<?xml version="1.0" encoding="{encoding}"?><!DOCTYPE a [<!ENTITY x "dog">'
        '<!ENTITY y SYSTEM "file:///etc/passwd">]><annotation><filename>&x;</filename></annotation>'
    )
    (folder / "cat.xml").write_bytes(bomb.encode(encoding))
    made = read_annotations(folder)
    assert [image.label for image in made] == ["dog"]
    (problem,) = made.problems
    assert problem.kind == "unreadable-file"
    assert "declares a document type" in problem.message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("<annotation>", "no element found"),
        ("", "no element found"),
        ("<annotation><object><name>a</name></object></annotation>", "no 'bndbox/xmin'"),
        ("<annotation><size><width>x</width></size></annotation>", "could not convert"),
    ],
)
def test_unusable_file_is_reported_and_the_others_stay(photos, content, message):
    folder = write(photos, "dog.xml", thing("dog", (1, 1, 2, 2)))
    (folder / "cat.xml").write_text(content)
    made = read_annotations(folder)
    assert [image.label for image in made] == ["dog"]
    (problem,) = made.problems
    assert problem.where.endswith("cat.xml")
    assert message in problem.message


def test_other_size_than_annotated_is_left_out(photos):
    folder = write(photos, "dog.xml", thing("dog", (1, 1, 2, 2)), size=(400, 300))
    assert read_annotations(folder).problem_counts == {"size-mismatch": 1}


def test_folder_without_xml_is_not_voc(tmp_path):
    with pytest.raises(DataError, match="no known annotation format"):
        read_annotations(tmp_path)
