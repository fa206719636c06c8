#!/usr/bin/env python3
"""The files of deploy/ fit together and fit the server, as far as that can be seen without starting a container.

    manifests.py [--settings FILE]        FILE instead of Sources/App/Settings.swift

Settings, images, ports, probes, selectors, secrets, volumes: what one file names, another one has. Then each check is shown to work: of a
copy with one mistake in it, that mistake has to be reported. Needs PyYAML (Debian: python3-yaml).
"""

import pathlib
import re
import sys

import tocsin
from manifests_files import BALANCER, COMPOSE, CUSTOMIZATION, DOCKERFILE, EXAMPLE, KUBERNETES, SETTINGS, Files
from manifests_mistakes import MISTAKES

BY_HAND = {"secret.yaml", "bootstrap.yaml", "kustomization.yaml"}  # and optional/: not of the kustomization
WORKLOADS = {"Deployment", "StatefulSet", "Job"}


def title(thing):
    return f"{thing['kind']} {thing['metadata']['name']}"


def pod(workload):
    return workload["spec"]["template"]["spec"]


def pod_labels(workload):
    return workload["spec"]["template"]["metadata"]["labels"]


def server(workload):
    return next(each for each in pod(workload)["containers"] if each["name"] == "tocsin")


def containers(workload):
    return pod(workload).get("initContainers", []) + pod(workload)["containers"]


def port_of(address):
    return int(address.rsplit(":", 1)[1])


def selects(selector, labels):
    """Whether a labelSelector takes in these labels (of expressions: `In` alone)."""
    expressions = selector.get("matchExpressions", [])
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items()) and all(
        each["operator"] == "In" and labels.get(each["key"]) in each["values"] for each in expressions
    )


def selected(files, selector):
    return [each for each in files.kind(*WORKLOADS) if selects(selector, pod_labels(each))]


# --- the checks: each yields what is wrong ---


def yaml_is_readable(files):
    yield from files.unreadable


def documented(files):
    """Settings as the comment of Settings.swift lists them."""
    return set(re.findall(r"^///     ([a-z]+(?:-[a-z]+)*)  ", files.texts[SETTINGS], re.MULTILINE))


def settings_exist(files):
    known = documented(files) | set(re.findall(r'"([a-z]+(?:-[a-z]+)*)"', files.texts[SETTINGS])) | {"config"}
    for path, text in files.texts.items():
        if not path.startswith("deploy/") or path in ("deploy/run", "deploy/test", "deploy/bench"):
            continue
        for name in sorted(set(re.findall(r"\bTOCSIN_([A-Z]+(?:_[A-Z]+)*)\b", text))):
            if name.lower().replace("_", "-") not in known:
                yield f"{path}: TOCSIN_{name} is no setting"
    for path, command in commands(files):
        for option in command:
            if option.startswith("--") and option[2:].partition("=")[0] not in known | {"json"}:
                yield f"{path}: {option} is no option"


def commands(files):
    """What the containers of Tocsin are told to do, as (where, arguments)."""
    for name, node in files.nodes.items():
        yield f"{COMPOSE} {name}", node["command"]
    for workload in files.kind(*WORKLOADS):
        yield title(workload), server(workload)["args"]


def example_is_complete(files):
    there = set(re.findall(r"^#?([a-z]+(?:-[a-z]+)*):(?= |$)", files.texts[EXAMPLE], re.MULTILINE))
    for key in sorted(documented(files) - there):
        yield f"{EXAMPLE} has no {key}"
    for key in sorted(there - documented(files)):
        yield f"{EXAMPLE}: {key} is no setting"


def roles_are_covered(files):
    roles = {each["value"] for workload in files.kind(*WORKLOADS) for each in server(workload).get("env", []) if each["name"] == "TOCSIN_ROLE"}
    if roles != {"ingest", "api", "worker"}:
        yield f"the roles on Kubernetes are {', '.join(sorted(roles))}, not ingest, api, worker"
    if {each["environment"]["TOCSIN_ROLE"] for each in files.nodes.values()} != {"all"}:
        yield "a node of Compose has another role than all"
    urls = {files.shared["TOCSIN_PUBLIC_URL"].removeprefix("https://")}
    hosts = {rule["host"] for each in files.kind("Ingress") for rule in each["spec"]["rules"]}
    if urls != hosts:
        yield f"public URL {urls} and ingress {hosts} differ"


