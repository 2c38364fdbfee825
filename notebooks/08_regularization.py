# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 3.8 Regularization
#
# A network that knows its training data by heart has learned something, but perhaps not what you
# wanted. *Regularization* is everything that makes a model better on data it has not seen, often
# at the price of a worse fit to the data it has. In this lesson you take the error apart, build
# each of the usual remedies by hand, check it against PyTorch, and then measure what each of them
# really gives on 500 digits. Some famous remedies will turn out to do very little there.
#
# ## You will be able to
#
# - **split** an error into bias, variance and noise, and say which of them a remedy touches;
# - **write** dropout, AdamW's decay, L1 and batch normalization, equal to PyTorch in both modes;
# - **place** them: which layers, which parameters, which mode, which data;
# - **choose** augmentations that keep the label, and notice those that do not;
# - **compare** remedies honestly: several data sets, equal budgets, and a table with numbers.
#
# ## Before you start
#
# You need the training loop with its modes and early stopping
# ([lesson 3.6](06_training_loop.ipynb)), and cross-entropy ([lesson 3.5](05_losses.ipynb)). Adam
# appears as a finished tool; [lesson 3.9](09_optimizers.ipynb) builds it. Shape comments such as
# `# (B, D)` count the samples of a batch (B) and inputs (D).
#
# **Time:** about 110 minutes with all exercises; 60 if you only read, slide and run.
#
# Where the text says *measured*, the number stands under the cell that measures it. All settings
# are first guesses and were not tuned, unless the text says so.

# %% [markdown]
# <!-- launch:start -->
# Open this lesson with `make lab LESSON=08`.
# <!-- launch:end -->

# %%
from course_utils import setup

setup()

# %%
import inspect
import math
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from torch import nn

from course_utils import data, plotting, verify, worlds
from course_utils.exercises import regularization as exercises
from course_utils.explore import regularization as explorers

double = torch.float64

# %% [markdown]
# ## 1. What an error is made of
#
# **Why not simply take the model with the smallest training error?** Because two things can go
# wrong, and they pull in opposite directions. A model that is too simple misses the pattern: it
# is bad on the training data and on new data. That is *underfitting*. A model that is too
# flexible also fits the accidents of its particular training data: it is good there and bad on
# new data. That is *overfitting*.
#
# Start where everything can be calculated: a curve, 16 noisy measurements of it, and polynomials
# of rising degree. A polynomial is a linear model on the features 1, x, x², … We use Legendre
# polynomials, which span the same functions and stay numerically tame.


# %%
def target_curve(x):
    return torch.sin(math.pi * x)


def legendre(x, degree):
    """Legendre polynomials 0 to degree at the points x: (N,) -> (N, degree + 1)."""
    columns = [torch.ones_like(x), x]
    for k in range(1, degree):
        columns.append(((2 * k + 1) * x * columns[k] - k * columns[k - 1]) / (k + 1))
    return torch.stack(columns[: degree + 1], dim=1)


# %% [markdown]
# Two thousand scientists each repeat the measurement. They all use the same 16 points x, and each
# gets other noise, with the standard deviation 0.3. Nobody has two thousand data sets in real
# life; here we can afford them, and they show what *could* have happened to you.

# %%
sigma, count = 0.3, 2000
x = (2 * torch.arange(16, dtype=double) + 1) / 16 - 1  # 16 points between -1 and 1
grid = torch.linspace(-1, 1, 101, dtype=double)  # where the fits are judged
generator = torch.Generator().manual_seed(0)
noise = torch.randn(count, 16, generator=generator, dtype=double)
Y = target_curve(x) + sigma * noise  # (2000, 16)

# %% [markdown]
# A least-squares fit is one call of `torch.linalg.lstsq`, and it fits all data sets at once: the
# features are the same for everybody, and each scientist's measurements are one column on the
# right-hand side.


# %%
def polynomial_fits(degree):
    """Least-squares fit to each row of Y, on the grid: (2000, 101)."""
    coefficients = torch.linalg.lstsq(legendre(x, degree), Y.T).solution  # (degree + 1, 2000)
    return (legendre(grid, degree) @ coefficients).T


# %%
fig, axes = plt.subplots(1, 3, figsize=(11, 3.4), sharey=True)
for ax, degree in zip(axes, (1, 3, 11), strict=True):
    ax.plot(grid, polynomial_fits(degree)[:20].T, "-", color=plotting.OKABE_ITO["sky"], lw=0.8)
    ax.plot(grid, target_curve(grid), "--k", label="truth")
    ax.plot(x, Y[0], "o", color=plotting.OKABE_ITO["vermillion"], label="one data set")
    ax.set(title=f"degree {degree}", xlabel="x", ylim=(-2.2, 2.2))
axes[0].legend(loc="upper left")
plt.show()

# %% [markdown]
# Twenty fits of each degree in light blue, the truth as a dashed line, and one of the data sets
# as dots. Straight lines agree with each other and are all wrong. Cubics agree with each other
# and with the truth. Degree 11 follows the dots, and so it looks different for every scientist,
# most of all at the ends.
#
# *Predict first.* Degree 3 has an error on new measurements of about 0.12. And degree 11?

# %%
guess = ...  # "a": a little less, "b": twice as much, "c": more than ten times as much
exercises.degree_guess.commit(guess)

# %% [markdown]
# ### Bias, variance, noise
#
# Fix a point x. Let $\hat f(x)$ be the prediction of a randomly chosen scientist, $\bar f(x)$
# the mean over all of them, and $y = f(x) + \varepsilon$ a new measurement. Write the error as
#
# $$
# y - \hat f = \underbrace{\varepsilon}_{\text{noise}}
# + \underbrace{(f - \bar f)}_{\text{fixed}}
# + \underbrace{(\bar f - \hat f)}_{\text{scatter}}
# $$
#
# and square it. The noise of a new measurement knows nothing of the old ones, and the scatter has
# the mean zero, so all mixed terms vanish on average:
#
# $$
# \mathbb{E}\,(y-\hat f)^2 = \sigma^2 + \underbrace{(f-\bar f)^2}_{\text{bias}^2}
# + \underbrace{\mathbb{E}\,(\hat f-\bar f)^2}_{\text{variance}} .
# $$
#
# *Bias* is what remains wrong if you average over all data sets you might have had. *Variance* is
# how much you depend on the one that you happen to have. Measure all parts, averaged over the
# grid, and compare their sum with the error on fresh measurements:


# %%
def split_error(fits):
    """Bias² and variance of predictions (S, 101), averaged over the grid."""
    mean = fits.mean(dim=0)
    return (mean - target_curve(grid)).square().mean(), (fits - mean).square().mean()


# %% [markdown]
# For the other side of the equation every scientist is tested on fresh measurements, with noise
# that has not been used for any fit. Nothing in this second number knows of bias or variance.

# %%
parts, measured = [], []
for degree in range(12):
    fits = polynomial_fits(degree)
    fresh = target_curve(grid) + sigma * torch.randn(count, 101, generator=generator, dtype=double)
    parts.append(torch.stack(split_error(fits)))
    measured.append((fresh - fits).square().mean())
parts, measured = torch.stack(parts), torch.stack(measured)  # (12, 2), (12,)

# %% [markdown]
# Look at four degrees in numbers. The column *sum* adds bias², variance and the noise 0.09; the
# column *measured* was obtained without knowing any of the parts.

# %%
print("degree  bias²    variance  sum      measured")
for degree in (0, 1, 3, 11):
    b, v = parts[degree].tolist()
    row = f"{degree:4}    ≈{b:.4f}  ≈{v:.4f}   ≈{b + v + sigma**2:.4f}"
    print(row, f" ≈{measured[degree]:.4f}")

# %% [markdown]
# Degree 0 is all bias: it predicts a constant. Degree 11 has no bias worth mentioning and is four
# times as bad, because its variance is enormous. Degree 3 has a little of both.

# %%
exercises.degree_guess.reveal("c", "Nearly all of it is variance.")
verify("degree 11 is over ten times as bad as degree 3", measured[11] > 10 * measured[3])
total = parts.sum(dim=1) + sigma**2
verify("bias² + variance + noise is the error, to 2 %", ((total / measured - 1).abs() < 0.02).all())
verify("degree 3 is the best", measured.argmin() == 3)

# %% [markdown]
# Now all degrees, on a logarithmic axis, because the parts differ by factors of a thousand:

# %%
fig, ax = plt.subplots(figsize=(7.5, 3.8))
drawn = {"bias²": parts[:, 0].clamp(min=1e-5), "variance": parts[:, 1], "sum with noise": total}
plotting.curves(ax, range(12), drawn, xlabel="degree", ylabel="mean squared error")
ax.plot(measured, "ks", markersize=5, linestyle="none", label="measured on new data")
ax.axhline(sigma**2, color="gray", linestyle=":", label="noise")
ax.set(yscale="log", ylim=(1e-3, 5))
ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
plt.show()

# %% [markdown]
# The two parts cross: bias falls with the degree, in steps because the curve is odd, and variance
# rises. Their sum has a minimum in the middle, at degree 3, and the measured squares sit on the
# curve of the sum. The dotted line is the noise: no model gets below it.
#
# "Balance both" is the usual advice. For these polynomials it is right. Keep in mind that it is a
# statement about *these* models, because in a moment two families will not follow it.
#
# A fit of this kind is linear in the measured values, $\hat f = M\mathbf{y}$ with a matrix M that
# depends on the points x only. So bias and variance can also be calculated without drawing a
# single random number: the bias is what M does to the true values, and the variance is σ² times
# the mean squared length of M's rows. We use that in a moment.

# %% [markdown]
# ### Would more data help?
#
# A *learning curve* shows the error against the number of samples. The exact formulas give it at
# once. The mean training error has a closed form too: the bias at the measured points plus
# $\sigma^2 (1 - \frac{d+1}{N})$, because a fit with d + 1 coefficients swallows that many parts
# of the noise.


# %%
def exact_errors(size, degree):
    """Expected training error and error on new data for `size` evenly spaced samples."""
    points = (2 * torch.arange(size, dtype=double) + 1) / size - 1
    solve = torch.linalg.pinv(legendre(points, degree))
    on_data, on_grid = legendre(points, degree) @ solve, legendre(grid, degree) @ solve
    missed = (target_curve(points) - on_data @ target_curve(points)).square().mean()
    bias = (target_curve(grid) - on_grid @ target_curve(points)).square().mean()
    variance = sigma**2 * on_grid.square().sum(dim=1).mean()
    return missed + sigma**2 * (1 - (degree + 1) / size), bias + variance + sigma**2


# %% [markdown]
# Take a straight line, which is too stiff for this curve, and degree 9, which is far too flexible
# for 16 points. Before you look: for which of them will a hundred points help?

# %%
sizes = range(14, 101, 2)
learning = {d: torch.tensor([exact_errors(n, d) for n in sizes]) for d in (1, 9)}  # (44, 2)
fig, axes = plt.subplots(1, 2, figsize=(10, 3.4), sharey=True)
for ax, (degree, errors) in zip(axes, learning.items(), strict=True):
    plotting.curves(ax, sizes, {"training": errors[:, 0], "new data": errors[:, 1]})
    ax.axhline(sigma**2, color="gray", linestyle=":")
    ax.set(title=f"degree {degree}", xlabel="samples", ylim=(0, 0.6))
plt.show()

# %% [markdown]
# Training error solid, error on new data dashed, against the number of samples: on the left they
# meet at once and stay high, on the right they approach each other slowly, near the dotted noise.
# In numbers, at the right end:

# %%
stiff, flexible = learning[1], learning[9]
print(f"degree 1, 100 samples: {stiff[-1, 0]:.3f} and {stiff[-1, 1]:.3f}")
print(f"degree 9, 100 samples: {flexible[-1, 0]:.3f} and {flexible[-1, 1]:.3f}")
verify("the straight line stays at three times the noise", stiff[-1].min() > 3 * sigma**2)
verify("degree 9 comes within 15 % of the noise", flexible[-1, 1] < 1.15 * sigma**2)

# %% [markdown]
# Two shapes worth remembering. Where the curves have met high above the noise, more data will not
# help; a better model will. Where they are still far apart, every further sample pays. So before
# you collect data for half a year, draw this curve with what you have.
#
# ### Networks are not polynomials
#
# The textbook figure suggests that a large network must have a large variance. Let 20 of the
# scientists fit tanh networks with one hidden layer, 1 to 64 units wide. All 20 train at once in
# one tensor with a leading dimension for the scientist, as in lesson 3.3.


