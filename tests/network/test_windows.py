import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from spikewright.network import Conv


def direct(x, w, stride, before, after, dilation, groups):
    """Cross-correlation written as its sum."""
    c_out, c_in, ky, kx = w.shape
    x = np.pad(x, ((0, 0), (before, after), (before, after)))
    ny = (x.shape[1] - dilation * (ky - 1) - 1) // stride + 1
    nx = (x.shape[2] - dilation * (kx - 1) - 1) // stride + 1
    out = np.zeros((c_out, ny, nx))
    for o in range(c_out):
        first = o // (c_out // groups) * c_in
        for y in range(ny):
            for z in range(nx):
                patch = x[
                    first : first + c_in,
                    y * stride : y * stride + dilation * (ky - 1) + 1 : dilation,
                    z * stride : z * stride + dilation * (kx - 1) + 1 : dilation,
                ]
                out[o, y, z] = np.sum(patch * w[o])
    return out


@given(
    groups=st.sampled_from([1, 2]),
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.integers(1, 3),
    before=st.integers(0, 2),
    after=st.integers(0, 2),
    dilation=st.integers(1, 2),
    size=st.tuples(st.integers(5, 7), st.integers(5, 7)),
)
def test_convolution_is_the_sum_it_is_defined_by(
    groups, kernel, stride, before, after, dilation, size
):
    draw = np.random.default_rng(0)
    w = draw.normal(size=(4, 2 // groups, *kernel))
    pads = ((before, after), (before, after))
    conv = Conv(w, stride=stride, padding=pads, dilation=dilation, groups=groups)
    x = draw.normal(size=(2, *size))
    np.testing.assert_allclose(
        conv.apply(x, x.shape), direct(x, w, stride, before, after, dilation, groups), atol=1e-12
    )
