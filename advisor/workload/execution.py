"""One execution on its way into the digest, and who ran it."""

from advisor.model.execution import Context, Execution
from advisor.workload.known import Known

__all__ = ["Context", "Execution", "Known"]