# %%
def network_fits(width, steps, fits=20, lr=0.02):
    """Train a 1-width-1 network for each of the first rows of Y: (fits, 101)."""
    draw = torch.Generator().manual_seed(1)
    shapes = {"W": (1, width), "b": (1, width), "V": (width, 1), "c": (1, 1)}
    scales = {"W": 3.0, "b": 2.0, "V": width**-0.5, "c": 0.0}
    w = {
        name: scales[name] * torch.randn(fits, *shape, generator=draw, dtype=double)
        for name, shape in shapes.items()
    }
    optimizer = torch.optim.Adam([w[name].requires_grad_() for name in w], lr=lr)
    for _ in range(steps):
        out = torch.tanh(x[:, None] @ w["W"] + w["b"]) @ w["V"] + w["c"]  # (fits, 16, 1)
        loss = (out[..., 0] - Y[:fits]).square().mean(dim=1).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        return (torch.tanh(grid[:, None] @ w["W"] + w["b"]) @ w["V"] + w["c"])[..., 0]


# %% [markdown]
# Each network takes 300 steps of Adam with the same rate. The last row trains networks of 16 units
# four times as long.

# %%
trained = {(w, 300): split_error(network_fits(w, 300)) for w in (1, 4, 16, 64)}
trained[16, 1200] = split_error(network_fits(16, 1200))
for (width, steps), (b, v) in trained.items():
    print(f"width {width:2}, {steps:4} steps: bias² ≈{b:.4f}, variance ≈{v:.4f}")

# %%
(bias_1, _), (_, variance_4) = trained[1, 300], trained[4, 300]
bias_64, variance_64 = trained[64, 300]
verify("64 units have under a tenth of one unit's bias²", bias_64 < 0.1 * bias_1)
verify("from 4 to 64 units the variance does not double", variance_64 < 2 * variance_4)
grown = trained[16, 1200][1] / trained[16, 300][1]
verify("four times the steps raise it more than half", grown > 1.5)

# %% [markdown]
# Sixteen times the units, and the variance barely moves. What moves it is the time of training:
# the last row has the same weights to set, and has followed the noise further. So "number of
# parameters" is a poor measure of flexibility. How far the training goes, how large the weights
# become and how much the data constrain them matter as well, and these are the handles that the
# rest of this lesson turns.
#
# ### Beyond the peak
#
# One more family, and a surprise. Give 200 training digits to a network whose first layer is
# *random and fixed*: P random ReLU features. Only the last layer is fitted, by least squares, in
# closed form. With P = 200 the number of features equals the number of samples, and the fit
# passes exactly through every training label. *Predict first:* with 2,000 features?

# %%
guess = ...  # "a": larger still, "b": about the same, "c": lower than any smaller model
exercises.double_guess.commit(guess)


# %% [markdown]
# The digits come at half their size, as rows of 14 · 14 = 196 numbers in float64. Small images
# make it possible to train many networks in this lesson.

# %%
digits = data.mnist_5k()
pool_X, pool_y = worlds.rows("train")  # (3500, 196), (3500,)
X_valid, y_valid = worlds.rows("validation")
X_test, y_test = worlds.rows("test")

# %% [markdown]
# Beyond P = 200 infinitely many last layers fit perfectly; least squares then takes the one with
# the smallest weights. For comparison a second model is kept small everywhere by *ridge*
# regression, which adds a penalty λ‖w‖² with λ = 1, the best of five values that we tried. The
# targets are the ten-place labels (1 for the right class, 0 elsewhere) minus their mean 0.1.


# %%
def random_feature_error(features, seed, ridge=0.0, samples=200):
    """Test error (squared, summed over classes) of least squares on random ReLU features."""
    draw = torch.Generator().manual_seed(seed)
    rows = torch.randperm(3500, generator=draw)[:samples]
    W = torch.randn(196, features, generator=draw).double() / 14
    A, B = torch.relu(pool_X[rows] @ W), torch.relu(X_test @ W)  # (200, P), (1000, P)
    targets = F.one_hot(pool_y[rows], 10).double() - 0.1
    if ridge:
        gram = A @ A.T + ridge * torch.eye(samples, dtype=double)
        C = A.T @ torch.linalg.solve(gram, targets)
    else:
        C = torch.linalg.lstsq(A, targets, driver="gelsd").solution  # smallest norm
    return (B @ C - F.one_hot(y_test, 10).double() + 0.1).square().sum(dim=1).mean()


# %% [markdown]
# Fourteen sizes from 10 to 2,000 features, five seeds each. A seed draws the 200 digits and the
# random first layer; nothing is trained by steps, so no learning rate can be blamed.

# %%
widths = [10, 20, 50, 100, 150, 180, 200, 220, 250, 300, 400, 600, 1000, 2000]
descent = {
    name: torch.tensor(
        [[random_feature_error(w, seed, ridge) for w in widths] for seed in range(5)]
    )
    for name, ridge in (("smallest norm", 0.0), ("ridge", 1.0))
}

# %%
fig, ax = plt.subplots(figsize=(7.5, 3.8))
plotting.band(ax, widths, descent["smallest norm"], "smallest norm", "vermillion")
plotting.band(ax, widths, descent["ridge"], "ridge, λ = 1", "blue", "--")
ax.axvline(200, color="gray", linestyle=":", label="as many features as samples")
ax.set(xscale="log", yscale="log", xlabel="random features", ylabel="test error")
ax.legend()
plt.show()

# %% [markdown]
# Median and range over five seeds, on log axes: the solid curve falls, explodes where the number
# of features meets the number of samples, and then falls below its first minimum. The dashed
# curve of the ridge model falls all the way.

# %%
exercises.double_guess.reveal("c", "The error comes down again, and goes below its first minimum.")
plain, kept = descent["smallest norm"].median(dim=0).values, descent["ridge"].median(dim=0).values
peak = widths.index(200)
verify("at 200 features the error is over 50 times that at 50", plain[peak] > 50 * plain[2])
verify("with 2,000 it is lower than anywhere before", plain[-1] < plain[:-1].min())
verify("ridge has no peak and is at least as good everywhere", (kept <= plain).all())

# %% [markdown]
# This is *double descent*. At the peak there is exactly one perfect fit, and it must bend wildly
# to pass through every label. With more features there are many, and the smallest of them is a
# calm one.
#
# Read two things from it. "More parameters overfit more" is false as a general law. And the
# dashed curve never had the problem: a little regularization, and the peak is gone. The same
# curve is not seen in every experiment; with a well-chosen penalty or early stopping it usually
# disappears, as here.

# %%
explorers.capacity()

# %% [markdown]
# Polynomials through eight noisy data sets on the left, and both errors against the degree on the
# right. Three things to try. Move the degree with 16 samples, and watch the eight fits agree,
# then drift apart. Set the degree to 11 and the samples to 48: the same flexible model is now
# harmless. Then set the noise to 0.6: the best degree stays or falls, because following the data
# more closely has become more dangerous.
#
# Before you go on, keep the two diseases apart by their symptoms, because the remedies for one make
# the other worse:
#
# | | training error | error on new data | direction of the cure |
# |---|---|---|---|
# | underfitting, large bias | high | high, close to it | more capacity, longer training |
# | overfitting, large variance | low | much higher | more data, regularization |
# | too much noise | at the noise | at the noise | better measurements, nothing else |
#
# The third row is often forgotten. If two people who label the same digit disagree on one in a
# hundred, no network can be right on more than 99 %, and hunting for the missing percent with
# larger models is time lost. Look at the mistakes first; lesson 3.10 does.
#
# ## 2. Five small worlds
#
# **How do you compare remedies without fooling yourself?** One training on one data set is an
# anecdote. From here on there are five *worlds*. Each has its own 500 training digits, drawn from
# the 3,500, and its own initial weights. A remedy that helps in all five worlds probably helps; a
# difference smaller than the spread between worlds is noise.
#
# Three more rules make the comparison fair. *Equal budgets*: every remedy trains for the same
# number of steps. *Pairs*: the same world has the same digits and the same start in every row, so
# we subtract world by world, and the luck of the draw cancels. And *what was tuned is said*: here
# nothing was. A remedy that was tuned for an hour, against a rival that was not, wins always.

# %%
X, y = worlds.draw(500)  # each world's own digits
print("inputs", tuple(X.shape), "labels", tuple(y.shape))

# %% [markdown]
# All five networks train in the same tensors, with a leading dimension for the world. That takes
# a linear layer with five weight matrices; `torch.baddbmm` is the batched form of
# $\mathbf{x}W + \mathbf{b}$. `nn.ReLU`, `nn.Dropout` and the optimizers work on such tensors
# without knowing about worlds. The helper module `worlds` holds the layer; this is all of it:

# %%
print(inspect.getsource(worlds.WorldLinear))

# %% [markdown]
# `worlds.network` stacks such layers: 196 inputs, hidden layers of 64 units, ten outputs. The
# loss of each world is a mean over its own batch, and their sum gives every network its own
# gradient, because no weight belongs to two worlds. `worlds.train` is the loop of lesson 3.6. By
# default it uses AdamW and a one-cycle schedule, 30 epochs, batches of 100. `change` may alter
# the training data before every epoch, `after` may look at the model after it. Its heart:

# %%
print(inspect.getsource(worlds.train).split("seed(seed)\n")[1])

# %% [markdown]
# Dropout and augmentation draw random numbers; they get the same ones in each training, so that
# two trainings differ only in what you changed. `worlds.judge` returns loss and share of right
# answers for each world, in evaluation mode.

# %% [markdown]
# Our results go into one table. `table.add` judges a model on the 1,000 test digits, keeps the
# five results under a name, and prints their median and range. Nothing in this lesson is chosen
# by looking at them. The first row: no remedy at all.

# %%
table = worlds.Report(X_test, y_test)
plain_model = worlds.train(worlds.network(), X, y)
table.add("no remedy", plain_model)

# %% [markdown]
# And the same networks on the digits that they were trained on:

# %%
train_loss, train_right = worlds.judge(plain_model, X, y)
print(f"on the training digits right ≈{train_right.median():.3f}, loss ≈{train_loss.median():.3f}")
verify("all five know 99 % of their training digits", train_right.min() > 0.99)
verify("and 82 to 90 % of the new ones", 0.82 < table.right["no remedy"].median() < 0.9)
gap = table.loss["no remedy"] / train_loss
verify("the test loss is 20 times the training loss, or more", gap.min() > 20)

# %% [markdown]
# A model that "memorizes the training data" in the plain sense of the word. How far can that go?
# Replace the labels by random ones, so that there is nothing to learn but the list itself:

# %%
random_labels = torch.randint(10, y.shape, generator=torch.Generator().manual_seed(5))
parrot = worlds.train(worlds.network(128), X, random_labels, epochs=40)
known, guessed = worlds.judge(parrot, X, random_labels)[1], worlds.judge(parrot, X_test, y_test)[1]
print(f"random labels: ≈{known.min():.2f} right in training, ≈{guessed.median():.2f} on new digits")
verify("it learns over 95 % of a meaningless list by heart", known.min() > 0.95)
verify("and is worthless on new digits", guessed.median() < 0.2)

# %% [markdown]
# The opposite disease: a hidden layer of two units. Both errors are large. "More layers, train
# longer" is a common prescription for underfitting; try both, and a third.

# %%
thin = {
    "two units": worlds.train(worlds.network(2), X, y),
    "five layers of two": worlds.train(worlds.network(2, depth=5), X, y),
    "twice as long": worlds.train(worlds.network(2), X, y, epochs=60),
}
for name, model in thin.items():
    table.add(name, model)

# %% [markdown]
# Deeper is worse, longer is a little better, and both are far from the 86 % of a hidden layer of
# 64. Note that the two-unit network is bad on its *own* digits too, which is what tells
# underfitting from overfitting:

# %%
narrow = worlds.judge(thin["two units"], X, y)[1].median()
print(f"two units know ≈{narrow:.2f} of their own training digits")
verify("two units: under 75 % even in training", narrow < 0.75)
verify("more layers make it worse", table.right["five layers of two"].median() < 0.3)
longer, wide = table.right["twice as long"].median(), table.right["no remedy"].median()
verify("longer training does not reach 70 %, a wider layer does", longer < 0.7 < wide)

