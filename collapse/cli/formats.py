"""`collapse formats`."""

import json

import click

from collapse.cli.output import suggest


@click.command(name="formats")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(as_json: bool) -> None:
    """List the file formats that can be read.

    Files are recognised by their content. For formats that are recognised but not supported, the list has one way
    to extract the tables with another library. Other packages may register more.

    \b
    Examples:
      collapse formats
      collapse formats --json
    """
    from collapse.io.formats.recognise import READ, registered_formats
    from collapse.io.formats.refused import REFUSED

    formats = (*READ, *registered_formats())
    read = {each.name: f"{each.about}{each.needs and f' (needs {each.needs})'}" for each in formats}
    others = {each.name: each.way for each in REFUSED}
    if as_json:
        click.echo(json.dumps({"read": read, "recognised": others}, indent=2))
        return
    for title, rows in (("Read:", read), ("Recognised, but not supported:", others)):
        click.echo(title)
        for name, text in rows.items():
            click.echo(f"  {name}\n      {text}")
    suggest("collapse", "analyze", "FILE")