def ports_fit(files):
    expected = {"http": port_of(files.shared["TOCSIN_LISTEN"]), "metrics": port_of(files.shared["TOCSIN_METRICS_LISTEN"])}
    for workload in files.kind("Deployment", "StatefulSet"):
        found = {each["name"]: each["containerPort"] for each in server(workload)["ports"]}
        if found != expected:
            yield f"{title(workload)}: ports {found}, settings {expected}"
    for name, node in files.nodes.items():
        port = port_of(node["environment"]["TOCSIN_LISTEN"])
        if not re.search(rf"^ +server {name} {name}:{port}$", files.texts[BALANCER], re.MULTILINE):
            yield f"{BALANCER} has no server {name}:{port}"
    exposed, listens = (re.search(form, files.texts[DOCKERFILE], re.MULTILINE)[1] for form in (r"^EXPOSE (\d+)$", r"TOCSIN_LISTEN=\S+:(\d+)"))
    if exposed != listens:
        yield f"{DOCKERFILE}: EXPOSE and TOCSIN_LISTEN differ"


def probes_fit(files):
    paths = {"startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz"}
    for workload in files.kind("Deployment", "StatefulSet"):
        for probe, path in paths.items():
            found = server(workload).get(probe, {}).get("httpGet", {})
            if found != {"path": path, "port": "http"}:
                yield f"{title(workload)}: {probe} asks for {found}"
    for name, node in files.nodes.items():
        if node["healthcheck"]["test"] != ["CMD", "healthcheck", "/readyz"]:
            yield f"{COMPOSE} {name}: healthcheck is {node['healthcheck']['test']}"
    if "uri /readyz " not in files.texts[BALANCER] or 'CMD ["healthcheck", "/healthz"]' not in files.texts[DOCKERFILE]:
        yield "the balancer asks for /readyz, the image for /healthz"


def services_lead_somewhere(files):
    for service in files.kind("Service"):
        found = selected(files, {"matchLabels": service["spec"]["selector"]})
        if len(found) != 1:
            yield f"{title(service)} selects {len(found)} workloads"
            continue
        names = {each["name"] for each in server(found[0])["ports"]}
        yield from (f"{title(service)}: no port {each['targetPort']}" for each in service["spec"]["ports"] if each["targetPort"] not in names)
    for workload in files.kind("StatefulSet"):
        if workload["spec"]["serviceName"] not in files.names("Service"):
            yield f"{title(workload)}: there is no Service {workload['spec']['serviceName']}"


def ingress_leads_somewhere(files):
    ports = {(each["metadata"]["name"], port["name"]) for each in files.kind("Service") for port in each["spec"]["ports"]}
    expected = {"/p": "tocsin-ingest", "/event/push/alert": "tocsin-ingest", "/v1": "tocsin-api", "/openapi.yaml": "tocsin-api", "/docs": "tocsin-api"}
    found = {}
    for ingress in files.kind("Ingress"):
        for path in (path for rule in ingress["spec"]["rules"] for path in rule["http"]["paths"]):
            backend = path["backend"]["service"]
            found[path["path"]] = backend["name"]
            if (backend["name"], backend["port"]["name"]) not in ports:
                yield f"{title(ingress)}: {path['path']} leads to {backend}, which is not there"
    if found != expected:
        yield f"the paths of the ingresses are {found}"


def selectors_match(files):
    for workload in files.kind("Deployment", "StatefulSet"):
        if selected(files, workload["spec"]["selector"]) != [workload]:
            yield f"{title(workload)} does not select its own pods alone"
        for spread in pod(workload)["topologySpreadConstraints"]:
            if selected(files, spread["labelSelector"]) != [workload]:
                yield f"{title(workload)}: spreads other pods than its own"
    budgets = [selected(files, each["spec"]["selector"]) for each in files.kind("PodDisruptionBudget")]
    for workload in files.kind("Deployment", "StatefulSet"):
        if budgets.count([workload]) != 1:
            yield f"{title(workload)}: {budgets.count([workload])} disruption budgets for it alone"
    nodes = files.kind("Deployment", "StatefulSet")
    for policy in files.kind("NetworkPolicy", "PodMonitor"):
        selector = policy["spec"].get("podSelector") or policy["spec"]["selector"]
        if not all(each in selected(files, selector) for each in nodes):
            yield f"{title(policy)} leaves nodes out"


