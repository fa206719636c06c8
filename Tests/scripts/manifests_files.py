"""The files of deploy/ as manifests.py looks at them: texts, parsed YAML, Kubernetes objects, services of Compose."""

import os
import sys

try:
    import yaml
except ModuleNotFoundError:
    if sys.prefix == "/usr":
        sys.exit("PyYAML is missing: apt-get install python3-yaml, as deploy/test does")
    os.execv("/usr/bin/python3", ["/usr/bin/python3", *sys.argv])  # Debian's package is for Debian's Python

import tocsin

SETTINGS = "Sources/App/Settings.swift"
EXAMPLE = "deploy/tocsin.example.yaml"
COMPOSE = "deploy/compose.yaml"
BALANCER = "deploy/compose/haproxy.cfg"
DOCKERFILE = "deploy/Dockerfile"
KUBERNETES = "deploy/kubernetes/"
CUSTOMIZATION = KUBERNETES + "kustomization.yaml"


class Loader(yaml.SafeLoader):
    """Refuses a key that stands twice in a mapping: PyYAML would take the last one and say nothing."""

    def construct_mapping(self, node, deep=False):
        keys = [key.value for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        twice = {key for key in keys if keys.count(key) > 1}
        if twice:
            raise yaml.YAMLError(f"line {node.start_mark.line + 1}: {', '.join(twice)} stands twice")
        return super().construct_mapping(node, deep)


class Files:
    """Everything that is looked at, as text, so that a broken copy is a replaced text. `documents` has what is YAML, parsed."""

    def __init__(self, texts):
        self.texts = texts
        self.unreadable, self.documents = [], {}
        for path, text in texts.items():
            if path.endswith(".yaml"):
                try:
                    self.documents[path] = [each for each in yaml.load_all(text, Loader) if each is not None]
                except yaml.YAMLError as error:
                    self.unreadable.append(f"{path}: {error}")
        objects = [each for path, all_of in self.documents.items() if path.startswith(KUBERNETES) for each in all_of]
        self.objects = [each for each in objects if "kind" in each and "metadata" in each]

    @staticmethod
    def read(settings):
        paths = [path for path in (tocsin.ROOT / "deploy").rglob("*") if path.is_file() and "secrets" not in path.parts]
        texts = {str(path.relative_to(tocsin.ROOT)): path.read_text(encoding="utf-8") for path in paths}
        sources = "".join(path.read_text() for path in (tocsin.ROOT / "Sources").rglob("*.swift"))
        return Files(texts | {SETTINGS: settings.read_text(), "Sources": sources})

    def broken(self, path, old, new):
        if old not in self.texts[path]:
            raise RuntimeError(f"nothing to break: {old!r} is not in {path}")
        return Files(self.texts | {path: self.texts[path].replace(old, new)})

    def kind(self, *kinds):
        return [each for each in self.objects if each["kind"] in kinds]

    def names(self, *kinds):
        return {each["metadata"]["name"] for each in self.kind(*kinds)}

    @property
    def compose(self):
        return self.documents[COMPOSE][0]

    @property
    def nodes(self):
        """Services of Compose that are Tocsin."""
        return {name: each for name, each in self.compose["services"].items() if "TOCSIN_ROLE" in each.get("environment", {})}

    @property
    def shared(self):
        """The settings of the ConfigMap, which every pod has."""
        return self.kind("ConfigMap")[0]["data"]
