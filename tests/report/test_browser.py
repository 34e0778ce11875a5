"""The pages in headless Chromium: report.html, compare.html, and what VisualDL makes of the logs."""

import contextlib
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

# A browser without a graphics card, in VisualDL's three-dimensional page; this test looking at canvases.
HARMLESS = ("WebGL", "GPU stall", "willReadFrequently")


@pytest.fixture
def page(browser):
    """A page; when the test is over, nothing may have complained in its console."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(90_000)  # VisualDL is slow where the machine is busy
    complaints, asked = [], []
    page.on(
        "console", lambda line: complaints.append(line.text) if line.type in ("error", "warning") else None
    )
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.asked = asked
    yield page
    page.close()
    assert [line for line in complaints if not any(word in line for word in HARMLESS)] == []


@pytest.fixture(scope="module")
def server(reported):
    """VisualDL on a free port. Its folder is given relative: see paths.visualdl_command."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    arguments = ["--logdir", "outputs", "--host", "127.0.0.1", "--port", str(port), "--language", "en"]
    start = "import sys; from visualdl.server.app import main; sys.exit(main())"
    process = subprocess.Popen(
        [sys.executable, "-c", start, *arguments, "--disable-telemetry"],
        cwd=reported,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}/app"
    try:
        deadline = time.monotonic() + 60
        while True:
            with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
                urllib.request.urlopen(f"{address}/index", timeout=5).close()
                break
            assert process.poll() is None and time.monotonic() < deadline, "VisualDL does not start"
            time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.wait()


@pytest.mark.parametrize("run", ["first", "second"])
def test_the_report_is_drawn_and_answers(page, reported, run):
    page.goto((reported / "outputs" / run / "report.html").as_uri())
    assert page.asked == [page.url], "it asks for nothing but itself"
    for figure in ("loss", "accuracy", "rate", "pr", "roc", "confusion-fine", "confusion-coarse"):
        box = page.locator(f"figure#{figure} svg").bounding_box()
        assert box["width"] > 300 and box["height"] > 200, figure
    assert page.locator("figure#loss svg path[style*='stroke: #d55e00']").count() >= 1, "the test curve"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out"

    page.select_option("#class-chooser", "fine-3")
    assert page.locator("#class-areas").inner_text().startswith("bear: AP ")
    for kind in ("pr", "roc"):
        curve = page.locator(f"figure#{kind} polyline.overlay").bounding_box()
        area = page.locator(f"#area-{kind}").bounding_box()
        assert curve["width"] == pytest.approx(area["width"], abs=4), kind
    page.locator("tr[data-key=coarse-1]").click()
    assert page.locator("#class-areas").inner_text().startswith("fish: AP ")

    table = page.locator("#classes table")
    table.locator("thead button").nth(6).click()
    values = [float(text) for text in table.locator("tbody td:nth-child(7)").all_inner_texts()]
    assert values == sorted(values, reverse=True) and len(values) == 100
    table.locator("thead button").nth(0).click()
    assert table.locator("tbody td").first.inner_text() == "apple"

    area = page.locator("#area-fine")
    area.scroll_into_view_if_needed()
    box = area.bounding_box()
    page.mouse.move(box["x"] + 0.5 * box["width"] / 100, box["y"] + 1.5 * box["height"] / 100)
    assert page.locator("#cell-fine").inner_text().startswith("dolphin → beaver: ")


def test_the_comparison_is_drawn(page, reported):
    page.goto((reported / "outputs/comparison/compare.html").as_uri())
    assert page.locator("figure svg").count() == 2 and page.locator("tbody tr").count() == 2
    page.locator("thead button").first.click()
    page.locator("thead button").first.click()
    assert page.locator("tbody td").first.inner_text() == "second"
    assert page.asked == [page.url]


def test_visualdl_draws_the_curves_of_both_runs(page, server):
    page.goto(f"{server}/scalar")
    page.wait_for_selector("canvas")
    for run in ("first", "second"):
        assert page.get_by_text(f"{run}/vdl", exact=False).count() >= 1
    # The charts are drawn on canvas, axes and text in grey: a curve is there when there is colour.
    page.wait_for_function(
        """() => [...document.querySelectorAll('canvas')].some(canvas => {
            const context = canvas.getContext('2d');
            if (!context || !canvas.width) return false;
            const pixels = context.getImageData(0, 0, canvas.width, canvas.height).data;
            let coloured = 0;
            for (let i = 0; i < pixels.length; i += 4) {
                const [red, green, blue, alpha] = pixels.slice(i, i + 4);
                if (alpha > 40 && Math.max(red, green, blue) - Math.min(red, green, blue) > 60) coloured++;
            }
            return coloured > 50;
        })""",
        polling=500,
    )


def test_visualdl_shows_images(page, server):
    page.goto(f"{server}/sample/image")
    page.get_by_text("report", exact=True).first.click()
    page.wait_for_function(
        "() => [...document.images].filter(image => image.naturalWidth > 300).length >= 2", timeout=20000
    )


def test_visualdl_lists_hyper_parameters(page, server):
    page.goto(f"{server}/hyper-parameter")
    page.get_by_text("lenet").first.wait_for()
    for run in ("outputs/first/vdl", "outputs/comparison/vdl/second"):
        assert page.get_by_text(run).count() >= 1, run


def test_visualdl_draws_the_graph(page, server):
    page.goto(f"{server}/graph/dynamic_graph")
    frame = page.frame_locator("iframe")
    frame.get_by_text("LeNet", exact=False).first.wait_for()
    for run in ("report-first", "report-second"):
        assert page.get_by_text(run).count() >= 1, run


def test_visualdl_projects_the_embeddings(page, server):
    page.goto(f"{server}/high-dimensional")
    page.get_by_text("Points: 100").wait_for()
    page.wait_for_function("() => document.querySelectorAll('canvas').length >= 1")
    assert page.get_by_text("superclass").count() >= 1
