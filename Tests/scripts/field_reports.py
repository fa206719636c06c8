#!/usr/bin/env python3
"""What others' users ran into: reports of faults in tools of this sort, each with its neighbours, through a running server.

    field_reports.py [--postgres] [--only ROW...] [--log LINES]

Each row is a kind of fault that somebody reported of a tool of this sort; its cases are tables of inputs and of what is right. The wall clock of
the server is moved where a row is about time. --postgres: on PostgreSQL, and with it row 20, two nodes of one database.
"""

import argparse
import traceback

import postgres
import tocsin
from field_reports_bodies import encodings, repaired_bodies, unnamed_alerts
from field_reports_door import codings, credentials, documents, mail_ports, nulls, schemes
from field_reports_fields import links, moments
from field_reports_life import early_recoveries, sender_times, stale_recoveries, words_for_the_end, words_of_tables
from field_reports_nodes import other_node
from field_reports_place import unlimited
from field_reports_tell import first_words, literal_values, pages_for_people, thin_recoveries, who_hears
from notifications_place import Place, note

ROWS = {
    1: [who_hears], 2: [thin_recoveries], 3: [first_words], 4: [repaired_bodies], 5: [codings], 6: [credentials], 7: [schemes],
    8: [words_for_the_end, words_of_tables], 9: [stale_recoveries], 10: [early_recoveries], 11: [sender_times], 12: [moments], 13: [pages_for_people],
    14: [links], 15: [unnamed_alerts], 16: [encodings], 17: [documents], 18: [mail_ports], 19: [literal_values], 21: [nulls],
}
TROUBLES = (tocsin.APIError, tocsin.NotSent, tocsin.Unanswered, OSError, RuntimeError, LookupError, TypeError)


def went_through(checks, what, act, *arguments):
    """One that breaks off is one failed check; the others go on."""
    try:
        act(*arguments)
    except TROUBLES as error:
        frames = [f"{frame.name}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
        checks.check(False, f"{what} went through", f"{type(error).__name__}: {error} at {' '.join(frames[-5:])}")


def main(options, checks):
    rows = options.only or [*ROWS, 20]
    with postgres.engine(options.postgres) as options.cluster:
        if set(rows) & set(ROWS):
            with Place(checks, options, "Field reports") as place:
                unlimited(place)
                for row in [row for row in rows if row in ROWS]:
                    for act in ROWS[row]:
                        went_through(checks, f"row {row}", act, checks, place)
        if 20 in rows and options.cluster:
            went_through(checks, "row 20", other_node, checks, options.cluster)
        elif 20 in rows:
            note("row 20 is about several nodes: --postgres")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--postgres", action="store_true", help="on PostgreSQL in place of SQLite, and row 20")
    parser.add_argument("--only", nargs="+", type=int, choices=[*ROWS, 20], metavar="ROW")
    parser.add_argument("--log", type=int, default=0, help="lines of the server's log to show after failures")
    parsed = parser.parse_args()
    parsed.parent = None
    tocsin.run(lambda checks: main(parsed, checks), seconds=460 if parsed.postgres else 380)
