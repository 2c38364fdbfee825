"""The bar: late, only for a reader, and gone afterwards."""

import pytest

from course_utils import bars


@pytest.fixture
def shown(monkeypatch):
    """A notebook with a reader: what each output holds now, and all texts that were shown."""
    pytest.importorskip("IPython")
    outputs, texts = {}, []

    class Handle:
        def display(self, data, *, raw):
            assert raw
            assert self not in outputs
            self.update(data, raw=True)

        def update(self, data, *, raw):
            assert raw
            outputs[self] = data
            texts.append(data.get("text/plain", ""))

    monkeypatch.setattr("IPython.display.DisplayHandle", Handle)
    monkeypatch.setattr(bars, "watched", lambda: True)
    monkeypatch.setattr(bars, "_in_notebook", lambda: True)
    monkeypatch.setattr(bars, "DELAY", 1e-9)
    return outputs, texts


def run(items, stop_at=None):
    with bars.bar(items, title="work", total=len(items)) as counted:
        counted.mininterval = 0
        for item in counted:
            if item == stop_at:
                raise KeyboardInterrupt
            counted.set_postfix(loss=f"{item}")


def test_in_a_notebook_it_uses_one_output_and_empties_it(shown, capfd):
    outputs, texts = shown
    run(range(4))
    assert any("work:  50%" in text and "2/4" in text for text in texts)
    assert list(outputs.values()) == [{}]
    assert capfd.readouterr() == ("", "")


def test_it_is_emptied_when_the_work_is_interrupted(shown, capfd):
    outputs, texts = shown
    with pytest.raises(KeyboardInterrupt):
        run(range(4), stop_at=2)
    assert any("work:" in text for text in texts)
    assert list(outputs.values()) == [{}]
    assert capfd.readouterr() == ("", "")


def test_short_work_shows_nothing(shown, monkeypatch, capfd):
    monkeypatch.setattr(bars, "DELAY", 60.0)
    run(range(4))
    assert shown == ({}, [])
    assert capfd.readouterr() == ("", "")


def test_it_starts_where_the_work_was_left(shown):
    outputs, texts = shown
    with bars.bar(range(3, 5), title="epochs", total=5, done=3) as counted:
        counted.mininterval = 0
        assert list(counted) == [3, 4]
    assert any("4/5" in text for text in texts)
    assert list(outputs.values()) == [{}]


@pytest.mark.parametrize(("wanted", "reader"), [(False, True), (True, False)])
def test_without_a_reader_or_a_wish_there_is_none(wanted, reader, shown, monkeypatch, capfd):
    monkeypatch.setattr(bars, "watched", lambda: reader)
    with bars.bar(range(3), title="work", total=3, wanted=wanted) as counted:
        assert list(counted) == [0, 1, 2]
        counted.set_postfix(loss="1")
    assert shown == ({}, [])
    assert capfd.readouterr() == ("", "")
