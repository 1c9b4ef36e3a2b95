"""The tape: every operation on a way is found again, with its values as they were."""

import gc
import subprocess
import sys
import weakref
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from figureground.base.errors import LayerError
from figureground.base.seeds import generator
from figureground.capture.calls import Call, Kind
from figureground.capture.operations import read
from figureground.capture.tape import Tape


def random(*shape, seed=0):
    return torch.randn(*shape, generator=generator(seed))


def small_net():
    layers = [nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5)).eval()


def ways_back(tape, index):
    """Names of the steps from one step to the outside along first operands."""
    names = []
    while tape.steps[index].sources:
        names.append(tape.steps[index].name)
        index = tape.steps[index].sources[0]
    return names


def test_the_way_back_through_a_sequential_net_names_its_operations_in_order():
    x = random(2, 3, 8, 10)
    tape = Tape()
    with torch.no_grad(), tape:
        logits = small_net()(x)
    names = ways_back(tape, tape.index(logits))
    assert names[0] == "addmm"
    assert [name for name in names if "view" not in name][1:] == [
        "mean",
        "max_pool2d_with_indices",
        "relu_",
        "native_batch_norm",
        "convolution",
    ]


@pytest.mark.parametrize("mode", ["no_grad", "grad", "inference", "hooked"])
def test_way_back_is_the_same_in_every_autograd_mode_and_under_detaching_hooks(mode):
    net, x = small_net(), random(2, 3, 8, 10)
    kinds = []
    for each in ("no_grad", mode):
        handle = None
        if each == "hooked":
            # a capture that starts the graph in the middle
            handle = net[2].register_forward_hook(lambda m, i, o: o.detach().requires_grad_())
        guards = {"no_grad": torch.no_grad(), "inference": torch.inference_mode()}
        with guards.get(each, torch.enable_grad()), Tape() as tape:
            logits = net(x)
        if handle is not None:
            handle.remove()
        index, found = tape.index(logits), []
        while tape.steps[index].sources:
            found.append(tape.steps[index].kind)
            index = tape.steps[index].sources[0]
        assert index == tape.leaf(x)
        kinds.append([kind for kind in found if kind is not Kind.SAME])
    assert kinds[0] == kinds[1]


def test_logits_are_the_same_with_and_without_the_tape():
    net, x = small_net(), random(2, 3, 8, 10)
    with torch.no_grad():
        plain = net(x)
        with Tape():
            taped = net(x)
    assert torch.equal(plain, taped)


def test_gradients_flow_through_a_taped_run():
    net, x = small_net(), random(2, 3, 8, 10).requires_grad_()
    (plain,) = torch.autograd.grad(net(x).sum(), x)
    with Tape():
        logits = net(x)
    (taped,) = torch.autograd.grad(logits.sum(), x)
    assert torch.equal(plain, taped)


def test_input_of_a_convolution_is_kept_as_it_was_before_an_in_place_operation():
    x = random(1, 2, 4, 5)
    kernel = random(3, 2, 3, 3, seed=1)
    before = x.clone()
    with torch.no_grad(), Tape() as tape:
        first = F.conv2d(x, kernel)
        x.relu_()
        second = F.conv2d(x, kernel)
    assert torch.equal(tape.steps[tape.index(first)].saved[0], before)
    assert torch.equal(tape.steps[tape.index(second)].saved[0], before.clamp(min=0))
    assert x.min() == 0


def test_input_of_a_convolution_is_shared_where_nothing_overwrites_it():
    x = random(1, 2, 4, 5)
    with torch.no_grad(), Tape() as tape:
        y = F.conv2d(x, random(3, 2, 3, 3))
    assert tape.steps[tape.index(y)].saved[0].data_ptr() == x.data_ptr()


def test_mask_of_an_in_place_sum_compares_the_values_before_the_sum():
    skip, branch = random(2, 3, 4, 5), random(2, 3, 4, 5, seed=1)
    expected = branch > skip
    with torch.no_grad(), Tape() as tape:
        branch += skip
        branch.relu_()
    step = tape.steps[tape.steps[tape.index(branch)].sources[0]]
    assert step.kind is Kind.EITHER
    assert torch.equal(step.saved[0], expected)


@pytest.mark.parametrize("skip_first", [True, False])
def test_ties_of_a_sum_go_to_the_operand_with_fewer_convolutions(skip_first):
    x = torch.ones(1, 1, 2, 3)
    with torch.no_grad(), Tape() as tape:
        branch = F.conv2d(x, torch.ones(1, 1, 1, 1))
        total = x + branch if skip_first else branch + x
    first_is_larger = tape.steps[tape.index(total)].saved[0]
    assert bool(first_is_larger.all()) is skip_first
    assert bool(first_is_larger.any()) is skip_first


def test_scaled_operands_are_compared_after_scaling():
    a, b = torch.ones(2, 2), torch.full((2, 2), 0.6)
    with torch.no_grad(), Tape() as tape:
        twice = torch.add(a, b, alpha=2)
        less = a - b
    assert not tape.steps[tape.index(twice)].saved[0].any()
    assert tape.steps[tape.index(less)].saved[0].all()


def test_max_pool_keeps_the_places_that_torch_returns():
    x = random(2, 3, 7, 9)
    _, places = F.max_pool2d(x, 3, stride=2, padding=1, return_indices=True)
    with torch.no_grad(), Tape() as tape:
        y = F.max_pool2d(x, 3, stride=2, padding=1)
    assert torch.equal(tape.steps[tape.index(y)].saved[0], places)


