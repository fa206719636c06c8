"""The most that each server can take, by form of push (wrk)."""

import statistics

import report
from sides import SIDES, in_turn, per_alert, wrk

# name, wrk mode, alerts in a push, what it is, what the ratios should be
PUSHES = [
    ("repeated", "repeated", 1, "one alert, the same each time", "rate ≥ 1.5, p99 ≤ 0.5"),
    ("unique", "unique", 1, "one alert, a new one each time", "rate ≥ 1.5, p99 ≤ 0.5"),
    ("hundred", "unique", 100, "100 alerts, all new each time", "rate ≥ 2, p99 ≤ 0.5"),
    ("hundred-repeated", "repeated", 100, "100 alerts, the same each time", "rate ≥ 2, p99 ≤ 0.5"),
]
NAMES = [form[0] for form in PUSHES]


def measure(options, generator, side, mode, alerts):
    """One push form on one fresh server."""
    with side(options.data_parent) as server:
        keys = [f"bench-@ID@-{n}" if mode == "unique" else f"bench-{n}" for n in range(alerts)]
        body, places = generator.write("body", server.body(keys)), server.places(generator)
        wrk(options, server.port, server.path, [mode, body, "w", *places], seconds=options.warm_up)
        used = server.cpu()
        result = wrk(options, server.port, server.path, [mode, body, "m", *places])
        return per_alert(result, alerts, server, used)


def compared(options, generator, sides, form, maxima):
    """What was found, by side. Also notes in `maxima` what each can take of unique pushes."""
    name, mode, alerts, *_ = form
    results = in_turn(options, name, sides, lambda side: measure(options, generator, side, mode, alerts))
    if name == "unique":
        maxima.update({side: statistics.median(result["rate"] for result in found) for side, found in results.items()})
    return results


def maximum(options, generator, side, maxima):
    """Unique pushes a second, from `maxima`; looked for now when nobody did."""
    if side not in maxima:
        with side(options.data_parent) as server:
            body = generator.write("body", server.body(["fair-@ID@"]))
            maxima[side] = wrk(options, server.port, server.path, ["unique", body, "m"], seconds=2)["rate"]
    return maxima[side]


def rows(options, generator, maxima):
    for form in PUSHES:
        name, _, _, what, goal = form
        if name in options.pushes:
            results = compared(options, generator, SIDES, form, maxima)
            yield from report.rows(what, results)
            yield report.ratio(what, *results.values(), goal, bold=("rate", "alerts_rate", "p99_ms"))
