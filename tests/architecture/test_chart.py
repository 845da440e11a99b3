"""The chart: what it renders, what it refuses, and that the product starts from what a pod finds."""

import math
from pathlib import Path
from typing import Any, Final

import helm_python
import kubernetes_validate
import pytest
import yaml

from gateway import commands, main
from gateway.durable import DurableSettings
from gateway.egress.limits import Part
from gateway.settings import load
from helm import schema
from tests.chart import CHART, KUBERNETES, Object, mounted, of_kind, pod, pods, rendered, values

PROFILES: Final = ("service", "embedded")
AUTOSCALING: Final = {"maxReplicas": 4, "targetCPUUtilizationPercentage": 60}
VARIANTS: Final[dict[str, Object]] = {
    "service": values("service"),
    "embedded": values("embedded"),
    "workers that are scaled": values("service", worker__autoscaling=AUTOSCALING, worker__replicas=3),
    "little": values("service", monitoring={}, networkPolicy__enabled=False, ingress=None, web={}),
    "placed": values(
        "service",
        nodeSelector={"pool": "apis"},
        tolerations=[{"key": "apis", "operator": "Exists"}],
        podAnnotations={"team": "integration"},
        imagePullSecrets=["registry"],
        image__digest=f"sha256:{'0' * 64}",
    ),
    "files of its own": values(
        "embedded", policies={"existingConfigMap": "policies"}, templates={"files": {"one.yaml": "code: one\n"}}
    ),
    "secrets from elsewhere": values(
        "service",
        settings__redis__url={"file": "/vault/redis-url"},
        settings__database__url={"file": "secrets/database-url"},
        **{"secrets__files__database-url": {"secret": "tiebeam", "key": "database-url"}},
    ),
    "scraped, embedded": values(
        "embedded",
        monitoring={"scrape": True, "token": {"secret": "metrics", "key": "t"}},
        networkPolicy__monitoring=[{"podSelector": {"matchLabels": {"app": "prometheus"}}}],
    ),
}
SECRETS: Final = {
    "database-url": "postgresql://tiebeam@127.0.0.1:9/tiebeam",
    "redis-url": "redis://127.0.0.1:9/0",
    "erp-password": "hunter2-one",
    "psa-password": "hunter2-two",
    "tryton-password": "hunter2-three",
    "redmine-key": "hunter2-four",
}
OPERATOR: Final = "monitoring.coreos.com/v1"


@pytest.mark.parametrize("profile", PROFILES)
def test_chart_has_nothing_that_lint_finds(profile: str) -> None:
    found = helm_python.lint(CHART, values(profile), strict=True, kube_version=f"v{KUBERNETES}.0")

    assert found["errors"] == []
    assert {one["error"] for one in found["messages"]} == {"icon is recommended"}


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_object_is_one_that_kubernetes_knows(variant: str) -> None:
    found = rendered(VARIANTS[variant])
    ours = [document for document in found if document["apiVersion"] != OPERATOR]

    for document in ours:
        kubernetes_validate.validate(document, KUBERNETES, strict=True)
    names = [(document["kind"], document["metadata"]["name"]) for document in found]
    assert len(names) == len(set(names))
    assert len(ours) > 5


@pytest.mark.parametrize("variant", VARIANTS)
def test_pod_may_do_nothing_that_it_need_not(variant: str) -> None:
    found = list(pods(rendered(VARIANTS[variant])))

    for one in found:
        assert one.spec["automountServiceAccountToken"] is False, one.name
        assert one.spec["securityContext"]["runAsNonRoot"] is True
        assert one.spec["securityContext"]["runAsUser"] > 9999
        assert one.spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert one.container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert one.container["resources"]["limits"]["memory"]
        assert {"hostNetwork", "hostPID", "hostIPC"}.isdisjoint(one.spec)
        assert not [volume for volume in one.spec["volumes"] if "hostPath" in volume]
        assert [entry for entry in one.container.get("env", []) if "value" in entry] == []
    assert found


