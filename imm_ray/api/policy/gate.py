"""The gate: asks the caller's policies before a request may learn or change anything."""

from datetime import UTC, datetime

from imm_ray.api.keyring import Identity
from imm_ray.api.origin import Origin
from imm_ray.api.policy.condition import Context
from imm_ray.api.policy.document import Ask
from imm_ray.api.policy.grant import Denial
from imm_ray.api.policy.resource import resource_arn
from imm_ray.api.rpc import RpcRequest
from imm_ray.api.schema import Parameters
from imm_ray.errors import NoPermission


class Gate:
    """Decides by RAM policy.

    Parameters
    ----------
    region
        The region that resources are named with.
    """

    def __init__(self, region: str) -> None:
        self._region = region

    def refusal(
        self,
        request: RpcRequest,
        identity: Identity,
        *,
        schema: type[Parameters],
        origin: Origin,
        now: datetime,
    ) -> NoPermission | None:
        """Return the error for a caller whose policies do not allow ``request``, else None.

        The same error is answered whether the resource exists or not. It tells the action and the
        resource that was asked for, never what a policy says.
        """
        resource = resource_arn(
            request.action,
            schema,
            request.business_parameters,
            region=self._region,
            account=identity.account,
        )
        ask = Ask(
            action=f"imm:{request.action}", resource=resource, context=_context(origin, now=now)
        )
        denial = identity.grant.denial(ask)
        return None if denial is None else _error(ask, identity, denial)

    def check_dataset(
        self,
        request: RpcRequest,
        identity: Identity,
        *,
        dataset: str,
        origin: Origin,
        now: datetime,
    ) -> None:
        """Refuse a request about a project when it turns out to be about a denied dataset of it.

        For an action that names its dataset by the id of something. Its resource is the project, so
        what allows it there is enough; but a Deny that applies to the dataset wins.

        Raises
        ------
        NoPermission
        """
        project = request.business_parameters.get("ProjectName", "")
        ask = Ask(
            action=f"imm:{request.action}",
            resource=f"acs:imm:{self._region}:{identity.account}:project/{project}"
            f"/dataset/{dataset}",
            context=_context(origin, now=now),
        )
        denial = identity.grant.denial(ask)
        if denial in (Denial.EXPLICIT, Denial.SESSION_EXPLICIT):
            raise _error(ask, identity, denial)


def _context(origin: Origin, *, now: datetime) -> Context:
    """Return the values of the condition keys. Nobody signs in here with a second factor."""
    known = {
        "acs:CurrentTime": now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "acs:MFAPresent": "false",
        "acs:SecureTransport": str(origin.secure).lower(),
    }
    return known if origin.address is None else known | {"acs:SourceIp": origin.address}


def _error(ask: Ask, identity: Identity, denial: Denial) -> NoPermission:
    no_permission_type, policy_type = denial.value
    return NoPermission(
        "You are not authorized to do this action. You should be authorized by RAM: "
        f"{ask.action} on {ask.resource}.",
        detail={
            "AuthAction": ask.action,
            "AuthPrincipalType": "AssumedRoleUser" if identity.temporary else "SubUser",
            "AuthPrincipalOwnerId": identity.account,
            "AuthPrincipalDisplayName": identity.user_name,
            "NoPermissionType": no_permission_type,
            "PolicyType": policy_type,
        },
    )
