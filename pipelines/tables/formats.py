"""A table as Markdown, LaTeX (booktabs), CSV and for the terminal (rich)."""

from __future__ import annotations

import re
from urllib.parse import quote

import polars as pl
import rich.box
import rich.table
from rich.text import Text

from equipose.pipelines.tables.table import Cell, Table

LATEX: dict[str, str] = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": "$<$",
    ">": "$>$",
    "±": r"$\pm$",
    "−": "$-$",
    "–": "--",
    "Δ": r"$\Delta$",
    "α": r"$\alpha$",
    "†": r"$\dagger$",
    "‡": r"$\ddagger$",
    "§": r"\S{}",
    "¶": r"\P{}",
    "↓": r"$\downarrow$",
    "↑": r"$\uparrow$",
    "×": r"$\times$",
}
"""Characters that LaTeX would misread or, in its default fonts, lacks."""
MATHS: dict[str, str] = {"†": r"\dagger", "‡": r"\ddagger", "§": r"\S", "¶": r"\P"}
"""Marks inside LaTeX's superscripts."""
MARKDOWN = re.compile(r"([\\|*_<>`\[\]])")
LINK_SAFE = ":/?#@!$&'+,;=%~.-_"
"""Characters of an address that neither end a Markdown link nor a table's cell."""
STYLES: dict[str, str] = {"best": "bold", "second": "underline"}


def latex_escaped(text: str) -> str:
    """Text that LaTeX prints literally."""
    return "".join(LATEX.get(character, character) for character in text)


def markdown_escaped(text: str) -> str:
    """Text that Markdown prints literally, also inside a table."""
    return MARKDOWN.sub(r"\\\1", text)


def to_markdown(table: Table) -> str:
    """A Markdown table, caption above, notes below; best bold, second underlined."""
    lines = [
        markdown_escaped(table.caption.text),
        "",
        _markdown_line([markdown_escaped(name) for name in table.header]),
        "|---|" + "---:|" * (len(table.header) - 1),
        *(_markdown_line([_markdown_cell(cell) for cell in row]) for row in table.named_rows),
    ]
    for note in table.notes:
        lines += ["", markdown_escaped(note)]
    return "\n".join(lines) + "\n"


def _markdown_line(entries: list[str]) -> str:
    return "| " + " | ".join(entries) + " |"


def _markdown_cell(cell: Cell) -> str:
    shown = markdown_escaped(cell.shown)
    if cell.link:
        shown = f"[{shown}]({quote(cell.link, safe=LINK_SAFE)})"
    framed = {"best": f"**{shown}**", "second": f"<u>{shown}</u>"}.get(cell.rank, shown)
    return f"{framed} {markdown_escaped(cell.mark)}" if cell.mark else framed


def to_latex(table: Table, label: str = "tab:comparison") -> str:
    """A LaTeX table for the booktabs package; everything from outside is escaped.

    Raises ValueError for a label with characters that LaTeX reads as commands.
    """
    if not re.fullmatch(r"[\w:.-]+", label, flags=re.ASCII):
        raise ValueError(f"label={label!r}: use letters, digits and : . - _ only, such as 'tab:comparison'")
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{latex_escaped(table.caption.text)}}}",
        rf"\label{{{label}}}",
        rf"\begin{{tabular}}{{l{'r' * (len(table.header) - 1)}}}",
        r"\toprule",
        _latex_line([latex_escaped(name) for name in table.header]),
        r"\midrule",
        *(_latex_line([_latex_cell(cell) for cell in row]) for row in table.named_rows),
        r"\bottomrule",
        r"\end{tabular}",
        *(rf"\par\smallskip{{\footnotesize {latex_escaped(note)}}}" for note in table.notes),
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _latex_line(entries: list[str]) -> str:
    # A row that starts with a bracket would be read as the optional argument of the line before.
    return " & ".join(f"{{}}{entry}" if entry.startswith("[") else entry for entry in entries) + r" \\"


def _latex_cell(cell: Cell) -> str:
    shown = latex_escaped(cell.shown)
    command = {"best": r"\textbf", "second": r"\underline"}.get(cell.rank, "")
    mark = "".join(MATHS.get(character, character) for character in cell.mark)
    return (f"{command}{{{shown}}}" if command else shown) + (f"$^{{{mark}}}$" if mark else "")


def to_frame(table: Table) -> pl.DataFrame:
    """One row per method with unrounded numbers: a column per header, then its `std`, `n`, `low`, `high`,
    `mark`, `link` where there are any, and the caption's parts, so that rows of several files stay apart.
    """
    rows = []
    for row in table.named_rows:
        entry: dict[str, object] = {}
        for name, cell in zip(table.header, row, strict=True):
            entry |= _frame_cells(name, cell)
        rows.append(entry | vars(table.caption))
    return _filled(rows)


def _frame_cells(name: str, cell: Cell) -> dict[str, object]:
    low, high = cell.interval or (None, None)
    extra = {"std": cell.std, "n": cell.n, "low": low, "high": high, "mark": cell.mark or None}
    extra["link"] = cell.link or None
    value = cell.value if cell.value is not None else cell.text or None
    return {name: value, **{f"{name} {key}": part for key, part in extra.items()}}


def _filled(rows: list[dict[str, object]]) -> pl.DataFrame:
    """The rows as a frame, without columns in which no row has a value."""
    frame = pl.DataFrame(rows, infer_schema_length=None)
    return frame[[column.name for column in frame if column.null_count() < len(frame)]]


def to_csv(table: Table) -> str:
    """`to_frame` as comma-separated text."""
    return to_frame(table).write_csv()


def to_rich(table: Table) -> rich.table.Table:
    """The table for a terminal; caption and notes below it."""
    below = "\n".join([table.caption.text, *table.notes])
    shown = rich.table.Table(caption=Text(below), caption_justify="left", box=rich.box.SIMPLE_HEAD)
    for index, name in enumerate(table.header):
        shown.add_column(Text(name), justify="right" if index else "left", no_wrap=not index)
    for row in table.named_rows:
        shown.add_row(*(_rich_cell(cell) for cell in row))
    return shown


def _rich_cell(cell: Cell) -> Text:
    text = Text(cell.shown, style=STYLES.get(cell.rank, ""))
    return text.append(f" {cell.mark}", style="not bold not underline") if cell.mark else text
