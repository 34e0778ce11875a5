"""The page in Chromium as a person uses it: a picture, its answer, the other language, a bad file."""

import pytest
from PIL import Image

from paddle_cifar import Classifier
from paddle_cifar.demo.pictures import EXAMPLES, SHOWN, draw_examples
from paddle_cifar.demo.words import WORDS

pytestmark = pytest.mark.slow  # Gradio and Chromium together take half a minute to start


def bars(page):
    """The classes on the page with their percentages."""
    lines = page.locator("#guesses").inner_text().splitlines()
    return [line.strip() for line in lines if line.strip()]


def shown(page, part):
    """The picture in one part of the page: its size in pixels, once it is loaded."""
    image = page.locator(f"#{part} img").first
    image.wait_for()
    page.wait_for_function("image => image.complete && image.naturalWidth > 0", arg=image.element_handle())
    return image.evaluate("image => [image.naturalWidth, image.naturalHeight]")


def upload(page, file):
    page.wait_for_selector("#picture input[type=file]", state="attached")
    page.set_input_files("#picture input[type=file]", str(file))


def names(guesses):
    return [guess.name.replace("_", " ") for guess in guesses]


def test_a_visit(run, served, browser, photo, tmp_path):
    classifier = Classifier.from_run(run)
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(60_000)
    asked, complaints = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda line: complaints.append(line.text) if line.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    english, chinese = WORDS["en"], WORDS["zh"]

    page.goto(f"http://127.0.0.1:{served.port}/")
    page.get_by_role("heading", name=english["title"]).wait_for()
    assert page.title() == english["title"]
    upload(page, photo)
    guesses = classifier.predict(photo)[0]
    assert shown(page, "seen") == shown(page, "where") == [SHOWN, SHOWN]
    text = bars(page)
    assert all(name in text for name in names(guesses)), "all five, by name"
    assert f"{english['superclass']} {guesses[0].superclass.replace('_', ' ')}" in page.inner_text("#remark")

    page.get_by_label("中文").click()
    page.get_by_role("heading", name=chinese["title"]).wait_for()
    page.get_by_text(chinese["examples"]).wait_for()
    page.locator("#remark").get_by_text(chinese["superclass"]).wait_for()
    assert names(guesses)[0] in bars(page), "the answer stays"
    for key in ("guesses", "seen", "where"):
        assert page.locator(f"#{key}").get_by_text(chinese[key]).count() >= 1, key

    page.get_by_label("English").click()
    page.locator("#remark").get_by_text(english["superclass"]).wait_for()
    last = len(EXAMPLES) - 1
    page.locator("#examples button").nth(last).click()
    guesses = classifier.predict(draw_examples(tmp_path)[last])[0]
    page.locator("#guesses").get_by_text(names(guesses)[0]).first.wait_for()
    assert shown(page, "picture") == [SHOWN, SHOWN]

    page.reload()
    (tmp_path / "cat.png").write_text("<html>")
    upload(page, tmp_path / "cat.png")
    page.locator("#remark").get_by_text(english["refused"]).wait_for()
    assert "not a picture" in page.inner_text("#remark") and str(served.folder) not in page.inner_text("body")
    assert page.locator("#seen img").count() == 0, "and no picture of anything"
    Image.new("RGB", (40, 30), "green").save(tmp_path / "good.png")
    page.reload()
    upload(page, tmp_path / "good.png")
    assert shown(page, "seen") == [SHOWN, SHOWN], "after a bad file a good one works"

    assert [url for url in asked if f"//127.0.0.1:{served.port}/" not in url and "data:" not in url] == []
    assert complaints == []
    page.close()
