"""A dataset's profile for people: lines for a terminal, and one self-contained page with a drawing per distribution."""

from __future__ import annotations

import json
from pathlib import Path

from perceptlm.artifact import translate_os_errors, write_atomic
from perceptlm.data.profile import COUNTED, MEASURED, Profile, ranked
from perceptlm.report.curves import histogram
from perceptlm.report.embed import EmbeddedPicture, embed_svg
from perceptlm.report.listing import listing_lines
from perceptlm.report.page import Entry, Gallery, Highlight, KeyValues, Page, Section, Summary, write_page

PAGE, NUMBERS = "profile.html", "profile.json"
_NUM_SHOWN = 20
_QUANTILES = ("num", "min", "p5", "median", "mean", "p95", "max")


def profile_lines(found: Profile) -> list[str]:
    """Return the profile as lines of text: a table per kind of count, then one of all distributions."""
    lines = [f"{found.num_records:,} records" + _unreadable(found) + _pairs(found)]
    for name in COUNTED:
        rows = ranked(found.counts[name])
        total = found.counts[name].total()
        shown = [(value, count, 100 * count / total) for value, count in rows[:_NUM_SHOWN]]
        lines += ["", *listing_lines((name, "number", "%"), shown)]
        if len(rows) > _NUM_SHOWN:
            lines.append(f"... and {len(rows) - _NUM_SHOWN:,} more")
    summaries = {name: values.summary() for name, values in found.distributions.items()}
    measured = [(name, *(summary.get(key) for key in _QUANTILES)) for name, summary in summaries.items()]
    return [*lines, "", *listing_lines(("", *_QUANTILES), measured)]


def write_profile(directory: Path, found: Profile, title: str) -> tuple[Path, Path]:
    """Write `profile.html` and `profile.json` into a directory, made if it is missing; return both paths."""
    with translate_os_errors(directory):
        directory.mkdir(parents=True, exist_ok=True)
    page, numbers = directory / PAGE, directory / NUMBERS
    write_page(page, profile_page(found, title))
    write_atomic(numbers, (json.dumps(found.to_dict(), indent=1, ensure_ascii=False) + "\n").encode())
    return page, numbers


def profile_page(found: Profile, title: str) -> Page:
    """Return the page of a profile."""
    highlights = [
        Highlight(f"{found.num_records:,}", "records"),
        Highlight(f"{len(found.counts['task']):,}", "tasks"),
        Highlight(f"{found.distributions['questions per media'].num:,}", "sets of media files"),
    ]
    about = [
        f"What the records of {title} hold{_unreadable(found)}{_pairs(found)}.",
        "Media were not opened: sizes and lengths are what the records say.",
    ]
    sections: list[Section] = [Summary(about, highlights)]
    for name in COUNTED:
        rows = ranked(found.counts[name])
        if rows:
            sections.append(_counts(name, rows))
    pictures = [_drawing(found, name) for name, values in found.distributions.items() if values.num]
    if pictures:
        intro = "The last bar of a drawing holds all that lies above 99 % of the values as well."
        sections.append(Gallery("Distributions", pictures, intro))
    return Page(f"Profile of {title}", sections, footer="Made by plm data stats.")


def _counts(name: str, rows: list[tuple[str, int]]) -> KeyValues:
    total = sum(count for _, count in rows)
    entries = [Entry(value, f"{count:,}", count / total) for value, count in rows[:_NUM_SHOWN]]
    if len(rows) > _NUM_SHOWN:
        rest = sum(count for _, count in rows[_NUM_SHOWN:])
        entries.append(Entry(f"{len(rows) - _NUM_SHOWN:,} others", f"{rest:,}", rest / total))
    return KeyValues(f"By {name}", "media items" if name == "size" else "records", entries)


def _drawing(found: Profile, name: str) -> EmbeddedPicture:
    values = found.distributions[name]
    edges, counts = values.bins()
    summary = ", ".join(f"{key} {value:,g}" for key, value in values.summary().items())
    drawn = histogram(edges, counts, title=name, xlabel=MEASURED[name], ylabel="number")
    return embed_svg(drawn, alt=f"Histogram of {name}: {summary}", caption=summary)


def _pairs(found: Profile) -> str:
    return f"; {found.num_pairs:,} have a rejected answer beside the one given" if found.num_pairs else ""


def _unreadable(found: Profile) -> str:
    if not found.num_unreadable:
        return ""
    return f", of which {found.num_unreadable:,} are no valid Samples and are left out (plm data validate lists them)"
