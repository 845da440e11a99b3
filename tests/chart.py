"""The chart `tiebeam`, rendered as Helm does it, and the files and variables that its pods would find."""

import copy
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import helm_python
import yaml

CHART: Final = Path(__file__).parents[1] / "helm" / "tiebeam"
KUBERNETES: Final = "1.34"
MOUNTED: Final = "/etc/tiebeam/"
Object = dict[str, Any]


class Pod(NamedTuple):
    """What a pod is made from, and its one container."""

    name: str
    spec: Object
    labels: Mapping[str, str]

    @property
    def container(self) -> Object:
        """Return the one that it has."""
        (container,) = self.spec["containers"]
        return dict(container)


def values(profile: str, /, **changed: object) -> Object:
    """Return the values of an example of the profile; `settings__http__port=1` changes what stands there."""
    found = yaml.safe_load((CHART / "ci" / f"{profile}-values.yaml").read_text("utf-8"))
    assert isinstance(found, dict)
    for path, value in changed.items():
        *sections, field = path.split("__")
        target = found
        for section in sections:
            target = target.setdefault(section, {})
        target[field] = copy.deepcopy(value)
    return found


def rendered(of: Object, name: str = "demo") -> list[Object]:
    """Return every object that Helm would make."""
    with helm_python.Chart.load(CHART) as chart:
        texts = chart.render(of, name=name, namespace="tiebeam")
    manifests = [text for path, text in texts.items() if not path.endswith(".txt")]
    return [document for text in manifests for document in yaml.safe_load_all(text) if document]


def pods(of: list[Object]) -> Iterator[Pod]:
    """Yield each pod that they make."""
    for document in of:
        template = (document.get("spec") or {}).get("template")
        if template:
            name = f"{document['kind']}/{document['metadata']['name']}"
            yield Pod(name, template["spec"], template["metadata"]["labels"])


def pod(of: list[Object], component: str) -> Pod:
    """Return the pod of the component."""
    (found,) = (one for one in pods(of) if one.labels["app.kubernetes.io/component"] == component)
    return found


def of_kind(of: list[Object], kind: str) -> list[Object]:
    """Return those of the kind."""
    return [document for document in of if document["kind"] == kind]


class Mounted(NamedTuple):
    """An installation on disk, as a pod finds it."""

    config: Path
    environ: dict[str, str]


def mounted(of: list[Object], component: str, folder: Path, secrets: Mapping[str, str]) -> Mounted:
    """Write what the pod mounts below MOUNTED; `secrets` has the values by their keys.

    The data directory is in the folder too, since the pod's own is nowhere here.
    """
    found, maps = pod(of, component), {one["metadata"]["name"]: one["data"] or {} for one in of_kind(of, "ConfigMap")}
    volumes = {volume["name"]: volume for volume in found.spec["volumes"]}
    for mount in found.container["volumeMounts"]:
        if not mount["mountPath"].startswith(MOUNTED):
            continue
        texts, place = _texts(volumes[mount["name"]], maps, secrets), folder / mount["mountPath"].removeprefix(MOUNTED)
        if "subPath" in mount:
            _write(place, texts[mount["subPath"]])
            continue
        place.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            _write(place / name, text)
    environ = {one["name"]: secrets[one["valueFrom"]["secretKeyRef"]["key"]] for one in found.container.get("env", [])}
    return Mounted(folder / "tiebeam.yaml", environ | {"TIEBEAM__DATA_DIR": str(folder / "data")})


def _texts(volume: Object, maps: Mapping[str, Mapping[str, str]], secrets: Mapping[str, str]) -> Mapping[str, str]:
    if "configMap" in volume:
        return maps[volume["configMap"]["name"]]
    sources = [source["secret"] for source in volume["projected"]["sources"]]
    return {item["path"]: secrets[item["key"]] for source in sources for item in source["items"]}


def _write(place: Path, text: str) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text, "utf-8")
