"""Saved Logs Insights queries, which the runbooks of the alarms refer to."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi_aws as aws
from pulumi import Input

from shared.contracts import DataContract, ProcessingContract
from shared.stack import StackContext


@dataclass(frozen=True, kw_only=True)
class Query:
    """A saved query and the log groups that it searches."""

    name: str
    text: str
    log_groups: Sequence[Input[str]]


def saved_queries(
    application: Input[str], flow: Input[str], data: DataContract, processing: ProcessingContract
) -> list[Query]:
    """Describe the queries over the logs of the applications, the VPC and the databases."""
    return [
        Query(
            name="errors",
            text="fields @timestamp, @message, @logStream | filter @message like /ERROR/ | sort @timestamp desc"
            " | limit 100",
            log_groups=[application, processing.processing_log_group_name],
        ),
        Query(
            name="slow-statements",
            text=r"fields @timestamp, @message | filter @message like /duration: /"
            r" | parse @message /duration: (?<ms>[\d.]+) ms/ | sort ms desc | limit 50",
            log_groups=data.rds_log_group_names,
        ),
        Query(
            name="refused-logins",
            text="fields @timestamp, @message | filter @message like /(?i)(authentication failed|no pg_hba|denied)/"
            " | sort @timestamp desc | limit 100",
            log_groups=data.rds_log_group_names,
        ),
        Query(
            name="refused-connections",
            text='filter action = "REJECT" | stats count(*) as times by srcAddr, dstAddr, dstPort | sort times desc'
            " | limit 100",
            log_groups=[flow],
        ),
    ]


def save_queries(stack: StackContext, queries: Sequence[Query]) -> None:
    """Save the queries in the environment's folder."""
    for query in queries:
        aws.cloudwatch.QueryDefinition(
            stack.names.logical(f"query-{query.name}"),
            name=f"{stack.names.physical('dashboard')}/{query.name}",
            log_group_names=query.log_groups,
            query_string=query.text,
            opts=stack.opts,
        )
