"""A headless Chromium, driven over its own protocol (CDP) by the WebSocket client that is installed anyway.

https://chromedevtools.github.io/devtools-protocol/
"""

import asyncio
import base64
import itertools
import json
import shutil
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp

FLAGS: Final = (
    "--headless",
    "--no-sandbox",  # It refuses root otherwise; it opens our own pages only.
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,1600",
    "--remote-debugging-port=0",
)
PATIENCE_S: Final = 120.0
LOOK_EVERY_S: Final = 0.1
KEYS: Final = {"Tab": (9, ""), "Enter": (13, "\r"), " ": (32, " ")}
SHIFT: Final = 8
DOMAINS: Final = ("Page", "Runtime", "Log", "Network")


def chromium() -> str | None:
    """Return where the browser is, or None."""
    return shutil.which("chromium")


class Tab:
    """One page: what it shows, what it complained of, and what it asked for."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket, self._numbers = socket, itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.complaints: list[str] = []
        """Errors and warnings of the console, and exceptions that nobody caught."""
        self.requests: list[str] = []
        """The URL of everything that was fetched."""

    async def listen(self) -> None:
        """Take in what the browser says, until it hangs up."""
        async for message in self._socket:
            said = json.loads(message.data)
            if "id" in said:
                self._answers.pop(said["id"]).set_result(said)
            else:
                self._note(said["method"], said["params"])

    def _note(self, event: str, told: dict[str, Any]) -> None:
        match event:
            case "Network.requestWillBeSent":
                self.requests.append(told["request"]["url"])
            case "Runtime.exceptionThrown":
                self.complaints.append(str(told["exceptionDetails"]))
            case "Runtime.consoleAPICalled" if told["type"] in {"error", "warning", "assert"}:
                self.complaints.append(str(told["args"]))
            case "Log.entryAdded" if told["entry"]["level"] in {"error", "warning"}:
                self.complaints.append(f"{told['entry']['text']} {told['entry'].get('url', '')}")

    async def command(self, method: str, **parameters: object) -> dict[str, Any]:
        """Return the browser's answer to a command of its protocol."""
        number = next(self._numbers)
        self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        async with asyncio.timeout(PATIENCE_S):
            said = await self._answers[number]
        assert "result" in said, said
        result: dict[str, Any] = said["result"]
        return result

    async def evaluate(self, script: str) -> Any:  # noqa: ANN401 - what the script returns
        """Return what the script returns on the page."""
        answer = await self.command("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    async def open(self, url: str) -> None:
        """Go there, as by typing the address."""
        answer = await self.command("Page.navigate", url=url)
        assert "errorText" not in answer, answer
        await self.until("document.readyState === 'complete'")

    async def until(self, script: str) -> Any:  # noqa: ANN401 - what the script returns
        """Return what the script returns once it is something."""
        async with asyncio.timeout(PATIENCE_S):
            while not (value := await self.evaluate(script)):  # noqa: ASYNC110 - a page tells nobody that it is done
                await asyncio.sleep(LOOK_EVERY_S)
        return value

    async def click(self, selector: str) -> None:
        """Click the first element that the selector finds, once it is there, with the mouse."""
        found = f"document.querySelector({json.dumps(selector)})"
        await self.until(f"!!{found}")
        await self.evaluate(f"{found}.scrollIntoView({{block: 'center', behavior: 'instant'}})")
        box = await self.evaluate(f"{found}.getBoundingClientRect().toJSON()")
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        for kind in ("mousePressed", "mouseReleased"):
            await self.command("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    async def write(self, selector: str, text: str) -> None:
        """Click into a field and paste the text."""
        await self.click(selector)
        await self.command("Input.insertText", text=text)

    async def press(self, key: str, *, shift: bool = False) -> None:
        """Press a key, as on the keyboard: `Tab`, `Enter`, or a space."""
        code, text = KEYS[key]
        told = {"key": key, "windowsVirtualKeyCode": code, "modifiers": SHIFT if shift else 0}
        await self.command("Input.dispatchKeyEvent", type="keyDown", text=text, **told)
        await self.command("Input.dispatchKeyEvent", type="keyUp", **told)

    async def prefer(self, scheme: str) -> None:
        """Let the reader prefer `light` or `dark`."""
        await self.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    async def picture(self, file: Path) -> None:
        """Keep what is seen of the page."""
        shot = await self.command("Page.captureScreenshot", format="png")
        await asyncio.to_thread(_keep, file, base64.b64decode(shot["data"]))

    async def text(self) -> str:
        """Return what the page shows."""
        return str(await self.evaluate("document.body.innerText"))


@asynccontextmanager
async def tab(profile: Path) -> AsyncIterator[Tab]:
    """Start the browser with a fresh profile, and open a tab in it."""
    program = chromium()
    assert program, "Chromium is missing; examples/servers/install_chromium.sh installs it."
    process = subprocess.Popen(  # noqa: ASYNC220, S603 - started at once; our own command
        [program, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        port = await asyncio.to_thread(_port, profile / "DevToolsActivePort", process)
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(await _page(session, port), max_msg_size=0) as socket,
        ):
            opened = Tab(socket)
            listening = asyncio.create_task(opened.listen())
            for domain in DOMAINS:
                await opened.command(f"{domain}.enable")
            yield opened
            await socket.close()
            await listening
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait)


def _keep(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def _port(written: Path, process: subprocess.Popen[bytes]) -> int:
    """Return the port that the browser chose, once it has written it down."""
    until = time.monotonic() + PATIENCE_S
    while not (written.exists() and "\n" in written.read_text()):
        assert process.poll() is None, "Chromium ended at once."
        assert time.monotonic() < until, "Chromium did not start."
        time.sleep(LOOK_EVERY_S)
    return int(written.read_text().splitlines()[0])


async def _page(session: aiohttp.ClientSession, port: int) -> str:
    async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
        targets = await answer.json()
    return str(next(target for target in targets if target["type"] == "page")["webSocketDebuggerUrl"])
