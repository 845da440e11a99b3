"""What the link takes from the client that is not promised to anybody, asked of the client that is installed."""

import asyncio

from gateway.counters.valkey_link import connect

MOVED = (
    "redis-py no longer keeps its stream in `AbstractConnection._writer`, which gateway.counters.valkey_link takes the "
    "transport from: counters on Redis would be away for good. See where `AbstractConnection._connect` puts what "
    "`asyncio.open_connection` returns, and name that in `_transport_of`."
)


async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Say yes to whatever a client says of itself."""
    while said := await reader.read(4_096):
        writer.write(b"+OK\r\n" * said.count(b"SETINFO"))
    writer.close()


async def test_client_keeps_its_stream_where_the_link_takes_it_from() -> None:
    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    connection = await connect(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    kept = getattr(connection, "_writer", None)
    await connection.disconnect(nowait=True)
    server.close()
    await server.wait_closed()

    assert isinstance(kept, asyncio.StreamWriter), MOVED
    assert isinstance(kept.transport, asyncio.Transport), MOVED
