"""
Alibaba Cloud's words in ours: risk levels, suggestions, labels, scenes. Tables, and how to look into them.

Both vocabularies are open: a level or suggestion that is not here is ``RiskLevel.UNKNOWN``, a label that is not here is
kept as it came, and passes only where the provider graded that very label as harmless in words of 2.0. Sources: "Image
Moderation 2.0 synchronous / asynchronous API", "Synchronous / Asynchronous moderation" of Green, and for the labels of
the services of mainland China two public lists that agree.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from ...choices import RiskLevel

RISK_LEVELS: Final[Mapping[str, RiskLevel]] = {
    "high": RiskLevel.HIGH,
    "medium": RiskLevel.MEDIUM,
    "low": RiskLevel.LOW,
    "none": RiskLevel.NONE,
}
SUGGESTIONS: Final[Mapping[str, RiskLevel]] = {
    "block": RiskLevel.HIGH,
    "review": RiskLevel.MEDIUM,
    "pass": RiskLevel.NONE,
}

# Of 2.0 and of Green. What follows an underscore is no longer "nothing": "nonLabel_lib" is a match.
NORMAL: Final = "normal"
NOTHING_FOUND: Final = frozenset({"nonlabel", NORMAL})

# What was looked for, in words, by the scene that was asked for.
SCENES: Final[Mapping[str, str]] = {
    "porn": "sexual content",
    "terrorism": "violence and politics",
    "ad": "advertising and unwanted text",
    "qrcode": "QR codes",
    "live": "live-stream scenes",
    "logo": "logos",
}

# The only ones that ImageScanFeedback takes.
FEEDBACK_SCENES: Final = ("porn", "terrorism", "ad")

_SUFFIXES: Final = {
    "_lib": "matched in a custom library",
    "_tii": "found in text in the image",
}

_DESCRIPTIONS2: Final[Mapping[str, str]] = {
    "nonLabel": "Nothing found",
    "nonLabel_lib": "Matched in a library of exempted images",
    "pornographic_adultContent": "Explicit pornography",
    "pornographic_adultToys": "Adult toys",
    "pornographic_artwork": "Pornography in a work of art",
    "sexual_suggestiveContent": "Sexually suggestive",
    "sexual_partialNudity": "Bare parts of the body",
    "sexual_affectionDisplay": "Display of affection",
    "sexual_femaleUnderwear": "Women's underwear",
    "sexual_cleavage": "Cleavage",
    "sexual_breastBump": "Visible shape of a breast",
    "sexual_breastNudity": "Bare breast",
    "sexual_maleTopless": "Man with a bare chest",
    "sexual_cartoon": "Sexual content in a cartoon",
    "sexual_underage": "Minor in a sexual context",
    "political_politicalFigure": "Politician",
    "political_politicalFigure_name": "Name of a politician",
    "political_politicalFigure_metaphor": "Nickname of a politician",
    "political_prohibitedPerson": "Person who must not be shown",
    "political_taintedCelebrity": "Celebrity in disrepute",
    "political_flag": "Flag",
    "political_map": "Map",
    "political_TVLogo": "Logo of a television station",
    "political_outfit": "Official uniform",
    "political_historicalNihility": "Denial of history",
    "political_religion": "Religion",
    "political_racism": "Racism",
    "political_badge": "Official badge",
    "violent_explosion": "Fire, smoke or explosion",
    "violent_gunKnives": "Guns or knives",
    "violent_gun": "Gun",
    "violent_Knives": "Knives",
    "violent_armedForces": "Armed forces",
    "violent_crowding": "Crowd",
    "violent_horrificContent": "Gore or horror",
    "violent_horrific": "Horror",
    "violent_blood": "Blood",
    "violent_burning": "Burning",
    "contraband_drug": "Drugs",
    "contraband_gamble": "Gambling",
    "fraud_videoAbuse": "Hidden video",
    "fraud_playerAbuse": "Hidden player",
    "inappropriate_smoking": "Smoking",
    "inappropriate_drinking": "Drinking of alcohol",
    "inappropriate_tattoo": "Tattoo",
    "inappropriate_middleFinger": "Middle finger",
    "inappropriate_foodWasting": "Waste of food",
    "racism": "Racism",
    "logo_brand": "Logo of a brand",
    "quality_meaningless": "Picture without content",
}

# Where only the category is known. "religion_", "PDA_", "object_" and the like come with many details.
_CATEGORIES2: Final[Mapping[str, str]] = {
    "pornographic": "Pornography",
    "sexual": "Sexual content",
    "political": "Politics",
    "violent": "Violence",
    "contraband": "Contraband",
    "fraud": "Fraud",
    "inappropriate": "Undesirable",
    "religion": "Religion",
    "racism": "Racism",
    "PDA": "Display of affection",
    "object": "Object",
    "pt": "Advertising or QR code that leads elsewhere",
    "profanity": "Abusive language",
    "logo": "Logo",
    "quality": "Quality of the picture",
}

# The labels of Green by their scene, spelt as they are to be kept.
_DESCRIPTIONS1: Final[Mapping[str, Mapping[str, str]]] = {
    "porn": {"sexy": "Sexually suggestive", "porn": "Pornography"},
    "terrorism": {
        "bloody": "Blood or gore",
        "explosion": "Explosion, smoke or fire",
        "outfit": "Unusual uniform or costume",
        "logo": "Extremist symbol",
        "weapon": "Weapon",
        "politics": "Political content",
        "violence": "Violence",
        "crowd": "Crowd",
        "parade": "Parade",
        "carcrash": "Car crash",
        "flag": "Flag",
        "location": "Landmark",
        "drug": "Drugs",
        "gamble": "Gambling",
        "others": "Other violence or politics",
    },
    "ad": {
        "ad": "Advertising",
        "politics": "Political text in the image",
        "porn": "Pornographic text in the image",
        "abuse": "Abusive text in the image",
        "terrorism": "Violent text in the image",
        "contraband": "Text about contraband in the image",
        "spam": "Spam text in the image",
        "npx": "Spam in the style of a flyer",
        "qrcode": "QR code",
        "programCode": "Mini-program code",
    },
    "qrcode": {"qrcode": "QR code", "programCode": "Mini-program code"},
    "live": {
        "meaningless": "Picture without content",
        "PIP": "Picture in picture",
        "smoking": "Smoking",
        "drivelive": "Live stream while driving",
        "drug": "Drugs",
        "gamble": "Gambling",
    },
    "logo": {"TV": "Logo of a television station", "trademark": "Trademark"},
}
_CANONICAL1: Final = {
    scene: {label.lower(): label for label in descriptions} for scene, descriptions in _DESCRIPTIONS1.items()
}

# The scene of Green that knows most of a category of 2.0. A category that is not here has none.
_SCENE_OF_CATEGORY: Final[Mapping[str, str]] = {
    "pornographic": "porn",
    "sexual": "porn",
    "violent": "terrorism",
    "political": "terrorism",
    "contraband": "terrorism",
    "religion": "terrorism",
    "racism": "terrorism",
    "fraud": "ad",
    "pt": "ad",
    "profanity": "ad",
    "qrcode": "ad",
    # As labels of Green begin.
    "porn": "porn",
    "terrorism": "terrorism",
    "ad": "ad",
}


def risk_level_of(word: object) -> RiskLevel:
    """Return our level for one of 2.0; whatever is no word of its table, or missing, is UNKNOWN."""
    return _looked_up(RISK_LEVELS, word)


def level_of_suggestion(word: object) -> RiskLevel:
    """Return our level for a suggestion of Green; whatever is no word of its table, or missing, is UNKNOWN."""
    return _looked_up(SUGGESTIONS, word)


def is_nothing(label: str) -> bool:
    """Return whether a label says that nothing was found. It says nothing about the level that stands beside it."""
    return label.lower() in NOTHING_FOUND


def describe2(label: str) -> str:
    """Return what a label of 2.0 means, its suffixes in words; empty where not even its category is known."""
    stem = label
    endings: list[str] = []
    while stem not in _DESCRIPTIONS2 and (suffix := next((end for end in _SUFFIXES if stem.endswith(end)), "")):
        stem = stem.removesuffix(suffix)
        endings.insert(0, _SUFFIXES[suffix])
    known = _DESCRIPTIONS2.get(stem) or _CATEGORIES2.get(stem.partition("_")[0], "")
    return ", ".join([known, *endings]) if known else ""


def label1(scene: str, label: str) -> str:
    """Return a label of Green in the style of 2.0, ``scene_label``, spelt as in the table where it is known."""
    return f"{scene}_{_CANONICAL1.get(scene, {}).get(label.lower(), label)}"


def describe1(scene: str, label: str) -> str:
    """Return what a label of Green means in its scene; empty where it is not known."""
    spelt = _CANONICAL1.get(scene, {}).get(label.lower(), label)
    return _DESCRIPTIONS1.get(scene, {}).get(spelt, "")


def feedback_scene(label: str, source: str = "") -> str:
    """
    Return the scene in which a decision about a label can be told to Green; empty where there is none.

    ``source`` is the scene that saw it, where Green did. For a label of 2.0 its category decides; what was found in
    text in the image is a matter of ``ad``, whose labels are about text.
    """
    if source in FEEDBACK_SCENES:
        return source
    scene = _SCENE_OF_CATEGORY.get(label.partition("_")[0], "")
    return "ad" if scene and label.removesuffix("_lib").endswith("_tii") else scene


def feedback_label(labels: Iterable[str], scenes: Collection[str], *, is_pass: bool) -> str:
    """
    Return the label that Green is to expect in these scenes from now on; empty where one word cannot say it.

    To be passed is "normal" in each of them. For a block it is the first of ``labels``, our names for what was seen,
    that all of them have. What 2.0 saw has no name in Green, and what merely resembles it would be a guess.
    """
    if is_pass:
        return NORMAL
    seen = (detail for scene, _, detail in (label.partition("_") for label in labels) if scene in SCENES)
    return next((detail for detail in seen if all(describe1(scene, detail) for scene in scenes)), "")


def _looked_up(table: Mapping[str, RiskLevel], word: object) -> RiskLevel:
    return table.get(word.lower(), RiskLevel.UNKNOWN) if isinstance(word, str) else RiskLevel.UNKNOWN
