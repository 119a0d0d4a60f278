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
            "gif transformer": (gif.TRANSFORMER[0], "gif"),
            "topofr r50": (topofr_base(asked, "r50"), "topofr"), "topofr r100": (topofr_base(asked, "r100"), "topofr")}


@pytest.mark.parametrize("name", ["unpg public", "unpg kface", "unpg casia", "gif main", "gif transformer", "topofr r50", "topofr r100"])
def test_two_steps(name, files, tmp_path):
    "Backbone, head, schedule and scoring are the published ones; batch, precision and length are what a CPU bears"
    from topofr_nb.training.loop import train
    from topofr_nb.training.recipe import make_recipe
    fields, method = published_recipes()[name]
    small = dict(batch_size=4, epochs=None, max_steps=2, precision="float32", workers=0, method=method, check_overlap=False)
    place = dict(data=str(files / "faces"), pairs=str(files / "pairs.bin"), out_dir=str(tmp_path / "runs"), cache=str(tmp_path))
    run = train(make_recipe(**fields | small | place), progress=False)
    assert run.finished and run.recipe.backbone == fields["backbone"] and run.scores["images_seen"] == 8


def topofr_rows(name):
    "Fields of each row of one of TopoFR's tables at scale `paper`"
    from topofr_nb.report.topofr import topofr_base
    from topofr_nb.report.topofr_tables import PAPER_TABLES
    asked = dict(scale="paper", data="faces", pairs="pairs.bin", out_dir=None)
    table = PAPER_TABLES[name]
    return {row: topofr_base(asked, table.backbone) | fields for row, fields in table.variants.items()}


@pytest.mark.parametrize("name", ["table1", "table2", "table5", "table6", "table7", "table9", "figure6"])
def test_topofr_table(name, files, tmp_path):
    "Each row is a valid recipe; two steps of one of them, on a small network where the table's own has its test above"
    import torch

    from topofr_nb.report.topofr_tables import PAPER_TABLES
    from topofr_nb.training.loop import train
    from topofr_nb.training.recipe import make_recipe, resolve
    rows = topofr_rows(name)
    resolved = {row: resolve(make_recipe(**fields), torch.device("cpu"))[0] for row, fields in rows.items()}
    assert {recipe.backbone for recipe in resolved.values()} == {PAPER_TABLES[name].backbone}
    if name == "table7": assert {recipe.train_gamma for recipe in resolved.values()} == {True}  # no miner wins by the norm
    if name == "table9": assert [recipe.batch_size for recipe in resolved.values()] == [512, 1024, 2048]
    row = dict(table1="UniFace", table6="no intra + ISA", table7="EHSM").get(name, list(rows)[-1])
    backbone = "mbf" if name == "table5" else "tiny"
    small = dict(backbone=backbone, batch_size=4, structure_batch=None, epochs=None, max_steps=2, precision="float32", workers=0)
    place = dict(data=str(files / "faces"), pairs=str(files / "pairs.bin"), out_dir=str(tmp_path / "runs"), cache=str(tmp_path))
    run = train(make_recipe(**rows[row] | small | place | dict(check_overlap=False)), progress=False)
    assert run.finished and run.scores["images_seen"] == 8
