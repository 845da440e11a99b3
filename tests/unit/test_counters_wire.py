"""What the server says is taken apart in the same way, wherever the network cuts it."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.counters.valkey_wire import REFUSAL, Replies

texts = st.binary(max_size=40).filter(lambda text: not text.startswith(REFUSAL))
refusals = st.sampled_from([b"-NOSCRIPT No matching script.", b"-OOM command not allowed"])


@given(st.lists(texts | refusals, max_size=5), st.data())
def test_replies_are_the_same_however_they_are_cut(said: list[bytes], data: st.DataObject) -> None:
    sent = b"".join(
        b"%b\r\n" % each if each.startswith(REFUSAL) else b"$%d\r\n%b\r\n" % (len(each), each) for each in said
    )
    cuts = sorted(data.draw(st.lists(st.integers(0, len(sent)), max_size=6)))
    replies = Replies()

    found = [
        reply
        for start, end in zip([0, *cuts], [*cuts, len(sent)], strict=True)
        for reply in replies.after(sent[start:end])
    ]

    assert found == said
