import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex

from course_utils import plotting


@pytest.fixture
def ax():
    _, axes = plt.subplots()
    axes.set(xlim=(-2, 3), ylim=(-1, 1))
    return axes


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def test_palette():
    names = ["black", "orange", "sky", "green", "yellow", "blue", "vermillion", "purple"]
    assert list(plotting.OKABE_ITO) == names
    assert set(plotting.colors) == set(plotting.OKABE_ITO.values()) - {"#F0E442"}
    assert len(set(plotting.linestyles)) == len(plotting.colors)
    assert len(set(plotting.markers)) == 10


def test_style_is_legible_and_never_color_alone():
    plotting.use_style()
    rc = matplotlib.rcParams
    assert 96 <= rc["figure.dpi"] <= 110
    for size in ("font.size", "xtick.labelsize", "ytick.labelsize", "legend.fontsize"):
        assert rc[size] >= 10
    assert not rc["axes.spines.top"]
    assert not rc["axes.spines.right"]
    assert rc["figure.constrained_layout.use"]
    _, axes = plt.subplots()
    lines = [axes.plot([0, 1])[0] for _ in range(7)]
    assert len({to_hex(line.get_color()) for line in lines}) == 7
    dashes = {(line.get_linestyle(), str(line._unscaled_dash_pattern)) for line in lines}
    assert len(dashes) == 7


def test_scatter_classes_gives_each_class_color_marker_and_name(ax):
    X = torch.arange(12.0).view(6, 2).requires_grad_()
    y = torch.tensor([0.0, 1.0, 2.0, 0.0, 1.0, 2.0])
    assert plotting.scatter_classes(ax, X, y, {0: "zero", 1: "one", 2: "two"}) is ax
    assert len(ax.collections) == 3
    assert len({to_hex(c.get_facecolor()[0]) for c in ax.collections}) == 3
    assert len({c.get_paths()[0].vertices.tobytes() for c in ax.collections}) == 3
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["zero", "one", "two"]
    assert ax.collections[1].get_offsets().tolist() == [[2, 3], [8, 9]]


def test_scatter_classes_keeps_a_class_look_when_others_are_missing(ax):
    plotting.scatter_classes(ax, [[0.0, 1.0]], [True], ["no", "yes"])
    assert to_hex(ax.collections[0].get_facecolor()[0]) == plotting.colors[1].lower()
    assert ax.get_legend().get_texts()[0].get_text() == "yes"
    plotting.scatter_classes(ax, np.zeros((0, 2)), np.zeros(0))


@pytest.mark.parametrize(("X", "y"), [((3, 3), (3,)), ((4,), (4,)), ((3, 2), (4,))])
def test_scatter_classes_refuses_other_shapes(ax, X, y):
    with pytest.raises(ValueError, match=r"Points in the plane|3 points but 4 classes"):
        plotting.scatter_classes(ax, torch.zeros(X), torch.zeros(y))


def class_at(ax, x, y):
    """Index of the shading color that covers a point."""
    found = []
    for image in ax.images:
        assert image.origin == "lower"
        left, right, low, high = image.get_extent()
        rows, columns = image.get_array().shape
        row = int((y - low) / (high - low) * rows)
        column = int((x - left) / (right - left) * columns)
        if image.get_array()[row, column] is not np.ma.masked:
            found.append(plotting.colors.index(to_hex(image.get_cmap()(0.5)).upper()))
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize(
    ("predict", "level"),
    [
        (lambda Z: Z[:, 0] - 0.5, 0.0),
        (lambda Z: Z[:, :1] - 0.5, 0.0),
        (lambda Z: torch.sigmoid(4 * Z[:, 0] - 2), 0.5),
        (lambda Z: (Z[:, 0] > 0.5).float(), 0.0),
        (lambda Z: Z[:, 0] > 0.5, 0.0),
        (lambda Z: (Z[:, 0] > 0.5).long(), 0.0),
        (lambda Z: torch.stack([0 * Z[:, 0], Z[:, 0] - 0.5], 1), 0.0),
        (lambda Z: (Z[:, 0] - 0.5).requires_grad_(), 0.0),
    ],
)
def test_decision_regions_for_every_kind_of_prediction(ax, predict, level):
    assert plotting.decision_regions(ax, predict, (-2, 3), (-1, 1), level=level) is ax
    assert class_at(ax, 0.3, 0.2) == 0
    assert class_at(ax, 0.7, 0.2) == 1
    (contour,) = ax.collections
    x = np.concatenate([path.vertices[:, 0] for path in contour.get_paths()])
    assert abs(x - 0.5).max() < 0.03
    assert ax.get_xlim() == (-2, 3)
    assert ax.get_ylim() == (-1, 1)