# %% [markdown]
# Five layers of two units are a chain of bottlenecks, and every dead unit cuts it. The cure for
# too little capacity is capacity where it is missing: here width. Everything that follows is for
# the other case, the network that knows too much about too few digits.

# %% [markdown]
# ## 3. Dropout
#
# **What if no unit could rely on any other?** Dropout (Srivastava et al., 2014) sets each hidden
# unit to zero with probability p, anew for every sample and every step of the training. A unit
# that is only useful together with one particular partner is useless half of the time. In
# evaluation all units work. But then each next layer would get more input than it is used to, and
# the usual form, *inverted* dropout, corrects that in training. With a mask m that is 1 with
# probability 1 − p and 0 otherwise,
#
# $$
# \tilde h = \frac{m\,h}{1-p}, \qquad
# \mathbb{E}\,\tilde h = \frac{(1-p)\,h + p \cdot 0}{1-p} = h, \qquad
# \operatorname{Var}\tilde h = \frac{h^2}{(1-p)^2}\,p\,(1-p) = \frac{p}{1-p}\,h^2 .
# $$
#
# The mean is kept, and dropout is pure noise around it: as large as the signal at p = 0.5.

# %%
ones = torch.ones(2000, 500, dtype=double)
torch.manual_seed(0)
for p in (0.2, 0.5, 0.8):
    dropped = F.dropout(ones, p)
    zeros, mean, var = (dropped == 0).double().mean(), dropped.mean(), dropped.var()
    print(f"p = {p}: zeros ≈{zeros:.3f}, survivors {dropped.max():.4g}, mean ≈{mean:.3f}")
    as_told = [abs(zeros - p) < 0.01, abs(mean - 1) < 0.01, abs(var * (1 - p) / p - 1) < 0.02]
    verify("share of zeros, mean and variance as calculated", all(as_told))

# %% [markdown]
# By hand it is one line, and with the same random numbers it gives what `nn.Dropout` gives, in
# training and, where it does nothing, in evaluation. The backward pass needs no formula of its
# own: the gradient is multiplied by the same mask.

# %%
layer, h = nn.Dropout(0.3), torch.randn(4, 6, dtype=double)
torch.manual_seed(1)
by_torch = layer.train()(h)
torch.manual_seed(1)
by_hand = h * torch.empty_like(h).bernoulli_(1 - 0.3) / (1 - 0.3)
verify("by hand equals nn.Dropout in training", torch.allclose(by_hand, by_torch))
verify("in evaluation it passes everything unchanged", torch.equal(layer.eval()(h), h))

# %% [markdown]
# In a model it stands after the activation of a hidden layer:

# %%
dropout_model = nn.Sequential(
    nn.Linear(784, 256),
    nn.ReLU(),
    nn.Dropout(0.5),  # half of the hidden units, in training only
    nn.Linear(256, 10),
)
image = torch.rand(1, 784)
answers = [dropout_model.train()(image) for _ in range(2)]
verify("training: two calls, two answers", not torch.equal(*answers))
answers = [dropout_model.eval()(image) for _ in range(2)]
verify("evaluation: one answer", torch.equal(*answers))

# %% [markdown]
# Is dropout on? `model.training` is often recommended as the test. It tells the mode of the
# *outermost* module only. A part may be in another mode, and the functional form does not look at
# any mode unless you pass it on: `F.dropout(x)` drops always. So ask the layers themselves:

# %%
dropout_model.train()
dropout_model[2].eval()  # somebody froze a part
modes = [m.training for m in dropout_model.modules() if isinstance(m, nn.Dropout)]
verify("the model says training, its dropout does not", dropout_model.training and not any(modes))
dropout_model.eval()
zeroed = (F.dropout(torch.ones(1000)) == 0).float().mean()
verify("F.dropout drops in spite of eval(): its default is training=True", zeroed > 0.4)

# %% [markdown]
# ### Exercise 08.1: inverted dropout
#
# Write `inverted_dropout(x, p, training)` for x of shape (N, D) and 0 ≤ p < 1.


# %% tags=["exercise"]
def inverted_dropout(x, p, training):
    # your code here
    ...


exercises.dropout_exercise.check(inverted_dropout)

# %% [markdown]
# ### What does it give?
#
# "Between 0.2 and 0.5 for hidden layers" is the convention. Try four values in the five worlds.

# %%
dropout_models = {0.0: plain_model}
for p in (0.2, 0.5, 0.8):
    dropout_models[p] = worlds.train(worlds.network(p=p), X, y)
    table.add(f"dropout {p}", dropout_models[p])

# %%
names = ("no remedy", "dropout 0.2", "dropout 0.5", "dropout 0.8")
fig = plotting.compare(table.panels(*names), baseline="no remedy")
plt.show()

# %% [markdown]
# One row for each rate: ticks are the five worlds, diamonds their medians, the dashed line is the
# median without dropout. On the left the rows up to 0.5 overlap so much that you cannot tell them
# apart. On the right they differ clearly: with p = 0.5 the *loss* is lower in every world.

# %%
gain = {p: table.gain(f"dropout {p}").median() for p in (0.2, 0.5, 0.8)}
print("median gain in accuracy:", {p: f"≈{value:+.3f}" for p, value in gain.items()})
verify("0.2 and 0.5 move it by less than 3 points", max(abs(gain[0.2]), abs(gain[0.5])) < 0.03)
lower = table.loss["dropout 0.5"] < table.loss["no remedy"]
verify("0.5 lowers the loss in every world", lower.all())
verify("0.8 is less accurate than 0.5", gain[0.8] < gain[0.5])

# %% [markdown]
# Both statements are true at once because they measure different things. Accuracy asks which
# digit is first. The loss also asks how sure the network was, and dropout mainly keeps it from
# being too sure of its mistakes. With 500 digits and this small network that is most of the
# effect; large networks on large tasks are reported to gain more.
#
# How do you choose p? Start with 0.2 or 0.3 behind hidden layers, and less, or nothing, behind the
# input. Raise it while the training loss is far below the validation loss. Stop when the training
# loss itself begins to suffer: dropout makes each step noisier, so a network with strong dropout
# needs more units and more steps for the same fit. The row for 0.8 shows what happens otherwise:
# only one unit in five is left to learn with.
#
# ### Redundancy, and an ensemble
#
# Does it do what the motive promised? Take the trained networks and destroy 80 % of the hidden
# units at random, scaling the rest up as dropout does. A network whose units need each other
# should suffer more.


# %%
@torch.no_grad()
def crippled_accuracy(model, share, tries=10):
    """Accuracy of each world with a random share of the hidden units destroyed: (5,)."""
    hidden = model[:2](X_test.expand(worlds.WORLDS, -1, -1))  # after the ReLU: (5, 1000, 64)
    draw, right = torch.Generator().manual_seed(1), []
    for _ in range(tries):
        kept = torch.rand(worlds.WORLDS, 1, 64, generator=draw).double() >= share
        z = model[-1](hidden * kept / (1 - share))
        right.append((z.argmax(dim=-1) == y_test).double().mean(dim=1))
    return torch.stack(right).mean(dim=0)


# %% [markdown]
# Ten random selections for each network, averaged. Which of the four will still recognize more
# than half of the digits with 13 of its 64 units?

# %%
crippled = {p: crippled_accuracy(model, 0.8) for p, model in dropout_models.items()}
for p, right in crippled.items():
    print(f"trained with p = {p}: ≈{right.median():.2f} right with a fifth of its units")
stronger = crippled[0.5] - crippled[0.0]
verify("p = 0.5 survives better than p = 0, in every world", stronger.min() > 0.03)

# %% [markdown]
# It does. The same observation has another name: each mask is a smaller network, with 64 units
# there are 2⁶⁴ of them, and all share their weights. Averaging many networks usually beats one.
# Leave dropout on at test time, average the probabilities of 50 masks, and compare with one mask
# and with the ordinary evaluation mode:

# %%
torch.manual_seed(0)
many = X_test.expand(worlds.WORLDS, -1, -1)
with torch.no_grad():
    model = dropout_models[0.5].train()  # dropout stays on
    votes = torch.stack([model(many).softmax(dim=-1) for _ in range(50)])  # (50, 5, 1000, 10)
    model.eval()

# %% [markdown]
# `votes` holds 50 opinions of each of the five networks on each of the 1,000 digits: ten
# probabilities each.

# %%
single = (votes.argmax(dim=-1) == y_test).double().mean(dim=(0, 2))
averaged = (votes.mean(dim=0).argmax(dim=-1) == y_test).double().mean(dim=1)
scaled = table.right["dropout 0.5"]
for name, right in (("one mask", single), ("50 masks", averaged), ("eval()", scaled)):
    print(f"{name:9} ≈{right.median():.3f}")
verify("the average beats a single mask in every world", (averaged > single + 0.01).all())
verify("eval() does as well as the average, to 2 points", (scaled - averaged).abs().max() < 0.02)

# %% [markdown]
# So the evaluation mode, a single pass with all units, is a cheap stand-in for the average over
# the ensemble. It is not the same: the average of softmax outputs is not the softmax of an
# average. And the members are no independent networks, since they share every weight.
#
# ### Monte Carlo dropout
#
# The 50 votes hold more than their mean. Where they disagree, the network is unsure. Use the
# spread of the winner's probability as a measure of doubt (Gal and Ghahramani, 2016).

# %%
winner = votes.mean(dim=0).argmax(dim=-1, keepdim=True)  # (5, 1000, 1)
doubt = votes.std(dim=0).gather(-1, winner)[..., 0]  # (5, 1000)
right = winner[..., 0] == y_test
sure = doubt <= doubt.median(dim=1, keepdim=True).values
for name, chosen in (("surer half", sure), ("other half", ~sure)):
    shares = (right & chosen).sum(dim=1) / chosen.sum(dim=1)
    print(f"{name}: ≈{shares.median():.2f} right")

# %% [markdown]
# The half with the smaller spread is almost free of mistakes. What does the other end look like?

# %%
order = doubt[0].argsort(descending=True)[:10]
top = votes.mean(dim=0)[0, order].topk(2).indices.tolist()
fig = plotting.show_images(
    digits.test.images[order], [f"{a} or {b}" for a, b in top], correct=right[0, order]
)
plt.show()

# %% [markdown]
# The ten test digits with the largest doubt in the first world, each with the two digits that got
# the most votes, and ✓ where the first was right. About half of the guesses are wrong. Most of
# these digits are easy for you; this network has seen about 50 of each kind in its life.

# %%
surer = (right & sure).sum(dim=1) / sure.sum(dim=1)
verify("the surer half is over 95 % right, in every world", surer.min() > 0.95)
with torch.no_grad():
    confident = dropout_models[0.5](many).softmax(dim=-1).max(dim=-1).values
top_half = confident >= confident.median(dim=1, keepdim=True).values
rival = (right & top_half).sum(dim=1) / top_half.sum(dim=1)
verify("sorting by plain softmax is as good, to 3 points", (rival - surer).abs().max() < 0.03)

# %% [markdown]
# Doubt is a useful signal: half of the digits can be trusted almost blindly, and the others could
# go to a person. Many real systems work like that. In fairness, the
# last line says that the ordinary softmax probability sorts them about as well here, for a
# fiftieth of the price. Monte Carlo dropout is worth trying where inputs may come from elsewhere,
# and worth checking against this simple rival.
#
# ### Where not to put it
#
# *Before or after ReLU* makes no difference: both leave zeros alone and commute with a positive
# factor. *After the output* is another matter if the output is a number. The expected squared
# error of an output w for a target 1 under dropout is $(w-1)^2 + \frac{p}{1-p} w^2$, with its
# minimum at w = 1 − p: the network learns to say half of the truth.

# %%
z, mask = torch.randn(100, 8, dtype=double), torch.rand(100, 8) >= 0.5
swapped = torch.relu(z) * mask / 0.5
verify("ReLU and dropout commute", torch.equal(torch.relu(z * mask / 0.5), swapped))
said, p = torch.linspace(0, 1.5, 151, dtype=double), 0.5
masks = torch.empty(20_000, 1, dtype=double).bernoulli_(1 - p) / (1 - p)
error = (masks * said - 1.0).square().mean(dim=0)  # (151,), one for each output w
print(f"the smallest error has the output w ≈{said[error.argmin()]:.2f}")
verify("it is near 1 - p, not near 1", abs(said[error.argmin()] - (1 - p)) < 0.05)

