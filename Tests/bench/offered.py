"""Both servers at one fixed rate: what a sender waits when neither is at its limit."""

import report
from load import ID, post
from pushes import maximum
from sides import SIDES, in_turn, per_alert

# name, the key of the alert, what it is
UNIQUE = ("unique", f"rate-{ID}", "one new alert a push, both at {:,.0f}/s")
FORMS = [UNIQUE, ("repeated", "rate-0", "one alert, the same, both at {:,.0f}/s")]
GOAL = "p99 ≤ 0.5"


def measure(options, generator, side, key, rate):
    """One form on one fresh server."""
    with side(options.data_parent) as server:
        request = post(server.path, server.body([key]))
        warm = generator.run(server.port, request, connections=options.connections, rate=rate, seconds=options.warm_up)
        used = server.cpu()
        result = generator.run(
            server.port, request, connections=options.connections, rate=rate, seconds=options.seconds,
            first=warm["requests"] + warm["broken"] + warm["unanswered"],
        )
        return per_alert(result, 1, server, used)


def fair_rate(options, generator, maxima):
    """Half of Alertmanager's maximum on unique pushes, and no more than 70 % of what the slower one can do."""
    if options.offered_rate:
        return options.offered_rate
    tocsin, alertmanager = (maximum(options, generator, side, maxima) for side in SIDES)
    return max(100, round(min(alertmanager / 2, 0.7 * tocsin, 0.7 * alertmanager), -2))


def form_rows(options, generator, sides, form, rate, first_goal="", **ratio):
    """`first_goal`: of the first side; `ratio`: what report.ratio has to know about the ratio."""
    name, key, what = form
    results = in_turn(options, f"{name} at {rate:,.0f}/s", sides, lambda side: measure(options, generator, side, key, rate))
    yield from report.rows(what.format(rate), results, first_goal)
    yield report.ratio(what.format(rate), *results.values(), bold=("p99_ms",), **ratio)


def rows(options, generator, maxima):
    rate = fair_rate(options, generator, maxima)
    for form in FORMS:
        yield from form_rows(options, generator, SIDES, form, rate, goal=GOAL)
