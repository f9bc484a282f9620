"""What plots wear can be told apart with any kind of color vision, and in print without color."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import to_rgb
from test_plotting import every_call

from ehf_num.plotting import OKABE_ITO


@every_call
def test_colors_can_be_told_apart_by_anyone(call) -> None:
    """Maps get lighter all the way; the rest is of Okabe and Ito, or without a hue."""
    ax = call(None)
    allowed = {to_rgb(color) for color in OKABE_ITO}
    for artist in (*ax.get_images(), *ax.collections, *ax.lines):
        if isinstance(artist, ScalarMappable) and artist.get_array() is not None:
            colors = artist.get_cmap()(np.linspace(0, 1, 64))[:, :3]
            lightness = colors**2.2 @ [0.2126, 0.7152, 0.0722]
            rises = (np.diff(lightness) > 0).all()
            assert rises or set(map(tuple, colors)) == {(1.0, 1.0, 1.0)}  # contour lines
            continue
        shown = artist.get_color() if artist in ax.lines else artist.get_edgecolor()
        for color in [shown] if isinstance(shown, str) else shown:
            hue = to_rgb(color)
            assert hue in allowed or max(hue) == min(hue)
    plt.close("all")