# %% [markdown]
# *Before batch normalization* it does a quieter harm. Dropout increases the variance of its
# outputs in training. The layer behind it notes that variance, and in evaluation, when the extra
# variance is gone, divides by a number that is too large.

# %%
torch.manual_seed(0)
pair = nn.Sequential(nn.Dropout(0.5), nn.BatchNorm1d(4, dtype=double)).train()
for _ in range(100):
    pair(1 + torch.randn(256, 4, dtype=double))
out = pair.eval()(1 + torch.randn(2000, 4, dtype=double))
print(f"standard deviation after the norm in evaluation: ≈{out.std():.2f} instead of 1")
verify("the norm expects more variance than there is", out.std() < 0.7)

# %% [markdown]
# *On feature maps* it does less than you may expect, because neighboring pixels of a map say
# nearly the same: what one loses, the others still tell. `nn.Dropout2d`, *spatial* dropout, drops
# whole channels (Tompson et al., 2015). Take constant maps of 7 × 7 and average each, as the end
# of a convolutional network does. Elementwise noise averages out by the factor 7; spatial noise
# stays.

# %%
maps = torch.ones(500, 16, 7, 7, dtype=double)  # (B, C, H, W)
torch.manual_seed(0)
spread = {}
for kind in (nn.Dropout(0.5), nn.Dropout2d(0.5)):
    spread[type(kind).__name__] = kind(maps).mean(dim=(2, 3)).std()
print({name: f"≈{value:.2f}" for name, value in spread.items()})
verify("elementwise: a seventh of the noise", abs(spread["Dropout"] - 1 / 7) < 0.01)
verify("spatial: all of it", abs(spread["Dropout2d"] - 1) < 0.05)

# %% [markdown]
# ## 4. Weight decay
#
# **Can a network overfit with small weights?** Less easily: to bend sharply between two training
# points, a function needs large slopes, and slopes are products of weights. The penalty
#
# $$
# L_{\text{total}} = L + \frac{\lambda}{2} \sum_j w_j^2
# \qquad\Rightarrow\qquad
# \frac{\partial L_{\text{total}}}{\partial w_j} = \frac{\partial L}{\partial w_j} + \lambda w_j
# $$
#
# is called *ridge* or L2. Many texts write it as $\lambda\sum w^2$. That is a legitimate
# definition of a penalty, and not what PyTorch does: `weight_decay=λ` adds λw to the gradient, so
# the penalty has the factor ½. Three SGD steps in float64 tell:

# %%
x_few, y_few = torch.randn(20, 3, dtype=double), torch.randn(20, 1, dtype=double)


def three_steps(penalty, decay):
    """Train a linear model with SGD, a penalty λ·factor·Σw² and an optimizer's decay."""
    torch.manual_seed(0)
    model = nn.Linear(3, 1, dtype=double)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=decay)
    for _ in range(3):
        squares = sum(p.square().sum() for p in model.parameters())
        loss = F.mse_loss(model(x_few), y_few) + penalty * squares
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.weight.detach()


# %% [markdown]
# Three trainings from the same start: with the optimizer's λ = 0.5 and no penalty, with the
# penalty ½λΣw² in the loss, and with λΣw².

# %%
by_optimizer = three_steps(penalty=0.0, decay=0.5)
verify("weight_decay=λ is (λ/2)·Σw²", torch.allclose(by_optimizer, three_steps(0.25, 0.0)))
gap = (by_optimizer - three_steps(0.5, 0.0)).abs().max()
verify("it is not λ·Σw²", gap > 0.01)

# %% [markdown]
# Note what `squares` adds up: *all* parameters, biases too, because the optimizer does so as well
# unless you tell it otherwise.
#
# The other name tells the mechanism. Without any gradient each step multiplies a weight by
# 1 − ηλ: it *decays* exponentially, with a half-life of about ln 2 / (ηλ) steps. That is the
# number to look at when you choose λ. Much longer than the training means no effect.

# %%
w = nn.Parameter(torch.ones(1, dtype=double))
optimizer, w.grad = torch.optim.SGD([w], lr=0.1, weight_decay=1e-4), torch.zeros_like(w)
for _ in range(1000):
    optimizer.step()
print(f"left after 1,000 steps: {w.item():.4f}; half-life {math.log(2) / 1e-5:,.0f} steps")
verify("exactly (1 - ηλ)^1000", abs(w.item() - (1 - 1e-5) ** 1000) < 1e-12)

# %% [markdown]
# A decay of 10⁻⁴ is found in many recipes. At the rate 0.1 it takes 69,000 steps to halve a
# weight, and with a momentum of 0.9, which makes the steps ten times as long, still 6,900. Our
# worlds train for 150.
#
# So choose λ by the half-life. Take the number of steps of your training, ask how many half-lives
# shall fit into it, say between one tenth and three, and solve for λ. This also tells what to do
# when you change something else: with half the learning rate, or half the steps, the same λ
# decays half as much.
#
# There is a second way to read the penalty. Suppose you believe, before you see any data, that
# each weight is a draw from a normal distribution around 0. Then the most probable weights, given
# the data, are those that minimize the loss plus a multiple of the squares; the firmer the
# belief, the larger λ. A distribution with a sharp peak at 0 gives the absolute values of the
# lasso instead. A penalty is knowledge about plausible functions, written as a number.
#
# ### L2 in Adam is not AdamW
#
# Adam divides each gradient by its own typical size. Put λw into the gradient, and the decay is
# divided too: by much where gradients are large, by almost nothing where they are small. Lesson
# 3.9 shows it with artificial gradients. The digits offer a sharper case: corner pixels that are
# blank in all 500 images. Their weights get *no* gradient from the loss, only the decay.


# %%
def decayed_weights(optimizer_class, decay):
    """First-layer weights (5, 196, 64) after 100 steps, from the same start and data."""
    model = worlds.network()
    optimizer = optimizer_class(model.parameters(), lr=0.005, weight_decay=decay)
    return worlds.train(model, X, y, epochs=20, optimizer=optimizer)[0].weight.detach()


# %% [markdown]
# Compare two groups of weights with those of a training without decay: the ones at blank pixels,
# and the ones at the tenth of the pixels with the most ink. The ratio of their lengths says what
# the decay has left. Adam gets λ = 0.0001, AdamW a thousand times as much.

# %%
kinds = {"Adam": torch.optim.Adam, "AdamW": torch.optim.AdamW}
undecayed = decayed_weights(torch.optim.Adam, 0.0)
blank = (X == 0).all(dim=1)  # (5, 196): pixels without ink in a world
busy = X.mean(dim=1) > X.mean(dim=1).quantile(0.9, dim=1, keepdim=True)
left = {}
for name, decay in (("Adam", 1e-4), ("AdamW", 0.1)):
    w = decayed_weights(kinds[name], decay)
    ratio = [w[pixels].norm() / undecayed[pixels].norm() for pixels in (blank, busy)]
    left[name] = torch.stack(ratio)
    print(f"{name:5} λ = {decay}: blank pixels keep ≈{ratio[0]:.4f}, busy ones ≈{ratio[1]:.4f}")

# %% [markdown]
# The first column is what you should look at. With ηλ = 0.0005 and 100 steps, a weight without
# gradient should keep $0.9995^{100}$, about 95 %.

# %%
expected = (1 - 0.005 * 0.1) ** 100
verify("AdamW: blank pixels keep exactly (1 - ηλ)^100", abs(left["AdamW"][0] - expected) < 1e-9)
verify("Adam: with λ = 0.0001 the blank pixels' weights are gone", left["Adam"][0] < 0.02)
verify("while the busy ones keep over 98 %", left["Adam"][1] > 0.98)

# %% [markdown]
# In Adam a decay a thousand times smaller wiped out every weight at a blank pixel. There λw *is*
# the whole gradient, so Adam normalizes it, and the weight marches to zero at full speed, however
# small λ is. Where the image has ink, the same λ did nearly nothing. AdamW takes the same share
# from every weight; at busy pixels the loss then pulls some of it back. If you want decay with
# Adam, use `torch.optim.AdamW`, and do not carry a value of λ over from one to the other.
#
# The defaults differ as well: `Adam` decays by 0 unless told otherwise, `AdamW` by 0.01. With a
# rate of 0.001 that is a half-life of 69,000 steps again, so in a short training the default of
# AdamW is no decay at all. If you read "we used AdamW" without a number, you know nothing about
# the regularization.
#
# ### Exercise 08.2: an AdamW step for a whole model
#
# Write `adamw_step(parameters, state, lr, decay, ...)`, which changes a list of parameters in
# place, and keeps what it needs from call to call in the dictionary `state`.


# %% tags=["exercise"]
def adamw_step(parameters, state, lr, decay, beta1=0.9, beta2=0.999, eps=1e-8):
    # your code here
    ...


exercises.adamw_exercise.check(adamw_step)

# %% [markdown]
# ### How much decay?
#
# Three amounts of AdamW's decay in the five worlds. We keep the length of each world's first
# weight matrix as well.

# %%
lengths = {"no remedy": plain_model[0].weight.detach().flatten(1).norm(dim=1)}
for decay in (0.1, 0.5, 3.0):
    model = worlds.train(worlds.network(), X, y, decay=decay)
    lengths[f"decay {decay}"] = model[0].weight.detach().flatten(1).norm(dim=1)  # (5,)
    table.add(f"decay {decay}", model)

# %%
panels = {"length of the first weights": lengths} | table.panels(*lengths)
fig = plotting.compare(panels, baseline="no remedy")
plt.show()

# %% [markdown]
# Weight length, accuracy and loss for four amounts of AdamW's decay. The weights shrink steadily
# from top to bottom. The accuracy hardly moves until 3.0, which is too much; the loss has a clear
# minimum in between. As with dropout, the remedy acts on the confidence more than on the answers.

# %%
medians = [norms.median() for norms in lengths.values()]
verify("more decay, shorter weights", medians == sorted(medians, reverse=True))
lower = table.loss["no remedy"] - table.loss["decay 0.5"]
verify("0.5 lowers the loss in every world", lower.min() > 0.05)
moved = table.gain("decay 0.5").median()
verify("and moves the median accuracy by less than 2 points", abs(moved) < 0.02)
verify("3.0 is too much", (table.loss["decay 3.0"] > table.loss["decay 0.5"]).all())

# %% [markdown]
# "It keeps weights small and spread out" is the usual account. Small you have seen. *Spread out*
# can be seen with a feature that appears twice: every pair of weights with the same sum predicts
# the same. Without a penalty the start decides who gets what, and it stays so; the squares prefer
# equal shares; the absolute values of the next section do not care.

# %%
draw = torch.Generator().manual_seed(0)
feature = torch.randn(100, 1, generator=draw, dtype=double)
twice, aim = feature.expand(-1, 2), 2 * feature[:, 0]
shares = {}
for name, l2, l1 in (("none", 0.0, 0.0), ("L2", 0.1, 0.0), ("L1", 0.0, 0.1)):
    w = torch.tensor([1.2, 0.4], dtype=double)
    for _ in range(2000):
        w = w - 0.1 * (twice.T @ (twice @ w - aim) / 100 + l2 * w + l1 * w.sign())
    shares[name] = w
    print(f"{name:4}", [round(value, 3) for value in w.tolist()])
verify("L2 splits evenly", (shares["L2"][0] - shares["L2"][1]).abs() < 1e-6)
kept = shares["L1"][0] - shares["L1"][1]
verify("L1 keeps the initial difference", abs(kept - 0.8) < 1e-6)

# %% [markdown]
# ### What should not decay
#
# A bias does not make a function steeper, it only moves it. Decaying it can cost accuracy, and
# it makes nothing smoother. Fit y = 5 + 2x with a strong decay, once on both parameters and once
# on the slope only; both have a closed form.

# %%
design = torch.cat([feature, torch.ones_like(feature)], dim=1)  # (100, 2): slope, offset
aim = 5 + 2 * feature[:, 0]
for name, penalized in (("both decay", [0.5, 0.5]), ("slope only", [0.5, 0.0])):
    system = design.T @ design / 100 + torch.diag(torch.tensor(penalized, dtype=double))
    slope, offset = torch.linalg.solve(system, design.T @ aim / 100).tolist()
    print(f"{name}: slope {slope:.2f}, offset {offset:.2f}")
