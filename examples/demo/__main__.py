"""`make demo`: tells the story on real systems, proves it in their own books, then keeps serving."""

import argparse
import signal
import sys
import threading
from collections.abc import Callable
from typing import Final

from examples.demo import break_it, edge, lifecycle, money, proof, stage, story
from examples.demo.books import Redmine, Tryton
from examples.demo.crm import Crm
from examples.demo.people import Desks, RedmineDesks, TrytonDesks
from examples.demo.stage import Scene
from examples.demo.telling import paint, progress, say

CHAPTERS: Final[dict[str, Callable[..., bool]]] = {
    "break-it": break_it.play,
    "edge": edge.play,
    "lifecycle": lifecycle.play,
}
"""What is told instead of the story, by the name that `make demo CHAPTER=…` takes."""


def main() -> int:
    """Return 0 where the story went as it should and the systems' own books say so."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--psa", choices=("tryton", "redmine"), default="tryton", help="who plays the PSA")
    parser.add_argument("--once", action="store_true", help="end after the story")
    parser.add_argument("--chapter", choices=CHAPTERS, help="tell this instead of the story, and end")
    parser.add_argument("--verbose", action="store_true", help="show what the gateway logs")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    if arguments.chapter:
        return 0 if CHAPTERS[arguments.chapter](verbose=arguments.verbose) else 1
    with stage.scene(arguments.psa, verbose=arguments.verbose) as scene:
        went_well = tell(scene)
        if not arguments.once:
            keep_serving(scene)
    return 0 if went_well else 1


def tell(scene: Scene) -> bool:
    """Return whether every chapter and the proof went well."""
    erp = books(scene, "erp")
    caller = Crm(scene.url, scene.token)
    outcomes = {chapter.__name__: chapter(story.Stage(caller, erp)) for chapter in story.CHAPTERS}
    office = money.Office(caller, desks(scene), "redmine" if scene.redmine else "delivery")
    outcomes |= {chapter.__name__: chapter(office) for chapter in money.CHAPTERS}
    outcomes["the_ledger"] = proof.ledger(erp)
    outcomes["the_money"] = proof.money(erp, proof.OF_HOURS if scene.redmine else proof.OF_MINUTES)
    outcomes["delivery"] = delivery(scene)
    failed = [name for name, well in outcomes.items() if not well]
    verdict = paint("The story went as it should.", "bold", "green")
    print(f"\n{verdict if not failed else paint('It did not go as it should: ' + ', '.join(failed), 'bold', 'red')}")
    return not failed


def delivery(scene: Scene) -> bool:
    """Return whether the PSA that plays holds what it should."""
    if scene.redmine is None:
        return proof.delivery(books(scene, "psa"))
    ready = scene.redmine
    return proof.delivery_in_redmine(Redmine(ready["base_url"], ready["user_api_keys"]["admin"]))


def desks(scene: Scene) -> Desks:
    """Return the desks of the people who book and approve time, in the PSA that plays."""
    if scene.redmine is None:
        ready = scene.tryton
        return TrytonDesks(f"{ready['base_url']}/psa/rpc/", ready["admin_password"])
    return RedmineDesks(scene.redmine["base_url"], scene.redmine["user_api_keys"]["admin"])


def books(scene: Scene, database: str) -> Tryton:
    """Return the database as its administrator sees it in Tryton itself."""
    ready = scene.tryton
    return Tryton(f"{ready['base_url']}/{database}/rpc/", ready["admin_user"], ready["admin_password"])


def keep_serving(scene: Scene) -> None:
    """Show where to go on, and serve until interrupted."""
    print()
    say(f"API pages    {scene.url}/docs      (Authorize with the token below, then try any call)")
    say(f"Tryton       {scene.tryton['base_url']}  databases erp and psa, user admin, {scene.tryton['admin_password']}")
    if scene.redmine:
        say(f"Redmine      {scene.redmine['base_url']}  user {scene.redmine['user']}, {scene.redmine['password']}")
    say(f"Commands     . .venv/bin/activate; export TIEBEAM_CONFIG={scene.config.resolve()}")
    say("             then `tiebeam work-items list --all`, or TOKEN=$(tiebeam token) for curl")
    say(f"Token        {scene.token}")
    progress("Serving; end with Ctrl-C.")
    with_interrupt = threading.Event()
    try:
        with_interrupt.wait()
    except KeyboardInterrupt:
        progress("Stopping …")


if __name__ == "__main__":
    sys.exit(main())
