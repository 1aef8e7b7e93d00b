"""The chart as helm renders it, checked against Kubernetes' own schemas."""

import json
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml

from tests.conftest import ROOT
from tests.deploy.chart import CHART, Resource, ask, of_kind, render

FULL = ["-f", str(Path(__file__).with_name("full-values.yaml"))]
FILLED = ["--set", "store.source=filled,store.filled.image=unroll:0.1.0"]
CLAIM = ["--set", "store.source=claim"]
KUBERNETES = "1.37"


def pods(resources: list[Resource]) -> Iterator[Resource]:
    for resource in resources:
        match resource["kind"]:
            case "Deployment" | "Job":
                yield resource["spec"]["template"]["spec"]
            case "CronJob":
                yield resource["spec"]["jobTemplate"]["spec"]["template"]["spec"]


@pytest.mark.parametrize("options", [[], FULL, FILLED, CLAIM], ids=["default", "full", "filled", "claim"])
def test_the_chart_lints_and_follows_kubernetes_schemas(helm: str, options: list[str]) -> None:
    linted = ask(helm, "lint", "--strict", str(CHART), *options)
    assert linted.returncode == 0, linted.stdout
    checked = 0
    for resource in render(helm, *options):
        if not resource["apiVersion"].startswith("monitoring.coreos.com/"):  # the operator's kinds have their schemas elsewhere
            kubernetes_validate.validate(resource, KUBERNETES, strict=True)
            checked += 1
    assert checked >= 6


def test_the_schema_check_finds_a_misspelt_field(helm: str) -> None:
    deployment = of_kind(render(helm), "Deployment")
    deployment["spec"]["template"]["spec"]["containers"][0]["readinessprobe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(deployment, KUBERNETES, strict=True)


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ("replcas=3", "replcas"),
        ("store.sorce=claim", "sorce"),
        ("store.source=nowhere", "source"),
        ("replicas=many", "replicas"),
        ("ingress.enabled=true", "host"),
        ("store.source=filled", "image"),
        ("train.job.enabled=true", "expected store.source claim, received baked"),
    ],
)
def test_invalid_values_are_refused(helm: str, given: str, complaint: str) -> None:
    refused = ask(helm, "template", "unroll", str(CHART), "--set", given)
    assert refused.returncode != 0
    assert complaint in refused.stderr


def test_values_and_schema_have_the_same_names() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    schema = json.loads((CHART / "values.schema.json").read_text())
    schema["properties"].pop("global")  # helm's own

    def walk(values: Resource, schema: Resource) -> None:
        assert schema["additionalProperties"] is False
        assert values.keys() == schema["properties"].keys()
        for name, value in values.items():
            below = schema["properties"][name]
            if isinstance(value, dict) and "properties" in below and "cpu" not in json.dumps(below["properties"]):
                walk(value, below)

    walk(values, schema)