verify("with the slope only, the offset stays within 1 % of 5", abs(offset - 5) < 0.05)

# %% [markdown]
# The same holds for the scale and the shift of normalization layers (section 5). *Parameter
# groups* give each part its own settings; here a first layer that decays and a last one that does
# not, biases included. After making an optimizer, look at what it really got;
# and remember that the printed setting proves nothing about the effect. For that, compare the
# lengths of the weights, as above.

# %%
net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
body, head = {"params": net[0].parameters()}, {"params": net[2].parameters(), "weight_decay": 0.0}
optimizer = torch.optim.AdamW([body, head], lr=1e-3, weight_decay=0.1)
for group in optimizer.param_groups:
    print(f"decay {group['weight_decay']}:", [tuple(p.shape) for p in group["params"]])

# %% [markdown]
# ### Exercise 08.3: what shall decay?
#
# Write `decay_groups(model, decay)`, which returns the two groups for any model.


# %% tags=["exercise"]
def decay_groups(model, decay):
    # your code here
    ...


exercises.groups_exercise.check(decay_groups)

# %% [markdown]
# ### L1: weights that are exactly zero
#
# The *lasso* penalizes absolute values: $L + \lambda\sum_j |w_j|$. Its pull is λ for every
# weight, however small, so small weights should end at zero. Do they? The obvious code adds
# λ·sign(w) to the gradient. The *proximal* form takes the step of the loss first, then pulls each
# weight toward zero by ηλ and *stops there* if it would cross:
#
# $$
# w \leftarrow \operatorname{sign}(w)\,\max(|w| - \eta\lambda,\ 0).
# $$
#
# Why should a constant pull end at zero, and a proportional one not? Decay takes the same *share*
# in each step, so a weight halves and halves and never arrives. The lasso takes the same *amount*,
# so a weight that the loss does not defend arrives after finitely many steps.
#
# Train a linear classifier on the first world's digits with both.


# %%
def sparse_softmax(lam, proximal, steps=400, lr=0.5):
    """Linear classifier on the digits of world 0 with an L1 penalty: weights (196, 10), bias."""
    draw = torch.Generator().manual_seed(0)
    W = 0.1 * (torch.rand(196, 10, generator=draw).double() - 0.5)
    b, targets = torch.zeros(10, dtype=double), F.one_hot(y[0], 10)
    for _ in range(steps):
        error = ((X[0] @ W + b).softmax(dim=1) - targets) / 500  # (500, 10)
        gradient = X[0].T @ error
        if proximal:
            W = W - lr * gradient
            W = W.sign() * (W.abs() - lr * lam).clamp(min=0)
        else:
            W = W - lr * (gradient + lam * W.sign())
        b = b - lr * error.sum(dim=0)
    return W, b


# %% [markdown]
# Three values of λ, both ways, and for each the number of weights that are exactly zero among the
# 196 · 10. All weights start at small random numbers.

# %%
sparse = {}
for lam in (1e-4, 1e-3, 1e-2):
    for proximal in (False, True):
        W, b = sparse_softmax(lam, proximal)
        score = ((X_test @ W + b).argmax(dim=1) == y_test).double().mean()
        sparse[lam, proximal] = W, score
        how = "proximal    " if proximal else "sub-gradient"
        print(f"λ = {lam}, {how}: ≈{(W == 0).sum()} exact zeros of 1,960, ≈{score:.2f} right")

# %% [markdown]
# The accuracies agree row by row, so both forms solve the same problem. But only one of them
# arrives at zero:

# %%
none = [(sparse[lam, False][0] == 0).sum() == 0 for lam in (1e-4, 1e-3, 1e-2)]
verify("the sub-gradient never reaches zero", all(none))
W, score = sparse[1e-3, True]
verify("the proximal step: over half are exactly zero", (W == 0).sum() > 980)
verify("at an accuracy within 3 points of the densest", score > sparse[1e-4, True][1] - 0.03)
verify("λ = 0.01 costs over 5 points", sparse[1e-2, True][1] < score - 0.05)

# %% [markdown]
# A weight of zero is a question that the classifier no longer asks. Count for each pixel how many
# of the ten classes still ask for it:

# %%
counts = [(sparse[lam, True][0] != 0).sum(dim=1).reshape(14, 14) for lam in (1e-4, 1e-3, 1e-2)]
fig = plotting.show_images(
    torch.stack(counts), ["λ = 0.0001", "λ = 0.001", "λ = 0.01"], cell=1.8, limits=(0, 10)
)
plt.show()

# %% [markdown]
# How many of the ten classes use each pixel, from none (black) to all ten (white), for rising λ.
# Sparsity is a choice of features: the border goes first, and at λ = 0.01 only a few dozen pixels
# are left. With the sub-gradient the weights jump back and forth across zero by up to ηλ and
# never land; `torch.optim` has no proximal step, so the soft threshold is yours to write.
#
# The lasso also explains why the tempting default λ = 0.01 is no default. For a 784-256-10
# network the penalty sums over 200,000 absolute values:

# %%
torch.manual_seed(0)
fresh_net = nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10))
penalty = 0.01 * sum(p.abs().sum() for p in fresh_net.parameters()).item()
print(f"0.01 · Σ|w| = ≈{penalty:.1f}, cross-entropy of guessing {math.log(10):.1f}")
verify("it is over ten times the loss that it is meant to assist", penalty > 10 * math.log(10))

# %% [markdown]
# Ten times too strong before the first step. For a network of this size, values of 10⁻⁵ to 10⁻⁴,
# on weights and not on biases, leave the loss in charge.

# %%
explorers.boundary()

# %% [markdown]
# The probability of class 1 over the plane after training on the 40 points, and the loss on 1,000
# new points for every amount of decay. Without either remedy the border runs around single
# points, and the shades are hard: the network is certain everywhere. Raise the decay to the end,
# and the border becomes soft and nearly straight. Raise p instead, and the islands disappear as
# well. Then combine both, and note the sentence below the picture: the best loss is reached with
# a moderate amount of each, and too much of both makes it rise again. With so few points, and two
# classes that overlap, the remedies also move the accuracy, from 74 to over 80 %.

# %% [markdown]
# ## 5. Normalization
#
# **What if each layer could count on inputs of a known size?** Lesson 3.4 chose the initial
# weights so that signals keep their size, at the start. Batch normalization (Ioffe and Szegedy,
# 2015) enforces it throughout the training. For each feature it takes mean and variance over the
# *batch*, and then lets two learned numbers, γ and β, choose the scale and shift that the next
# layer wants:
#
# $$
# \hat x_{ij} = \frac{x_{ij}-\mu_j}{\sqrt{\sigma_j^2+\epsilon}}, \qquad
# y_{ij} = \gamma_j\,\hat x_{ij} + \beta_j, \qquad
# \mu_j = \frac1N\sum_i x_{ij}, \quad \sigma_j^2 = \frac1N\sum_i (x_{ij}-\mu_j)^2 .
# $$
#
# In evaluation a prediction must not depend on the other samples of the batch, so there the layer
# uses *running* averages that it has collected during training. Follow it through one batch, in
# float64:

# %%
torch.manual_seed(0)
norm = nn.BatchNorm1d(3, dtype=double)
batch = 2 + 3 * torch.randn(6, 3, dtype=double)  # (N, D)
out = norm.train()(batch)
mean, var = batch.mean(dim=0), batch.var(dim=0, correction=0)  # (D,) each
by_hand = (batch - mean) / torch.sqrt(var + norm.eps)
verify("training: normalized by the batch's own statistics", torch.allclose(out, by_hand))
verify("so the output has the mean 0", out.mean(dim=0).abs().max() < 1e-12)
verify("and the variance 1, up to ε", (out.var(dim=0, correction=0) - 1).abs().max() < 1e-4)

# %% [markdown]
# γ starts at 1 and β at 0, so they do not show yet. Now what that one batch has left behind. Two
# traps: `momentum` is the share of the *new* value, 0.1 by default, and the running variance is
# fed with the *unbiased* variance, divided by N − 1, although the output used the other one.

# %%
unbiased = batch.var(dim=0, correction=1)
verify("running mean: 0.9 · 0 + 0.1 · mean", torch.allclose(norm.running_mean, 0.1 * mean))
wanted = 0.9 * torch.ones(3, dtype=double) + 0.1 * unbiased
verify("running variance: 0.9 · 1 + 0.1 · unbiased", torch.allclose(norm.running_var, wanted))
evaluated = norm.eval()(batch)
by_hand = (batch - norm.running_mean) / torch.sqrt(norm.running_var + norm.eps)
verify("evaluation: by the running statistics", torch.allclose(evaluated, by_hand))

# %% [markdown]
# In a model it usually stands between the linear layer and the activation. The linear layer's
# bias is then useless, because subtracting the mean removes it; its gradient is zero. To look at
# the statistics, go through the position of the layer: an `nn.Sequential` has no attribute `bn1`
# unless you gave it one.

# %%
normed = nn.Sequential(nn.Linear(20, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2)).double()
normed(torch.randn(32, 20, dtype=double)).square().sum().backward()
print("running mean, first three:", normed[1].running_mean[:3].numpy().round(3))
verify("there is no bn1 in a Sequential", not hasattr(normed, "bn1"))
verify("the bias before the norm has no gradient", normed[0].bias.grad.abs().max() < 1e-12)
verify("the weights have one", normed[0].weight.grad.abs().max() > 1e-3)

# %% [markdown]
# ### Exercise 08.4: batch normalization, forward
#
# Put it together: `batch_norm_forward` returns the output and the new running statistics.


# %% tags=["exercise"]
def batch_norm_forward(x, gamma, beta, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    # your code here
    ...


exercises.norm_exercise.check(batch_norm_forward)

# %% [markdown]
# ### A batch of two
#
# *Predict first.* Two samples, any inputs you like, training mode, γ = 1 and β = 0. What does
# `nn.BatchNorm1d` put out?

# %%
guess = ...  # "a": about normal numbers, "b": only +1 and -1, "c": an error
exercises.pair_guess.commit(guess)

# %%
two = nn.BatchNorm1d(4, dtype=double)(torch.randn(2, 4, dtype=double) * 100)
print(two.detach().numpy().round(3))
exercises.pair_guess.reveal("b", "Only the order of the two inputs survives, not their values.")
verify("every output is +1 or -1", (two.abs() - 1).abs().max() < 1e-2)

# %% [markdown]
# The mean of two numbers lies in the middle, and both are one standard deviation away. All other
# information is gone. With *one* sample nothing would be left at all, so the layer refuses; and a
# last batch of one sample does occur when the data do not divide evenly. `drop_last=True` leaves
# it out.

# %%
try:
    nn.BatchNorm1d(4)(torch.randn(1, 4))
    refused = False
except ValueError:
    refused = True
verify("a batch of one is refused in training mode", refused)
for drop_last in (False, True):
    parts = data.batches(torch.arange(65), drop_last=drop_last)
    print(f"65 samples, drop_last={drop_last}: batches of", [len(part) for (part,) in parts])

# %% [markdown]
# What does it do to training? One epoch in batches of two, with and without the norm, and the
# same with five epochs in batches of 20. Plain SGD, the same rate.


# %%
def short_training(norm, batch, epochs, lr=0.05, depth=2, hidden=64, decay=0.0, std=None):
    """Accuracy on the test digits after a short training with SGD: (5,)."""
    model = worlds.network(hidden, depth, norm=norm)
    if std is not None:
        for layer in model:
            if isinstance(layer, worlds.WorldLinear):
                nn.init.normal_(layer.weight, std=std)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, weight_decay=decay)
    worlds.train(model, X, y, epochs=epochs, optimizer=optimizer, batch=batch)
    return worlds.judge(model, X_test, y_test)[1]


# %% [markdown]
# Batches of two see each digit once, batches of twenty five times; what counts is the comparison
# within each pair of lines.

# %%
tiny = {}
for batch_size, epochs in ((2, 1), (20, 5)):
    for norm in (False, True):
        tiny[batch_size, norm] = short_training(norm, batch_size, epochs)
        name = f"batches of {batch_size:2}, {'with' if norm else 'without'} norm"
        print(f"{name:26} ≈{tiny[batch_size, norm].median():.2f} right")
verify("batches of 2: the norm hurts in every world", (tiny[2, True] < tiny[2, False] - 0.1).all())
verify("batches of 20: it does not", tiny[20, True].median() > tiny[20, False].median() - 0.05)

