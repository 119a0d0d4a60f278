"Cells and lines stay small: what is over from earlier days is listed, and the list only shrinks."
from style import allowed, longest_line, most_definitions, most_lines, violations


def test_no_new_place_is_over():
    limits = f"{most_definitions} public definition and {most_lines} lines an exported cell, {longest_line} characters a line"
    new = {place: value for place, value in violations().items() if place not in allowed()}
    assert not new, f"over the limits ({limits}): " + "; ".join(f"{place} ({value})" for place, value in sorted(new.items()))


def test_the_list_shrinks():
    mended = sorted(allowed() - set(violations()))
    assert not mended, f"not over any more, remove them (python tests/style.py --shrink): {', '.join(mended)}"
