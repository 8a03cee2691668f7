"""The ten launch languages: code, own name, direction, and the codes schools write for them."""

from enum import StrEnum


class Language(StrEnum):
    """A language a family can be written to in. The value is its BCP 47 code."""

    ENGLISH = "en"
    SPANISH = "es"
    PORTUGUESE = "pt"
    HAITIAN_CREOLE = "ht"
    ARABIC = "ar"
    POLISH = "pl"
    ALBANIAN = "sq"
    VIETNAMESE = "vi"
    UKRAINIAN = "uk"
    CHINESE = "zh"

    @property
    def english_name(self) -> str:
        """The name staff read: "Haitian Creole"."""
        return _NAMES[self][0]

    @property
    def own_name(self) -> str:
        """The name a family reads: "Kreyòl ayisyen"."""
        return _NAMES[self][1]

    @property
    def right_to_left(self) -> bool:
        return self is Language.ARABIC


_NAMES = {
    Language.ENGLISH: ("English", "English"),
    Language.SPANISH: ("Spanish", "Español"),
    Language.PORTUGUESE: ("Portuguese", "Português"),
    Language.HAITIAN_CREOLE: ("Haitian Creole", "Kreyòl ayisyen"),
    Language.ARABIC: ("Arabic", "العربية"),
    Language.POLISH: ("Polish", "Polski"),
    Language.ALBANIAN: ("Albanian", "Shqip"),
    Language.VIETNAMESE: ("Vietnamese", "Tiếng Việt"),
    Language.UKRAINIAN: ("Ukrainian", "Українська"),
    Language.CHINESE: ("Chinese (Simplified)", "简体中文"),
}

# ISO 639-2 has two codes for some languages (bibliographic and terminological); school systems
# use both, and 639-1 as well (ED-7). `chi` does not say which Chinese: Simplified is what we have.
_SCHOOL_CODES = {
    "eng": Language.ENGLISH,
    "spa": Language.SPANISH,
    "por": Language.PORTUGUESE,
    "hat": Language.HAITIAN_CREOLE,
    "ara": Language.ARABIC,
    "pol": Language.POLISH,
    "alb": Language.ALBANIAN,
    "sqi": Language.ALBANIAN,
    "vie": Language.VIETNAMESE,
    "ukr": Language.UKRAINIAN,
    "chi": Language.CHINESE,
    "zho": Language.CHINESE,
    "cmn": Language.CHINESE,
}


def from_school_code(code: str) -> Language | None:
    """Read the language code of a school's file ("spa", "es", "es-PR"); None when we do not speak it."""
    code = code.strip().casefold()
    if code in _SCHOOL_CODES:
        return _SCHOOL_CODES[code]
    primary = code.split("-")[0].split("_")[0]
    return next((language for language in Language if language.value == primary), None)