@pytest.mark.parametrize("variant", VARIANTS)
def test_pod_that_goes_on_running_is_probed_where_it_listens(variant: str) -> None:
    running = [one for one in pods(rendered(VARIANTS[variant])) if "Job/" not in one.name]

    for one in running:
        ports = {port["name"] for port in one.container["ports"]}
        asked = {name: one.container[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")}
        assert {probe["port"] for probe in asked.values()} <= ports, one.name
        assert [probe["path"] for probe in asked.values()] == ["/health/live", "/health/live", "/health/ready"]


def test_pod_has_the_time_that_its_end_takes() -> None:
    found = rendered(values("service", settings__http__drain_s=30))
    web, worker = pod(found, "web"), pod(found, "worker")

    notices_s = math.prod(web.container["readinessProbe"][name] for name in ("periodSeconds", "failureThreshold"))
    assert web.spec["terminationGracePeriodSeconds"] >= 30 + 25 + 20
    assert worker.spec["terminationGracePeriodSeconds"] >= DurableSettings().drain_s + 20
    assert notices_s < _default("settings", "http", "drain_s")


def test_service_has_a_migration_before_its_pods_and_budgets_beside_them() -> None:
    found = rendered(values("service"))

    (migration,) = of_kind(found, "Job")
    assert migration["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    settings = {one["metadata"]["name"]: one for one in of_kind(found, "ConfigMap")}["demo-migration"]
    before = settings["metadata"]["annotations"]
    assert before["helm.sh/hook"] == "pre-install,pre-upgrade"
    assert int(before["helm.sh/hook-weight"]) < int(migration["metadata"]["annotations"]["helm.sh/hook-weight"])
    assert [one["metadata"]["name"] for one in of_kind(found, "PodDisruptionBudget")] == ["demo-web", "demo-worker"]


def test_number_of_pods_is_the_autoscalers_where_there_is_one() -> None:
    (scaler,) = of_kind(rendered(values("service")), "HorizontalPodAutoscaler")
    web, worker = of_kind(rendered(values("service")), "Deployment")

    assert (scaler["spec"]["minReplicas"], scaler["spec"]["maxReplicas"]) == (2, 6)
    assert "replicas" not in web["spec"]
    assert worker["spec"]["replicas"] == 2


def test_nothing_comes_in_or_goes_out_but_what_is_named() -> None:
    (policy,) = of_kind(rendered(values("service")), "NetworkPolicy")

    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert [[port["port"] for port in rule["ports"]] for rule in policy["spec"]["ingress"]] == [[8080], [8080, 8081]]
    ports = [[port["port"] for port in rule["ports"]] for rule in policy["spec"]["egress"]]
    assert ports == [[53, 53], [5432], [443], [6379]]
    assert all(rule["to"] for rule in policy["spec"]["egress"])


def test_nobody_comes_in_where_nobody_is_named() -> None:
    """Kubernetes takes an empty list of peers for everybody."""
    changed = values("service", networkPolicy__callers=[], networkPolicy__monitoring=[], monitoring__scrape=False)
    (policy,) = of_kind(rendered(changed), "NetworkPolicy")

    assert not policy["spec"]["ingress"]
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]


def test_rules_and_dashboard_are_the_files_beside_the_templates() -> None:
    found = rendered(values("service"))
    (rules,) = of_kind(found, "PrometheusRule")
    (dashboard,) = (one for one in of_kind(found, "ConfigMap") if "grafana_dashboard" in one["metadata"]["labels"])

    assert rules["spec"] == yaml.safe_load((CHART / "files/alerts.yaml").read_text("utf-8"))
    assert rules["spec"]["groups"]
    assert dashboard["data"]["tiebeam.json"] == (CHART / "files/dashboard.json").read_text("utf-8")


def test_pods_are_made_anew_when_the_installation_changes() -> None:
    digests = {
        one["spec"]["template"]["metadata"]["annotations"]["checksum/installation"]
        for changed in (
            {},
            {"settings__telemetry": {"log_level": "debug"}},
            {"policies__files": {"x.yaml": "policies: []"}},
        )
        for one in of_kind(rendered(values("service", **changed)), "Deployment")
    }

    assert len(digests) == 3


@pytest.mark.parametrize(
    ("profile", "changed", "words"),
    [
        ("service", {"web__replicas": 0}, "/web/replicas"),
        ("service", {"web__replcas": 2}, "replcas"),
        ("service", {"settings__http__prt": 8080}, "prt"),
        ("service", {"settings__database__url": "postgresql://tiebeam:hunter2@db/tiebeam"}, "/settings/database/url"),
        ("service", {"settings__redis__url": "redis://:hunter2@valkey"}, "/settings/redis/url"),
        ("service", {"settings__connections__books__settings__password": "hunter2"}, "/password"),
        ("service", {"settings__connections__books__vendor": "tyrton"}, "vendor"),
        ("service", {"secrets__env__DATABASE_URL": "hunter2"}, "/secrets/env/DATABASE_URL"),
        ("service", {"settings__database": None}, "database"),
        ("service", {"settings__redis": None}, "redis"),
        ("service", {"secrets__installationKey": None}, "installationKey"),
        ("service", {"settings__entities": None}, "entities"),
        ("service", {"profile": "serverless"}, "profile"),
        ("service", {"mappings": {"files": {"items.yaml": "rows: []"}}}, "/mappings"),
        ("service", {"web__resources__limits": {"gpu": 1}}, "gpu"),
        ("service", {"monitoring__token": None}, "metrics:read"),
        ("service", {"networkPolicy__monitoring": []}, "networkPolicy.monitoring"),
        ("service", {"ownership": {}}, "ownership"),
        ("service", {"web__autoscaling__maxReplicas": 1}, "web.autoscaling.maxReplicas"),
        ("service", {"worker__autoscaling": AUTOSCALING, "worker__replicas": 5}, "worker.autoscaling.maxReplicas"),
        ("service", {"ownership__schedules__*__review_on": "2027-06-30T00:00:00Z"}, "review_on"),
        ("service", {"settings__data_dir": "data"}, "/settings/data_dir"),
        ("service", {"settings__data_dir": "/"}, "/settings/data_dir"),
        ("service", {"settings__data_dir": "/tmp/tiebeam"}, "/settings/data_dir"),  # noqa: S108 - refused.
        ("service", {"settings__data_dir": "/etc/tiebeam/data"}, "/settings/data_dir"),
        ("service", {"settings__http__host": "127.0.0.1"}, "/settings/http/host"),
        ("service", {"settings__http__port": 0}, "/settings/http/port"),
        ("service", {"settings__worker__host": "localhost"}, "/settings/worker/host"),
        ("service", {"settings__worker__port": None}, "port"),
        ("service", {"settings__worker": None}, "worker"),
        ("service", {"settings__redis__url": {"env": "VALKEY_URL"}}, "{env: VALKEY_URL}"),
        ("service", {"secrets__files": {}}, "{file: secrets/erp-password}"),
        ("service", {"settings__redis__url": {"file": "redis-url"}}, "{file: redis-url}"),
        ("embedded", {"settings__worker__port": 8080}, "settings.worker.port"),
        ("embedded", {"web__replicas": 2}, "/web/replicas"),
        ("embedded", {"worker__replicas": 2}, "/worker/replicas"),
        ("embedded", {"web__autoscaling": AUTOSCALING}, "autoscaling"),
        ("embedded", {"settings__database": {"url": {"env": "DATABASE_URL"}}}, "/settings/database/url"),
    ],
)
def test_values_that_cannot_be_meant_are_refused(profile: str, changed: dict[str, Any], words: str) -> None:
    with pytest.raises(helm_python.HelmError) as refused:
        rendered(values(profile, **changed))

    assert words in str(refused.value)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("profile", PROFILES)
def test_product_starts_from_what_a_pod_finds(profile: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    component = {"service": "web", "embedded": "embedded"}[profile]
    mappings = values("service")["mappings"]  # The other example has them in a ConfigMap of its own.
    found = mounted(rendered(values(profile, mappings=mappings)), component, tmp_path, SECRETS)
    for name, value in found.environ.items():
        monkeypatch.setenv(name, value)
    settings = load(str(found.config))
    text = found.config.read_text("utf-8")

    assert settings.database_url == (
        SECRETS["database-url"] if profile == "service" else f"sqlite:///{tmp_path}/data/tiebeam.sqlite"
    )
    assert (settings.http.host, settings.http.drain_s) == ("0.0.0.0", 10)  # noqa: S104 - in a pod of its own
    assert [secret for secret in SECRETS.values() if secret in text] == []
    assert "process/status" in commands.plans(settings, None)
    assert main.parts(main.read(settings), Part.whole).erps.keys() == {"books"}


def test_policies_that_ship_are_those_of_the_product_and_can_be_replaced() -> None:
    shipped = {path.name: path.read_text("utf-8") for path in (CHART.parents[1] / "policies").glob("*.yaml")}
    texts = {"00-baseline.yaml": "policies: []\n", "05-consumers.yaml": "", "90.yaml": "policies: []\n"}
    changed = values("service", policies__files=texts)

    assert _policies(values("service")) == shipped
    kept = {name: text for name, text in shipped.items() if name != "05-consumers.yaml"}
    assert _policies(changed) == kept | {name: text for name, text in texts.items() if text}


def _policies(of: Object) -> Object:
    maps = {one["metadata"]["name"]: one for one in of_kind(rendered(of), "ConfigMap")}
    return dict(maps["demo-policies"]["data"])


def test_schema_is_that_of_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["schema", "--check"])
    schema.main()
    monkeypatch.setattr(schema, "FILE", tmp_path / "values.schema.json")

    with pytest.raises(SystemExit):
        schema.main()


def _default(*path: str) -> float:
    found = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))
    for name in path:
        found = found[name]
    return float(found)
