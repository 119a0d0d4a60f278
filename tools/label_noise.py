"Precision and recall of strangers among procedural faces with swapped labels -> data/results/own_label_noise.csv"
import argparse
from pathlib import Path

import pandas as pd
import torch

from topofr_nb.data.synthetic import render_faces
from topofr_nb.evaluation.embed import embed
from topofr_nb.own.clean import find_strangers, precision_recall, swap_labels
from topofr_nb.training.checkpoints import load_backbone
from topofr_nb.training.loop import train
from topofr_nb.training.recipe import make_recipe

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--out_dir", default=None, help="folder of the runs")
parser.add_argument("--cache", default=None, help="folder of the caches")
options = parser.parse_args()
recipe = make_recipe(method="arcface", backbone="tiny", image_size=64, embedding_size=128, identities=300, shots=16,
                     batch_size=64, max_steps=500, lr=0.05, out_dir=options.out_dir, cache=options.cache)
people, shots, draws = 60, 16, 10
network = load_backbone(train(recipe).checkpoint)[0]
rows = []
for draw in range(draws):
    identities = torch.arange(people).repeat_interleave(shots) + 100_000 + 1000*draw
    images = render_faces(identities, torch.arange(shots).repeat(people), recipe.image_size, recipe.seed)
    features = embed(network, images)
    truth = torch.arange(people).repeat_interleave(shots)
    for share in (0.05, 0.1, 0.2):
        labels, wrong = swap_labels(truth, share, draw)
        for limit, least in (("0", 0.0), ("from the spread", None)):
            precision, recall = precision_recall(find_strangers(features, labels, least=least).suspect, wrong)
            rows.append(dict(swapped=share, limit=limit, draw=draw, precision=round(precision, 4), recall=round(recall, 4)))
path = Path(__file__).resolve().parent.parent / "data" / "results" / "own_label_noise.csv"
pd.DataFrame(rows).to_csv(path, index=False)
print(pd.DataFrame(rows).groupby(["swapped", "limit"])[["precision", "recall"]].mean())
