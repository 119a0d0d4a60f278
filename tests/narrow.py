"Two backbones of a few channels for `BACKBONES`: whether processes agree does not depend on the width."
from functools import partial

from topofr_nb.models import BACKBONES, Tiny, VisionTransformer

BACKBONES["narrow"] = BACKBONES["tiny"]._replace(make=partial(Tiny, widths=(8, 12, 16, 16)))
BACKBONES["narrow_vit"] = BACKBONES["vit_t"]._replace(make=partial(VisionTransformer, 32, 3, 2))

if __name__ == "__main__":  # `python -m topofr_nb.training` that knows them
    from topofr_nb.training.__main__ import main
    main()