def autoscaler_fits(files):
    rules = files.documents[KUBERNETES + "optional/prometheus-adapter.yaml"][0]["rules"]["custom"]
    served = {each["name"]["as"] for each in rules}
    for scaler in files.kind("HorizontalPodAutoscaler"):
        target = scaler["spec"]["scaleTargetRef"]
        found = [each for each in files.kind(target["kind"]) if each["metadata"]["name"] == target["name"]]
        if not found:
            yield f"{title(scaler)}: there is no {target['kind']} {target['name']}"
        yield from (f"{title(each)} sets replicas against its autoscaler" for each in found if "replicas" in each["spec"])
        for metric in (each["pods"]["metric"]["name"] for each in scaler["spec"]["metrics"] if each["type"] == "Pods"):
            if metric not in served or not re.search(rf'"{metric}\b', files.texts["Sources"]):
                yield f"{title(scaler)}: {metric} is not served by the adapter, or not by Tocsin"


def references_exist(files):
    secrets = {each["metadata"]["name"]: each["stringData"] for each in files.kind("Secret")}
    for workload in files.kind(*WORKLOADS):
        for volume in pod(workload)["volumes"]:
            if "secret" in volume and volume["secret"]["secretName"] not in secrets:
                yield f"{title(workload)}: there is no Secret {volume['secret']['secretName']}"
        for source in server(workload)["envFrom"]:
            if source["configMapRef"]["name"] not in files.names("ConfigMap"):
                yield f"{title(workload)}: there is no ConfigMap {source['configMapRef']['name']}"
        volumes = {each["name"] for each in pod(workload)["volumes"]}
        volumes |= {each["metadata"]["name"] for each in workload["spec"].get("volumeClaimTemplates", [])}
        for mount in (mount for each in containers(workload) for mount in each["volumeMounts"]):
            if mount["name"] not in volumes:
                yield f"{title(workload)}: there is no volume {mount['name']}"
    for key in ("TOCSIN_ROOT_SECRET_FILE", "TOCSIN_DATABASE_URL_FILE"):
        if pathlib.PurePath(files.shared[key]).name not in secrets.get("tocsin", {}):
            yield f"{key}: the Secret has no {files.shared[key]}"


def kustomization_is_complete(files):
    listed = set(files.documents[CUSTOMIZATION][0]["resources"])
    there = {path.removeprefix(KUBERNETES) for path in files.texts if path.startswith(KUBERNETES) and "/optional/" not in path}
    for name in sorted(listed ^ (there - BY_HAND)):
        yield f"{CUSTOMIZATION}: {name} is listed and not there, or there and not listed"


def compose_references_exist(files):
    for part in ("secrets", "networks", "volumes"):
        for name, service in files.compose["services"].items():
            used = [each.split(":")[0] for each in service.get(part, [])]
            for each in used:
                file = f"deploy/{each[2:]}"
                if each not in files.compose[part] and not (each.startswith("./") and file in files.texts):
                    yield f"{COMPOSE} {name}: {part} has no {each}"
    for name, service in files.compose["services"].items():
        missing = set(service.get("depends_on", [])) - set(files.compose["services"])
        yield from (f"{COMPOSE} {name}: there is no service {each}" for each in sorted(missing))


def images_are_the_same(files):
    image = files.documents[CUSTOMIZATION][0]["images"][0]
    tagged = f"{image['newName']}:{image['newTag']}"
    for workload in files.kind(*WORKLOADS):
        expected = tagged if workload["kind"] == "Job" else image["name"]  # the Job is not of the kustomization
        for each in containers(workload):
            if each["image"] != expected:
                yield f"{title(workload)}: image {each['image']}, not {expected}"
    for name, node in files.nodes.items():
        if node["image"] != "tocsin:latest":
            yield f"{COMPOSE} {name}: image {node['image']}"
    databases = {each["image"] for each in files.compose["services"].values() if each["image"].startswith("postgres")}
    if len(databases) != 1:
        yield f"{COMPOSE}: PostgreSQL is {', '.join(sorted(databases))}"