def test_decision_regions_rows_are_up_and_points_are_float32(ax):
    seen = []

    def predict(Z):
        seen.append((Z.dtype, tuple(Z.shape), Z.requires_grad, torch.is_grad_enabled()))
        return Z[:, 1]

    plotting.decision_regions(ax, predict, (-2, 3), (-1, 1), resolution=50)
    assert seen == [(torch.float32, (2500, 2), False, False)]
    assert class_at(ax, 0, 0.5) == 1
    assert class_at(ax, 0, -0.5) == 0


def test_decision_regions_with_one_or_three_classes(ax):
    plotting.decision_regions(ax, lambda Z: Z[:, 0] + 100.0, (-2, 3), (-1, 1))
    assert class_at(ax, 0, 0) == 1
    assert len(ax.collections) == 0
    _, other = plt.subplots()
    plotting.decision_regions(other, lambda Z: Z[:, 0].round().clamp(0, 2), (-1, 3), (-1, 1))
    assert [class_at(other, x, 0) for x in (0, 1, 2)] == [0, 1, 2]
    assert len(other.collections) == 2


def test_decision_regions_errors(ax):
    with pytest.raises(ValueError, match=r"must return \(M,\)"):
        plotting.decision_regions(ax, lambda Z: Z[:5, 0], (0, 1), (0, 1))
    with pytest.raises(ValueError, match="limits must be"):
        plotting.decision_regions(ax, lambda Z: Z[:, 0], (1, 0), (0, 1))


@pytest.mark.parametrize(
    ("w", "b", "ends"),
    [
        ([1.0, 0.0], 1.0, [(-1, -1), (-1, 1)]),  # vertical
        ([0.0, 2.0], 1.0, [(-2, -0.5), (3, -0.5)]),  # horizontal
        ([1.0, -1.0], 0.0, [(-1, -1), (1, 1)]),  # leaves through bottom and top
        ([1.0, 10.0], 0.0, [(-2, 0.2), (3, -0.3)]),  # leaves through the sides
    ],
)
def test_boundary_line_ends_at_the_axes(ax, w, b, ends):
    w, b = torch.tensor(w, requires_grad=True), torch.tensor([b])
    assert plotting.boundary_line(ax, w, b, color="green", label="boundary") is ax
    (line,) = ax.lines
    drawn = np.array(sorted(line.get_xydata().round(6).tolist()))
    assert drawn == pytest.approx(np.array(sorted(ends)), abs=1e-6)
    assert line.get_color() == plotting.OKABE_ITO["green"]
    assert line.get_label() == "boundary"
    assert (ax.get_xlim(), ax.get_ylim()) == ((-2, 3), (-1, 1))


def test_boundary_line_keeps_limits_that_were_found_automatically():
    _, axes = plt.subplots()
    axes.plot([0, 1], [0, 1])
    before = axes.get_xlim(), axes.get_ylim()
    plotting.boundary_line(axes, [1.0, 2.0], -1.0)
    assert (axes.get_xlim(), axes.get_ylim()) == before


def test_boundary_line_that_is_not_there(ax):
    plotting.boundary_line(ax, [1.0, 0.0], 50.0, normal=True)
    plotting.boundary_line(ax, [0.0, 0.0], 1.0, normal=True)
    plotting.boundary_line(ax, [1.0, 1.0], 3.0, normal=True)  # touches one corner
    assert len(ax.lines) == len(ax.texts) == 0


