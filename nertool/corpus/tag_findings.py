"""Find tags that are not in train, tags that break their scheme, and splits in another scheme than train."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

from nertool.corpus.blocks import read_blocks
from nertool.corpus.check_report import Finding
from nertool.corpus.line_cache import BORDER, LineCache
from nertool.corpus.profile import Place, Places, Profile
from nertool.spelling import Spelling
from nertool.tags import OUTSIDE, Pair, broken, in_scheme, pairs, recognise, split_tag

BROKEN = ""
"""Key of the places where tags break the scheme, beside the tags' own."""
FEW_BREAKS = 10
"""Places that break train's scheme, below which they are named one by one and tell of no other scheme."""
MOSTLY_KEPT = 10
"""The scheme of a split is another one if it is broken that many times less than train's."""


def schemes_beside(train: Profile | None, profiles: Mapping[str, Profile]) -> dict[str, str]:
    """Name the schemes of the splits that clearly keep to another scheme than train."""
    schemes: dict[str, str] = {}
    if train is None or train.tag_counts.keys() <= {OUTSIDE}:
        return schemes
    usual = recognise(train.pairs)
    for split, profile in profiles.items():
        own = recognise(profile.pairs)
        breaks = count_breaks(profile, usual)
        enough = breaks >= FEW_BREAKS and 2 * breaks > profile.entities.total()
        if own != usual and enough and MOSTLY_KEPT * count_breaks(profile, own) <= breaks:
            schemes[split] = own
    return schemes


def count_breaks(profile: Profile, scheme: str) -> int:
    """Count the pairs of tags that a scheme does not allow, or the tags that it does not have, if these are more.

    BILOU breaks no pair of IOBES, but its tags are others. Plain tags are no entities.
    """
    if scheme == "plain":
        return profile.entities.total()
    breaks = sum(profile.pairs[pair] for pair in broken(profile.pairs, scheme))
    strange = 0
    for tag, count in profile.tag_counts.items():
        if tag != OUTSIDE and not in_scheme(tag, scheme):
            strange += count
    return max(breaks, strange)


def tag_findings(
    profile: Profile, train: Profile, schemes: tuple[str, str], located_in: Spelling | None
) -> Iterator[Finding]:
    """Tags that are not in train, pairs of tags that break the scheme, and a scheme other than that of train.

    Args:
        schemes: that of train and that of the split.
        located_in: spelling of the tags of the file, to read it again for every place; None for the first places.
    """
    usual, own = schemes
    new_tags = sorted(profile.tag_counts.keys() - train.tag_counts.keys() - {OUTSIDE})
    if own != usual:
        yield _scheme_finding(profile, usual, own)
        new_tags = [tag for tag in new_tags if not _names_type_of(train, tag)]
    broken_pairs = broken(profile.pairs, own)
    if located_in and (new_tags or broken_pairs):
        places = _locate(profile.path, new_tags, broken_pairs, located_in)
    else:
        places = _first_places(profile, new_tags, broken_pairs)
    for tag in new_tags:
        what = f"tag that is not in train: {tag}"
        yield Finding("warning", what, profile.split, profile.tag_counts[tag], places[tag])
    if broken_pairs:
        count = sum(profile.pairs[pair] for pair in broken_pairs)
        what = f"tags that break the scheme ({own})"
        yield Finding("warning", what, profile.split, count, places[BROKEN])


def _scheme_finding(profile: Profile, usual: str, own: str) -> Finding:
    """Name the scheme of train and that of a split, with the split's first tag of an entity."""
    line, tag = min((line, tag) for (_, tag), line in profile.first_pair.items() if tag not in (BORDER, OUTSIDE))
    what = f"tags in another scheme than train: {own}, train has {usual}"
    return Finding("warning", what, profile.split, count_breaks(profile, usual), [Place(profile.path, line, tag)])


def _names_type_of(train: Profile, tag: str) -> bool:
    """Whether train has entities of the tag's type, or tags that are the type alone."""
    label = split_tag(tag)[1] or tag
    return label in train.entities or label in train.tag_counts


def _first_places(profile: Profile, tags: Collection[str], broken_pairs: set[Pair]) -> dict[str, list[Place]]:
    """The first place of each of the tags, and of each broken pair (under BROKEN), as the profile has them."""
    places: dict[str, list[Place]] = {BROKEN: []}
    first_lines: dict[str, int] = {}
    for (before, tag), line in profile.first_pair.items():
        pair = (before or OUTSIDE, tag or OUTSIDE)
        if pair in broken_pairs:
            places[BROKEN].append(Place(profile.path, line, " ".join(pair)))
        first_lines[tag] = min(line, first_lines.get(tag, line))
    for tag in tags:
        places[tag] = [Place(profile.path, first_lines[tag])]
    return places


def _locate(path: Path, tags: Iterable[str], broken_pairs: set[Pair], spelling: Spelling) -> dict[str, list[Place]]:
    """Read a file again for the places of the tags, and of broken pairs of tags (under BROKEN)."""
    places = {BROKEN: Places()}
    for tag in tags:
        places[tag] = Places()
    cache = LineCache(spelling=spelling)
    for block in read_blocks(path):
        cache.add(block, path)
        block_tags = [cache.tags[line] or OUTSIDE for line in block.lines]
        for at, pair in enumerate(pairs(block_tags)):
            if pair in broken_pairs:  # the last pair's second tag stands for the end of the file
                places[BROKEN].add(path, block.first + min(at, len(block_tags) - 1), " ".join(pair))
            if pair[1] in places and at < len(block_tags):
                places[pair[1]].add(path, block.first + at, repr(block.lines[at].rstrip("\n"))[:60])
    return {tag: of_tag.first for tag, of_tag in places.items()}
