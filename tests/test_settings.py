"""Settings: read once; what is wrong is named, all at once, and no secret is ever printed."""

from datetime import time
from typing import Any

import pytest
from pydantic import ValidationError

from bot import settings
from bot.settings import PREFIX, Settings, SettingsRefused

TWILIO = {
    "provider": "twilio",
    "twilio_account_sid": "AC" + "0" * 32,
    "twilio_auth_tokens": "hush-hush",
    "twilio_from": "+18605550100",
}


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(PREFIX + name.upper(), raising=False)


def refusal(**given: Any) -> str:
    with pytest.raises(SettingsRefused) as refused:
        settings.read(**given)
    return str(refused.value)


def test_nothing_needs_to_be_set() -> None:
    chosen = settings.read()

    assert chosen.provider == "simulator"
    assert chosen.database_url == "sqlite:///presente.db"
    assert chosen.auth_tokens == ()


def test_each_setting_is_read_from_its_own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRESENTE_MORNING_AT", "09:45")
    monkeypatch.setenv("PRESENTE_ZONE", "America/Puerto_Rico")
    monkeypatch.setenv("ZONE", "America/Chicago")

    chosen = settings.read()

    assert (chosen.morning_at, chosen.zone) == (time(9, 45), "America/Puerto_Rico")


def test_what_is_given_overrides_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRESENTE_ZONE", "Nowhere/At_All")

    assert settings.read(zone="America/Chicago").zone == "America/Chicago"


def test_every_setting_says_what_it_means() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert field.description.endswith("."), name
        assert len(field.description) < 130, name


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("provider", "carrier pigeon", "simulator"),
        ("provider", "Twilio", "twilio"),
        ("zone", "Mars/Olympus", "America/New_York"),
        ("zone", "", "America/New_York"),
        ("zone", "America", "America/New_York"),
        ("zone", "../../etc/passwd", "America/New_York"),
        ("zone", "x\x00y", "America/New_York"),
        ("public_url", "texts.example.org", "https://"),
        ("public_url", "ftp://texts.example.org", "https://"),
        ("public_url", "https://", "host"),
        ("listen", "8000", "127.0.0.1:8000"),
        ("listen", "127.0.0.1", "127.0.0.1:8000"),
        ("listen", "127.0.0.1:web", "127.0.0.1:8000"),
        ("listen", "127.0.0.1:99999", "127.0.0.1:8000"),
        ("morning_at", "half past nine", "time"),
        ("morning_at", "9:30", "time"),
        ("morning_at", "930", "time"),
        ("window_opens", "25:00", "hour"),
        ("window_opens", "08:00Z", "without a zone"),
        ("reply_closes", "20:00+02:00", "without a zone"),
        ("window_closes", "07:00", "PRESENTE_WINDOW_OPENS"),
        ("window_closes", "08:00", "PRESENTE_WINDOW_OPENS"),
        ("office_closes", "07:59", "PRESENTE_OFFICE_OPENS"),
        ("missing_translation", "french", "hold"),
        ("log_level", "loud", "debug"),
    ],
)
def test_a_bad_setting_is_named_with_the_way_out(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    given: dict[str, Any] = {}
    if "\x00" in value:
        given[name] = value
    else:
        monkeypatch.setenv(PREFIX + name.upper(), value)

    said = refusal(**given)

    assert said.startswith(f"{PREFIX}{name.upper()}: ")
    assert words in said
    assert "Value error" not in said
    assert "\n" not in said


def test_a_window_that_opens_after_its_default_end_is_named_by_its_end() -> None:
    """Otherwise nothing would ever leave, and nobody would know why."""
    said = refusal(window_opens="19:00")

    assert "PRESENTE_WINDOW_CLOSES" in said
    assert "PRESENTE_WINDOW_OPENS" in said


def test_all_bad_settings_are_named_at_once() -> None:
    said = refusal(zone="Mars/Olympus", provider="pigeon", morning_at="late", log_level="loud", listen="x")

    for name in ("ZONE", "PROVIDER", "MORNING_AT", "LOG_LEVEL", "LISTEN"):
        assert f"{PREFIX}{name}: " in said


@pytest.mark.parametrize(
    ("missing", "named"),
    [
        ({"twilio_account_sid": ""}, ["PRESENTE_TWILIO_ACCOUNT_SID"]),
        ({"twilio_auth_tokens": ""}, ["PRESENTE_TWILIO_AUTH_TOKENS"]),
        ({"twilio_auth_tokens": " , "}, ["PRESENTE_TWILIO_AUTH_TOKENS"]),
        ({"twilio_from": ""}, ["PRESENTE_TWILIO_FROM", "PRESENTE_TWILIO_MESSAGING_SERVICE"]),
        (
            {"twilio_from": "", "twilio_auth_tokens": "", "twilio_account_sid": ""},
            ["PRESENTE_TWILIO_ACCOUNT_SID", "PRESENTE_TWILIO_AUTH_TOKENS", "PRESENTE_TWILIO_FROM"],
        ),
    ],
)
def test_twilio_without_all_it_needs_does_not_start(missing: dict[str, str], named: list[str]) -> None:
    said = refusal(**{**TWILIO, **missing})

    assert all(name in said for name in ["PRESENTE_PROVIDER", *named])


@pytest.mark.parametrize("service", ["", "MG" + "0" * 32])
def test_twilio_with_all_it_needs_starts(service: str) -> None:
    chosen = settings.read(
        **{**TWILIO, "twilio_messaging_service": service, "twilio_from": "" if service else "+1"}
    )

    assert chosen.auth_tokens == ("hush-hush",)


def test_two_tokens_are_taken_while_one_replaces_the_other() -> None:
    """TW-36."""
    chosen = settings.read(twilio_auth_tokens=" new , old ,")

    assert chosen.auth_tokens == ("new", "old")


def test_the_public_address_has_no_slash_at_its_end() -> None:
    """TW-34: the path is put behind it."""
    assert settings.read(public_url="https://texts.example.org/presente//").public_url == (
        "https://texts.example.org/presente"
    )


def test_no_secret_is_ever_printed() -> None:
    chosen = settings.read(
        **{**TWILIO, "secret_key": "hush-hush", "database_url": "postgresql://presente:hush-hush@db/presente"}
    )
    refused = refusal(twilio_auth_tokens="hush-hush", secret_key="hush-hush", zone="Mars", provider="twilio")

    for printed in (repr(chosen), str(chosen), f"{chosen}", str(vars(chosen)["secret_key"]), refused):
        assert "hush" not in printed


def test_a_refusal_does_not_carry_what_was_given() -> None:
    """A traceback prints the chain of errors, and pydantic's own quotes every value."""
    with pytest.raises(SettingsRefused) as refused:
        settings.read(**{**TWILIO, "twilio_auth_tokens": "hush-hush", "twilio_from": ""})

    assert refused.value.__suppress_context__
    assert refused.value.__cause__ is None


def test_settings_do_not_change_while_the_program_runs() -> None:
    chosen = settings.read()

    with pytest.raises(ValidationError):
        chosen.zone = "America/Chicago"
