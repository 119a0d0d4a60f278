"Compiled parts of the package, installed as topofr_nb.compiled; each has a slower equal in Python beside it."
