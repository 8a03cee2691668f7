"""`presente talk` and `understand`: the conversation in the terminal, and how words are read."""

from pathlib import Path
from zoneinfo import ZoneInfo

import click

from bot import transcript
from bot.cli.program import Program, the_program
from bot.language import Language


@click.command("talk")
@click.option(
    "--language",
    type=click.Choice([language.value for language in Language]),
    default="en",
    show_default=True,
)
@click.option(
    "--student",
    "students",
    multiple=True,
    default=("Maya",),
    show_default=True,
    help="First name; repeat for siblings.",
)
@click.option("--school", default="Burns School", show_default=True)
@click.option("--english", is_flag=True, help="Show the English under each of our lines.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the conversation as a transcript file.",
)
@click.pass_context
def talk_command(
    context: click.Context,
    language: str,
    students: tuple[str, ...],
    school: str,
    english: bool,
    out: Path | None,
) -> None:
    """Play a conversation: you are the family. An empty line or Ctrl-D ends it.

    `>` is you, `<` is the program, `!` is what happens besides. Write (silence) to let the time pass,
    (a person takes over) and (a person returns it) to be the staff member.
    """
    program = the_program(context)
    player = transcript.Player(
        program.script,
        program.understanding,
        language=Language(language),
        students=students,
        school=school,
        now=program.clock(),
        zone=ZoneInfo(program.settings.zone),
        with_english=english,
    )
    written = [f"absence_check / {language} / played by hand"]
    lines = player.begin()
    while True:
        for line in lines:
            click.echo(line)
        written += lines
        try:
            words = input("> ").strip()
        except EOFError:
            click.echo()
            break
        if not words:
            break
        written.append(f"> {words}")
        lines = player.hear(words)
    if out:
        out.write_text("\n".join(written) + "\n", encoding="utf-8")
        click.echo(f"Written to {out}")


@click.command("understand")
@click.argument("words", required=False)
@click.option(
    "--file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Score a labelled file (id,lang,text,intent,barriers,crisis).",
)
@click.option(
    "--predictions",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write this program's own reading of each row.",
)
@click.option(
    "--folds", type=click.IntRange(2, 10), help="Score by cross-validation: each fold unseen by the models."
)
@click.option("--train", is_flag=True, help="Build the models anew from the phrase files.")
@click.pass_context
def understand_command(
    context: click.Context,
    words: str | None,
    file: Path | None,
    predictions: Path | None,
    folds: int | None,
    train: bool,
) -> None:
    """Say how a family's words are read and why, or score a whole file of them."""
    if train:
        from bot.understanding import train as training

        training.build()
        click.echo("The models are built from bot/understanding/data/phrases.")
    elif file is not None:
        _score(the_program(context), file, predictions, folds)
    elif words is not None:
        click.echo(the_program(context).understanding.explain(words))
    else:
        raise click.UsageError(
            'Give the words in quotes, or --file FILE.csv. Example: presente understand "no ride today"'
        )


def _score(program: Program, file: Path, predictions: Path | None, folds: int | None) -> None:
    from bot.understanding import score

    rows = score.read_rows(file)
    click.echo(str(score.cross_validate(rows, folds) if folds else score.score(rows, program.understanding)))
    if predictions:
        score.write_predictions(rows, predictions, program.understanding)
        click.echo(f"Readings written to {predictions}")
