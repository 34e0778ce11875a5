"""``python main.py demo``: a page on which a picture is dropped or taken, made with Gradio.

``page.py`` is the page and its answers, ``words.py`` its words in both languages, ``pictures.py`` what is
drawn on it, ``server.py`` serves it.
"""
