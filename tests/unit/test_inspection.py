import math

import matplotlib.pyplot as plt
import pytest
import torch
from torch import nn

from course_utils import inspection, plotting


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 2))


def hooks(model):
    return sum(len(module._forward_hooks) for module in model.modules())


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def test_statistics_of_known_values():
    values = torch.tensor([[0.0, 2.0], [0.0, 0.0], [0.0, -2.0]])
    s = inspection.statistics_of(values, "layer", nn.ReLU)
    assert (s.name, s.kind, s.shape) == ("layer", "ReLU", (3, 2))
    assert s.mean == 0
    assert s.std == pytest.approx(math.sqrt(8 / 6))
    assert s.share_zero == pytest.approx(4 / 6)
    assert s.share_dead == 0.5
    assert s.share_saturated is None
    assert s.share_bad == 0
    assert s.values is None


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        (nn.Tanh, [-0.99, -0.94, 0.0, 0.96], 0.5),
        (nn.Sigmoid, [0.01, 0.03, 0.5, 0.98], 0.5),
        (nn.Hardtanh, [-1.0, 1.0, 0.0, 0.5], 0.5),
    ],
)
def test_saturation_is_counted_near_both_ends(kind, values, expected):
    assert inspection.statistics_of(torch.tensor(values), kind=kind).share_saturated == expected


def test_dead_units_by_shape():
    images = torch.ones(2, 3, 4, 4)
    images[:, 1] = 0
    images[0, 2] = 0  # alive in the other sample
    assert inspection.statistics_of(images).share_dead == pytest.approx(1 / 3)
    sequence = torch.ones(2, 5, 4)
    sequence[..., 0] = 0
    assert inspection.statistics_of(sequence).share_dead == 0.25


def test_huge_tiny_bad_and_empty_values():
    huge = inspection.statistics_of(torch.tensor([[-1e30, 1e30]]))
    assert huge.std == pytest.approx(1e30)
    assert inspection.statistics_of(torch.tensor([[-1e-30, 1e-30]])).std == pytest.approx(1e-30)
    bad = inspection.statistics_of(torch.tensor([[float("nan"), 1.0, float("inf"), 2.0]]))
    assert bad.share_bad == 0.5
    assert math.isnan(bad.mean)
    empty = inspection.statistics_of(torch.zeros(0, 3))
    assert (empty.mean, empty.std, empty.share_zero) == (0, 0, 0)


def test_record_gives_what_the_layers_gave():
    model, x = network(), torch.randn(7, 4)
    with inspection.record(model) as recording:
        y = model(x)
    assert list(recording.outputs) == ["0", "1", "2", "3", "4"]
    torch.testing.assert_close(recording.outputs["1"], torch.relu(model[0](x)).detach())
    torch.testing.assert_close(recording.outputs["4"], y.detach())
    assert not recording.outputs["4"].requires_grad
    assert hooks(model) == 0
    model(x)
    assert len(recording.outputs) == 5


def test_record_selects_kinds():
    model = network()
    with inspection.record(model, (nn.ReLU, nn.Tanh)) as recording:
        model(torch.zeros(1, 4))
    assert list(recording.outputs) == ["1", "3"]
    with pytest.raises(ValueError, match="Conv2d"), inspection.record(model, nn.Conv2d):
        pass
    with pytest.raises(TypeError, match="class"), inspection.record(model, "relu"):
        pass


def test_record_removes_its_hooks_after_an_error_and_leaves_others():
    model, calls = network(), []
    model[0].register_forward_hook(lambda *_: calls.append(1))
    with pytest.raises(RuntimeError), inspection.record(model):
        model(torch.zeros(1, 9))
    assert hooks(model) == 1
    model(torch.zeros(1, 4))
    assert calls == [1]


def test_values_survive_a_later_step_in_place():
    model = nn.Sequential(nn.Linear(3, 3), nn.ReLU(inplace=True))
    x = torch.randn(5, 3)
    with inspection.record(model, gradients=True) as recording:
        model(x).sum().backward()
    torch.testing.assert_close(recording.outputs["0"], model[0](x).detach())
    mask = (recording.outputs["0"] > 0).float()
    torch.testing.assert_close(recording.gradients["0"], mask)


def test_shared_layer_several_outputs_and_a_bare_layer():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder, self.lstm = nn.Linear(3, 3), nn.LSTM(3, 2, batch_first=True)

        def forward(self, a, b):
            return self.lstm(self.encoder(a) + self.encoder(b))[0]

    model = Twice()
    with inspection.record(model) as recording:
        out = model(torch.ones(2, 5, 3), torch.zeros(2, 5, 3))
    assert list(recording.outputs) == ["encoder", "encoder (call 2)", "lstm"]
    torch.testing.assert_close(recording.outputs["lstm"], out.detach())
    found = inspection.activation_statistics(model, (torch.ones(2, 5, 3), torch.zeros(2, 5, 3)))
    assert [s.kind for s in found] == ["Linear", "Linear", "LSTM"]
    assert inspection.activation_statistics(nn.ReLU(), torch.ones(2, 2))[0].name == "(model)"


