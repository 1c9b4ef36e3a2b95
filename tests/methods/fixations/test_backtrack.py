"""Whole networks walked back: as a slow twin does it, and refused where there is no way."""

import pytest
import timm
import torch
from torch import nn
from torch.nn import functional as F

from figureground.base.errors import LayerError
from figureground.base.seeds import generator


def random(*shape, seed=0):
    return torch.randn(*shape, generator=generator(seed))


def last(x):
    """Each element its own logit."""
    return F.linear(x.flatten(1), torch.eye(x[0].numel()))


def back_conv(points, x, layer, position):
    """Channel of the largest summed product, then the window's centre or that channel's best tap."""
    found = set()
    weight, (kh, kw) = layer.weight, layer.kernel_size
    per_group_in, per_group_out = weight.shape[1], weight.shape[0] // layer.groups
    for unit, y, x_ in points:
        start = unit // per_group_out * per_group_in
        taps = {}
        for channel in range(per_group_in):
            for i in range(kh):
                for j in range(kw):
                    row = y * layer.stride[0] - layer.padding[0] + i * layer.dilation[0]
                    column = x_ * layer.stride[1] - layer.padding[1] + j * layer.dilation[1]
                    if 0 <= row < x.shape[1] and 0 <= column < x.shape[2]:
                        product = x[start + channel, row, column] * weight[unit, channel, i, j]
                        taps[channel, row, column] = float(product)
        sums = [sum(v for k, v in taps.items() if k[0] == c) for c in range(per_group_in)]
        best = max(range(per_group_in), key=lambda c: sums[c])
        row = y * layer.stride[0] - layer.padding[0] + layer.dilation[0] * ((kh - 1) // 2)
        column = x_ * layer.stride[1] - layer.padding[1] + layer.dilation[1] * ((kw - 1) // 2)
        center = (best, row, column)
        if position == "argmax" or (position == "strided" and max(layer.stride) > 1):
            candidates = (k for k in taps if k[0] == best)
            _, row, column = max(candidates, key=lambda k: (taps[k], k == center))
        else:
            row, column = min(max(row, 0), x.shape[1] - 1), min(max(column, 0), x.shape[2] - 1)
        found.add((start + best, row, column))
    return found


def back_pool(points, x, kernel, stride, padding=0):
    """Place of the largest value in the window, of a max or an average pool."""
    found = set()
    for channel, y, x_ in points:
        window = [
            (row, column)
            for row in range(y * stride - padding, y * stride - padding + kernel)
            for column in range(x_ * stride - padding, x_ * stride - padding + kernel)
            if 0 <= row < x.shape[1] and 0 <= column < x.shape[2]
        ]
        found.add((channel, *max(window, key=lambda p: float(x[channel, p[0], p[1]]))))
    return found


def back_average(points, x):
    """Place of the largest value of each channel."""
    found = set()
    for channel in points:
        rows, columns = range(x.shape[1]), range(x.shape[2])
        places = [(row, column) for row in rows for column in columns]
        found.add((channel, *max(places, key=lambda p: float(x[channel, p[0], p[1]]))))
    return found


def back_matrix(points, x, layer):
    """All inputs with a positive product."""
    return {j for i in points for j in range(len(x)) if float(x[j] * layer.weight[i, j]) > 0}


def back_matrix_to_map(points, x, layer):
    """The one place of the map with the largest product."""
    found = set()
    for i in points:
        products = (x.flatten() * layer.weight[i]).tolist()
        best = max(range(len(products)), key=lambda j: products[j])
        channel, rest = divmod(best, x.shape[1] * x.shape[2])
        found.add((channel, *divmod(rest, x.shape[2])))
    return found


class Sequential(nn.Module):
    """Convolutions with stride, groups and a dilation, then two matrices."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.second = nn.Conv2d(8, 12, (3, 2), groups=2, padding=(2, 0), dilation=(2, 1))
        self.hidden = nn.Linear(12 * 4 * 5, 16)
        self.last = nn.Linear(16, 5)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.first(x), inplace=True), 2)
        x = F.relu(self.second(x))
        return self.last(F.relu(self.hidden(x.flatten(1))))

    def slow(self, x, label, position):
        a = F.relu(self.first(x[None]))[0]
        b = F.max_pool2d(a, 2)
        c = F.relu(self.second(b[None]))[0]
        d = F.relu(self.hidden(c.flatten()))
        points = back_matrix_to_map(back_matrix({label}, d, self.last), c, self.hidden)
        points = back_pool(back_conv(points, b, self.second, position), a, 2, 2)
        return back_conv(points, x, self.first, position)


class Residual(nn.Module):
    """A residual block with a projection, one without, in-place sums, and an average."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1)
        self.one = nn.Conv2d(6, 8, 3, stride=2, padding=1)
        self.two = nn.Conv2d(8, 8, 3, padding=1)
        self.short = nn.Conv2d(6, 8, 1, stride=2)
        self.norm = nn.BatchNorm2d(8)
        self.three = nn.Conv2d(8, 8, 1)
        self.last = nn.Linear(8, 5)

    def forward(self, x):
        x = F.relu(self.stem(x))
        branch = self.two(F.relu(self.one(x)))
        branch += self.short(x)
        x = F.relu(branch, inplace=True)
        x = F.relu_(self.norm(self.three(x)) + x)
        return self.last(F.avg_pool2d(x, 3, 2, padding=1).mean((2, 3)))

    def slow(self, x, label, position):
        a = F.relu(self.stem(x[None]))[0]
        b = F.relu(self.one(a[None]))[0]
        skip, branch = self.short(a[None])[0], self.two(b[None])[0]
        c = F.relu(skip + branch)
        d = self.norm(self.three(c[None]))[0]
        e = F.relu(c + d)
        f = F.avg_pool2d(e, 3, 2, padding=1)
        points = back_matrix({label}, f.mean((1, 2)), self.last)
        points = back_pool(back_average(points, f), e, 3, 2, 1)
        on_skip = {p for p in points if c[p] >= d[p]}
        points = on_skip | back_conv(points - on_skip, c, self.three, position)
        on_skip = {p for p in points if skip[p] >= branch[p]}
        through = back_conv(points - on_skip, b, self.two, position)
        points = back_conv(through, a, self.one, position)
        points |= back_conv(on_skip, a, self.short, position)
        return back_conv(points, x, self.stem, position)


class Concat(nn.Module):
    """Three branches side by side, a squeeze-and-excitation gate, and a depthwise convolution."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, stride=2)
        self.narrow = nn.Conv2d(6, 4, 1)
        self.wide = nn.Conv2d(6, 5, 3, padding=1)
        self.pooled = nn.Conv2d(6, 3, 1)
        self.squeeze = nn.Conv2d(12, 12, 1)
        self.depthwise = nn.Conv2d(12, 24, 3, groups=12)
        self.last = nn.Linear(24, 5)

    def parts(self, x):
        pooled = self.pooled(F.max_pool2d(x, 3, 1, padding=1))
        return F.relu(torch.cat([self.narrow(x), self.wide(x), pooled], 1))

    def forward(self, x):
        x = self.parts(F.silu(self.stem(x)))
        x = x * torch.sigmoid(self.squeeze(x.mean((2, 3), keepdim=True)))
        x = F.hardswish(self.depthwise(x), inplace=True)
        return self.last(F.adaptive_avg_pool2d(x, 1).flatten(1))

    def slow(self, x, label, position):
        a = F.silu(self.stem(x[None]))[0]
        b = self.parts(a[None])[0]
        c = b * torch.sigmoid(self.squeeze(b.mean((1, 2), keepdim=True)[None]))[0]
        d = F.hardswish(self.depthwise(c[None]))[0]
        points = back_average(back_matrix({label}, d.mean((1, 2)), self.last), d)
        points = back_conv(points, c, self.depthwise, position)
        first = back_conv({p for p in points if p[0] < 4}, a, self.narrow, position)
        second = {(p[0] - 4, *p[1:]) for p in points if 4 <= p[0] < 9}
        third = {(p[0] - 9, *p[1:]) for p in points if p[0] >= 9}
        pooled = F.max_pool2d(a, 3, 1, padding=1)
        third = back_pool(back_conv(third, pooled, self.pooled, position), a, 3, 1, 1)
        both = first | back_conv(second, a, self.wide, position) | third
        return back_conv(both, x, self.stem, position)


@pytest.mark.parametrize("position", ["strided", "center", "argmax"])
@pytest.mark.parametrize("kind", [Sequential, Residual, Concat])
def test_points_equal_those_of_the_slow_twin(walked, seeded, kind, position):
    net, images = seeded(kind()), random(2, 3, 16, 24, seed=3)
    if kind is Residual:
        net.norm.running_var.mul_(0.25)
    classes = torch.tensor([[0, 3], [4, 1]])
    fast = walked(net, images, classes, position)
    slow = [
        [net.slow(image, int(label), position) for label in labels]
        for image, labels in zip(images, classes, strict=True)
    ]
    assert fast == slow
    assert sum(len(points) for row in slow for points in row) > 8


def test_images_and_classes_of_one_sweep_do_not_mix(walked, seeded):
    net, images = seeded(Residual()), random(3, 3, 16, 24, seed=3)
    together = walked(net, images, torch.tensor([[0, 1, 2, 3, 4]] * 3))
    for n in range(3):
        for k in range(5):
            assert walked(net, images[n : n + 1], torch.tensor([[k]])) == [[together[n][k]]]


def test_consistent_permutation_of_channels_leaves_the_points_unchanged(walked, seeded):
    net, images = seeded(Residual()), random(2, 3, 16, 24, seed=3)
    classes = torch.tensor([[0, 3], [4, 1]])
    before = walked(net, images, classes)
    order = torch.randperm(6, generator=generator(0))
    net.stem.weight.data = net.stem.weight[order]
    net.stem.bias.data = net.stem.bias[order]
    net.one.weight.data = net.one.weight[:, order]
    net.short.weight.data = net.short.weight[:, order]
    assert walked(net, images, classes) == before


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "convnext_atto"])
def test_networks_that_are_not_convolutional_are_refused_by_the_operation_in_the_way(walked, name):
    net = timm.create_model(name, num_classes=10).eval()
    images = torch.rand(1, 3, 224, 224, generator=generator(0))
    with pytest.raises(LayerError, match=r"defined for convolutional networks.*native_layer_norm"):
        walked(net, images, torch.tensor([[0]]))


@pytest.mark.parametrize(
    ("net", "message"),
    [
        (lambda x: last(F.interpolate(x, size=(6, 6))), "through 'upsample_nearest2d'"),
        (lambda x: x.flatten(1) @ x.flatten(1).T, "'mm' of two tensors that both depend"),
        (lambda x: F.conv2d(x, x), "'convolution' of two tensors that both depend"),
        (
            lambda x: (x.mean(2, True) * x.mean(3, True)).flatten(1),
            "which operand of 'mul' is the gate",
        ),
    ],
)
def test_what_cannot_be_followed_is_named(walked, net, message):
    images = torch.rand(2, 2, 3, 3, generator=generator(0))

    def logits(x):
        return net(x).flatten(1)

    with pytest.raises(LayerError, match=message):
        walked(logits, images, torch.tensor([[0], [0]]))


def test_logits_that_do_not_depend_on_the_images_are_refused(walked):
    with pytest.raises(LayerError, match="do not depend"):
        walked(
            lambda x: (x.relu(), torch.ones(2, 3).relu())[1],
            torch.rand(2, 1, 2, 2),
            torch.tensor([[0], [0]]),
        )