# %% [markdown]
# ### Mistakes with the mode
#
# Three slips are common. *Forgetting `eval()`*: the answer for a digit then depends on which
# other digits are in the batch. *Evaluating too early*: the running averages start at 0 and 1,
# and with momentum 0.1 they have after k batches covered only $1-0.9^k$ of the way. *Forgetting
# `train()`* afterwards: nothing is updated any more.

# %%
norm = nn.BatchNorm1d(3, dtype=double)
sample, others = torch.ones(1, 3, dtype=double), torch.randn(2, 7, 3, dtype=double)
answers = [norm(torch.cat([sample, group]))[0] for group in others]
verify("training mode: one sample, two answers", not torch.allclose(*answers))
norm.eval()
answers = [norm(torch.cat([sample, group]))[0] for group in others]
verify("evaluation mode: one answer", torch.allclose(*answers))

# %% [markdown]
# And the second slip, with batches whose mean is always 10. How many of them does the running mean
# need to get there?

# %%
fresh, steady = nn.BatchNorm1d(1, dtype=double), torch.tensor([[9.0], [11.0]], dtype=double)
for k in range(1, 23):
    fresh(steady)  # batches with the mean 10
    if k in (1, 10, 22):
        print(f"after {k:2} batches the running mean is {fresh.running_mean.item():.2f} of 10")
verify("the share covered is 1 - 0.9^k", abs(fresh.running_mean.item() / 10 - 1 + 0.9**22) < 1e-9)

# %%
explorers.batch_noise()

# %% [markdown]
# Means of successive batches with the running mean on the left; on the right one and the same
# digit, normalized among different companions. The dashed line is its value among all digits.
# With batches of two the digit becomes +1 or −1 by chance. With 16 it scatters around the true
# value, with 256 it is nearly fixed. This scatter is the noise that may act as a regularizer. Set
# the momentum to 0.01, and the running mean needs hundreds of batches to arrive; with 0.5 it
# follows every single one.
#
# ### Higher rates, deeper stacks, careless starts
#
# Three advantages are claimed for it. Test them on four hidden layers, 64 steps of SGD, for a
# range of rates. Both networks start with the Kaiming weights of lesson 3.4.

# %%
rates = (0.1, 0.3, 1.0)
by_rate = {
    norm: torch.stack([short_training(norm, 64, 8, lr, depth=4) for lr in rates], dim=1)
    for norm in (False, True)
}  # (5, 3) each: worlds, rates
for norm, name in ((False, "without"), (True, "with")):
    print(f"{name:8}", " ".join(f"≈{share:.2f}" for share in by_rate[norm].median(dim=0).values))

# %% [markdown]
# A network that has diverged gives the same answer to everything, and gets 10 %.

# %%
fig, ax = plt.subplots(figsize=(7, 3.4))
failed = {norm: torch.where(runs < 0.4, 0.1, runs) for norm, runs in by_rate.items()}
plotting.band(ax, rates, failed[False], "without", "vermillion", "--")
plotting.band(ax, rates, failed[True], "with batch normalization", "blue")
ax.set(xscale="log", xlabel="learning rate", ylabel="share right", ylim=(0, 1))
ax.legend(loc="lower left")
plt.show()

# %% [markdown]
# Test accuracy by learning rate, median and range of five worlds; runs below 40 % are drawn as
# failed, at 10 %. Without the norm the network is lost at a rate of 1. With it that rate still
# works, and at each of the three rates the line with the norm is the upper one.

# %%
verify("without: every run at rate 1 fails", by_rate[False][:, 2].max() < 0.4)
verify("with: every run at rate 1 gets over 65 %", by_rate[True][:, 2].min() > 0.65)
best = {norm: runs.median(dim=0).values.max() for norm, runs in by_rate.items()}
verify("the best median is no worse with the norm", best[True] > best[False] - 0.02)
ahead = (by_rate[True] - by_rate[False]).median(dim=0).values
verify("the median gain is positive at each rate", ahead.min() > 0)

# %% [markdown]
# Why? In front of a norm the *size* of the weights has no meaning: the output stays the same if
# you multiply the weights by any positive number. A step that is too long makes them large, and
# then the next steps are relatively shorter. It also means that weight decay in front of a norm
# does not simplify the function; what it changes is the effective learning rate.

# %%
normed.train()
inputs = torch.randn(32, 20, dtype=double)
before = normed(inputs)
with torch.no_grad():
    normed[0].weight.mul_(10)
verify("ten times the weights, the same output", torch.allclose(before, normed(inputs), atol=1e-4))

# %% [markdown]
# A careless start matters less for the same reason. Replace the Kaiming weights of the four layers
# by tiny ones, N(0, 0.01²). Then a stack of twelve layers of 32 units: plain, with the norm, and
# with norm and weight decay, which are often recommended together.

# %%
torch.manual_seed(0)
start = {norm: short_training(norm, 64, 8, 0.1, depth=4, std=0.01) for norm in (False, True)}
deep = {}
for norm, decay in ((False, 0.0), (True, 0.0), (True, 1e-3)):
    deep[norm, decay] = short_training(norm, 64, 8, 0.1, depth=12, hidden=32, decay=decay)
for name, runs in (("tiny start", start), ("12 layers", deep)):
    print(f"{name}:", ", ".join(f"≈{share.median():.2f}" for share in runs.values()))

# %% [markdown]
# Two different troubles, the same cure; and the recommended companion adds nothing that could be
# told from noise:

# %%
verify("tiny start without: lost in every world", start[False].max() < 0.3)
verify("with: over 65 % in every world", start[True].min() > 0.65)
gain = deep[True, 0.0].median() - deep[False, 0.0].median()
verify("twelve layers: the norm gains over 10 points", gain > 0.1)
change = deep[True, 1e-3].median() - deep[True, 0.0].median()
verify("adding decay 0.001 changes less than that", abs(change) < gain)

# %% [markdown]
# With tiny weights each layer shrinks signal and gradient by the same large factor: the *vanishing
# gradients* of lesson 3.4. The norm undoes it in every layer. (Twelve layers of 32 units are no
# good idea for 500 digits in either case; we wanted a case that needs help.)
#
# Is batch normalization also a *regularizer*? It adds the noise of the batch. Whether that helps
# is not clear in advance, and here is the measurement for our standard network:

# %%
table.add("batch norm", worlds.train(worlds.network(norm=True), X, y))
moved = table.gain("batch norm").median()
verify("it moves the median accuracy by less than 3 points", abs(moved) < 0.03)

# %% [markdown]
# No gain in accuracy here. Use it to make training easier, not as a remedy against overfitting.
#
# Two practical remarks. *Before or after the activation?* Both are in use; before is the original
# form, and ours. And *fine-tuning*: if you continue to train a network on few new images, its
# running statistics drift toward them, even in layers whose weights are frozen, because the
# statistics are no parameters and no optimizer is needed to change them. Set such layers to
# `eval()`, and set them again after every `model.train()`, which reaches all parts.
#
# ### Layer and group normalization
#
# Everything that is awkward about batch normalization comes from the batch. *Layer*
# normalization (Ba et al., 2016) takes mean and variance over the features of each sample
# instead, so it needs no running statistics, works with a batch of one, and does the same in both
# modes. *Group* normalization (Wu and He, 2018) does it for groups of channels of an image.
#
# | layer, input (N, C, H, W) | statistics over | one set for each |
# |---|---|---|
# | `BatchNorm2d(C)` | N, H, W | channel |
# | `GroupNorm(G, C)` | C/G channels, H, W | sample and group |
# | `LayerNorm((C, H, W))` | C, H, W | sample |
# | `InstanceNorm2d(C)` | H, W | sample and channel |

# %%
maps = torch.randn(5, 6, 4, 4, dtype=double)  # (N, C, H, W)
grouped = maps.view(5, 3, 2, 4, 4)  # three groups of two channels
mean = grouped.mean(dim=(2, 3, 4), keepdim=True)
var = grouped.var(dim=(2, 3, 4), correction=0, keepdim=True)
by_hand = ((grouped - mean) / torch.sqrt(var + 1e-5)).view_as(maps)
group_norm = nn.GroupNorm(3, 6, dtype=double)
verify("GroupNorm by hand", torch.allclose(by_hand, group_norm(maps)))

# %% [markdown]
# The last check below is what you cannot have with batch normalization: the first image alone
# gets the same answer as in company, in training mode. The other two place the relatives.

# %%
whole = nn.LayerNorm((6, 4, 4), dtype=double)(maps)
verify("one group is LayerNorm", torch.allclose(nn.GroupNorm(1, 6, dtype=double)(maps), whole))
each = nn.InstanceNorm2d(6)(maps)
verify("a group per channel: InstanceNorm", torch.allclose(nn.GroupNorm(6, 6).double()(maps), each))
alone = group_norm.train()(maps[:1])
verify("a batch of one gets the same answer", torch.allclose(alone, group_norm(maps)[:1]))

# %% [markdown]
# Rule of thumb: batch normalization for convolutional networks with batches of 16 or more, group
# normalization when memory allows only a few images, layer normalization for sequences and
# transformers. Only the batch's noise was measured here.
#
# ## 6. Data that you make yourself
#
# **Where do you get more data, if there are none?** You know things that the network does not: a
# digit moved by a pixel is the same digit. *Augmentation* tells it, by changing the training
# images at random without changing their labels. The data set does not become longer; each epoch
# shows new views of the same images.
#
# In the language of section 1, it lowers the variance without raising the bias: the network is
# told about a symmetry that the truth has as well. A penalty says only "be calm", in every
# direction. That is why augmentation can add right answers where decay and dropout mostly add
# caution; and also why a false symmetry does real harm.
#
# torchvision's `transforms.v2` chains such changes with `Compose`. In older code you will see
# `ToTensor()` as the first link of the chain: it turns a picture or an array of bytes into a float
# tensor. In v2 two links do its work, `ToImage` and `ToDtype`, and each says what it does.

# %%
from torchvision.transforms import v2

prepare = v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])
array = (digits.train.images[0] * 255).round().to(torch.uint8)[..., None].numpy()  # (28, 28, 1)
verify("uint8 (28, 28, 1) to float (1, 28, 28)", prepare(array).shape == (1, 28, 28))
verify("with values from 0 to 1", torch.allclose(prepare(array)[0], digits.train.images[0]))

# %% [markdown]
# Which changes keep the label? Ask a person. A slightly turned or shifted 6 is a 6. A 6 on its
# head is a 9. A mirrored 6 is no digit at all.

# %%
torch.manual_seed(0)
six = digits.train.images[digits.train.labels == 6][:1]  # (1, 28, 28)
safe = v2.RandomAffine(degrees=10, translate=(0.1, 0.1))
views = [six] + [safe(six) for _ in range(5)] + [v2.functional.horizontal_flip(six), six.flip(1, 2)]
titles = ["original", *["safe"] * 5, "mirrored", "half turn"]
fig = plotting.show_images(torch.cat(views), titles, columns=8, cell=1.1)
plt.show()

# %% [markdown]
# One six and seven views of it: five safe ones, each a little turned and shifted, then the mirror
# image, which nobody writes, and the half turn, which everybody reads as a nine. `RandomFlip` and
# large rotations belong to photographs of cats and to satellite images, not to digits.
#
# A way to decide without a rule book: show some views to a person who does not know the originals,
# and count how often the labels agree. If they do not, the transform writes wrong labels into
# your training data, and no amount of training will take them out. And augment the *training*
# images only. Validation and test images stand for the data that will come, and those come as
# they are.
#
# Before we train, a trap. Given a whole *batch*, a v2 transform draws its random numbers once:
# every image gets the same turn. Called image by image, as a `Dataset` does, it draws anew.

# %%
torch.manual_seed(0)
copies = six.expand(4, 1, 28, 28)
together = safe(copies)
one_by_one = torch.stack([safe(image) for image in copies])
verify("the batch: four equal views", torch.equal(together[0], together[3]))
verify("one by one: four different views", not torch.equal(one_by_one[0], one_by_one[3]))

# %% [markdown]
# Calling it 2,500 times per epoch would take most of our time, so here is a batched version: for
# each image its own rotation matrix, and `grid_sample` reads the image at the turned positions,
# with bilinear interpolation. For a fixed angle it must agree with torchvision.


