"""Published prompts are read back: what filled them in is found again, whatever it says."""

from hypothesis import given, settings
from hypothesis import strategies as st

from perceptlm.schema import benchmark_prompts as published


@settings(max_examples=30, deadline=None)
@given(st.text())
def test_what_fills_a_prompt_is_found_again(text):
    for prompt, name in ((published.RTLOC, "caption"), (published.SGQA, "question")):
        assert published.fields_of(prompt, prompt.format(**{name: text})) == {name: text}


def test_questions_and_options_are_told_apart():
    options = published.option_lines(["red", "blue"])
    text = published.FGQA.format(question="Which?\nOptions?", options=options)
    assert published.fields_of(published.FGQA, text) == {"question": "Which?\nOptions?", "options": options}


def test_another_text_is_not_the_prompt():
    assert published.fields_of(published.RDCAP, "Describe it.") is None
    assert published.fields_of(published.RDCAP, published.RDCAP) == {}
