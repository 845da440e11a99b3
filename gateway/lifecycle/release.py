"""Whether what is served is what was released: a contract that callers rely on does not change under them."""

from collections.abc import Mapping

from gateway.lifecycle.document import LifecycleError, Version


def check(versions: Mapping[str, Version], served: Mapping[str, str]) -> None:
    """Return when every contract served has its entry and, once released, the digest of its release.

    `served` gives the digest of each contract as it stands. Raises LifecycleError with every fault.
    """
    faults = [f"{contract} has no entry: name its owner." for contract in served if contract not in versions]
    faults += [
        f"{contract} is released with {versions[contract].released} and is now {digest}: "
        "open the next version, or note the new digest where it has only grown."
        for contract, digest in served.items()
        if contract in versions and versions[contract].released not in {None, digest}
    ]
    if faults:
        raise LifecycleError("\n".join(f"openapi/lifecycle.yaml: {fault}" for fault in sorted(faults)))
