"Spelling of the prose: an English dictionary, and docs/words.txt for the words of the field."
import json
import re
from pathlib import Path

from checkout import root

WORDS = root / "docs" / "words.txt"
LEFT_OUT = re.compile(r"```.*?```|~~~.*?~~~|\$\$.*?\$\$|\$[^$\n]+\$|`[^`\n]*`|\{[\w:]+\}|\]\([^)]*\)|<[^>\n]+>|https?://\S+|\b[\w.-]+@[\w.-]+|[\w/.-]*/[\w/.-]+|\w+\.\w+",
                      flags=re.S)


def prose():
    "Place and Markdown of everything a reader reads"
    for path in sorted((root / "nbs").rglob("*.ipynb")):
        if any(part[0] in "._" for part in path.relative_to(root).parts): continue
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] == "markdown": yield path.relative_to(root), "".join(cell["source"])
    for path in [*sorted((root / "docs").rglob("*.md")), root / "CONTRIBUTING.md", root / "CHANGELOG.md"]:
        yield path.relative_to(root), path.read_text(encoding="utf-8")


def words(text):
    "Words of a text that can be misspelt: no code, equations, addresses, abbreviations, no names within a sentence"
    text = LEFT_OUT.sub(" ", text)
    for found in re.finditer(r"[^\W_]+(?:['’][^\W_]+)*", text):
        word = found.group(0)
        if word[0].isupper() and text[:found.start()].rstrip(" *_")[-1:] not in {"", *".!?:|#>-\n"}: continue
        word = re.sub(r"['’](s|re|ll|ve|d|t)?$", "", word)
        if len(word) > 2 and word.isalpha() and not any(letter.isupper() for letter in word[1:]): yield word


def known():
    lines = WORDS.read_text(encoding="utf-8").splitlines() if WORDS.exists() else []
    return {line.strip().lower() for line in lines if line.strip() and not line.startswith("#")}


def unknown():
    "word -> places where it is written"
    from spellchecker import SpellChecker
    dictionary = SpellChecker()
    own = known()
    places = {}
    for place, text in prose():
        for word in words(text): places.setdefault(word, set()).add(place)
    strange = {word for word in dictionary.unknown(places)}
    strange = {word for word in strange if word.lower() not in own and not british(word.lower(), dictionary)}
    return {word: where for word, where in sorted(places.items()) if word.lower() in strange or word in strange}


def british(word, dictionary):
    "Whether the dictionary has the American spelling, or the word behind an ending"
    swaps = [("ise", "ize"), ("isa", "iza"), ("ising", "izing"), ("our", "or"), ("yse", "yze"), ("ogue", "og"), ("lled", "led"),
             ("lling", "ling"), ("tre", "ter")]
    forms = [word.replace(here, there) for here, there in swaps if here in word]
    forms += [word.removesuffix(end) for end in ("s", "es", "ed", "ing", "ly", "er", "ers", "est") if word.endswith(end) and len(word) > len(end) + 3]
    return any(dictionary.known([form]) for form in forms if form)


if __name__ == "__main__":
    for word, where in unknown().items(): print(word, *sorted(map(Path.as_posix, where))[:3])
