"""What is wrong, by the alerts themselves: Prometheus' own series of those that are active, and what makes it blind.

Names, severities, texts and conditions stand in the alert rules and nowhere else; which alert mutes which stands in the
inhibition rules of Alertmanager's configuration.
"""

from pathlib import Path
from typing import Any, Final

import yaml
from queries import DATABASE_UP, RULES, TARGET_UP, WATCHED, alerts, recorded, request, series

from exporter.metrics.families import OPERATION_LABELS, REQUEST_LABELS

ROUTES: Final = Path(__file__).parent.parent / "deploy/alertmanager/alertmanager.yml"
SEVERITIES: Final = ("critical", "warning", "info")
SUBJECT: Final = (*OPERATION_LABELS, "target")
ONE_EACH: Final = ", ".join(("alertname", "severity", *SUBJECT))
TOP_UNPOLLED: Final = 50
RULES_LOADED: Final = f"count({recorded('database:planetscale_database_up:max')})"


def _rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((RULES / "planetscale-deploys.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"] if "alert" in rule]


SUMMARIES: Final = {
    "RulesNotLoaded": "The rules are not loaded: what is wrong can't be told.",
    "NothingPolled": "Nothing that matches is polled: what is shown is old or missing.",
    "CannotPoll": "A database can't be polled: its queue goes unseen.",
    **{rule["alert"]: rule["annotations"]["summary"] for rule in reversed(_rules())},
}
_RUNBOOKS: Final = {rule["alert"]: rule["annotations"]["runbook_url"] for rule in _rules()}
RUNBOOK_BASE: Final = next(iter(_RUNBOOKS.values())).rpartition("/")[0]

NEXT: Final = {
    "RulesNotLoaded": "Load both files of rules",
    "NothingPolled": "See the exporter's board: reasons",
    "CannotPoll": "See the exporter's board: reasons",
    "PlanetScaleDeployOperationErrored": "Read the error, mend its cause, retry",
    "PlanetScaleDeployOperationStalled": "Look at load and replication lag",
    "PlanetScaleDeployOperationThrottled": "Look at the lag, then at the ratio",
    "PlanetScaleDeployOperationTailTooLong": "See whether its cutover is blocked",
    "PlanetScaleDeployTableLocked": "Find the query that holds the lock",
    "PlanetScaleDeployDropsRecentlyUsedTable": "Ask who uses the table before it runs",
    "PlanetScaleDeployCutoverDelayed": "Find the query that blocks the cutover",
    "PlanetScaleDeployCutoverExpiring": "Cut over now, or lose the copy",
    "PlanetScaleDeployPendingCutover": "Cut over",
    "PlanetScaleDeployQueueBlocked": "Retry, or cancel: the queue waits for it",
    "PlanetScaleDeployQueueWaiting": "See what is ahead of it in the queue",
    "PlanetScaleDeployRevertWindowOpen": "Check what uses it; revert or keep",
    "PlanetScaleDeployRejected": "Read why, mend the branch, deploy anew",
    "PlanetScaleExporterDown": "Start the exporter; see its log",
    "PlanetScaleExporterPollStale": "See the exporter's board: reasons",
    "PlanetScaleExporterTargetDown": "See its log: it names the setting",
    "PlanetScaleExporterAuthFailed": "Renew the token, or give it access",
    "PlanetScaleExporterRateLimited": "Find what else uses the API's limit",
    "PlanetScaleExporterBehind": "Raise the budget, or watch less",
    "PlanetScaleExporterConfigReloadFailed": "Run planetscale-exporter check",
}
ELSE: Final = "Read the runbook"


def next_steps() -> dict[str, str]:
    """What to do first about each alert."""
    return {alert: NEXT.get(alert, ELSE) for alert in SUMMARIES}


