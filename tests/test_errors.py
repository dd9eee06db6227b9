"""What every message has to be: one line that can be printed, of bounded length."""

from convatlas.errors import DataError


def test_a_message_is_one_line_whatever_a_file_is_called():
    error = DataError('cannot read "a\nb\x1b[2J\u202e\udcff.png"', do="rename\tit")
    assert str(error) == 'cannot read "a?b?[2J??.png". Do: rename?it.'
    assert (error.what, error.do) == ('cannot read "a?b?[2J??.png"', "rename?it")


def test_names_in_any_language_stay():
    assert (
        DataError("the class 부엉이 (Käuze, 梟) is empty", do="add images").what
        == "the class 부엉이 (Käuze, 梟) is empty"
    )


def test_a_long_message_keeps_its_ends():
    said = str(DataError("begin " + "x" * 1_000_000 + " end", do="nothing"))
    assert said.startswith("begin xxx") and said.endswith("xxx end. Do: nothing.")
    assert len(said) < 2100
