"""Where the state of a run is: in a file of this machine, or in Redis for several machines."""

import os
from collections.abc import Mapping
from pathlib import Path

from mmflow.plan import Limits, Plan
from mmflow.runtime.redis_link import address_of, is_redis
from mmflow.runtime.state import Store
from mmflow.runtime.state_file import StateFile, state_file
from mmflow.runtime.state_redis import RedisStore


def store_of(plan: Plan, named: str | Path | None = None, environ: Mapping[str, str] | None = None) -> Store | None:
    """The store that is named, by a file or by the URL of a Redis, else by `MMFLOW_STATE`, else a file in the user's folder.

    None where the plan needs none: a file keeps what budgets spend, and Redis what limits let pass too. Raises `StateError`.
    """
    environ = os.environ if environ is None else environ
    if is_redis(url := str(named or environ.get("MMFLOW_STATE") or "")):
        return RedisStore(address_of(url)) if plan.budgets or has_limits(plan) else None
    return StateFile(state_file(named, environ)) if plan.budgets else None


def has_limits(plan: Plan) -> bool:
    """Whether a plan limits the calls of a provider or a model."""
    return bool(plan.model_limits) or any(each.limits != Limits() for each in plan.providers.values())
