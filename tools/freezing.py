"""What is worth freezing when a network is tuned on few people -> data/results/own_freezing.csv

A small network learns celebrities of two sources and is then tuned on actors of a third one, whose pictures are
poorer. Scored on all pairs of people who are held out, of the third source ("own") and of the first two ("before").
Of the training actors 25 are kept aside: the learning rate is chosen on them, never on those who are scored.

Fixed before the first run: TAR at a false match rate of 1 %, three seeds (of network, people and images), Student's
95 % interval of paired differences, and the claims
1. 50 people, nothing frozen, better than the untouched network on "own";
2. 10 people, frozen until stages.2, better than nothing frozen on "own";
3. 50 people, nothing frozen, better than frozen until stages.2 on "own";
4. 10 people, frozen until stages.2, better than the untouched network on "own";
5. 50 people, nothing frozen, worse than the untouched network on "before".

--imported: the same with a network from elsewhere. It learned procedural people and is imported as published weights
are, a plain state_dict without a recipe; "before" are other procedural people, and no real face was ever seen. The same
measure, seeds and claims, fixed before its first run -> data/results/own_freezing_imported.csv, there with
intervals over people of every rate, with fewer forms, passes and images.
"""
import argparse, csv, random, shutil, time
from pathlib import Path

import torch

from topofr_nb.data.folders import FaceFolder, load_all, read_people
from topofr_nb.data.synthetic import SyntheticFaces
from topofr_nb.evaluation.embed import Embedder
from topofr_nb.evaluation.people import ErrorRates, fnmr_at, over_people, people_pairs, people_scores
from topofr_nb.training.checkpoints import load_backbone
from topofr_nb.training.loop import train
from topofr_nb.training.recipe import make_recipe

SIZE, DIMENSIONS, FMR = 48, 128, 0.01
FREEZE = (None, "until stages.1", "until stages.2", "until stages.3")
RATES = (0.01, 0.1)
PEOPLE, SHOTS, EPOCHS, ASIDE = (10, 50), 10, 20, 25

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("data", type=Path, help="folder with celebs/, celebs_train.txt and celebs_test.txt")
parser.add_argument("out", type=Path, help="folder of the runs and of the copied images")
parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
parser.add_argument("--epochs", type=int, help="of the first network; default: 5, and 2 where it is imported")
parser.add_argument("--imported", action="store_true", help="begin with a plain state_dict of procedural people")
options = parser.parse_args()
if options.imported: FREEZE = (None, "until stages.2", "until stages.3")
options.out.mkdir(parents=True, exist_ok=True)
name = "own_freezing_imported.csv" if options.imported else "own_freezing.csv"
path = Path(__file__).resolve().parent.parent / "data" / "results" / name
COLUMNS = ["seed", "people", "freeze", "lr", "set", "tar", "seconds", *(("low", "high") if options.imported else ())]
done = set()
if path.is_file():
    with path.open() as file: done = {tuple(row[:4]) for row in csv.reader(file)}
else: path.write_text(",".join(COLUMNS) + "\n")
learnt, held = (read_people(options.data/f"celebs_{part}.txt") for part in ("train", "test"))
actors = sorted(name for name in learnt if name.startswith("bw"))
random.Random("aside").shuffle(actors)
aside, pool = sorted(actors[:ASIDE]), sorted(actors[ASIDE:])


def some(names, each):
    "At most `each` images of each person, evenly spread"
    faces = FaceFolder(options.data/"celebs", people=names, image_size=SIZE)
    rows = [torch.nonzero(faces.labels == p).flatten() for p in range(faces.num_classes)]
    chosen = torch.cat([row[torch.linspace(0, len(row) - 1, min(each, len(row))).round().long()] for row in rows])
    return torch.stack([faces[i][0] for i in chosen.tolist()]), faces.labels[chosen]


def drawn(people, each, first):
    "Procedural people whom no training has seen"
    faces = SyntheticFaces(people, each, image_size=SIZE, first_identity=first)
    return load_all(faces, progress=False), torch.arange(people).repeat_interleave(each)


strangers = sorted(n for n in held if not n.startswith("bw"))
SETS = {"own": some(sorted(n for n in held if n.startswith("bw")), 20 if options.imported else 60),
        "aside": some(aside, 12 if options.imported else 30),
        "before": drawn(50, 8, 100_000) if options.imported else some(strangers, 20)}


def interval(rates):
    "Low and high of the TAR when people are drawn"
    return over_people(lambda drawn: 1 - fnmr_at(rates, [FMR], drawn)[0], rates.people, 100)


def write(seed, people, freeze, lr, checkpoint, seconds):
    "Score a network on the three sets and add three lines"
    network = load_backbone(checkpoint)[0]
    with path.open("a") as file:
        for name, (images, labels) in SETS.items():
            pairs = people_pairs(labels, most=10**7)
            scores = people_scores(Embedder()(network, images), pairs)
            rates = ErrorRates.of(scores, pairs)
            tar = 1 - fnmr_at(rates, [FMR])[0]
            between = ""
            if options.imported: between = ",{:.5f},{:.5f}".format(*interval(rates))
            file.write(f"{seed},{people},{freeze},{lr},{name},{tar:.5f},{seconds:.1f}{between}\n")
            print(seed, people, freeze, lr, name, round(tar, 4), pairs.how, flush=True)


def copied(seed, people):
    "A folder with a few images of a few actors, drawn by seed"
    place = options.out/f"few_{seed}_{people}"
    if place.exists(): return place
    rng = random.Random(f"{seed} few")
    for name in rng.sample(pool, len(pool))[:people]:
        (place/name).mkdir(parents=True)
        files = sorted((options.data/"celebs"/name).iterdir())
        for file in rng.sample(files, SHOTS): shutil.copy(file, place/name)
    return place


common = dict(method="arcface", backbone="tiny", image_size=SIZE, embedding_size=DIMENSIONS, batch_size=64,
              out_dir=str(options.out/"runs"), cache=str(options.out/"cache"), check_overlap=False)
(options.out/"before.txt").write_text("\n".join(sorted(n for n in learnt if not n.startswith("bw"))) + "\n")


def first_network(seed):
    "A network of celebrities of two sources, or one of procedural people without a recipe"
    if not options.imported:
        return train(make_recipe(**common, data=str(options.data/"celebs"), people=str(options.out/"before.txt"),
                                 epochs=options.epochs or 5, lr=0.1, seed=seed)).checkpoint
    begun = train(make_recipe(**common, identities=600, shots=12, epochs=options.epochs or 2, lr=0.1, seed=seed))
    plain = options.out/f"imported_{seed}.pth"
    torch.save(load_backbone(begun.checkpoint)[0].state_dict(), plain)
    return plain


for seed in options.seeds:
    start = first_network(seed)
    if (str(seed), "0", "all but head", "0") not in done: write(seed, 0, "all but head", 0, start, 0)
    for people in PEOPLE:
        for freeze in FREEZE:
            for lr in RATES:
                if (str(seed), str(people), str(freeze), str(lr)) in done: continue
                began = time.perf_counter()
                tuned = train(make_recipe(**common | dict(batch_size=32), data=str(copied(seed, people)),
                                          epochs=EPOCHS//2 if options.imported and people == 50 else EPOCHS,
                                          weights=str(start), freeze=freeze, lr=lr, seed=seed))
                write(seed, people, freeze, lr, tuned.checkpoint, time.perf_counter() - began)
