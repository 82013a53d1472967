"""The embedded data set: a small made-up English news corpus in the published form of GermEval 2014.

A sentence is a comment line with its source, a line `index, token, outer tag, nested tag` for each token, and an empty
line. The text comes from a grammar: one of a rule's alternatives is picked at random, `$rule` stands for what another
rule gives, `$Rule` for the same with capitals, and what a rule named after an entity type gives is an entity of that
type. `$rule+ian` and `$rule-based` glue an affix to the last token and make the type a derivation (`LOCderiv`) or a
part of a compound (`LOCpart`).

An uncased model has to read the context: dev and test hold names and clauses that train does not have, one name can be
a person, a place or a company, companies and works are called what ordinary things are called, and some contexts fit
every type.

Published data has its faults, and so has this, for the steps that deal with them:

* tokens that BERT's tokenizer gives no sub-words for (`CONTROLS`), tagged O;
* sentences of more than 128 sub-words (`LONG_SENTENCES`);
* entities in train that lack their tags or carry a wrong type (`NOISE`);
* a label that occurs in dev alone, I-ORGderiv (rule `only_dev`);
* one row in test with an empty fifth field (`FIFTH_FIELD`);
* tokens that begin with `#`, and comment lines that end in a tab.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from random import Random
from typing import NamedTuple, TypeVar

SENTENCES = {"train": 1700, "dev": 200, "test": 300}
LONG_SENTENCES = {"train": 2, "dev": 1, "test": 1}
LONG_MEMBERS = 13
NOISE = {"train": 0.03, "dev": 0.0, "test": 0.0}
FIFTH_FIELD = {"test": 41}
CONTROLS = {"train": "\x96\x80\x96\x95\u200b\x96\x80\x96", "dev": "\x96", "test": "\x80\x96\u200b"}
"""Most are dashes, bullets and euro signs of Windows-1252 that somebody has read as Latin-1."""

TYPES = ("PER", "LOC", "ORG", "OTH")

SHARED_NAMES = 25
OWN_NAMES = {"train": 70, "dev": 25, "test": 35}
"""Names of a kind that every split draws from, and those that only one does."""

STARTS = (
    "Ash Bar Bel Black Cal Car Clay Dal Dun East Eld Fair Fen Glen Gré Hal Ham Hart Hol Kel Kings Lang Lin Mal Mar "
    "Mel Mil Mül Nor Old Pen Ran Red Roth San Sel Sør Stan Thorn Tor Val Wal West Win"
)
ENDINGS = {
    "surname": "sen man ski eau mann ley ton",
    "town": "burg stad ford ham port ley ton",
    "firm": "tech nix ora con soft ley ton",
    "event": "iad fest alia ade",
}
"""Of the names of a kind. Most endings tell it, -ley and -ton do not."""

AMBIGUOUS = "Jordan Paris Chelsea Washington Lincoln Florence Sydney Austin Reading Victoria Grant May Bath Hope Mark"
COMMON = "Lantern Target Orange Anchor Harvest Signal Pebble Apple Compass Meadow Circle Mirror Copper Bridge Sail Gap"

GRAMMAR = {
    "sentence": """
        $clause . | $clause . | $clause . | $clause . | $clause , $tail . | $opener , $clause .
        $opener , $clause while $clause , $tail . | $headline | $headline | $headline
    """,
    "opener": """
        On $day | In $month | After a $adj $noun | According to $ORG | In $LOC | As $PER put it | Despite the $adj $noun
        At the $OTHevent | Since the $LOCtown+ian $noun | In the words of $any
    """,
    "tail": """
        $PER said | a spokesman for $ORG said on $day | up $amount percent on the year | according to $LOCtown+ian media
        which may take until $month | the $ORGfirm-owned $noun reported | as $any had hoped | as in $OTH | not for $any
        and the $noun in $LOC was closed | a $role from $LOC added
    """,
    "clause": """
        $PER , the $role of $ORG , met $PER in $LOC on $day
        $ORG will open a new web-based $noun in $LOC
        shares in $ORG fell by $amount percent to $currency $amount
        the $LOCtown+ian $role $PER visited $LOC
        the $LOCtown-based $noun maker $ORG cut $count jobs
        $PER joined $ORG from $ORG for $currency $amount million
        $ORGclub beat $ORGclub by $count points in $LOCtown
        $PER scored twice for $ORGclub before half-time
        the $adj $noun from $LOC to $LOC may stay closed until $month
        $PER wrote " $OTH " in $count weeks
        critics in $LOC called " $OTH " a $adj $noun
        $PER won the $OTHevent in $LOC
        a $adj $noun hit the coast of $LOC late on $day
        the $PERname-led $noun lost its majority in $LOC
        the $PERfull-trained $role left for $LOC
        many $PERname+ists and a few $LOCarea+ians marched through $LOC
        the $adj $noun was missed by a wide mark
        a grant of $currency $count was paid for the $noun in $month
        the $role put an apple , an orange and a $adj $noun on the table
        we hope that the $noun may help , a $role told reporters
        $any said no
        $any has lost $any again
        nobody expected so much from $any
        talks between $LOC and $LOC about the $noun were put off
        $PER moved from $LOC to $LOC in $year
        $ORG , $ORG and $ORG sell the $noun for less than $currency $amount
        the state-owned $noun and the $ORGfirm-owned $noun were merged
        the $OTHevent-winning $role $PER retired at the age of $count
        the streets of $LOC were full of $OTHcup+ish noise
        $OTHname+ian is spoken by $count people near $LOC
        the $ORGfirm+ite wing of the $noun wants $PER as $role
        the $ORGclub-backed $noun was almost $PERfull+esque
        the $LOCarea-born $role sang a song from " $OTH "
        the $adj $noun , a $role said , was " too $adj "
        $role $PER ( $LOC ) finished $count seconds behind $role $PER ( $LOC )
        the $OTHcup-related $noun cost $ORG some $currency $amount million
        $PER , who was born in $LOC and studied at the $ORGschool , was named $role of $ORG on $day
        police in $LOC found a $adj $noun and $currency $count near the $noun
        $PER read $OTH on the train to $LOC
        the $adj $noun and the $noun of the $noun were shown in $LOC
    """,
    "unseen": """
        what began as a $adj $noun in $LOC made $PER rich
        hardly had $ORG bought the $noun when $PER resigned
        it took $PER $count years to sell $ORG to a $role in $LOC
        the widow of $PER keeps the only copy of $OTH in a small $noun near $LOC
        once a $role at $ORG , $PER now runs a small $noun in $LOC
        $any is not what it was
        trains to $LOC are full of $LOCtown+ian $role hopefuls
        $ORG pays $PER $currency $count a week
    """,
    "headline": """
        $ORG sues $ORG
        $LOC : $PER found
        $PER ranked #1 in $LOC
        #vote : $PER or $PER ?
        $day , 7 p.m. : $ORGclub - $ORGclub
        Who is $PER ?
        " $any ! " the $role cried .
        " The $noun is $adj , " said $PER of $ORG .
        $any : a $adj $noun
        Why $any may need the $noun
        LIVE - $OTHevent , $LOC
        $ORGfirm & Co. : $currency $amount million loss !
    """,
    "long": "The $role named these members of the $noun in $LOC :" + LONG_MEMBERS * " $member" + " and $PER .",
    "member": "$PERfull , a $adj $role from the $adj $noun ; | $PERfull , the $adj $role with a $adj $noun ;",
    "only_dev": "The $noun was sung by an old $ORGclub+ite from $LOC .",
    "any": "$PERname | $LOCtown | $ORGfirm",
    "PER": "$person | $person | $person | $surname | $surname | $given $initial $surname | Dr. $surname",
    "PERname": "$surname",
    "PERfull": "$person",
    "person": "$given $surname",
    "LOC": "$town | $town | $town | $area | Port $town | Lake $PERname | $PERname Street | Isle of $town",
    "LOCtown": "$town",
    "LOCarea": "$area",
    "area": "North $town | New $town | Upper $town",
    "ORG": "$firm | $firm | $firm | $firm $Noun | $Noun and $Noun | $club | $school | $bank",
    "bank": "Bank of $LOCtown | $PERname Foundation",
    "ORGfirm": "$firm",
    "ORGclub": "$club",
    "club": "$LOCtown United | $LOCtown Rovers | $LOCtown Athletic | $LOCtown $Noun Club",
    "ORGschool": "$school",
    "school": "University of $LOCtown | $LOCtown School of $Noun Design | $PERname Institute",
    "OTH": "The $Adj $Noun | $Adj $Noun | $Noun of the $Noun | My $Noun | No $Noun for $PERname | $event",
    "OTHname": "$event",
    "OTHcup": "$cup",
    "OTHevent": "$event | $cup | $Adj $Noun Games | $LOCtown Marathon | $PERname Prize",
    "cup": "$Noun Cup | $LOCtown Cup",
    "initial": "A. | J. | K. | Ø. | T.",
    "given": """
        Anna | Björn | Chloé | Dario | Fiona | Grant | Hope | José | Jordan | Karla | Mark | May | Nadia | Owen | Paris
        Rose | Søren | Will | Yusuf | Zoë | Anne-Marie | Victoria | Bill | Florence
    """,
    "role": """
        minister | mayor | striker | coach | singer | chairman | painter | judge | director | pilot | nurse | teacher
        senator | baker | co-founder | vice-president
    """,
    "adj": """
        quiet | bitter | golden | long | strange | narrow | wooden | brave | northern | silent | bright | broken | late
        naïve | well-known | hidden | second | green
    """,
    "noun": """
        lantern | target | orange | anchor | harvest | signal | pebble | apple | compass | meadow | circle | mirror
        copper | bridge | sail | gap | winter | harbour | garden | river | council | ferry | library | market | party
        railway | café | strike | film | stadium | reading | bath
    """,
    "day": "Monday | Tuesday | Wednesday | Thursday | Friday | Saturday | Sunday",
    "month": "January | March | April | May | June | August | October | December",
    "year": "1974 | 1998 | 2007 | 2013",
    "count": "3 | 7 | 14 | 28 | 40 | 65 | 350 | 1,200",
    "amount": "1.5 | 2.75 | 4 | 9 | 12.8 | 30",
    "currency": "€ | $ | £ | ¥ | US$",
}

Item = TypeVar("Item")


class _Token(NamedTuple):
    text: str
    outer: str = "O"
    nested: str = "O"


def published_files(seed: int = 2014) -> dict[str, bytes]:
    """The published files of the recipe `sample`, by name.

    The same seed gives the same bytes on every Python and platform: of `Random` only `random()` is used, whose numbers
    never change, and nothing depends on the order of a set.
    """
    random = Random(seed)
    names = {kind: _shuffled(random, _names(kind)) for kind in ENDINGS}
    files, own_from = {}, SHARED_NAMES
    for split in SENTENCES:
        own_to = own_from + OWN_NAMES[split]
        known = {kind: pool[:SHARED_NAMES] + pool[own_from:own_to] for kind, pool in names.items()}
        writer = _Writer(random, _rules(split, known), NOISE[split])
        files[f"sample-{split}.tsv"] = _published(split, _sentences(split, writer))
        own_from = own_to
    return files


def _names(kind: str) -> list[str]:
    return [start + ending for start in STARTS.split() for ending in ENDINGS[kind].split()]


def _rules(split: str, names: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """The grammar of one split: alternatives by rule, names included."""
    rules = {rule: re.split(r"\s*[|\n]\s*", text.strip()) for rule, text in GRAMMAR.items()} | dict(names)
    for kind in ("surname", "town", "firm"):
        rules[kind] = rules[kind] + AMBIGUOUS.split()
    rules["firm"] += COMMON.split()
    if split != "train":
        rules["clause"] += rules["unseen"]
    return rules


class _Writer:
    """Writes sentences by a grammar.

    Args:
        random: source of every choice.
        rules: alternatives by rule.
        noise: share of the entities without an affix that lack their tags or carry a wrong type.
    """

    def __init__(self, random: Random, rules: Mapping[str, Sequence[str]], noise: float) -> None:
        self.random = random
        self.rules = rules
        self.noise = noise

    def sentence(self, rule: str) -> list[_Token]:
        """A sentence by one of the rule's alternatives."""
        first, *others = self._rule(rule)
        return [_capital(first), *others]

    def _rule(self, rule: str) -> list[_Token]:
        tokens = []
        for word in _pick(self.random, self.rules[rule]).split():
            slot = re.fullmatch(r"\$(\w+)([+-]\w+)?", word)
            tokens += self._slot(slot[1], slot[2] or "") if slot else [_Token(word)]
        return tokens

    def _slot(self, rule: str, affix: str) -> list[_Token]:
        if rule[:3] in TYPES:
            return self._entity(self._rule(rule), rule[:3], affix)
        return self._rule(rule) if rule in self.rules else [_capital(token) for token in self._rule(rule.lower())]

    def _entity(self, tokens: list[_Token], label: str, affix: str) -> list[_Token]:
        """Tokens as one entity; the entities that they hold already become the nested ones."""
        tokens[-1] = tokens[-1]._replace(text=tokens[-1].text + affix.removeprefix("+"))
        if not affix and self.random.random() < self.noise:
            label = _pick(self.random, (*TYPES, ""))
        if not label:
            return tokens
        label += {"+": "deriv", "-": "part"}.get(affix[:1], "")
        return [
            _Token(token.text, f"I-{label}" if number else f"B-{label}", token.outer)
            for number, token in enumerate(tokens)
        ]


