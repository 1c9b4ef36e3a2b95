"""Pages that are passed on name no folder above the images."""

from figureground.base.places import common_folder
from figureground.reports.places import below, without_folders


def test_names_begin_below_the_folder_of_all():
    for paths in (
        ["/a/b/x.jpg", "/a/b/c/y.jpg", "/a/b/c/z.jpg"],
        ["b/x.jpg", "b/c/y.jpg", "b/c/z.jpg"],
        ["../b/x.jpg", "../b/c/y.jpg", "../b/c/z.jpg"],
    ):
        root = common_folder(paths)
        assert [below(root, path) for path in paths] == ["x.jpg", "c/y.jpg", "c/z.jpg"]


def test_a_folder_is_no_other_folder_that_begins_like_it():
    assert common_folder(["/a/bc/x.jpg", "/a/bd/y.jpg"]) == "/a"
    assert below("/a/b", "/a/bc/x.jpg") == "x.jpg"
    assert below("", "photos/x.jpg") == "photos/x.jpg"


def test_files_without_a_common_folder_keep_their_names_alone():
    for paths in (
        ["/pictures/x.jpg", "/y.jpg"],
        ["/pictures/x.jpg", "b/y.jpg"],
        ["/pictures/x.jpg", "y.jpg"],
    ):
        root = common_folder(paths)
        assert "pictures" not in " ".join(below(root, path) for path in paths)


def test_absolute_paths_in_a_sentence_are_cut_and_addresses_are_not():
    text = "weights of /pictures/me/w.pt, see https://example.org/a/b and hf:a/b, out/c, 'C:\\\\me\\\\x.pt'"
    expected = "weights of w.pt, see https://example.org/a/b and hf:a/b, out/c, 'x.pt'"
    assert without_folders(text.replace("\\\\", "\\")) == expected
    assert without_folders("</template><script>a/b</script>") == "</template><script>a/b</script>"
