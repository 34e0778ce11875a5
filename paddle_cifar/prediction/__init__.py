"""A trained network put to use: ``Classifier``, from Python and by ``python main.py predict`` and ``pack``.

``images.py`` makes 32x32 of any picture, ``classifier.py`` asks the network, ``predict.py`` prints its
answers and ``sheet.py`` draws them, ``cam.py`` shows where it looks. ``pretrained.py`` packs weights into
one small file and reads the one that comes with the package.
"""
