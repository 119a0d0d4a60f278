"The package is what the notebooks export."
from checkout import fresh_export, modules, root


def test_package_is_what_the_notebooks_export(scratch):
    "An export into an emptied copy gives the checked-in package, byte for byte"
    fresh = fresh_export(scratch / "export")
    package = root / "topofr_nb"
    both = modules(fresh) & modules(package)
    found = {
        "no notebook exports": modules(package) - modules(fresh),
        "not in topofr_nb/": modules(fresh) - modules(package),
        "differ from their notebook": {name for name in both if (fresh / name).read_bytes() != (package / name).read_bytes()},
    }
    wrong = [f"{what}: {', '.join(sorted(map(str, names)))}" for what, names in found.items() if names]
    assert not wrong, "; ".join(wrong) + " (make export)"