# %%
def turn_and_shift(images, degrees, shift):
    """Turn each image (K, 1, H, W) by its angle (K,), shift it by (K, 2) in half widths."""
    angle = torch.deg2rad(degrees)
    rows = [angle.cos(), -angle.sin(), shift[:, 0], angle.sin(), angle.cos(), shift[:, 1]]
    grid = F.affine_grid(torch.stack(rows, 1).view(-1, 2, 3), images.shape, align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


# %% [markdown]
# `affine_grid` turns each matrix into the positions to read at, counted from −1 to 1 across the
# image. Compare with torchvision for one angle:

# %%
bilinear = v2.InterpolationMode.BILINEAR
theirs = v2.functional.rotate(six[None], 10.0, interpolation=bilinear)
ours = turn_and_shift(six[None], torch.tensor([10.0]), torch.zeros(1, 2))
verify("the same as torchvision's rotation", (theirs - ours).abs().max() < 1e-3)

# %% [markdown]
# Two functions for `worlds.train`, which calls them before every epoch: one that keeps the label,
# and one that many recipes contain.


# %%
def wiggle(X, y, degrees=10.0, pixels=1.0):
    """New views of the 14 x 14 digits of all worlds; the labels stay."""
    images = X.reshape(-1, 1, 14, 14)
    angles = degrees * (2 * torch.rand(len(images)).double() - 1)
    shift = pixels / 7 * (2 * torch.rand(len(images), 2).double() - 1)
    return turn_and_shift(images, angles, shift).view_as(X), y


def mirror(X, y):
    """Flip each digit with probability one half, as a careless recipe would."""
    images = X.unflatten(-1, (14, 14))
    flipped = torch.rand(*X.shape[:2], 1, 1) < 0.5
    return torch.where(flipped, images.flip(-1), images).flatten(-2), y


# %% [markdown]
# Two trainings with the same number of steps as before: turned by up to 10° and shifted by up to
# one pixel of the 14 (two of the original 28); and mirrored.

# %%
changes = {"turned and shifted": wiggle, "mirrored": mirror}
augmented = {}
for name, change in changes.items():
    augmented[name] = worlds.train(worlds.network(), X, y, change=change)
    table.add(name, augmented[name])

# %%
fig = plotting.compare(table.panels("no remedy", *changes), baseline="no remedy")
plt.show()

# %% [markdown]
# Five worlds for each kind of view, the median without augmentation as a dashed line. Turning and
# shifting together give the largest gain of any single remedy in this lesson; mirroring costs
# several points in every world.

# %%
gain = table.gain("turned and shifted")
print("turned and shifted, gain by world:", " ".join(f"≈{g:+.3f}" for g in gain.tolist()))
verify("the median gain is over a point", gain.median() > 0.01)
verify("mirroring costs over two points in every world", table.gain("mirrored").max() < -0.02)

# %% [markdown]
# Who pays for the mirror? Look at the *recall*: the share of a digit's test images that is found.
# Digits that look nearly the same in a mirror, 0, 1 and 8, should hardly mind. A 3 and a 5, whose
# halves are nearly mirror images of each other's, should suffer.


# %%
found = [model(many).argmax(dim=-1) == y_test for model in (plain_model, augmented["mirrored"])]
fall = {}
for group in ((3, 5), (0, 1, 8)):
    chosen = torch.isin(y_test, torch.tensor(group))
    before, after = (hits[:, chosen].double().mean() for hits in found)  # over all worlds
    print(f"digits {group}: ≈{before:.2f} without, ≈{after:.2f} mirrored")
    fall[group] = before - after
verify("3 and 5 fall more than twice as far as 0, 1 and 8", fall[3, 5] > 2 * fall[0, 1, 8])

# %% [markdown]
# ### Exercise 08.5: augmentation that keeps the label
#
# Write `digit_augmentation()`: it returns a random transform for one digit (1, 28, 28). The
# checker cannot read digits, but it can look at what your transform does to a letter F.


# %% tags=["exercise"]
def digit_augmentation():
    # your code here
    ...


exercises.augmentation_exercise.check(digit_augmentation)

# %% [markdown]
# ### Softer targets
#
# Two relatives change the labels too. *Label smoothing* (Szegedy et al., 2016) replaces the
# target 1 by 1 − ε and spreads ε over all ten classes. *Mixup* (Zhang et al., 2018) mixes two
# images and their labels in the same proportion. torchvision has the latter as `v2.MixUp`; by
# hand it takes four lines.

# %%
z, t = torch.randn(6, 10, dtype=double), torch.arange(6)
soft = 0.9 * F.one_hot(t, 10) + 0.1 / 10  # ε = 0.1
by_hand = -(soft * z.log_softmax(dim=1)).sum(dim=1).mean()
by_torch = F.cross_entropy(z, t, label_smoothing=0.1)
verify("label smoothing by hand", torch.allclose(by_hand, by_torch))

# %% [markdown]
# For mixup each digit gets a partner from its own world and a share between 0 and 1, drawn from a
# beta distribution that prefers the ends: most mixtures are nearly pure.


# %%
def mixed(X, y):
    """Mix the digits of each world with others of the same world, labels included."""
    share = torch.distributions.Beta(0.4, 0.4).sample((*X.shape[:2], 1)).double()
    other, labels = torch.randperm(X.shape[1]), F.one_hot(y, 10).double()
    images = share * X + (1 - share) * X[:, other]
    return images, share * labels + (1 - share) * labels[:, other]


# %% [markdown]
# Beside accuracy and loss, look at the *confidence*, the mean of the largest probability. A
# calibrated network is as confident as it is right.


# %%
softer = {
    "label smoothing": worlds.train(worlds.network(), X, y, smoothing=0.1),
    "mixup": worlds.train(worlds.network(), X, y, change=mixed),
}
for name, model in softer.items():
    table.add(name, model)
    with torch.no_grad():
        confidence = model(many).softmax(dim=-1).max(dim=-1).values.mean(dim=1)
    print(f"{'':22} mean confidence ≈{confidence.median():.2f}")

# %% [markdown]
# Both are less confident than right. And without any remedy?

# %%
with torch.no_grad():
    overconfident = plain_model(many).softmax(dim=-1).max(dim=-1).values.mean(dim=1)
print(f"no remedy: mean confidence ≈{overconfident.median():.2f}")
surplus = overconfident - table.right["no remedy"]
verify("it is surer than it is right, by over 4 points", surplus.min() > 0.04)
for name in softer:
    verify(f"{name}: a lower loss", table.loss[name].median() < table.loss["no remedy"].median())
    verify(f"{name}: no gain over 2 points in accuracy", table.gain(name).median() < 0.02)

# %% [markdown]
# The same pattern a third time: less confidence, a lower loss, no more right answers. The
# confidence deserves a look of its own. Without a remedy the network claims about 93 % and is
# right in about 86 % of the cases. Smoothing turns the sign around, since a network that has
# learned to say "at most 91 %" understates what it knows. Neither is calibrated, and lesson 3.10
# shows how one number, a temperature, repairs that after the training.
#
# Why does mixup not shine here? A digit that is half a 3 and half a 7 is no digit that anybody
# will ever write; for photographs and long trainings mixup is reported to help. What counts as
# knowledge depends on the task.
#
# ## 7. Stopping, and the whole recipe
#
# ### Early stopping
#
# **What costs nothing and is always at hand?** Stop when the validation loss no longer falls, and
# go back to the best weights. Here is the complete loop. Code that you find often leaves out one
# of its parts: the training, the restoring, or a `range` around the number of epochs.

# %%
torch.manual_seed(0)
net = nn.Sequential(nn.Linear(196, 64), nn.ReLU(), nn.Linear(64, 10)).double()
optimizer, best, patience = torch.optim.Adam(net.parameters(), lr=3e-3), float("inf"), 3
folder = tempfile.TemporaryDirectory()
file = Path(folder.name) / "best.pt"
for epoch in range(60):
    for images, labels in data.batches(X[0], y[0], generator=generator):
        loss = F.cross_entropy(net(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        validation = F.cross_entropy(net(X_valid), y_valid).item()
    if validation < best:
        best, best_epoch = validation, epoch
        torch.save(net.state_dict(), file)
    elif epoch - best_epoch >= patience:
        break
net.load_state_dict(torch.load(file, weights_only=True))

# %% [markdown]
# The last line is the one that is forgotten most. Does the model really have its best weights?

# %%
with torch.no_grad():
    restored = F.cross_entropy(net(X_valid), y_valid).item()
verify("the best weights are back", abs(restored - best) < 1e-9)
verify("it stopped before the 60 epochs were over", epoch < 59)
folder.cleanup()

# %% [markdown]
# What is it worth? Train all worlds at a constant rate for 40 epochs, note validation and test
# loss after each, and compare each world's last epoch with its best by *validation* loss.

# %%
watched = []


def note_losses(model):
    parts = ((X_valid, y_valid), (X_test, y_test))
    watched.append(torch.stack([value for part in parts for value in worlds.judge(model, *part)]))


model = worlds.network()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
worlds.train(model, X, y, epochs=40, optimizer=optimizer, after=note_losses)
valid_loss, _, late_loss, late_right = torch.stack(watched, dim=1)  # (40, 5) each

# %% [markdown]
# `argmin` over the epochs finds each world's best, and `gather` picks the test results of these
# epochs, as a saved copy of the weights would have given them.

# %%
best = valid_loss.argmin(dim=0, keepdim=True)  # (1, 5)
table.loss["early stopping"] = late_loss.gather(0, best)[0]
table.right["early stopping"] = late_right.gather(0, best)[0]

# %%
fig, ax = plt.subplots(figsize=(7.5, 3.4))
plotting.band(ax, range(1, 41), valid_loss.T, "validation loss", "blue")
plotting.band(ax, range(1, 41), late_loss.T, "test loss", "vermillion", "--")
ax.plot(best[0] + 1, valid_loss.gather(0, best)[0], "k*", markersize=9, label="best epochs")
ax.set(xlabel="epoch", ylabel="loss", ylim=(0.3, 1.1))
ax.legend()
plt.show()

# %% [markdown]
# Validation and test loss by epoch, median and range over five worlds, and a star at the lowest
# validation loss of each world. Both turn up together, and the stars lie in the first half.

# %%
early, late = table.loss["early stopping"], late_loss[-1]
print(f"test loss ≈{early.median():.2f} at the best epoch, ≈{late.median():.2f} at the end")
verify("the test loss is lower at the best epoch, in every world", (early < late).all())
verify("the best epochs come in the first half", best.max() < 20)
moved = (table.right["early stopping"] - late_right[-1]).median()
verify("the accuracy moves by less than 2 points", abs(moved) < 0.02)

# %% [markdown]
# Early stopping saves time and spares the loss. It hardly changes which digit is named first,
# and it uses up validation data, which on 500 training digits is not free.
#
# Why is stopping a regularizer at all? Weights start small and random and move a little with each
# step. After few steps they cannot have gone far, so the number of steps limits which functions
# can be reached, much as a penalty on the distance from the start would. You met the same effect
# in section 1, where training for longer raised the variance of a small network.
#
# ### Everything together, and everything but one
#
# The combination that you meet in many tutorials: batch normalization, ReLU and dropout after
# each hidden layer, SGD with momentum and a weight decay of 10⁻⁴. In plain PyTorch:

# %%
recipe = nn.Sequential(
    nn.Linear(784, 256),
    nn.BatchNorm1d(256),
    nn.ReLU(),
    nn.Dropout(0.3),
    nn.Linear(256, 10),
)
recipe_sgd = torch.optim.SGD(recipe.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
recipe.train()
verify("it maps (64, 784) to (64, 10)", recipe(torch.rand(64, 784)).shape == (64, 10))

# %% [markdown]
# In the five worlds, and then with our own optimizer and the augmentation of section 6. An
# *ablation* takes a recipe and leaves out one part at a time. *Predict first:* which part will be
# missed most?

# %%
guess = ...  # "a": dropout, "b": weight decay, "c": batch normalization, "d": augmentation
exercises.ablation_guess.commit(guess)

# %%
model = worlds.network(p=0.3, norm=True)
classic = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
table.add("the tutorial's recipe", worlds.train(model, X, y, optimizer=classic))

# %% [markdown]
# Now the four parts of our recipe, and the five trainings: all of them, then all but one. The
# amounts are those of the sections above: p = 0.3 and a decay of 0.1 were set before any of these
# trainings was run.

# %%
parts = {"dropout": 0.3, "decay": 0.1, "norm": True, "augmentation": wiggle}
for missing in (None, *parts):
    use = {name: None if name == missing else value for name, value in parts.items()}
    model = worlds.network(p=use["dropout"] or 0.0, norm=bool(use["norm"]))
    worlds.train(model, X, y, decay=use["decay"] or 0.0, change=use["augmentation"])
    table.add(f"all but {missing}" if missing else "all four", model)

# %%
names = ["no remedy", "the tutorial's recipe", "all four", *(f"all but {part}" for part in parts)]
fig = plotting.compare(table.panels(*names), baseline="all four")
plt.show()

# %% [markdown]
# Seven recipes in five worlds each; the dashed line is the median of all four parts together. Two
# rows fall back to where no remedy was: the tutorial's recipe and "all but augmentation", which
# have everything except the one thing that adds information. Without dropout the result is no
# worse, here even a little better.

# %%
exercises.ablation_guess.reveal("d", "It is the only part that adds knowledge about digits.")
cost = {part: -table.gain(f"all but {part}", "all four") for part in parts}  # (5,) each
medians = {part: c.median() for part, c in cost.items()}
print("median cost in points:", {part: f"≈{100 * c:+.1f}" for part, c in medians.items()})
verify("leaving out augmentation costs most", max(medians, key=medians.get) == "augmentation")
verify("and costs something in every world", cost["augmentation"].min() > 0.002)
verify("the norm is missed as well", medians["norm"] > 0.003)
verify("all four beat no remedy in every world", table.gain("all four").min() > 0)
classic_gain = table.gain("the tutorial's recipe").median()
verify("the tutorial's recipe moves the accuracy by less than 2 points", abs(classic_gain) < 0.02)

# %% [markdown]
# "Combining works better than any single method" is true for this set of four against nothing. It
# is not a law: parts can get in each other's way, and only the ablation tells. Dropout is the
# example here. A likely reason, which the table cannot prove: augmentation already takes away what
# dropout would have cured, and what remains is its price, the noise in every step. Batch
# normalization is the opposite case. Alone it gave no accuracy, and in company it is missed,
# probably because ever new views make the training harder, and training is what the norm makes
# easier. With fewer digits or a larger network the balance may well be another, so ablate your own
# recipe on your own data. Nor is any of these numbers a property of the *method*. They belong to
# 500 digits and a small network. Which brings us to the strongest remedy of all, the one that is
# not in the recipe:

# %%
big_X, big_y = worlds.draw(3500)
table.add("seven times the data", worlds.train(worlds.network(), big_X, big_y, epochs=8))
worst, best_of_500 = table.right["seven times the data"].min(), table.right["all four"].max()
verify("3,500 digits without remedy beat all four on 500", worst > best_of_500)

# %% [markdown]
# ### What to do with a network that overfits
#
# An order of work that follows from the measurements above. Each step is cheap compared with the
# next, and you can stop as soon as the result is good enough.
#
# 1. Make sure that it *is* overfitting: a low training loss in evaluation mode, a clearly higher
#    validation loss, and a validation set that shares nothing with the training set.
# 2. Draw the learning curve against the number of samples. If it still falls, get more data.
# 3. Write down which changes keep the label, and augment with those. Look at fifty views.
# 4. Stop early and keep the best weights; it costs nothing.
# 5. Add weight decay by its half-life, with AdamW, on matrices only.
# 6. Add dropout, and compare with and without it in several runs.
# 7. Leave out one part at a time. Keep what earns its place.
#
# Normalization is not in the list, because it serves another purpose: use it where the network is
# deep, or where training is slow, fragile or made hard by other remedies.
#
# ### When to use which
#
# Each row names its evidence: the median over five worlds of 500 digits, against no remedy (about
# 86 % right, loss about 0.67). The cells above print these medians and verify the direction.
#
# | your situation | first choice | what it gave here | section |
# |---|---|---|---|
# | you can get more data | get them | seven times as many: about 94 % right | 7 |
# | small data set | augmentation | about +2 points; a wrong one about −5 | 6 |
# | images | augmentation; dropout second | dropout: accuracy ±0, loss about 0.56 | 3 |
# | deep network | batch normalization | 12 layers: over +10 points; decay adds none | 5 |
# | too sure of itself | decay 0.5, dropout, smoothing | loss 0.48, 0.56 and 0.54 | 3, 4, 6 |
# | overfits, little time | early stopping | loss lower in every world, accuracy ±0 | 7 |
# | batches of one or two | group or layer norm | batch norm: over 10 points worse | 5 |
# | features to select | proximal L1 | over half the weights 0, a point less right | 4 |
# | training error high | capacity, none of these | two units: under 75 % in training | 2 |
#
# ### Exercise 08.6: read six learning curves
#
# Six trainings, each with its loss on training and validation digits after every epoch.
# `worlds.watch` trains with Adam at a constant rate and returns the medians of the five worlds.
# The settings would give the answers away, so read them afterwards.

# %%
panels = [
    worlds.watch(worlds.network(), X[:, :100], y[:, :100], 0.06, "eval"),
    worlds.watch(worlds.network(3), big_X[:, :1500], big_y[:, :1500], 0.1, "eval"),
    worlds.watch(worlds.network(), X[:, :250], random_labels[:, :250], 0.03, "eval"),
    worlds.watch(worlds.network(p=0.8), X, y, 0.01, "train"),
    worlds.watch(worlds.network(norm=True), X, y, 0.01, "eval", wiggle),
    worlds.watch(worlds.network(), X, y, 3e-4, "eval"),
]

# %%
fig, axes = plt.subplots(2, 3, figsize=(10, 5), sharex=True, sharey=True)
for number, (ax, losses) in enumerate(zip(axes.flat, panels, strict=True), start=1):
    plotting.curves(ax, None, {"training": losses[:, 0], "validation": losses[:, 1]})
    ax.axhline(math.log(10), color="gray", linestyle=":")
    ax.set(title=f"{number}", ylim=(0, 4))
plt.show()

# %% [markdown]
# Training loss solid, validation loss dashed, over 18 epochs; the dotted line is ln 10, the loss
# of guessing. Give each panel its letter: a) nothing is wrong, b) too little capacity, c)
# overfitting, d) not finished, e) the training loss is measured with dropout on, f) the labels
# carry no information.

# %% tags=["exercise"]
diagnosis = ...  # six letters, in the order of the panels, such as "abcdef"

exercises.six_curves.check(diagnosis)

# %%
ends = torch.stack([losses[-1] for losses in panels])  # (6, 2)
lowest = torch.stack([losses[:, 1].min() for losses in panels])
verify("panel 1: the validation loss rises by a quarter", ends[0, 1] > 1.25 * lowest[0])
verify("panel 3 never beats guessing", lowest[2] > math.log(10) - 0.05)
verify("panel 4: validation below training", ends[3, 1] < ends[3, 0])
falling = [losses[-6, 0] - losses[-1, 0] for losses in (panels[1], panels[5])]
verify("panel 6 still falls over twice as fast as panel 2", falling[1] > 2 * falling[0])

# %% [markdown]
# ## Common mistakes
#
# Several stood above: dropout in evaluation and a forgotten mode (3, 5), `Adam(weight_decay=…)`
# (4), decaying norms (4), λ = 0.01 for L1 (4), flips (6), one draw for a whole batch (6). Two
# more.
#
# ### Augmented first, split later
#
# **Symptom:** a validation accuracy that is too good to be true. If you augment the data and
# *then* split off the validation part, views of one and the same digit end up on both sides.
# Split first, and leave validation and test data as they are.

# %%
views = torch.cat([X, *(wiggle(X, y, 3.0, 0.3)[0] for _ in range(3))], dim=1)  # (5, 2000, 196)
labels, order = y.repeat(1, 4), torch.randperm(2000, generator=torch.Generator().manual_seed(0))
fit_rows, held_rows = order[:1600], order[1600:]
model = worlds.train(worlds.network(), views[:, fit_rows], labels[:, fit_rows], epochs=8)
claimed = worlds.judge(model, views[:, held_rows], labels[:, held_rows])[1]
honest = worlds.judge(model, X_test, y_test)[1]
print(f"leaky validation ≈{claimed.median():.2f}, test ≈{honest.median():.2f}")
verify("the leaky validation promises over 5 points too much", (claimed - honest).min() > 0.05)

# %% [markdown]
# ### A remedy for the wrong disease
#
# **Symptom:** training and validation error are both high, and every further remedy makes them
# higher. Regularization reduces variance and pays with bias. A network of eight units has little
# variance to spare. Before you reach for any remedy, look at the training error in evaluation
# mode: if that alone is larger than you can accept, the data were never learned, and what the
# network needs is room, time or a better learning rate.

# %%
small = worlds.judge(worlds.train(worlds.network(8), X, y), X_test, y_test)[1]
drugged = worlds.judge(worlds.train(worlds.network(8, p=0.5), X, y), X_test, y_test)[1]
print(f"eight units ≈{small.median():.2f}, with dropout 0.5 ≈{drugged.median():.2f}")
verify("dropout makes an underfitting network worse, in every world", (drugged < small).all())

# %% [markdown]
# ## Key takeaways
#
# - Error on new data is bias² + variance + noise, and the parts add up when you measure them
#   ([Bias, variance, noise](#Bias,-variance,-noise)).
# - Flexibility is not the number of parameters: width hardly raised the variance, training time
#   did, and far beyond the peak the error falls again ([Beyond the peak](#Beyond-the-peak)).
# - Inverted dropout keeps the mean and adds noise; its evaluation mode stands in for an ensemble
#   ([section 3](#3.-Dropout)).
# - `weight_decay=λ` adds λw to the gradient, and in Adam that is not decay: use AdamW
#   ([L2 in Adam is not AdamW](#L2-in-Adam-is-not-AdamW)).
# - Decay matrices, not biases and norms ([What should not decay](#What-should-not-decay)).
# - Only the proximal step makes weights exactly zero
#   ([L1](#L1:-weights-that-are-exactly-zero)).
# - Batch normalization uses the batch in training and running averages in evaluation; it buys
#   higher rates and deeper stacks, and fails with tiny batches ([section 5](#5.-Normalization)).
# - An augmentation must keep the label, and a good one was the strongest remedy
#   ([section 6](#6.-Data-that-you-make-yourself)).
# - Most remedies lowered the loss and not the error: say which of the two you want
#   ([When to use which](#When-to-use-which)).
# - Trust an ablation over several data sets more than a recipe
#   ([section 7](#Everything-together,-and-everything-but-one)).
#
# ## Further exercises
#
# 1. Repeat the ablation with 100 and with 2,000 digits per world. Which parts gain, which lose?
# 2. Replace `nn.Dropout` by Gaussian noise with the mean 1 and the same variance. Does anything
#    change?
# 3. Write the backward pass of batch normalization as a `torch.autograd.Function`, and check it
#    with `gradcheck`.
# 4. Average the predictions for several augmented views of each *test* digit. What does it gain?
# 5. Find a training in which the double descent appears over *epochs* instead of features: add
#    20 % wrong labels, and train for long.
#
# **Reading.** N. Srivastava et al., "Dropout", *JMLR* 15 (2014). Y. Gal and Z. Ghahramani,
# "Dropout as a Bayesian approximation" (2016). J. Tompson et al., "Efficient object localization
# using convolutional networks" (2015), for spatial dropout. I. Loshchilov and F. Hutter,
# "Decoupled weight decay regularization" (2019). S. Ioffe and C. Szegedy, "Batch normalization"
# (2015). J. Ba, J. Kiros and G. Hinton, "Layer normalization" (2016). Y. Wu and K. He, "Group
# normalization" (2018). C. Szegedy et al., "Rethinking the Inception architecture" (2016), for
# label smoothing. H. Zhang et al., "mixup" (2018). M. Belkin et al., "Reconciling modern
# machine-learning practice and the classical bias-variance trade-off", *PNAS* 116 (2019).
# R. Tibshirani, "Regression shrinkage and selection via the lasso" (1996).
#
# ## Your progress

# %%
from course_utils.exercises import progress

progress("08")

# %% [markdown]
# ## Next
#
# The network generalizes as well as its data allow. [Lesson 3.9](09_optimizers.ipynb) opens the
# last closed box of the loop: what an optimizer does with a gradient.