def test_every_pod_runs_without_rights(helm: str) -> None:
    found = [*pods(render(helm, *FULL)), *pods(render(helm, *FILLED))]
    assert len(found) == 4
    for pod in found:
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] == 1034
        for container in pod["containers"] + pod.get("initContainers", []):
            assert container["securityContext"] == {
                "readOnlyRootFilesystem": True,
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["limits"]["memory"]


def test_a_pod_with_an_empty_claim_logs_that_it_waits_for_a_model(helm: str, tmp_path: Path) -> None:
    deployment = of_kind(render(helm, *CLAIM), "Deployment")
    (waiting,) = deployment["spec"]["template"]["spec"]["initContainers"]
    command = [part.replace("/store", str(tmp_path)) for part in waiting["command"]]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as waits:
        try:
            assert waits.stdout is not None
            assert waits.stdout.readline() == f"waiting for training to publish a model in {tmp_path}/models\n"
            assert waits.poll() is None
            model = tmp_path / "models" / "many_to_one"
            model.mkdir(parents=True)
            (model / "latest").write_text("v1")
            assert waits.wait(10) == 0
        finally:
            waits.kill()
    done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    assert done.stdout == ""  # a later pod does not wait


def test_an_update_ends_no_pod_before_the_new_one_is_ready(helm: str) -> None:
    spec = of_kind(render(helm), "Deployment")["spec"]
    assert spec["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    (container,) = spec["template"]["spec"]["containers"]
    assert container["readinessProbe"]["httpGet"]["path"] == container["startupProbe"]["httpGet"]["path"] == "/readyz"
    assert container["livenessProbe"]["httpGet"]["path"] == "/livez"
    assert container["lifecycle"]["preStop"]["sleep"]["seconds"] < spec["template"]["spec"]["terminationGracePeriodSeconds"]


@pytest.mark.parametrize(("options", "is_open", "scheme"), [([], True, "HTTP"), (FULL, False, "HTTPS")], ids=["open", "keys"])
def test_keys_close_the_service_and_tls_changes_every_probe_to_https(
    helm: str, options: list[str], is_open: bool, scheme: str
) -> None:
    resources = render(helm, *options)
    (container,) = of_kind(resources, "Deployment")["spec"]["template"]["spec"]["containers"]
    assert ("UNROLL_ALLOW_OPEN" in {variable["name"] for variable in container["env"]}) == is_open
    assert {container[probe]["httpGet"]["scheme"] for probe in ("startupProbe", "readinessProbe", "livenessProbe")} == {scheme}
    (port,) = of_kind(resources, "Service")["spec"]["ports"]
    assert port["appProtocol"] == scheme.lower()
    if not is_open:
        (endpoint,) = of_kind(resources, "ServiceMonitor")["spec"]["endpoints"]
        assert (endpoint["scheme"], endpoint["authorization"]) == (
            "https",
            {"credentials": {"name": "unroll-metrics", "key": "key"}},
        )


def test_empty_settings_leave_the_service_open_and_without_tls(helm: str) -> None:
    resources = render(
        helm, *FULL, "--set", "env.UNROLL_KEYS_FILE=,env.UNROLL_TLS_CERTIFICATE_FILE=,env.UNROLL_ALLOW_OPEN=true"
    )
    (container,) = of_kind(resources, "Deployment")["spec"]["template"]["spec"]["containers"]
    assert {"name": "UNROLL_ALLOW_OPEN", "value": "true"} in container["env"]
    assert container["startupProbe"]["httpGet"]["scheme"] == "HTTP"


@pytest.mark.parametrize("writable", [True, False])
def test_the_store_is_read_only_unless_its_claim_is_writable(helm: str, writable: bool) -> None:
    options = (*CLAIM, "--set", f"store.claim.writable={str(writable).lower()}")
    (container,) = of_kind(render(helm, *options), "Deployment")["spec"]["template"]["spec"]["containers"]
    (mounted,) = (mount for mount in container["volumeMounts"] if mount["name"] == "store")
    assert mounted["readOnly"] is not writable


def test_the_autoscaler_uses_the_adapters_metric(helm: str) -> None:
    resources = render(helm, *FULL)
    by_type = {metric["type"]: metric for metric in of_kind(resources, "HorizontalPodAutoscaler")["spec"]["metrics"]}
    assert by_type.keys() == {"Resource", "Pods"}
    adapter = yaml.safe_load((ROOT / "deploy" / "prometheus" / "adapter.yaml").read_text())
    (rule,) = adapter["rules"]["custom"]
    assert by_type["Pods"]["pods"]["metric"]["name"] == rule["name"]["as"]
    assert "replicas" not in of_kind(resources, "Deployment")["spec"]  # the autoscaler sets it


def test_given_values_reach_the_pods_unchanged(helm: str) -> None:
    resources = render(helm, *FULL)
    pod = of_kind(resources, "Deployment")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    given = {variable["name"]: variable["value"] for variable in container["env"]}
    assert (given["UNROLL_MAX_BODY_BYTES"], given["UNROLL_MAX_WAITING_MS"], given["UNROLL_WORKERS"]) == ("16777216", "50", "2")
    assert of_kind(resources, "Job")["spec"]["activeDeadlineSeconds"] == 10_000_000
    secrets = {volume["secret"]["secretName"]: volume["name"] for volume in pod["volumes"] if "secret" in volume}
    mounted = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert all("." not in volume for volume in secrets.values())  # Kubernetes requires it, but its schemas do not
    assert mounted[secrets["unroll.example-tls"]] == "/etc/unroll/tls"


def test_a_pause_of_zero_gives_no_pre_stop_hook(helm: str) -> None:
    (pod,) = pods(render(helm, "--set", "preStopSeconds=0"))
    assert "lifecycle" not in pod["containers"][0]


def test_a_job_does_not_retry_what_the_gate_refused(helm: str) -> None:
    (rule, moved) = of_kind(render(helm, *FULL), "Job")["spec"]["podFailurePolicy"]["rules"]
    assert (rule["action"], rule["onExitCodes"]["values"], moved["action"]) == ("FailJob", [1, 2], "Ignore")


def test_the_chart_carries_the_tested_alerts_and_dashboard(helm: str) -> None:
    resources = render(helm, *FULL)
    rules = (ROOT / "deploy/prometheus/rules.yaml").read_text()
    for everybody, ours in {
        'job="unroll"': 'job="default/unroll"',
        'container="serve"': 'namespace="default", pod=~"unroll-[a-z0-9]+-[a-z0-9]+", container="serve"',
        'persistentvolumeclaim=~".*-store"': 'namespace="default", persistentvolumeclaim="unroll-store"',
    }.items():
        assert rules.count(everybody) >= 2
        rules = rules.replace(everybody, ours)
    (endpoint,) = of_kind(resources, "ServiceMonitor")["spec"]["endpoints"]
    assert endpoint["relabelings"] == [{"action": "replace", "targetLabel": "job", "replacement": "default/unroll"}]
    assert of_kind(resources, "PrometheusRule")["spec"] == yaml.safe_load(rules)
    assert of_kind(resources, "ConfigMap")["data"]["unroll.json"] == (ROOT / "deploy/grafana/unroll.json").read_text()


def test_chart_images_and_project_have_one_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert chart["version"] == chart["appVersion"] == version
    compose = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())
    assert {compose["services"][name]["image"] for name in ("serve", "train")} == {
        f"unroll:${{UNROLL_TAG:-{version}}}",
        f"unroll-train:${{UNROLL_TAG:-{version}}}",
    }
