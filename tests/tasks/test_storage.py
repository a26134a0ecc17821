"""Paths of plans: which of them only one machine has, and what a missing package is called."""

from __future__ import annotations

import pytest

from airflow_provider_jicoo.tasks.storage import is_local, open_path, several_machines, warning_of


@pytest.fixture
def executor(monkeypatch):
    monkeypatch.delenv("AIRFLOW_IS_K8S_EXECUTOR_POD", raising=False)
    return lambda name: monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", name)


class TestExecutors:
    @pytest.mark.parametrize(
        ("configured", "found"),
        [
            ("LocalExecutor", None),
            ("SequentialExecutor", None),
            ("airflow.executors.local_executor.LocalExecutor", None),
            ("CeleryExecutor", "CeleryExecutor"),
            ("KubernetesExecutor", "KubernetesExecutor"),
            ("LocalExecutor,CeleryExecutor", "CeleryExecutor"),
            ("LocalExecutor, airflow.providers.edge3.executors.EdgeExecutor", "EdgeExecutor"),
            ("fast:airflow.executors.local_executor.LocalExecutor", None),
            ("far:company.executors.FarExecutor", "FarExecutor"),
            ("LocalExecutor;team1=CeleryExecutor", "CeleryExecutor"),
            ("company.executors.Own", "Own"),
        ],
    )
    def test_configured(self, executor, configured, found):
        executor(configured)
        assert several_machines(None) == found

    @pytest.mark.parametrize(
        ("own", "found"),
        [
            ("LocalExecutor", None),
            ("CeleryExecutor", "CeleryExecutor"),
            ("far", "FarExecutor"),
            ("near", None),
            ("company.executors.Other", "Other"),
        ],
    )
    def test_of_the_task_itself(self, executor, own, found):
        executor("LocalExecutor,CeleryExecutor,far:company.executors.FarExecutor,near:company.LocalExecutor")
        assert several_machines(own) == found

    def test_a_pod_may_be_configured_as_if_it_were_alone(self, executor, monkeypatch):
        executor("LocalExecutor")
        monkeypatch.setenv("AIRFLOW_IS_K8S_EXECUTOR_POD", "True")
        assert several_machines(None) == "KubernetesExecutor"


class TestPaths:
    @pytest.mark.parametrize(
        ("path", "local"),
        [
            ("/tmp/plan.jsonl", True),
            ("plans/plan.jsonl", True),
            ("file:///tmp/plan.jsonl", True),
            ("s3://bucket/plan.jsonl", False),
            ("gs://bucket/plan.jsonl", False),
        ],
    )
    def test_local(self, path, local):
        assert is_local(path) == local

    @pytest.mark.parametrize("path", ["/tmp/{{ run_id }}.jsonl", "file:///tmp/plan.jsonl", "plans/plan.jsonl"])
    def test_warned_about(self, executor, path):
        executor("CeleryExecutor")
        told = warning_of("plan_path", path, None)
        assert told.startswith(f"plan_path: {path} is on the disk of one worker, but CeleryExecutor may run")
        executor("LocalExecutor")
        assert warning_of("plan_path", path, None) is None

    @pytest.mark.parametrize("path", ["s3://bucket/{{ run_id }}.jsonl", "{{ params.base }}/plan.jsonl", "", None, 7])
    def test_not_warned_about(self, executor, path):
        executor("CeleryExecutor")
        assert warning_of("plan_path", path, None) is None


class TestPackages:
    @pytest.mark.parametrize(
        ("url", "package"),
        [
            ("s3://bucket/plan.jsonl", r"apache-airflow-providers-amazon\[s3fs\]"),
            ("gs://bucket/plan.jsonl", "apache-airflow-providers-google"),
            ("abfs://container/plan.jsonl", "apache-airflow-providers-microsoft-azure"),
            ("hdfs://host/plan.jsonl", "a package that gives Airflow a file system for hdfs://"),
            ("nonsense://host/plan.jsonl", "a package that gives Airflow a file system for nonsense://"),
        ],
    )
    def test_a_missing_one_is_one_sentence(self, url, package):
        words = rf"^plan_path: {url} cannot be used here, since .*: install {package}$"
        with pytest.raises(ValueError, match=words) as failed:
            open_path("plan_path", url)
        assert "\n" not in str(failed.value)

    def test_a_local_path(self, tmp_path):
        assert open_path("plan_path", str(tmp_path)).exists()
