"Scale `paper` as a dry run: the published recipe on generated files in the paper's formats, everything built, two steps taken."
import io

import pytest

pytestmark = pytest.mark.reproduce
faces_of_each, people = 4, 10


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    "RecordIO to train on and a .bin to be scored on, as MS1MV2 comes with them"
    from PIL import Image

    from topofr_nb.data.bins import write_bin
    from topofr_nb.data.records import write_records
    from topofr_nb.data.synthetic import SyntheticFaces
    folder = tmp_path_factory.mktemp("paper")
    write_records(SyntheticFaces(people, faces_of_each, 112), folder / "faces")
    strangers, encoded = SyntheticFaces(12, 2, 112, seed=1), []
    same, different = [(2*i, 2*i + 1) for i in range(10)], [(2*i, 2*i + 3) for i in range(10)]
    for row in [row for pair in same + different for row in pair]:
        file = io.BytesIO()
        Image.fromarray(strangers[row][0].permute(1, 2, 0).numpy()).save(file, "PNG")
        encoded.append(file.getvalue())
    write_bin(folder / "pairs.bin", encoded, [True]*10 + [False]*10)
    return folder


def published_recipes():
    "Fields of each paper's training, by name"
    from topofr_nb.report import gif, unpg
    from topofr_nb.report.topofr import topofr_base
    asked = dict(scale="paper", data="faces", pairs="pairs.bin", out_dir=None)
    return {"unpg public": (unpg.PAPER["public"][0], "unpg"), "unpg kface": (unpg.PAPER["kface"][0], "unpg"),
            "unpg casia": (unpg.PAPER["casia"][0], "unpg"), "gif main": (gif.PAPER[0], "gif"),
            "topofr r50": (topofr_base(asked, "r50"), "topofr"), "topofr r100": (topofr_base(asked, "r100"), "topofr")}


@pytest.mark.parametrize("name", ["unpg public", "unpg kface", "unpg casia", "gif main", "topofr r50", "topofr r100"])
def test_two_steps(name, files, tmp_path):
    "Backbone, head, schedule and scoring are the published ones; batch, precision and length are what a CPU bears"
    from topofr_nb.training.loop import train
    from topofr_nb.training.recipe import make_recipe
    fields, method = published_recipes()[name]
    small = dict(batch_size=4, epochs=None, max_steps=2, precision="float32", workers=0, method=method, check_overlap=False)
    place = dict(data=str(files / "faces"), pairs=str(files / "pairs.bin"), out_dir=str(tmp_path / "runs"), cache=str(tmp_path))
    run = train(make_recipe(**fields | small | place), progress=False)
    assert run.finished and run.recipe.backbone == fields["backbone"] and run.scores["images_seen"] == 8
