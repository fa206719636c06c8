#!/usr/bin/env python3
"""Makes a zstd dictionary for raw bodies and alert texts from made-up samples of what senders send.

    train_dictionary.py OUTPUT [--size 8192] [--id 40001]

Needs the command `zstd`. The dictionary in Sources/Storage/Resources is never replaced: rows name it by its id. To improve it,
add a second one with another id and pack with that.
"""
import argparse
import json
import pathlib
import random
import subprocess
import tempfile

WORDS = "checkout pay shop web edge jobs batch order stock search user cart mail auth gateway db cache queue".split()
NAMES = ["容器CPU使用率大于80%", "Pod重启次数过多", "HighErrorRate", "节点磁盘使用率大于85%", "KubePodCrashLooping", "接口响应时间过长",
         "InstanceDown", "内存使用率大于90%", "TargetDown", "JVM GC 次数异常"]


def text(r, n=8):
    return "".join(r.choice("0123456789abcdef") for _ in range(n))


def instant(r):
    return f"2026-{r.randint(1,12):02}-{r.randint(1,28):02}T{r.randint(0,23):02}:{r.randint(0,59):02}:{r.randint(0,59):02}"


def arms_labels(r, name):
    word = r.choice(WORDS)
    return {
        "alertname": name, "container": word, "clustername": f"prod-{text(r, 2)}-{r.randint(1, 9)}", "namespace": r.choice(WORDS),
        "pod_name": f"{word}-{text(r, 10)}-{text(r, 5)}", "instance": f"10.{r.randint(0,255)}.{r.randint(0,255)}.{r.randint(1,254)}:10255",
        "_aliyun_arms_alert_level": r.choice(["ERROR", "CRITICAL", "WARN", "P1", "P2", "P3", "P4"]), "_aliyun_arms_alert_type": "101",
        "_aliyun_arms_alert_rule_id": str(r.randint(1000000, 9999999)), "_aliyun_arms_integration_id": str(r.randint(100, 999)),
        "_aliyun_arms_integration_name": "ARMS-DEFAULT", "_aliyun_arms_involvedObject_kind": r.choice(["cluster", "app"]),
        "_aliyun_arms_involvedObject_id": "c" + text(r, 32), "_aliyun_arms_involvedObject_name": f"prod-{text(r, 3)}",
        "_aliyun_arms_involvedObject_type": "ManagedKubernetes", "_aliyun_arms_product_type": "PROMETHEUS",
        "_aliyun_arms_region_id": r.choice(["cn-hangzhou", "cn-beijing", "cn-shanghai"]), "_aliyun_arms_userid": str(r.randint(10**15, 10**16)),
        "severity": r.choice(["critical", "error", "warning", "page", "P1", "P2", "P3", "P4"]),
    }


def arms_annotations(r, labels):
    value = f"{r.random() * 100:.2f}"
    return {
        "message": f"命名空间 {labels['namespace']} / Pod {labels['pod_name']} CPU 使用率超过 80%, 当前值 {value}%", "value": value,
        "_aliyun_arms_alert_value": value, "_aliyun_arms_alert_now_value": value, "_aliyun_arms_alert_past_value": value,
    }


def arms(r):
    name = r.choice(NAMES)
    firing = r.random() < 0.7
    alerts = []
    for _ in range(r.choice([1, 1, 1, 2, 3])):
        labels = arms_labels(r, name)
        start = instant(r) + r.choice([".000000000Z", f".{r.randint(0, 999):03}000000Z"])
        alerts.append({
            "status": "firing" if firing else "resolved", "labels": labels, "annotations": arms_annotations(r, labels),
            "startsAt": start, "endsAt": "0001-01-01T00:00:00Z" if firing else instant(r) + ".000000000Z",
            "fingerprint": text(r, 32), "generatorURL": "",
        })
    first = alerts[0]
    return {
        "status": "firing" if firing else "resolved", "receiver": "tocsin",
        "externalURL": f"https://alerts.console.aliyun.com/#/alarm/alert/detail/{r.randint(1000, 99999)}",
        "groupLabels": {"alertname": name}, "commonLabels": first["labels"], "commonAnnotations": first["annotations"], "alerts": alerts,
    }


def alertmanager(r):
    labels = {"alertname": r.choice(NAMES), "instance": f"{r.choice(WORDS)}-{r.randint(1, 99)}:9100", "job": r.choice(WORDS),
              "severity": r.choice(["critical", "warning", "info"]), "namespace": r.choice(WORDS)}
    annotations = {"summary": f"{labels['alertname']} on {labels['instance']}", "description": f"{labels['job']} has been down for more than 5 minutes.",
                   "runbook_url": f"https://runbooks.example.com/{labels['alertname']}"}
    firing = r.random() < 0.7
    alert = {"status": "firing" if firing else "resolved", "labels": labels, "annotations": annotations, "startsAt": instant(r) + ".123Z",
             "endsAt": "0001-01-01T00:00:00Z" if firing else instant(r) + ".456Z",
             "generatorURL": f"http://prometheus.example.com/graph?g0.expr=up+%3D%3D+0&g0.tab=1", "fingerprint": text(r, 16)}
    return {"receiver": "tocsin", "status": alert["status"], "alerts": [alert], "groupLabels": {"alertname": labels["alertname"]},
            "commonLabels": labels, "commonAnnotations": annotations, "externalURL": "http://alertmanager.example.com", "version": "4",
            "groupKey": '{}:{alertname="' + labels["alertname"] + '"}', "truncatedAlerts": 0}


def samples(r):
    for _ in range(500):
        body = arms(r)
        yield json.dumps(body, ensure_ascii=False, separators=(",", ":"))
        yield json.dumps(body, ensure_ascii=False, indent=1)
        other = alertmanager(r)
        yield json.dumps(other, ensure_ascii=False, separators=(",", ":"))
        for source in (body, other):
            alert = source["alerts"][0]
            title = alert["labels"]["alertname"]
            yield json.dumps({"title": title, "description": alert["annotations"].get("message") or alert["annotations"]["description"],
                              "link": source["externalURL"], "labels": dict(sorted(alert["labels"].items())),
                              "annotations": dict(sorted(alert["annotations"].items()))}, ensure_ascii=False, separators=(",", ":"))
            yield json.dumps([{"k": alert["fingerprint"], "t": title, "v": r.randint(1, 3), "f": "severity", "l": alert["labels"]["severity"],
                               "a": r.choice(["p1", "p2", "p3", "p4"]), "d": "chan_01k" + text(r, 23), "c": ["chan_01k" + text(r, 23)]}],
                             ensure_ascii=False, separators=(",", ":"))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("output", type=pathlib.Path)
    parser.add_argument("--size", type=int, default=8192)
    parser.add_argument("--id", type=int, default=40_001, help="32768 and above are free for private use")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for number, sample in enumerate(samples(random.Random(1))):
            (pathlib.Path(folder) / f"{number:05}").write_text(sample)
        subprocess.run(["zstd", "--train", "-r", folder, f"--maxdict={options.size}", f"--dictID={options.id}", "-q", "-f",
                        "-o", str(options.output)], check=True)
    print(options.output, options.output.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