def test_gradients_of_activations_also_after_the_block():
    model, x = network().double(), torch.randn(7, 4, dtype=torch.float64)
    with inspection.record(model, gradients=True) as recording:
        y = model(x)
    assert recording.gradients == {}
    y.pow(2).sum().backward()
    assert set(recording.gradients) == set(recording.outputs)
    torch.testing.assert_close(recording.gradients["4"], 2 * y.detach())
    torch.testing.assert_close(recording.gradients["3"], 2 * y.detach() @ model[4].weight.detach())
    stats = recording.gradient_statistics(keep_values=True)
    assert [s.name for s in stats] == ["0", "1", "2", "3", "4"]
    assert stats[3].share_saturated is None
    assert stats[4].std == pytest.approx(recording.gradients["4"].std(correction=0).item())


def test_activation_statistics_leave_the_model_as_it_was():
    model = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Dropout(0.5))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    found = inspection.activation_statistics(model, torch.randn(9, 4) * 0 + 1.0, keep_values=True)
    # the input was drawn before the call; draw the same again
    torch.manual_seed(3)
    assert torch.equal(torch.rand(2), expected)
    state = torch.get_rng_state()
    inspection.activation_statistics(model, torch.ones(9, 4))
    assert torch.equal(torch.get_rng_state(), state)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert [s.kind for s in found] == ["Linear", "BatchNorm1d", "ReLU", "Dropout"]
    assert found[0].values.shape == (9, 6)
    assert model.training
    assert hooks(model) == 0
    assert all(p.grad is None for p in model.parameters())


def test_buffers_return_after_an_error():
    class Fails(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.BatchNorm1d(3)

        def forward(self, x):
            self.norm(x)
            raise KeyError("boom")

    model = Fails()
    with pytest.raises(KeyError):
        inspection.activation_statistics(model, torch.randn(5, 3))
    assert torch.equal(model.norm.running_mean, torch.zeros(3))
    assert hooks(model) == 0


def test_gradient_statistics_tell_none_from_zero():
    model = network()
    model[4].bias.requires_grad_(False)
    model[0].register_parameter("spare", nn.Parameter(torch.ones(2)))
    with torch.no_grad():
        model[1:3][1].weight.zero_()  # the layers before it get a gradient of exactly zero
    model(torch.randn(5, 4)).sum().backward()
    found = {s.name: s for s in inspection.gradient_statistics(model)}
    assert list(found) == [name for name, _ in model.named_parameters()]
    assert found["0.weight"].norm == 0.0
    assert found["0.weight"].share_zero == 1.0
    assert found["0.spare"].norm is None
    assert found["0.spare"].trainable
    assert found["4.bias"].std is None
    assert not found["4.bias"].trainable
    g = model[4].weight.grad
    assert found["4.weight"].norm == pytest.approx(g.norm().item())
    assert found["4.weight"].std == pytest.approx(g.std(correction=0).item())
    assert found["4.weight"].shape == (2, 5)


def test_a_huge_gradient_has_a_finite_norm():
    layer = nn.Linear(2, 1, bias=False)
    layer.weight.grad = torch.full((1, 2), 3e38)
    (found,) = inspection.gradient_statistics(layer)
    assert found.norm == pytest.approx(3e38 * math.sqrt(2), rel=1e-6)


def test_layer_histograms_draw_one_histogram_per_layer():
    model = network()
    records = inspection.activation_statistics(model, torch.randn(50, 4), keep_values=True)
    _, ax = plt.subplots()
    assert plotting.layer_histograms(ax, records, limits=(-2, 2)) is ax
    assert [t.get_text() for t in ax.get_yticklabels()] == ["0", "1", "2", "3", "4"]
    assert ax.get_yticks()[0] > ax.get_yticks()[-1]  # the first layer is on top
    assert ax.texts[0].get_text() == f"std {records[0].std:.2g}"
    assert ax.texts[0].xy[1] > ax.texts[-1].xy[1]
    assert ax.patches[0].get_data().baseline == 4
    assert len(ax.patches) == 10
    assert ax.get_xlim() == (-2, 2)


def test_layer_histograms_leave_zeros_out_and_clip():
    values = torch.cat([torch.zeros(90), torch.full((10,), 0.5), torch.full((5,), 99.0)])
    _, ax = plt.subplots()
    plotting.layer_histograms(ax, {"relu": values}, limits=(0, 1), bins=4, note=lambda r: "n")
    heights = ax.patches[0].get_data().values
    assert heights.argmax() == 2
    assert heights[0] == 0
    assert heights[3] == pytest.approx(0.85 / 2)
    assert ax.texts[0].get_text() == "n"


def test_layer_histograms_survive_odd_values_and_refuse_missing_ones():
    _, ax = plt.subplots()
    odd = {"zeros": torch.zeros(5), "nan": torch.full((3,), float("nan")), "one": torch.ones(1)}
    plotting.layer_histograms(ax, odd)
    without = inspection.activation_statistics(network(), torch.zeros(1, 4))
    with pytest.raises(ValueError, match="keep_values"):
        plotting.layer_histograms(ax, without)
    with pytest.raises(ValueError, match="records"):
        plotting.layer_histograms(ax, [])