def _sentences(split: str, writer: _Writer) -> list[list[_Token]]:
    """The sentences of a split, its faults spread evenly over them."""
    rules = ["sentence"] * SENTENCES[split]
    for at in _spread(LONG_SENTENCES[split], len(rules)):
        rules[at] = "long"
    if split == "dev":
        rules[-1] = "only_dev"
    sentences = [writer.sentence(rule) for rule in rules]
    for at, control in zip(_spread(len(CONTROLS[split]), len(sentences)), CONTROLS[split], strict=True):
        sentence = sentences[at + 1]  # the next one, as `at` may be a long one
        # Before a token outside entities, so that no entity is split.
        places = [place for place, token in enumerate(sentence) if place and token.outer == "O"]
        sentence.insert(places[0] if places else len(sentence), _Token(control))
    return sentences


def _published(split: str, sentences: Sequence[Sequence[_Token]]) -> bytes:
    lines = []
    for number, sentence in enumerate(sentences, start=1):
        lines.append(f"#\thttp://example.org/{split}/{number}\t[2014-01-{number % 31 + 1:02}]")
        if number % 9 == 0:  # GermEval's comment lines, too, end in a tab here and there
            lines[-1] += "\t"
        lines += ["\t".join((str(index), *token)) for index, token in enumerate(sentence, start=1)]
        if number == FIFTH_FIELD.get(split):
            lines[-1] += "\t"
        lines.append("")
    return "".join(f"{line}\n" for line in lines).encode()


def _spread(count: int, length: int) -> list[int]:
    return [length * number // (count + 1) for number in range(1, count + 1)]


def _pick(random: Random, items: Sequence[Item]) -> Item:
    return items[int(random.random() * len(items))]


def _shuffled(random: Random, items: Sequence[Item]) -> list[Item]:
    return sorted(items, key=lambda _: random.random())


def _capital(token: _Token) -> _Token:
    return token._replace(text=token.text[:1].upper() + token.text[1:])