def data_is_kept(files):
    """What may wait in a spool needs a volume that outlives its container."""
    home = files.shared["TOCSIN_DATA_DIR"]
    if f"TOCSIN_DATA_DIR={home}" not in files.texts[DOCKERFILE] or f"VOLUME {home}\n" not in files.texts[DOCKERFILE]:
        yield f"{DOCKERFILE}: another data directory than {home}"
    for workload in files.kind(*WORKLOADS):
        mounts = {each["mountPath"]: each["name"] for each in server(workload)["volumeMounts"]}
        claims = {each["metadata"]["name"] for each in workload["spec"].get("volumeClaimTemplates", [])}
        if home not in mounts or ("ingest" in workload["metadata"]["name"] and mounts[home] not in claims):
            yield f"{title(workload)}: {home} is on no volume, or not on one of its own"
        for key in ("TOCSIN_ROOT_SECRET_FILE", "TOCSIN_DATABASE_URL_FILE"):
            if str(pathlib.PurePath(files.shared[key]).parent) not in mounts:
                yield f"{title(workload)}: {files.shared[key]} is on no volume"
    homes = [each for node in files.nodes.values() for each in node["volumes"] if each.endswith(f":{home}")]
    if len(set(homes)) != len(files.nodes):
        yield f"{COMPOSE}: nodes without a data volume of their own"


def pods_are_locked_down(files):
    user = int(re.search(r"^USER (\d+):", files.texts[DOCKERFILE], re.MULTILINE)[1])
    if f"owner={user}\n" not in files.texts["deploy/compose/init.sh"]:
        yield f"init.sh makes files for another user than {user}"
    for workload in files.kind(*WORKLOADS):
        spec, security = pod(workload), pod(workload)["securityContext"]
        if not security["runAsNonRoot"] or {security["runAsUser"], security["runAsGroup"], security["fsGroup"]} != {user}:
            yield f"{title(workload)} does not run as {user}"
        if spec.get("enableServiceLinks") is not False:
            yield f"{title(workload)}: variables of Services would get among the settings"
        if workload["kind"] != "Job" and spec.get("terminationGracePeriodSeconds", 30) < 60:
            yield f"{title(workload)}: less than 60 s to end in"
        for each in containers(workload):
            locked = each["securityContext"]
            if locked["allowPrivilegeEscalation"] or not locked["readOnlyRootFilesystem"] or locked["capabilities"] != {"drop": ["ALL"]}:
                yield f"{title(workload)}: container {each['name']} may more than it needs"


CHECKS = [
    yaml_is_readable, settings_exist, example_is_complete, roles_are_covered, ports_fit, probes_fit, services_lead_somewhere,
    ingress_leads_somewhere, selectors_match, autoscaler_fits, references_exist, kustomization_is_complete, compose_references_exist,
    images_are_the_same, data_is_kept, pods_are_locked_down,
]

def speaks_up(check, files):
    """Whether a check reports something. A file so broken that the check can't go through it is no report of the check's."""
    try:
        return any(True for _ in check(files))
    except (KeyError, IndexError, TypeError, AttributeError):
        return False


def test(checks):
    settings = pathlib.Path(sys.argv[2]) if sys.argv[1:2] == ["--settings"] else tocsin.ROOT / SETTINGS
    files = Files.read(settings)
    for check in CHECKS:
        problems = list(check(files))
        checks.check(not problems, check.__name__.replace("_", " "), "; ".join(problems))
    for name, path, old, new in MISTAKES:
        check = next(each for each in CHECKS if each.__name__ == name)
        found = speaks_up(check, files.broken(path, old, new)) and not speaks_up(check, files)
        checks.check(found, f"{name} sees {path.removeprefix('deploy/')}: {old.strip().splitlines()[-1].strip()} -> {new.strip()[-40:]!r}")


if __name__ == "__main__":
    tocsin.run(test, seconds=60)
