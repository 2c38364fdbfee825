import pytest
import torch
import torch.nn.functional as F
from torch import nn

from course_utils import data, worlds


@pytest.fixture(scope="module")
def drawn():
    return worlds.draw(60)


def test_draw_gives_each_world_its_own_training_digits(drawn):
    X, y = drawn
    assert X.shape == (5, 60, 196)
    assert X.dtype == torch.float64
    assert y.shape == (5, 60)
    pool, labels = worlds.rows("train")
    for world in range(5):
        found = [(pool == x).all(dim=1).nonzero()[0, 0] for x in X[world, :5]]
        assert labels[torch.stack(found)].tolist() == y[world, :5].tolist()
    assert not torch.equal(X[0], X[1])
    assert torch.equal(worlds.draw(20)[0], X[:, :20])


def test_rows_are_the_images_at_half_the_size():
    X, y = worlds.rows("test")
    image = data.mnist_5k().test.images[3]
    assert X.shape == (1000, 196)
    assert y.shape == (1000,)
    assert X[3].view(14, 14)[6, 7].item() == pytest.approx(image[12:14, 14:16].mean().item())


def test_layers_do_in_each_world_what_torch_does_in_one():
    torch.manual_seed(0)
    linear, norm = worlds.WorldLinear(4, 3), worlds.WorldNorm(3)
    x = torch.randn(5, 8, 4, dtype=torch.float64)
    out = norm(linear(x))
    for world in range(5):
        alone = x[world] @ linear.weight[world] + linear.bias[world]
        assert torch.allclose(linear(x)[world], alone)
        assert torch.allclose(out[world], nn.BatchNorm1d(3, dtype=torch.float64)(alone))
    norm.eval()
    assert torch.allclose(norm(linear(x))[2, :1], norm(linear(x[:, :1]))[2])


def test_network_has_the_layers_asked_for_and_leaves_the_random_state_alone():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    model = worlds.network(hidden=8, depth=2, p=0.5, norm=True)
    assert torch.equal(torch.get_rng_state(), before)
    kinds = [type(layer).__name__ for layer in model]
    block = ["WorldLinear", "WorldNorm", "ReLU", "Dropout"]
    assert kinds == [*block, *block, "WorldLinear"]
    assert torch.equal(worlds.network(8)[0].weight, worlds.network(8)[0].weight)
    assert not torch.equal(worlds.network(8)[0].weight, worlds.network(8, seed=1)[0].weight)


def test_loss_takes_classes_and_probabilities():
    z, y = torch.randn(5, 7, 10, dtype=torch.float64), torch.arange(7).expand(5, -1)
    expected = torch.stack([F.cross_entropy(z[k], y[k]) for k in range(5)])
    assert torch.allclose(worlds.loss_of(z, y), expected)
    assert torch.allclose(worlds.loss_of(z, F.one_hot(y, 10).double()), expected)
    smooth = torch.stack([F.cross_entropy(z[k], y[k], label_smoothing=0.1) for k in range(5)])
    assert torch.allclose(worlds.loss_of(z, y, 0.1), smooth)


def test_judge_keeps_the_mode_and_takes_shared_or_own_inputs(drawn):
    X, y = drawn
    model = worlds.network(8, p=0.5).train()
    loss, right = worlds.judge(model, X[0], y[0])
    assert model.training
    own_loss, own_right = worlds.judge(model, X[:1].expand(5, -1, -1), y[:1].expand(5, -1))
    assert torch.equal(loss, own_loss)
    assert torch.equal(right, own_right)
    assert not loss.requires_grad


def test_worlds_do_not_mix_in_training(drawn):
    X, y = drawn
    changed = X.clone()
    changed[4] = torch.rand_like(changed[4])
    trained = [
        worlds.train(worlds.network(8, norm=True), inputs, y, epochs=3, batch=20)
        for inputs in (X, changed)
    ]
    first, second = (model[0].weight for model in trained)
    assert torch.allclose(first[:4], second[:4])
    assert not torch.allclose(first[4], second[4])


def test_training_is_the_same_each_time_and_leaves_the_random_state_alone(drawn):
    X, y = drawn
    seen = []

    def change(X, y):
        return X + 0.1 * torch.rand_like(X), y

    torch.manual_seed(1)
    before = torch.get_rng_state()
    runs = [
        worlds.train(
            worlds.network(8, p=0.3), X, y, epochs=2, change=change, after=lambda m: seen.append(m)
        )
        for _ in range(2)
    ]
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(runs[0][0].weight, runs[1][0].weight)
    assert not runs[0].training
    assert len(seen) == 4


def test_training_uses_the_given_optimizer_and_the_decay(drawn):
    X, y = drawn
    model = worlds.network(8)
    start = model[0].weight.detach().clone()
    still = torch.optim.SGD(model.parameters(), lr=0.0)
    assert torch.equal(worlds.train(model, X, y, 1, optimizer=still)[0].weight, start)
    lengths = [
        worlds.train(worlds.network(8), X, y, 10, decay=decay)[0].weight.norm()
        for decay in (0.0, 3.0)
    ]
    assert lengths[1] < lengths[0]


def test_report_keeps_and_prints(drawn, capsys):
    X, y = drawn
    table = worlds.Report(X[0], y[0])
    model = worlds.network(8)
    table.add("no remedy", model)
    table.add("trained", worlds.train(worlds.network(8), X, y, 5))
    assert torch.equal(table.right["no remedy"], worlds.judge(model, X[0], y[0])[1])
    assert table.gain("trained").median() > 0.05
    assert torch.equal(table.gain("trained"), table.right["trained"] - table.right["no remedy"])
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("no remedy ")
    assert second.startswith("trained ")
    assert "loss ≈" in first


def test_report_gives_its_rows_to_a_figure(drawn):
    X, y = drawn
    table = worlds.Report(X[0], y[0])
    for name in ("a", "b", "c"):
        table.add(name, worlds.network(4))
    panels = table.panels("c", "a")
    assert list(panels) == ["share right on the test digits", "loss on the test digits"]
    assert [list(rows) for rows in panels.values()] == [["c", "a"]] * 2
    assert torch.equal(panels["loss on the test digits"]["a"], table.loss["a"])


def test_watch_measures_in_the_mode_asked_for(drawn):
    X, y = drawn
    plain = worlds.watch(worlds.network(8), X, y, 0.01, epochs=3)
    assert plain.shape == (3, 2)
    assert plain[-1, 0] < plain[0, 0]
    X_valid, y_valid = worlds.rows("validation")
    model = worlds.network(8, p=0.8)
    quiet = worlds.watch(model, X, y, 0.01, epochs=3)
    assert quiet[-1, 1] == worlds.judge(model, X_valid, y_valid)[0].median()
    noisy = worlds.watch(worlds.network(8, p=0.8), X, y, 0.01, "train", epochs=3)
    assert not torch.allclose(noisy[:, 0], quiet[:, 0])
    with pytest.raises(ValueError, match="mode"):
        worlds.watch(model, X, y, 0.01, "test")
