"""Scale `paper` as a dry run: the published recipes on generated files in the papers' formats, everything built, two steps taken.

Every row of every table is resolved as it is published, then takes two steps on a small network at 32 px; the published
networks are built and take a gradient of one image. One notebook of each paper runs as a whole."""
import io
import json
import re

import pytest
from books import code_cells, load, nbs, notebooks, source, tagged
from checkout import root, run, tools

pytestmark = pytest.mark.reproduce
people, faces_of_each = 10, 4


def write_faces(folder, pixels):
    "RecordIO to train on and a .bin to be scored on, as MS1MV2 comes with them"
    from PIL import Image

    from topofr_nb.data.bins import write_bin
    from topofr_nb.data.records import write_records
    from topofr_nb.data.synthetic import SyntheticFaces
    write_records(SyntheticFaces(people, faces_of_each, pixels), folder / "faces")
    strangers, encoded = SyntheticFaces(12, 2, pixels, seed=1), []
    same, different = [(2*i, 2*i + 1) for i in range(10)], [(2*i, 2*i + 3) for i in range(10)]
    for row in [row for pair in same + different for row in pair]:
        file = io.BytesIO()
        Image.fromarray(strangers[row][0].permute(1, 2, 0).numpy()).save(file, "PNG")
        encoded.append(file.getvalue())
    write_bin(folder / "pairs.bin", encoded, [True]*10 + [False]*10)
    return folder


@pytest.fixture(scope="module")
def files(tmp_path_factory): return write_faces(tmp_path_factory.mktemp("paper"), 112)


@pytest.fixture(scope="module")
def small_files(tmp_path_factory): return write_faces(tmp_path_factory.mktemp("paper32"), 32)


def tables():
    "Table or figure -> (fields that its rows share at scale `paper`, row -> its own fields)"
    from topofr_nb.report import gif, unpg
    from topofr_nb.report.experiments import GIF_PARTS, PAIRS
    from topofr_nb.report.topofr import topofr_base
    from topofr_nb.report.topofr_tables import PAPER_TABLES, PARTS
    asked = dict(scale="paper", data="faces", pairs="pairs.bin", out_dir=None)
    found = {f"topofr {name}": (topofr_base(asked, table.backbone), table.variants) for name, table in PAPER_TABLES.items()}
    both = {name: dict(method=PARTS[name]) for name in ("ArcFace", "TopoFR")}
    for figure in ("figure4", "figure8"): found[f"topofr {figure}"] = topofr_base(asked, scored=False), both
    for name, rows in dict(public=unpg.public_variants("paper"), kface=unpg.kface_variants(), casia=unpg.casia_variants("paper")).items():
        found[f"unpg {name}"] = unpg.PAPER[name][0], rows
    found["unpg ablation"] = unpg.PAPER["public"][0], unpg.ablation_variants("paper") | unpg.whisker_variants()
    found["unpg pairs"] = unpg.PAPER["public"][0], PAIRS
    found["unpg sensitivity"] = unpg.PAPER["public"][0], unpg.batch_variants()
    found["unpg wdfs"] = unpg.PAPER["public"][0], unpg.wdfs_variants(11_000)
    found["gif parts"] = gif.PAPER[0], GIF_PARTS
    for name, (fields, _) in gif.PAPERS.items(): found[f"gif {name}"] = fields, gif.RIVALS
    return found


