"""What the processing layer exports."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pulumi import Output

from shared.contracts.contract import Contract
from shared.contracts.output_spec import OutputSpec


@dataclass(frozen=True, kw_only=True)
class ProcessingContract(Contract):
    """The functions that process transactions, for verbs, alarms and logs."""

    layer: ClassVar[str] = "processing"

    consumer_function_name: Annotated[
        Output[str],
        OutputSpec("The function that stores the stream's transactions.", "transaction-consumer-dev"),
    ]
    consumer_function_arn: Annotated[
        Output[str],
        OutputSpec(
            "ARN of the same function.",
            "arn:aws:lambda:ap-northeast-1:123456789012:function:transaction-consumer-dev",
        ),
    ]
    migrator_function_name: Annotated[
        Output[str],
        OutputSpec("The function that migrates the schema and answers the verbs.", "transaction-migrator-dev"),
    ]
    processing_log_group_name: Annotated[
        Output[str], OutputSpec("The functions' log group.", "/aws/transaction-monitoring/dev/processing")
    ]
    mapping_uuid: Annotated[
        Output[str],
        OutputSpec("The event source mapping between stream and consumer.", "91eaeb7e-c976-1234-9451-8709db01f137"),
    ]
    record_age_seconds: Annotated[
        Output[int], OutputSpec("Age in seconds at which a record that cannot be processed is discarded.", 43200)
    ]
    schema_version: Annotated[Output[int], OutputSpec("Version of PostgreSQL's schema; 0 where no server runs.", 1)]
