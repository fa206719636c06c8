"""Both servers at one fixed rate: what a sender waits when neither is at its limit."""

import report
from load import ID, post
from sides import cpu_seconds, in_turn, note, per_alert, wrk

# name, the key of the alert, what it is
FORMS = [
    ("unique", f"rate-{ID}", "one new alert a push, both at {:,.0f}/s"),
    ("repeated", "rate-0", "one alert, the same, both at {:,.0f}/s"),
]
GOAL = "p99 ≤ 0.5"


def measure(options, generator, side, key, rate):
    """One form on one fresh server."""
    with side(options.data_parent) as server:
        request = post(server.path, server.body([key]))
        warm = generator.run(server.port, request, connections=options.connections, rate=rate, seconds=options.warm_up)
        used = cpu_seconds(server.pid)
        result = generator.run(
            server.port, request, connections=options.connections, rate=rate, seconds=options.seconds,
            first=warm["requests"] + warm["broken"] + warm["unanswered"],
        )
        return per_alert(result, 1, server.pid, used)


def fair_rate(options, generator, maxima):
    """Half of Alertmanager's maximum on unique pushes, and no more than 70 % of what the slower one can do."""
    if options.offered_rate:
        return options.offered_rate
    for side in in_turn(0):
        if side not in maxima:
            with side(options.data_parent) as server:
                body = generator.write("body", server.body(["fair-@ID@"]))
                maxima[side] = wrk(options, server.port, server.path, ["unique", body, "m"], seconds=2)["rate"]
    tocsin, alertmanager = (maxima[side] for side in in_turn(0))
    return max(100, round(min(alertmanager / 2, 0.7 * tocsin, 0.7 * alertmanager), -2))


def rows(options, generator, maxima):
    rate = fair_rate(options, generator, maxima)
    for name, key, what in FORMS:
        results = {side: [] for side in in_turn(0)}
        for turn in range(options.rounds):
            for side in in_turn(turn):
                result = measure(options, generator, side, key, rate)
                results[side].append(result)
                note(
                    f"{name} at {rate:,.0f}/s, round {turn + 1}, {side.name}: {result['rate']:,.0f}/s, p99 {result['p99_ms']:.1f} ms, "
                    f"{result['bad']} errors; the generator's own delay p99 {result['late_p99_ms']:.2f} ms"
                )
        for side, found in results.items():
            yield report.row(what.format(rate), side.name, found)
        yield report.ratio(what.format(rate), *results.values(), GOAL, bold=("p99_ms",))