def listed() -> str:
    """Each cause once, as the seconds since it began, or -1 where that is not known.

    Labels: `alertname`, `severity` (with its rank before it; what makes blind comes first), the identity of its
    subject, `target`, its table or its target in `about`, and copies of the name in `next` and `runbook`.
    """
    known = f"({_alerts()})\nor on (alertname, {', '.join(SUBJECT)}) ({_blind()})"
    page = f"(max by ({', '.join(REQUEST_LABELS)}, html_url) ({series('planetscale_deploy_request_info')}))"
    whole = (
        f"({known}) * on ({', '.join(REQUEST_LABELS)}) group_left (html_url) {page}\n"
        f"or on (alertname, {', '.join(SUBJECT)}) ({known})"
    )
    return _ranked(whole)


def _alerts() -> str:
    """The alerts that fire and that no other one mutes, as the seconds since each became active."""
    speaking = "\n".join([alerts('alertname=~"PlanetScale.+", alertstate="firing"'), *_muted()])
    since = f"max by ({ONE_EACH}) (ALERTS_FOR_STATE{{{_chosen()}}})"
    return f"max by ({ONE_EACH}) (\n{speaking}\n)\n* on ({ONE_EACH}) (time() - {since})"


def _muted() -> list[str]:
    """Alertmanager's inhibition rules, as what is taken away."""
    rules = yaml.safe_load(ROUTES.read_text())["inhibit_rules"]
    return [
        f"unless ({alerts(_matchers(rule['target_matchers']))}"
        f" and on ({', '.join(rule['equal'])}) {alerts(_matchers(rule['source_matchers']))})"
        for rule in rules
    ]


def _matchers(matchers: list[str]) -> str:
    return ", ".join([*matchers, 'alertstate="firing"'])


def _chosen() -> str:
    """The variables, each or no label at all: alerts about the exporter have none of them."""
    return ", ".join(f'{label}=~"|${label}"' for label in REQUEST_LABELS)


def _blind() -> str:
    """What can't be seen at the moment, whatever the rules say: it needs none of them, and waits for nothing."""
    # One cause, one row: a deploy request has none where its database has one, a database where nothing is polled.
    requests = f"({request('up')} == 0 unless on (organization, database) {DATABASE_UP} == 0)"
    age = f"(time() - {request('last_success_timestamp_seconds')} and {requests}) or (0 * ({requests}) - 1)"
    conditions = {
        ("PlanetScaleExporterTargetDown", "warning"): f"0 * (min by (target) ({TARGET_UP}) == 0) - 1",
        ("PlanetScaleExporterPollStale", "warning"): f"topk({TOP_UNPOLLED}, {age})",
        ("CannotPoll", "warning"): f"0 * ({DATABASE_UP} == 0 and on () {WATCHED}) - 1",
        ("NothingPolled", "critical"): f"0 * absent({WATCHED}) - 1",
        ("RulesNotLoaded", "warning"): f"0 * (absent({RULES_LOADED}) and on () {WATCHED}) - 1",
    }
    rows = [_labelled(expr, alert, severity) for (alert, severity), expr in conditions.items()]
    return "\nor ".join(rows)


def _labelled(expr: str, alert: str, severity: str) -> str:
    named = f'label_replace({expr}, "alertname", "{alert}", "", "")'
    return f'label_replace({named}, "severity", "{severity}", "", "")'


def _ranked(rows: str) -> str:
    """With the labels that the table sorts and writes by."""
    expr = f'label_join(\n{rows}\n, "rank", "/", "alertname", "severity")'
    patterns = ["(?:PlanetScaleExporter.+|[^P].+)/(.+)", *(f"P.+Deploy.+/({severity})" for severity in SEVERITIES)]
    for rank, pattern in enumerate(patterns):
        expr = f'label_replace({expr}, "severity", "{rank} $1", "rank", "{pattern}")'
    expr = f'label_join({expr}, "about", "", "table", "target")'  # one of the two, or none
    for copy in ("next", "runbook"):
        expr = f'label_replace({expr}, "{copy}", "$1", "alertname", "(.+)")'
    return f'label_replace({expr}, "runbook", "", "alertname", "[^P].+")'