def shrunk(fields):
    "The same recipe for a CPU: another network, batch and length; batches and parts of batches keep their proportion"
    part = max(2, fields["structure_batch"]//64) if fields.get("structure_batch") else None
    batch = part*fields["batch_size"]//fields["structure_batch"] if part else 8
    return fields | dict(backbone="tiny", image_size=32, embedding_size=32, batch_size=batch, structure_batch=part, epochs=None, max_steps=2,
                         precision="float32", workers=0, check_overlap=False)


names = [*(f"topofr table{i}" for i in range(1, 10)), "topofr figure4", "topofr figure6", "topofr figure8", "unpg public",
         "unpg kface", "unpg casia", "unpg ablation", "unpg pairs", "unpg sensitivity", "unpg wdfs", "gif parts", "gif r100", "gif vit_b"]
networks = ["mbf", "r100", "r200", "r34", "r50", "vit_b"]
stepped = set()  # rows as JSON: tables share some


def test_every_table_is_named():
    assert set(names) == set(tables()) and networks == sorted({base["backbone"] for base, _ in tables().values()})


@pytest.mark.parametrize("name", names)
def test_rows_as_published(name):
    "Each row is a valid recipe with the paper's network"
    import torch

    from topofr_nb.training.recipe import make_recipe, resolve
    base, rows = tables()[name]
    resolved = [resolve(make_recipe(**base | fields), torch.device("cpu"))[0] for fields in rows.values()]
    assert {recipe.backbone for recipe in resolved} == {base["backbone"]}
    if name == "topofr table7": assert {recipe.train_gamma for recipe in resolved} == {True}  # no miner wins by the norm
    if name == "unpg sensitivity": assert {recipe.batch_size for recipe in resolved} == {256, 512, 1024}
    if name == "topofr table9": assert [recipe.batch_size for recipe in resolved] == [512, 1024, 2048]


@pytest.mark.parametrize("name", names)
def test_two_steps(name, small_files, tmp_path):
    "Method, head, schedule and scoring of each row are the published ones; a row that another table took is not taken again"
    from topofr_nb.training.loop import train
    from topofr_nb.training.recipe import make_recipe
    base, rows = tables()[name]
    place = dict(data=str(small_files / "faces"), pairs=str(small_files / "pairs.bin"), out_dir=str(tmp_path), cache=str(tmp_path))
    for fields in [shrunk(base | own) for own in rows.values()]:
        if json.dumps(fields, sort_keys=True) in stepped: continue
        done = train(make_recipe(**fields | place), progress=False)
        assert done.finished and done.scores["images_seen"] == 2*fields["batch_size"]
        stepped.add(json.dumps(fields, sort_keys=True))


@pytest.mark.parametrize("backbone", networks)
def test_published_network(backbone):
    "Every published network is built, gives features for 112 px, and learns from them"
    import torch

    from topofr_nb.models import create_backbone
    network = create_backbone(backbone).eval()
    features = network(torch.zeros(1, 3, 112, 112))
    features.sum().backward()
    assert features.shape == (1, 512) and all(weights.grad is not None for weights in network.parameters() if weights.requires_grad)


def test_fields_stand_in_for_the_papers():
    "Each notebook whose runs take the paper's recipe has the parameter `fields`"
    def code(book): return "\n".join(map(source, code_cells(book)))
    books = {name: load(nbs / name) for name in notebooks() if name.parts[0] == "80_reproduce"}
    training = {name: book for name, book in books.items() if re.search(r"\b(reproduce|topofr_base|paper_rows|make_base)\(", code(book))}
    lacking = [str(name) for name, book in training.items() if "\nfields = {}" not in source(tagged(book)[0])]
    assert len(training) > 20 and not lacking, lacking


whole = {"unpg/casia": "ijbc and lfw", "gif/small_benchmarks": "lfw", "topofr/figure4_entropy": "", "topofr/table5_mobile": "pairs"}


@pytest.mark.parametrize("name", whole)
def test_notebook_at_paper_scale(name, files, tmp_path):
    "A notebook of each paper from end to end: templates and pairs of its protocols, rows beside the runs and not in data/results"
    from topofr_nb.data.protocols.twins import make_twin
    small = dict(backbone="tiny", batch_size=8, epochs=None, max_steps=2, precision="float32", workers=0, check_overlap=False,
                 cache=str(tmp_path / "cache"))
    made = dict(lfw=lambda: str(files / "pairs.bin"), ijbc=lambda: str(make_twin("syn_ijbc", tmp_path, 4, progress=False)))
    protocols = {kind: made[kind]() for kind in made if kind in whole[name]}
    given = dict(scale="paper", data=str(files / "faces"), fields=small, out_dir=str(tmp_path / "runs"))
    if protocols: given["protocols"] = protocols
    if whole[name] == "pairs": given["pairs"] = str(files / "pairs.bin")
    before = sorted((root / "data" / "results").glob("*"))
    command = tools / "papermill", f"{name.split('/')[1]}.ipynb", tmp_path / "executed.ipynb", "-k", "python3", "--no-progress-bar"
    status, said = run(*command, "-y", json.dumps(given), cwd=nbs / "80_reproduce" / name.split("/")[0], timeout=300)
    assert status == 0, said
    assert list((tmp_path / "runs" / "tables").glob("*_paper.csv")) and sorted((root / "data" / "results").glob("*")) == before
