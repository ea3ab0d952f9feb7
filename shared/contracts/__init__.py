"""The contracts between the layers, one type each."""

from shared.contracts.contract import Contract
from shared.contracts.data import DataContract
from shared.contracts.monitoring import MonitoringContract
from shared.contracts.network import NetworkContract
from shared.contracts.processing import ProcessingContract
from shared.contracts.security import SecurityContract
from shared.contracts.streaming import StreamingContract

CONTRACTS: dict[str, type[Contract]] = {
    contract.layer: contract
    for contract in (
        NetworkContract,
        SecurityContract,
        StreamingContract,
        DataContract,
        ProcessingContract,
        MonitoringContract,
    )
}

__all__ = [
    "CONTRACTS",
    "Contract",
    "DataContract",
    "MonitoringContract",
    "NetworkContract",
    "ProcessingContract",
    "SecurityContract",
    "StreamingContract",
]
