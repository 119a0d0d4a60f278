"""Photographs that a person drops in JupyterLab: previewed, answered by the kernel, and sent to no other host.

Screenshots stay in the folder that TOPOFR_SCREENSHOTS names.
"""
import pytest
from browser import Seen, browser, chromium, copy_notebooks, lab, open_notebook, run_all
from test_browser import shot

pytestmark = pytest.mark.skipif(chromium is None, reason="no Chromium here (Debian: apt-get install chromium)")
name = "75_own/60_try_it.ipynb"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    "Two pictures of one person, one of somebody else, and a file that is no picture"
    from PIL import Image
    from topofr_nb.data.synthetic import SyntheticFaces
    studio = dict(yaw=(-15, 15), pitch=(-4, 4), light=(.1, .4), noise=(0, 3), blur=(0, .5), mask=0, occlusion=0)
    faces, folder = SyntheticFaces(6, 6, image_size=48, **studio), tmp_path_factory.mktemp("pictures")
    for i in (4, 5, 35): Image.fromarray(faces[i][0].permute(1, 2, 0).numpy()).save(folder / f"{i}.png")
    (folder / "none.png").write_text("no picture", encoding="utf-8")
    return folder


def test_photographs_are_answered(tmp_path, pictures):
    copy_notebooks(tmp_path, name)
    with lab(tmp_path) as (address, token), browser() as page:
        seen = Seen(page, address)
        open_notebook(page, address, token, name)
        assert not run_all(page, 600)
        two, one = page.locator(".try").nth(0), page.locator(".try").nth(1)
        two.scroll_into_view_if_needed()
        for side, file in enumerate(("4.png", "4.png")):
            two.locator("input[type=file]").nth(side).set_input_files(pictures / file)
        page.wait_for_function("(box) => box.dataset.kind === 'yes'", arg=two.element_handle(), timeout=60_000)
        assert "Taken for one person: cosine 1.000" in two.locator(".try-answer").inner_text()
        assert two.locator("img.try-picture:visible").count() == 2
        shot(page, "try-two")
        two.locator("input[type=file]").nth(1).set_input_files(pictures / "none.png")
        page.wait_for_function("(box) => box.dataset.kind === 'error'", arg=two.element_handle(), timeout=60_000)
        one.scroll_into_view_if_needed()
        one.locator("input[type=file]").set_input_files(pictures / "4.png")
        page.wait_for_function("(box) => box.querySelector('li')?.textContent.startsWith('person 0')", arg=one.element_handle(),
                               timeout=60_000)
        shot(page, "try-one")
        assert not seen.problems
