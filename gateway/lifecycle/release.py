"""Whether what is served is what was released: a contract that callers rely on does not change under them."""

from collections.abc import Callable, Mapping

from gateway.lifecycle.document import LifecycleError, Version


def check(
    versions: Mapping[str, Version], served: Mapping[str, str], why: Callable[[str], str] = lambda contract: contract
) -> None:
    """Return when every contract served has its entry and, once released, the digest of its release.

    `served` gives the digest of each contract as it stands; `why` says of one that is another now what changed. Raises
    LifecycleError with every fault.
    """
    faults = [
        f"{contract} has no entry in openapi/lifecycle.yaml: name its owner."
        for contract in sorted(served)
        if contract not in versions
    ]
    faults += [
        why(contract)
        for contract, digest in sorted(served.items())
        if contract in versions and versions[contract].released not in {None, digest}
    ]
    if faults:
        raise LifecycleError("\n".join(faults))