def test_boundary_line_normal_points_to_the_positive_side(ax):
    w, b = np.array([-3.0, 1.0]), 0.2
    plotting.boundary_line(ax, w, b, normal=True)
    (arrow,) = ax.texts
    assert w @ np.array(arrow.xy) + b > 0
    assert w @ np.array(arrow.xyann) + b == pytest.approx(0)
    assert np.hypot(*np.subtract(arrow.xy, arrow.xyann)) == pytest.approx(2 / 6)


@pytest.mark.parametrize(
    ("w", "b", "says"),
    [
        ([1.0], 0.0, "two weights and one bias"),
        ([1.0, 2.0], [1.0, 2.0], "two weights and one bias"),
        ([1.0, float("nan")], 0.0, "finite"),
    ],
)
def test_boundary_line_errors(ax, w, b, says):
    with pytest.raises(ValueError, match=says):
        plotting.boundary_line(ax, w, b)


def test_band_is_median_within_extremes(ax):
    runs = torch.tensor([[1.0, 2.0], [5.0, 0.0], [2.0, 9.0]])
    assert plotting.band(ax, [0, 1], runs, "SGD", "vermillion", "--") is ax
    (line,) = ax.lines
    assert line.get_ydata().tolist() == [2, 2]
    assert line.get_linestyle() == "--"
    assert line.get_color() == plotting.OKABE_ITO["vermillion"]
    vertices = ax.collections[0].get_paths()[0].vertices
    at_one = vertices[vertices[:, 0] == 1][:, 1]
    assert (at_one.min(), at_one.max()) == (0, 9)
    plotting.band(ax, [0, 1], [1.0, 2.0])  # a single run
    with pytest.raises(ValueError, match=r"shape \(S, 3\)"):
        plotting.band(ax, [0, 1, 2], runs)


def test_curves_differ_in_color_and_line_style(ax):
    series = {f"m{i}": torch.full((4,), float(i)) for i in range(7)}
    drawn = plotting.curves(ax, None, series, xlabel="epoch", ylabel="loss", title="Loss")
    assert drawn is ax
    looks = [(to_hex(line.get_color()), str(line._unscaled_dash_pattern)) for line in ax.lines]
    assert len({color for color, _ in looks}) == len({dash for _, dash in looks}) == 7
    assert ax.lines[0].get_xdata().tolist() == [1, 2, 3, 4]
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_title()) == ("epoch", "loss", "Loss")
    assert [t.get_text() for t in ax.get_legend().get_texts()] == list(series)
    with pytest.raises(ValueError, match="'a' has 3 values for 2 positions"):
        plotting.curves(ax, [0, 1], {"a": [1, 2, 3]})


def test_curves_take_lists_of_tensors_and_keep_gaps(ax):
    plotting.curves(ax, [0, 1], {"a": [torch.tensor(1.0), torch.tensor(float("nan"))]})
    assert np.isnan(ax.lines[0].get_ydata()).tolist() == [False, True]


def test_show_images_grid_titles_and_signs():
    images = torch.rand(5, 1, 4, 6)
    titles = torch.tensor([3, 1, 4, 1, 5])
    right = torch.tensor([True, False, True, True, False])
    figure = plotting.show_images(images, titles, columns=3, correct=right)
    assert len(figure.axes) == 6
    texts = [axes.get_title() for axes in figure.axes]
    assert texts == ["✓ 3", "✗ 1", "✓ 4", "✓ 1", "✗ 5", ""]
    assert {axes.title.get_color() for axes in figure.axes[:2]} == {
        plotting.OKABE_ITO["green"],
        plotting.OKABE_ITO["vermillion"],
    }
    assert np.array_equal(figure.axes[1].images[0].get_array(), images[1, 0].numpy())
    assert figure.axes[0].images[0].get_clim() == (0, 1)
    assert len(figure.axes[5].images) == 0
    assert all(axes.title.get_fontsize() >= 10 for axes in figure.axes)