def test_parts_of_a_split_know_where_they_start():
    x = random(2, 7, 3)
    with torch.no_grad(), Tape() as tape:
        parts = x.split([2, 4, 1], dim=1)
        rows = x.unbind(1)
    assert [tape.steps[tape.index(part)].settings["start"] for part in parts] == [(0,), (2,), (6,)]
    assert [tape.steps[tape.index(row)].settings["start"][0] for row in rows] == list(range(7))


def test_sigmoid_gates_and_expansions_are_marked_also_after_a_view():
    x = random(2, 3)
    with torch.no_grad(), Tape() as tape:
        gate = x.sigmoid().view(2, 3, 1, 1)
        wide = gate.expand(2, 3, 4, 4)
        plain = x.relu().view(2, 3, 1, 1)
    marks = [tape.steps[tape.index(tensor)].gate for tensor in (gate, wide, plain)]
    assert marks == [True, True, False]


def test_writing_through_another_view_is_marked_as_unknown():
    x = random(2, 6)
    with torch.no_grad(), Tape() as tape:
        y = x * 2
        whole = y.view(2, 2, 3)
        y[:, :3] += random(2, 3)
        last = whole.view(12)
    source = tape.steps[tape.steps[tape.index(last)].sources[0]]
    assert source.kind is Kind.UNKNOWN
    assert "another view" in source.name


def test_unknown_operations_are_recorded_with_all_they_touch():
    x = random(2, 3, 4)
    with torch.no_grad(), Tape() as tape:
        y = torch.bmm(x, x.transpose(1, 2))
    step = tape.steps[tape.index(y)]
    assert (step.name, step.kind, len(step.sources)) == ("bmm", Kind.UNKNOWN, 2)


def test_transposed_and_one_dimensional_convolutions_are_not_followed():
    with torch.no_grad(), Tape() as tape:
        up = F.conv_transpose2d(random(1, 2, 3, 3), random(2, 2, 2, 2))
        line = F.conv1d(random(1, 2, 5), random(3, 2, 3))
    assert tape.steps[tape.index(up)].kind is Kind.UNKNOWN
    assert {step.name for step in tape.steps if step.kind is Kind.UNKNOWN} == {"convolution"}
    assert line.shape == (1, 3, 3)


def test_another_stride_of_an_axis_of_length_one_changes_nothing_and_other_strides_are_unknown():
    x = torch.zeros(2, 3, 1, 1)
    same = read(Call("as_strided_", (x, [2, 3, 1, 1], [3, 1, 3, 3])))
    other = read(Call("as_strided_", (x, [2, 3, 1, 1], [1, 2, 1, 1])))
    shorter = read(Call("as_strided", (x, [2], [1])))
    assert [description.kind for description in (same, other, shorter)] == [
        Kind.SAME,
        Kind.UNKNOWN,
        Kind.UNKNOWN,
    ]


def test_channels_last_average_is_found_again():
    x = random(2, 3, 4, 5).to(memory_format=torch.channels_last)
    with torch.no_grad(), Tape() as tape:
        y = F.adaptive_avg_pool2d(x, 1)
    index = tape.index(y)
    while tape.steps[index].kind is Kind.SAME:
        index = tape.steps[index].sources[0]
    assert tape.steps[index].kind is Kind.REDUCE


def test_a_tensor_from_elsewhere_is_refused_by_shape():
    x = random(2, 3)
    with torch.no_grad(), Tape() as tape:
        y = x.relu()
    with pytest.raises(LayerError, match=r"shape \(4, 4\) is not among the 2 steps"):
        tape.index(random(4, 4))
    with pytest.raises(LayerError, match=r"no input of shape \(2, 3\)"):
        tape.leaf(y)


def test_input_is_found_although_the_network_overwrote_it():
    x = random(2, 3, 4, 4)
    with torch.no_grad(), Tape() as tape:
        x.sub_(0.5).div_(0.25)
        y = F.conv2d(x, random(1, 3, 1, 1))
    assert tape.leaf(x) == 0
    assert ways_back(tape, tape.index(y)) == ["convolution", "div_", "sub_"]


def test_tape_frees_what_it_kept():
    kept: list[Any] = []
    with torch.no_grad():
        tape = Tape()
        with tape:
            small_net()(random(2, 3, 8, 10))
        for step in tape.steps:
            kept.extend(weakref.ref(value) for value in step.saved)
        assert any(reference() is not None for reference in kept)
        del tape, step
    gc.collect()
    assert all(reference() is None for reference in kept)


def test_tape_keeps_no_graph_alive():
    scale = torch.ones(3, requires_grad=True)
    with Tape() as tape:
        between = random(2, 3) * scale
        logits = F.linear(between.sin(), random(4, 3))
    gone = weakref.ref(between)  # the graph holds it for the gradient of sin
    del between, logits
    gc.collect()
    assert gone() is None
    assert not any(value.requires_grad for step in tape.steps for value in step.saved)


@pytest.mark.slow
def test_tape_does_not_import_the_compiler():
    code = (
        "import sys, torch; from figureground.capture.tape import Tape\n"
        "with Tape() as tape: torch.ones(2).relu()\n"
        "assert len(tape.steps) == 2; print('torch._dynamo' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_memory_that_is_used_again_is_not_taken_for_the_old_tensor():
    x = random(1, 2, 64, 64)
    with torch.no_grad(), Tape() as tape:
        for _ in range(5):
            x.relu()  # dies at once, so that the next result may get its memory
        y = x.abs()
    assert ways_back(tape, tape.index(y)) == ["abs"]
