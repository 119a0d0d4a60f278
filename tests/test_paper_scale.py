"""Scale `paper` as a dry run: the published recipes on generated files in the papers' formats, everything built, two steps taken.

Every row of every table is resolved as it is published, then takes two steps on a small network at 32 px; the published
networks are built and take a gradient of one image. Then each notebook runs as a whole, or says why it has no such scale."""
import io
import json
import re

import pytest
from books import code_cells, load, nbs, notebooks, source, tagged
from checkout import root
from test_papermill import children_seconds, core_seconds, execute

pytestmark = pytest.mark.reproduce
people, faces_of_each = 10, 4


def write_faces(folder, pixels):
    "RecordIO to train on and a .bin to be scored on, as MS1MV2 comes with them"
    from PIL import Image

    from topofr_nb.data.bins import write_bin
    from topofr_nb.data.records import write_records
    from topofr_nb.data.synthetic import SyntheticFaces
    write_records(SyntheticFaces(people, faces_of_each, pixels), folder / "faces")
    strangers, encoded = SyntheticFaces(64, 2, pixels, seed=1), [] # 128 images: figures look at batches of so many
    same, different = [(2*i, 2*i + 1) for i in range(32)], [(64 + 2*i, 64 + (2*i + 3) % 64) for i in range(32)]
    for row in [row for pair in same + different for row in pair]:
        file = io.BytesIO()
        Image.fromarray(strangers[row][0].permute(1, 2, 0).numpy()).save(file, "PNG")
        encoded.append(file.getvalue())
    write_bin(folder / "pairs.bin", encoded, [True]*32 + [False]*32)
    return folder


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    "Also a list of images, and faces that fill a batch of 2,048"
    from PIL import Image

    from topofr_nb.data.records import write_records
    from topofr_nb.data.synthetic import SyntheticFaces
    home, faces = write_faces(tmp_path_factory.mktemp("paper"), 112), SyntheticFaces(people, faces_of_each, 112)
    write_records(SyntheticFaces(256, 8, 32), home / "many")
    for i in range(len(faces)): Image.fromarray(faces[i][0].permute(1, 2, 0).numpy()).save(home / f"{i}.png")
    (home / "faces.txt").write_text("".join(f"{i}.png {i//faces_of_each}\n" for i in range(len(faces))), encoding="utf-8")
    return home


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


without_paper = {"beyond/alignments", "beyond/cross", "beyond/other_images", "beyond/overfitting", "gif/encoders", "gif/identification",
                 "topofr/pull", "topofr/released"}
every = {"/".join(name.with_suffix("").parts[1:]): name for name in notebooks() if name.parts[0] == "80_reproduce" and len(name.parts) == 3}
protocols_of = {"unpg/casia": ("ijbc", "lfw"), "unpg/public": ("ijbb", "megaface", "lfw", "calfw"), "unpg/kface": ("kface",),
                "unpg/small_benchmarks": ("cfp_fp", "agedb_30", "calfw"), "gif/main": ("ijbb", "ijbc")}
sizes = dict(ijbb=4, ijbc=4, megaface=100, kface=2)
rows_differ_in_batch = {"topofr/table9_batches", "unpg/sensitivity"}
many_faces = rows_differ_in_batch | {"topofr/figure2_discrepancy"}  # at 32 px
own = {"topofr/figure1_diagrams": dict(sizes=[20, 40], landmarks=[40, 20, 10], seeds=[0]),
       "topofr/figure2_discrepancy": dict(batch_sizes=[32, 64], backbones=["tiny"]),
       "topofr/figure3_architecture": dict(fields=dict(batch_size=4)),
       "topofr/table10_step_time": dict(backbones=["mbf"], batch_size=2, repeats=1)}


def tiny(name, cache):
    "Recipe fields in place of the paper's"
    fields = dict(backbone="tiny", epochs=None, max_steps=2, precision="float32", workers=0, check_overlap=False, cache=str(cache))
    if name in many_faces: fields |= dict(image_size=32)
    return fields if name in rows_differ_in_batch else fields | dict(batch_size=8)


@pytest.fixture(scope="module")
def protocol(files, tmp_path_factory):
    "Name of a protocol -> where it lies: a folder in the layout of the benchmark, or a .bin"
    from topofr_nb.data.protocols.twins import make_twin
    home = tmp_path_factory.mktemp("protocols")
    def place(name): return make_twin(f"syn_{name}", home, sizes[name], progress=False) if name in sizes else files / "pairs.bin"
    return lambda name: str(place(name))


def training_faces(name, files, protocol):
    "RecordIO, K-FACE's tree for its table, a list of images for one, and many faces where batches are large"
    if name == "unpg/kface": return protocol("kface")
    return str(files / ("faces.txt" if name == "unpg/casia" else "many" if name in many_faces else "faces"))


def parameters(name): return re.findall(r"^(\w+) =", source(tagged(load(nbs / name))[0]), flags=re.M)


@pytest.mark.parametrize("name", sorted(set(every) - without_paper))
def test_notebook_at_paper_scale(name, files, protocol, tmp_path):
    "From end to end: everything is built, two steps a run; rows lie beside the runs and not in data/results"
    known = dict(data=training_faces(name, files, protocol), faces=str(files / "faces"), pairs=str(files / "pairs.bin"),
                 protocols={kind: protocol(kind) for kind in protocols_of.get(name, ("lfw",))},
                 fields=tiny(name, files / "cache"), out_dir=str(tmp_path / "runs"), rounds=1)
    given = {key: value for key, value in known.items() if key in parameters(every[name])} | own.get(name, {})
    results = root / "data" / "results"
    before, start = sorted(results.glob("*")), children_seconds()
    status, said = execute(every[name], tmp_path, scale="paper", **given)
    assert status == 0, said
    spent = children_seconds() - start
    print(f"{name}: {spent:.0f} s of a core")
    assert sorted(results.glob("*")) == before
    steps = {load(path)["images_seen"]//load(path.parent / "recipe.json")["batch_size"] for path in tmp_path.glob("runs/*/scores.json")}
    assert steps == (set() if name in own or "fields" not in given else {2})
    assert spent <= core_seconds, f"{name} takes {spent:.0f} s of a core at paper scale; valid: {core_seconds} s at most"


@pytest.mark.parametrize("name", sorted(without_paper))
def test_notebook_without_paper_scale(name, tmp_path):
    "Where the papers have nothing to reproduce, one sentence says so, and what is valid"
    status, said = execute(every[name], tmp_path, scale="paper", out_dir=str(tmp_path))
    assert status and re.search(r"ValueError: scale 'paper': the papers have no .* Valid: stored, smoke, ", said), said