def test_show_images_one_image_and_free_limits():
    figure = plotting.show_images(torch.arange(4.0).view(2, 2), limits=None)
    assert len(figure.axes) == 1
    assert figure.axes[0].images[0].get_clim() == (0, 3)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((torch.zeros(3, 5),), None),
        ((torch.zeros(0, 2, 2),), r"\(N, H, W\)"),
        ((torch.zeros(2, 3, 4, 4),), r"\(N, H, W\)"),
        ((torch.zeros(2, 3, 3), ["a"]), "2 images but 1 titles"),
        ((torch.zeros(2, 3, 3), None, 0), "columns must be at least 1"),
    ],
)
def test_show_images_errors(arguments, says):
    if says is None:
        assert plotting.show_images(*arguments)
    else:
        with pytest.raises(ValueError, match=says):
            plotting.show_images(*arguments)


def test_shape_label(ax):
    assert plotting.shape_label(ax, 1, 0.5, "X", torch.zeros(64, 784)) is ax
    plotting.shape_label(ax, 1, 0.5, "y", ("N",))
    assert [t.get_text() for t in ax.texts] == ["X (64, 784)", "y (N,)"]


def test_everything_draws_without_a_warning(recwarn):
    plotting.use_style()
    figure, axes = plt.subplots(1, 2)
    plotting.decision_regions(axes[0], lambda Z: Z[:, 0].sin() - Z[:, 1], (-2, 2), (-2, 2))
    plotting.scatter_classes(axes[0], np.random.RandomState(0).rand(9, 2), np.arange(9) % 3)
    plotting.boundary_line(axes[0], [1, 1], 0, normal=True)
    plotting.band(axes[1], range(3), np.eye(3), "a")
    figure.canvas.draw()
    plotting.show_images(np.zeros((2, 3, 3)), ["a", "b"], correct=[True, False]).canvas.draw()
    assert [str(w.message) for w in recwarn] == []


def test_dot_ranges_show_every_run_and_the_median(ax):
    results = {"none": torch.tensor([0.8, 0.9, 0.7]), "more data": [0.95, 0.9, 0.97]}
    assert plotting.dot_ranges(ax, results, baseline="none", xlabel="share right") is ax
    drawn = [(line.get_xdata().tolist(), line.get_ydata().tolist()) for line in ax.lines[1:]]
    extent, runs, middle = drawn[:3]
    assert extent == ([pytest.approx(0.7), pytest.approx(0.9)], [1, 1])
    assert runs == ([pytest.approx(v) for v in (0.8, 0.9, 0.7)], [1, 1, 1])
    assert middle == ([pytest.approx(0.8)], [1])
    assert drawn[5] == ([pytest.approx(0.95)], [0])
    assert ax.lines[0].get_xdata()[0] == pytest.approx(0.8)  # the baseline
    assert [label.get_text() for label in ax.get_yticklabels()] == ["none", "more data"]
    assert ax.get_xlabel() == "share right"


@pytest.mark.parametrize(
    ("results", "options"),
    [({}, {}), ({"empty": []}, {}), ({"one": [1.0]}, {"baseline": "two"})],
)
def test_dot_ranges_refuse_what_they_cannot_compare(ax, results, options):
    with pytest.raises(ValueError, match=r"dot_ranges needs|is not among"):
        plotting.dot_ranges(ax, results, **options)


def test_compare_gives_each_measure_a_panel():
    results = {"none": [0.8, 0.9], "more data": [0.95, 0.9]}
    fig = plotting.compare({"share right": results, "loss": results}, baseline="none")
    assert [ax.get_xlabel() for ax in fig.axes] == ["share right", "loss"]
    assert [t.get_text() for t in fig.axes[0].get_yticklabels()] == ["none", "more data"]
    assert len(plotting.compare({"loss": results}).axes) == 1
