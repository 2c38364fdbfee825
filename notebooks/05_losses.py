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
# # 3.5 Loss functions
#
# A network learns whatever lowers its loss, and nothing else. The loss is the only place where
# you say what you want: which mistakes are bad, how bad, and which do not matter. In this lesson
# you derive the usual losses from one idea, write them by hand, break them in the ways in which
# everybody breaks them, and learn to ask the question that this page keeps returning to: *are we
# punishing the model for the right mistakes?*
#
# ## You will be able to
#
# - **derive** MSE, L1, binary and categorical cross-entropy from the likelihood of the data;
# - **implement** each of them, equal to PyTorch's to the last digits, and stable for logits of
#   ±100;
# - **explain** what one bad point, a rare class or a wrong shape does to the fit;
# - **find** the silent bugs: softmax twice, (N, 1) against (N,), a wrong `dim`;
# - **choose** a loss for a task, and write your own for a stated cost.
#
# ## Before you start
#
# You need logits, the sigmoid and the softmax from [lesson 3.2](02_activations.ipynb), and the
# idea of a gradient. Shape comments such as `# (N, C)` count examples (N) and classes (C).
#
# **Time:** about 110 minutes with all exercises; 55 if you only read, slide and run.

# %% [markdown]
# <!-- launch:start -->
# Open this lesson with `make lab LESSON=05`.
# <!-- launch:end -->

# %%
from course_utils import setup

setup()

# %%
import math
import warnings

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from torch import distributions, nn

from course_utils import data, plotting, verify
from course_utils.exercises import losses as exercises
from course_utils.explore import losses as explorers

# %% [markdown]
# `F` holds the losses as functions, `nn` the same losses as modules: `nn.MSELoss()(a, b)` is
# `F.mse_loss(a, b)`. `distributions` knows the probability of a value under a normal, Laplace,
# Bernoulli or categorical distribution; section 2 uses it to check our derivations. `verify`
# prints a ✓ with a claim if the claim holds in your kernel, right now, and raises an error if it
# does not.

# %% [markdown]
# ## 1. One number to bring down
#
# **How wrong is a model?** Many outputs, many targets, and training needs one number: a scalar
# whose gradient says in which direction all weights have to move. For predictions $\hat y_i$ and
# targets $y_i$, both of shape (N,), the two oldest answers are
#
# $$
# \text{MSE} = \frac{1}{N}\sum_{i=1}^{N} (y_i - \hat y_i)^2, \qquad
# \text{L1} = \frac{1}{N}\sum_{i=1}^{N} |y_i - \hat y_i| .
# $$
#
# MSE, the *mean squared error*, punishes an error of 2 four times as hard as an error of 1. L1,
# the mean absolute error, punishes it twice as hard. Neither is right or wrong; they want
# different things.

# %%
prediction = torch.tensor([2.5, 0.0, 4.0], dtype=torch.float64)  # (N=3,)
target = torch.tensor([3.0, 1.0, 2.0], dtype=torch.float64)  # (N=3,)
error = target - prediction
print("errors:", error.tolist(), " squared:", (error**2).tolist())
verify("MSE is the mean of the squares", (error**2).mean() == F.mse_loss(prediction, target))
verify("L1 is the mean of the sizes", error.abs().mean() == F.l1_loss(prediction, target))

# %% [markdown]
# The third example has 4/5.25 = 76 % of the squared loss, but only 2/3.5 = 57 % of the absolute
# one. Remember this; it is the whole of section 3.
#
# ### Mean, sum, or none
#
# Every loss of PyTorch has the argument `reduction`. `"none"` gives one loss for each element,
# `"sum"` adds them, and `"mean"`, the default, divides by the number of *elements*. Two
# consequences surprise people. With k outputs the mean divides by N·k, while many books divide by
# N only. And the gradient of a sum is larger than that of a mean by just that number, so a
# learning rate that suits one does not suit the other.

# %%
outputs = torch.randn(4, 2, dtype=torch.float64, requires_grad=True)  # (N=4, k=2)
targets = torch.randn(4, 2, dtype=torch.float64)
each = F.mse_loss(outputs, targets, reduction="none")
(of_mean,) = torch.autograd.grad(F.mse_loss(outputs, targets), outputs)
(of_sum,) = torch.autograd.grad(F.mse_loss(outputs, targets, reduction="sum"), outputs)

# %% [markdown]
# `torch.autograd.grad(loss, outputs)` returns the gradient of the loss with respect to the
# outputs, without touching any `.grad`. It comes as a tuple with one entry for each input that
# you ask about, hence the parentheses around the names on the left. This lesson uses it all the
# time, because the gradient is what a loss really does; its value is only a report.

# %%
verify("'none' keeps the shape (4, 2)", each.shape == (4, 2))
verify("'mean' divides by N·k = 8", torch.allclose(F.mse_loss(outputs, targets), each.sum() / 8))
verify("the gradient of the sum is 8 times that of the mean", torch.allclose(of_sum, 8 * of_mean))

# %% [markdown]
# ## 2. Where losses come from
#
# **Why a square? Why a logarithm?** Let the network predict not a number but a *distribution* of
# what may happen. Before you see the target, a good model has given it a high probability. So
# choose the weights that make the observed targets as likely as possible. Products of many
# probabilities are tiny, therefore take the logarithm; optimizers go downhill, therefore take it
# negative. That is the **negative log-likelihood**, and nearly every loss on this page is one:
#
# $$
# L = -\frac{1}{N}\sum_{i=1}^{N} \log p(y_i \mid x_i) .
# $$
#
# What remains to choose is the shape of $p$. Four choices give four losses.

# %% [markdown]
# ### A bell gives squares, a tent gives sizes
#
# Assume that the target is the prediction plus Gaussian noise of width σ. For one example, all of
# shape ():
#
# $$
# p(y) = \frac{1}{\sqrt{2\pi}\,\sigma}\; e^{-(y-\hat y)^2 / 2\sigma^2}
# \quad\Rightarrow\quad
# -\log p(y) = \frac{(y-\hat y)^2}{2\sigma^2} + \log\bigl(\sqrt{2\pi}\,\sigma\bigr).
# $$
#
# The logarithm undoes the exponential, and the square that was in the exponent is left. The
# second term does not depend on $\hat y$, so it has no gradient. If instead the noise follows the
# Laplace distribution, a tent with long flanks, the exponent holds a size instead of a square:
#
# $$
# p(y) = \frac{1}{2b}\; e^{-|y-\hat y| / b}
# \quad\Rightarrow\quad
# -\log p(y) = \frac{|y-\hat y|}{b} + \log 2b .
# $$

# %%
sigma, b = 1.5, 0.7
gauss = -distributions.Normal(prediction, sigma).log_prob(target)  # (N,)
laplace = -distributions.Laplace(prediction, b).log_prob(target)  # (N,)
half_squares = error**2 / (2 * sigma**2) + math.log(math.sqrt(2 * math.pi) * sigma)
verify("−log of the Gaussian is a square plus a constant", torch.allclose(gauss, half_squares))
sizes = error.abs() / b + math.log(2 * b)
verify("−log of the Laplace density: a size plus a constant", torch.allclose(laplace, sizes))

# %% [markdown]
# Both derivations hold. Now look at the two densities, and at what the logarithm makes of them.
# Read the right panel as a price list: how much does the model pay for an error of this size?

# %%
t = torch.linspace(-5, 5, 401)
families = {"Gaussian → MSE": distributions.Normal(0.0, 1.0)}
families["Laplace → L1"] = distributions.Laplace(0.0, 1.0)
fig, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.6))
density = {name: family.log_prob(t).exp() for name, family in families.items()}
plotting.curves(left, t, density, xlabel="error y − ŷ", title="assumed density")
cost = {name: -family.log_prob(t) for name, family in families.items()}
plotting.curves(right, t, cost, xlabel="error y − ŷ", title="−log density: the loss")
plt.show()

# %% [markdown]
# On the left the Gaussian bell and the Laplace tent, on the right their negative logarithms, a
# parabola and a V. The bell says that an error of 5 practically never happens, so when it does
# happen the parabola is shocked. The tent has seen such things before.

# %% [markdown]
# So whoever minimizes MSE says: my errors are Gaussian, and equally wide everywhere. A quick way
# to feel the difference is to predict the same number for everybody. Which number is best for
# five incomes, one of them very large?

# %%
incomes = torch.tensor([1.0, 2.0, 3.0, 4.0, 90.0])
candidates = torch.linspace(0, 100, 1001)  # (1001,)
gaps = incomes - candidates[:, None]  # (1, 5) - (1001, 1) -> (1001, 5)
best_squared = candidates[(gaps**2).mean(dim=1).argmin()].item()
best_absolute = candidates[gaps.abs().mean(dim=1).argmin()].item()
print(f"least squares: {best_squared:.0f}, least absolute errors: {best_absolute:.0f}")

# %% [markdown]
# No calculus was needed: the cell tries 1,001 candidates for each loss and keeps the best one.
# Are the two winners old acquaintances?

# %%
verify("MSE leads to the mean", abs(best_squared - incomes.mean()) < 0.05)
verify("L1 leads to the median", abs(best_absolute - incomes.median()) < 0.05)

# %% [markdown]
# The mean, 20, describes none of the five. The median, 3, describes four of them. A loss is a
# decision about *which summary* of the possible answers you want.

# %% [markdown]
# ### A coin gives binary cross-entropy, a die gives cross-entropy
#
# The target of a yes/no question is 0 or 1, and the network predicts the probability $p$ of 1.
# That is a Bernoulli distribution, a bent coin. One formula covers both sides, because an
# exponent of 0 removes a factor:
#
# $$
# P(y) = p^{\,y}(1-p)^{1-y}
# \quad\Rightarrow\quad
# -\log P(y) = -y\log p - (1-y)\log(1-p).
# $$
#
# For C classes it is a die. The network predicts $\mathbf p$ of shape (C,), and the target is a
# class number $c$, or the same as a *one-hot* vector $\mathbf y$ of shape (C,) with a 1 at place
# $c$:
#
# $$
# P(c) = \prod_{j=1}^{C} p_j^{\,y_j}
# \quad\Rightarrow\quad
# -\log P(c) = -\sum_{j=1}^{C} y_j \log p_j = -\log p_c .
# $$
#
# The sum looks as if all classes mattered, but the one-hot vector picks a single term: the
# probability that was given to the right answer.

# %%
p = torch.tensor([0.8, 0.5], dtype=torch.float64)  # probabilities of 1, (N=2,)
y = torch.tensor([1.0, 0.0], dtype=torch.float64)
bce = -y * p.log() - (1 - y) * (1 - p).log()  # (N,)
coin = -distributions.Bernoulli(p).log_prob(y)
print(f"binary cross-entropy: {bce.mean():.4f}")
verify("it is −log of the Bernoulli probability", torch.allclose(bce, coin))
verify("and nn.BCELoss", torch.allclose(nn.BCELoss()(p, y), bce.mean()))

# %% [markdown]
# A probability of 0.8 for an event that happened costs −log 0.8 = 0.22, and a shrug of 0.5 costs
# log 2 = 0.69, whatever happens. The mean of the two is 0.4581. Now three classes. The logits
# become probabilities by a softmax over the classes, `dim=1`; section 5 says why you should not
# write it in this way in earnest.

# %%
logits = torch.tensor([[2.0, 1.0, 0.1], [0.5, 2.5, 0.0]], dtype=torch.float64)  # (N=2, C=3)
classes = torch.tensor([0, 2])  # (N,) class numbers, int64
probabilities = logits.softmax(dim=1)  # (N, C)
one_hot = F.one_hot(classes, 3)  # (N, C)
each = -(one_hot * probabilities.log()).sum(dim=1)  # (N,)
print("−log p of the right class:", [round(value, 4) for value in each.tolist()])

# %% [markdown]
# `one_hot * probabilities.log()` is a table (N, C) with a single entry in each row that is not
# zero, and the sum over the classes finds it. Is this the likelihood of a die, and the loss of
# PyTorch?

# %%
die = -distributions.Categorical(probabilities).log_prob(classes)
verify("it is −log of the categorical probability", torch.allclose(each, die))
of_torch = nn.CrossEntropyLoss()(logits, classes)
verify("its mean is nn.CrossEntropyLoss", torch.allclose(of_torch, each.mean()))

# %% [markdown]
# The first example is right with probability 0.66 and costs 0.4170. The second gives the right
# class 0.07 and costs 2.70. A network that knows nothing gives each class 1/C and costs log C;
# for ten digits that is 2.30. It is the first number to look for in any training run.

# %% [markdown]
# ## 3. Predicting numbers: what one bad point does
#
# **How much may a single example pull?** The pull is the slope of the loss. For a square it is
# twice the error and grows without end. For a size it is ±1, the same for a tiny error as for a
# huge one, so L1 never calms down near the target. Two losses combine them, a parabola near zero
# and a straight line outside:
#
# $$
# \text{Huber}_\delta(e) = \begin{cases} \tfrac12 e^2 & |e| \le \delta \\
# \delta\,(|e| - \tfrac12\delta) & \text{otherwise,}\end{cases}
# \qquad
# \text{SmoothL1}_\beta(e) = \begin{cases} \tfrac{1}{2\beta} e^2 & |e| \le \beta \\
# |e| - \tfrac12\beta & \text{otherwise.}\end{cases}
# $$
#
# Are these two different losses? At the defaults, δ = β = 1, they are the same. In general
# $\text{Huber}_\delta = \delta\cdot\text{SmoothL1}_\delta$. The difference is what a smaller
# parameter does: Huber's slope outside is δ, Smooth L1's stays 1.

# %%
e = torch.linspace(-3, 3, 61, dtype=torch.float64)
zero = torch.zeros_like(e)
size, beta = e.abs(), 0.1
by_hand = torch.where(size <= beta, e**2 / (2 * beta), size - beta / 2)
smooth = F.smooth_l1_loss(e, zero, beta=beta, reduction="none")
verify("Smooth L1 by hand", torch.allclose(by_hand, smooth))

# %% [markdown]
# That is Smooth L1, written down from its formula. The same numbers, times the parameter, should
# be Huber:

# %%
huber_of_torch = F.huber_loss(e, zero, delta=beta, reduction="none")
verify("Huber is δ times Smooth L1", torch.allclose(huber_of_torch, beta * by_hand))

# %% [markdown]
# So the two names stand for one curve on two scales. Two errors of ±0.2 show why the scale
# matters: at a parameter of 0.1, an error of 0.2 lies on the straight part of both.

# %%
off_by = torch.tensor([0.2, -0.2], dtype=torch.float64)
nothing = torch.zeros_like(off_by)
for delta in (1.0, 0.1):
    one = F.huber_loss(off_by, nothing, delta=delta).item()
    other = F.smooth_l1_loss(off_by, nothing, beta=delta).item()
    print(f"parameter {delta}: Huber {one:.4f}, Smooth L1 {other:.4f}")
verify("MSE of the same errors is 0.04", abs(F.mse_loss(off_by, nothing).item() - 0.04) < 1e-12)

# %% [markdown]
# With the parameter 0.1 the two differ by a factor of ten, although both are described as "less
# sensitive to outliers". The slider shows all losses of this lesson with their slopes. Start with
# Huber and move the error from −6 to 6: where does the slope stop growing? Then take MSE and
# compare.

# %%
explorers.shapes()

# %% [markdown]
# A loss on the left and its slope on the right, with a ring at the chosen error or logit and a
# dashed plain loss beside it: Huber's slope ends at ±δ, the square's never does. The last five
# entries take a logit and are the subject of sections 4 to 6.

# %% [markdown]
# ### Move one point
#
# Fifteen points lie near a line with slope 2. One of them, near the right end, is moved up by 0
# to 20. *Predict first:* the line is fitted with the Huber loss. What happens to its slope when
# the point goes from 10 to 20?

# %%
guess = ...  # "a": its error doubles, "b": it grows by less than a half, "c": nothing
exercises.outlier_guess.commit(guess)


# %% [markdown]
# The loop is the one you know: loss, zero the gradients, backward, step. Two things are added. It
# fits many lines side by side, one for each row of `Y`, which is possible because no line shares
# a weight with another; the total is a sum, so that each line gets its own gradient. And the
# learning rate goes down to zero along the way, because the slope of L1 does not: without that
# the fit would tremble for ever.


# %%
def fit_lines(loss, x, Y, steps=1500):
    """Fit one line to each row of Y (K, N) by gradient descent: slopes (K,)."""
    slope = torch.zeros(len(Y), 1, dtype=x.dtype, requires_grad=True)
    start = torch.zeros(len(Y), 1, dtype=x.dtype, requires_grad=True)
    optimizer = torch.optim.Adam([slope, start], lr=0.05)
    calmer = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, total_iters=steps)
    for _ in range(steps):
        total = len(Y) * loss(slope * x + start, Y)  # (K, 1) * (N,) + (K, 1) -> (K, N)
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        calmer.step()
    return slope.detach().squeeze(1)


# %% [markdown]
# All 21 positions of the moved point are fitted at once, one row each. It is the last point but
# one, at x = 0.93, and everything is in float64, so that small differences can be trusted.

# %%
generator = torch.Generator().manual_seed(3)
x = torch.linspace(0, 1, 15, dtype=torch.float64)  # (N,)
y = 1 + 2 * x + 0.15 * torch.randn(15, generator=generator, dtype=torch.float64)
heights = torch.linspace(0, 20, 21, dtype=torch.float64)  # (K,)
Y = y.repeat(21, 1)  # (K, N)
Y[:, 13] += heights

# %% [markdown]
# The same function, three losses, the same number of steps. Huber needs its δ: an error beyond it
# counts as unusual. The noise has a width of 0.15, so take twice that, δ = 0.3.

# %%
regression = {"MSE": F.mse_loss, "L1": F.l1_loss}
regression["Huber, δ = 0.3"] = lambda a, b: F.huber_loss(a, b, delta=0.3)
slopes = {name: fit_lines(loss, x, Y) for name, loss in regression.items()}
fig, ax = plt.subplots(figsize=(6.5, 3.8))
plotting.curves(ax, heights, slopes)
ax.set(xlabel="height of the moved point", ylabel="fitted slope")
plt.show()

# %% [markdown]
# The fitted slope against the height of the one moved point: the MSE line rises without end,
# while the lines of L1 and Huber leave the true slope of 2 only a little and then stay where they
# are.

# %%
exercises.outlier_guess.reveal("c", "Beyond δ the pull is the same at any height.")
moved = (slopes["MSE"] - slopes["MSE"][0]).abs()
verify("MSE: twice the height, twice the damage", abs(moved[20] / moved[10] - 2) < 0.02)
for name in ["L1", "Huber, δ = 0.3"]:
    verify(f"{name}: the slope stays within 0.25 of 2", (slopes[name] - 2).abs().max() < 0.25)
    later = slopes[name][10:] - slopes[name][10]
    verify(f"{name}: nothing changes from 10 to 20", later.abs().max() < 1e-3)

# %% [markdown]
# For MSE the damage is exactly proportional to the height. That is no accident: the least squares
# slope is a *weighted sum of the y values*, and each y has its fixed weight. L1 and Huber have no
# such formula; there the fit decides by itself whom to listen to. Move the point yourself, and
# try the three places.

# %%
explorers.outlier()

# %% [markdown]
# Fifteen points and three fitted lines on the left, the three slopes against the height of the
# moved point on the right: only the MSE line follows it all the way. Now choose the place "far
# outside". There the point is not only high but also far to the right, like a long lever, and
# even L1 and Huber give way before they let go. Robust losses cap the pull of an error in y; a
# wrong x still needs your eyes.

# %% [markdown]
# ### Exercise 05.1: Huber from scratch
#
# Write `huber(error, delta=1.0)`: one loss for each error, in the same shape. The formula stands
# at the head of this section.


# %% tags=["exercise"]
def huber(error, delta=1.0):
    # your code here
    ...


exercises.huber_exercise.check(huber)

# %% [markdown]
# ### The table of all pairs
#
# The most expensive bug in regression is (N, 1) against (N,), and it makes no noise.
# `nn.Linear(1, 1)` returns a column (N, 1), the targets are a vector (N,), and broadcasting turns
# their difference into a table (N, N): *every* prediction minus *every* target. The mean of that
# table is a number, it has a gradient, and it falls. *Predict first:* forty points near y = 1.5 x +
# 0.5. Which line does the training find?

# %%
guess = ...  # "a": an error, "b": the right line, "c": flat at the mean of y, "d": wrong sign
exercises.broadcast_guess.commit(guess)


# %% [markdown]
# The function trains the same line in two ways. The only difference is one `squeeze(1)`, which
# turns the column (N, 1) into the vector (N,) before the two are subtracted.


# %%
def train_line(x, y, squeeze):
    """Fit nn.Linear(1, 1) to x (N,), y (N,); without `squeeze`, (N, 1) meets (N,)."""
    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(200):
        prediction = model(x.unsqueeze(1))  # (N, 1)
        if squeeze:
            prediction = prediction.squeeze(1)  # (N,)
        loss = ((prediction - y) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model, loss.item()


# %% [markdown]
# Forty points with a little noise, and both trainings on the same data. The two losses that are
# printed at the end are not comparable, but a reader of a log would not know that.

# %%
generator = torch.Generator().manual_seed(0)
x = 4 * torch.rand(40, generator=generator) - 2
y = 1.5 * x + 0.5 + 0.2 * torch.randn(40, generator=generator)
good, good_loss = train_line(x, y, squeeze=True)
bad, bad_loss = train_line(x, y, squeeze=False)

# %% [markdown]
# Both trainings ran without an error. Look at the line that each of them found, and at the last
# value of its loss:

# %%
for name, model, loss in [("(N,)  ", good, good_loss), ("(N, 1)", bad, bad_loss)]:
    slope, start = (round(parameter.item(), 2) + 0.0 for parameter in model.parameters())
    print(f"{name} slope ≈{slope:.2f}, start ≈{start:.2f}, loss ≈{loss:.2f}")

# %% [markdown]
# A slope of zero and a start of 0.27: the second training has converged, and to something quite
# definite. Draw it.

# %%
fig, ax = plt.subplots(figsize=(6, 3.8))
ax.plot(x, y, "o", color="black", label="data")
ends = torch.tensor([[-2.0], [2.0]])
lines = {"(N,) against (N,)": good(ends), "(N, 1) against (N,)": bad(ends)}
plotting.curves(ax, ends, lines, xlabel="x", ylabel="y")
plt.show()

# %% [markdown]
# Forty points with two trained lines: the solid one follows them, the dashed one, trained through
# the table of all pairs, lies flat at the mean of y. Each prediction was asked to be close to all
# forty targets at once, and the best answer to that is their mean. On a model with many weights
# this looks like "it learns a little and then stops".

# %%
exercises.broadcast_guess.reveal("c", "Every prediction is compared with every target.")
verify("the slope is lost", abs(bad.weight.item()) < 0.01 and abs(good.weight.item() - 1.5) < 0.1)
verify("the flat line is the mean of y", abs(bad.bias.item() - y.mean().item()) < 0.01)
verify("its loss is the variance of y", abs(bad_loss - y.var(unbiased=False).item()) < 0.01)

# %% [markdown]
# `F.mse_loss` and `nn.MSELoss` compute the same table. They do print a warning about different
# sizes, once, somewhere in the first epoch; in a log of a thousand lines nobody reads it. One
# line turns it into an error: `warnings.simplefilter("error")`. `BCEWithLogitsLoss` refuses such
# shapes outright.

# %%
column = bad(x.unsqueeze(1)).detach()  # (40, 1)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    silent = F.mse_loss(column, y)
table = (column - y) ** 2

# %% [markdown]
# The cell catches the warning, so that it can be counted instead of printed. What did
# `F.mse_loss` compute?

# %%
verify("the difference is a table (40, 40)", table.shape == (40, 40))
verify("F.mse_loss averages the same table", torch.allclose(silent, table.mean()))
verify("and warns", len(caught) == 1)

# %% [markdown]
# ### Exercise 05.2: find the broadcasting bug
#
# A colleague wrote `return ((model(x.unsqueeze(1)) - y) ** 2).mean()`. Write a `line_loss` that
# compares each prediction with its own target. `model` is an `nn.Linear(1, 1)`, x and y have
# shape (N,).


# %% tags=["exercise"]
def line_loss(model, x, y):
    # your code here
    ...


exercises.broadcast_exercise.check(line_loss)

# %% [markdown]
# ## 4. Predicting classes: cross-entropy on logits
#
# **What does the last layer return, and what does the loss expect?** Here most silent bugs begin,
# so be exact. The last layer of a classifier is a plain `nn.Linear` and returns *logits*, any
# numbers. These losses differ in what they take:
#
# | loss | takes | target |
# |---|---|---|
# | `BCELoss` | probabilities, after a sigmoid | floats from 0 to 1, same shape |
# | `BCEWithLogitsLoss` | logits | floats from 0 to 1, same shape |
# | `NLLLoss` | log-probabilities, after `log_softmax` | class numbers, int64 |
# | `CrossEntropyLoss` | logits | class numbers, or probabilities (N, C) |
#
# So `BCEWithLogitsLoss` is a sigmoid and `BCELoss` in one, and `CrossEntropyLoss` is
# `log_softmax` and `NLLLoss` in one.

# %%
z, y = torch.tensor([0.8, 0.5]), torch.tensor([1.0, 0.0])
print(f"read as probabilities: {F.binary_cross_entropy(z, y):.4f}")
print(f"read as logits:        {F.binary_cross_entropy_with_logits(z, y):.4f}")
in_two_steps = F.binary_cross_entropy(torch.sigmoid(z), y)
verify("sigmoid, then BCELoss", torch.allclose(in_two_steps, nn.BCEWithLogitsLoss()(z, y)))
in_two_steps = nn.NLLLoss()(logits.log_softmax(dim=1), classes)
verify("log_softmax, then NLLLoss", torch.allclose(in_two_steps, F.cross_entropy(logits, classes)))

# %% [markdown]
# The same two numbers cost 0.4581 as probabilities and 0.6726 as logits: a loss cannot see what
# you meant. Nothing in a tensor says whether it holds logits or probabilities.
#
# ### The gradient is p − y
#
# Why logits? Because the logarithm of the loss and the exponential of the softmax cancel, and an
# unusually simple gradient is left. With $L = -\sum_k y_k \log p_k$ and
# $\log p_k = z_k - \log\sum_m e^{z_m}$, both of shape (C,),
#
# $$
# \frac{\partial \log p_k}{\partial z_j} = \delta_{kj} - p_j
# \quad\Rightarrow\quad
# \frac{\partial L}{\partial z_j} = -\sum_k y_k\,(\delta_{kj} - p_j)
# = -y_j + p_j \sum_k y_k = p_j - y_j .
# $$
#
# The last step uses that the targets sum to 1. In words: each logit is pushed by what the network
# promised minus what happened. Being very wrong pulls hard, at most with strength 1, being right
# pulls not at all. For a batch, the mean adds the factor 1/N.

# %%
z = logits.clone().requires_grad_()  # (N, C)
(gradient,) = torch.autograd.grad(F.cross_entropy(z, classes), z)  # (N, C)
by_hand = (probabilities - one_hot) / len(classes)  # (p − y) / N
print("p − y of the first example:", [round(v, 3) for v in (probabilities - one_hot)[0].tolist()])
verify("the gradient of cross-entropy is (p − y)/N", torch.allclose(gradient, by_hand))
verify("each row sums to zero", gradient.sum(dim=1).abs().max() < 1e-15)

# %% [markdown]
# ### Exercise 05.3: cross-entropy from scratch
#
# Write `cross_entropy(logits, y)` for logits (N, C) and class numbers y (N,): the mean of −log p
# of the right class. It must survive logits that differ by hundreds, so do not form the
# probabilities first.


# %% tags=["exercise"]
def cross_entropy(logits, y):
    # your code here
    ...


exercises.ce_exercise.check(cross_entropy)

# %% [markdown]
# ### Targets that are not sure
#
# A target may be a distribution $\mathbf q$ itself: three of four people say "cat". The formula
# is the same sum, and it splits into two parts,
#
# $$
# -\sum_j q_j \log p_j
# = \underbrace{\sum_j q_j \log \frac{q_j}{p_j}}_{\mathrm{KL}(\mathbf q \,\|\, \mathbf p)}
# \; \underbrace{- \sum_j q_j \log q_j}_{\text{entropy of } \mathbf q} .
# $$
#
# The entropy does not depend on the network, so cross-entropy and the *Kullback–Leibler
# divergence* have the same gradient. KL is zero exactly when $\mathbf p = \mathbf q$. `F.kl_div`
# wants the *logarithm* of p first and q second, and the mathematical mean is called
# `"batchmean"`; its default `"mean"` also divides by C.

# %%
q = torch.tensor([[0.75, 0.25, 0.0], [0.1, 0.2, 0.7]], dtype=torch.float64)  # (N, C)
log_p = logits.log_softmax(dim=1)
entropy = -torch.special.xlogy(q, q).sum(dim=1).mean()  # 0 · log 0 counts as 0
by_hand = (torch.special.xlogy(q, q) - q * log_p).sum(dim=1).mean()
kl = F.kl_div(log_p, q, reduction="batchmean")
verify("KL by hand", torch.allclose(kl, by_hand))
verify("cross-entropy = KL + entropy", torch.allclose(F.cross_entropy(logits, q), kl + entropy))

# %% [markdown]
# **Label smoothing** makes targets unsure on purpose: a share ε of the certainty is spread
# evenly, $\mathbf q = (1-\varepsilon)\,\mathbf y + \varepsilon / C$. With plain cross-entropy a
# network can always win a little by growing its logits; with smoothing the loss has a lowest
# point at a finite distance between the logits, where $\mathbf p = \mathbf q$:

# %%
epsilon, C = 0.1, 10
right = F.one_hot(torch.tensor([3]), C).double()  # (1, C)
q = (1 - epsilon) * right + epsilon / C  # (1, C)
best = q.log()  # logits whose softmax is q
gap = (best.max() - best.min()).item()
smoothed = nn.CrossEntropyLoss(label_smoothing=epsilon)
three = torch.tensor([3])
same = torch.allclose(smoothed(best, three), F.cross_entropy(best, q))
verify("smoothing is cross-entropy with q", same)

# %% [markdown]
# So the built-in argument is nothing new, only a convenient way to write q. At the logits `best`
# the softmax equals q, and there the slope p − q should vanish: more certainty would now *raise*
# the loss.

# %%
z = best.clone().requires_grad_()
(gradient,) = torch.autograd.grad(smoothed(z, three), z)
print(f"with ε = 0.1 and ten classes the best logits differ by {gap:.2f}")
verify("there the gradient is zero", gradient.abs().max() < 1e-12)

# %% [markdown]
# ### Examples that count more, or not at all
#
# `weight` gives each class its own price. The mean then divides by the *sum of the weights* of
# the examples, not by N, so that the loss stays an average. `ignore_index` takes examples out,
# for instance the padding behind short sentences; its default is −100. A batch in which
# everything is ignored has a mean of 0/0.

# %%
price = torch.tensor([1.0, 1.0, 5.0], dtype=torch.float64)  # (C,)
each = F.cross_entropy(logits, classes, reduction="none")
by_hand = (price[classes] * each).sum() / price[classes].sum()
of_torch = F.cross_entropy(logits, classes, weight=price)
verify("class weights: a weighted mean", torch.allclose(of_torch, by_hand))

# %% [markdown]
# The second example belongs to class 2 and counts five times as much as the first. Now ignore it
# altogether, and then ignore both:

# %%
padded = torch.tensor([0, -100])
verify("ignored examples do not count", torch.allclose(F.cross_entropy(logits, padded), each[0]))
nobody = torch.tensor([-100, -100])
verify("if all are ignored the mean is nan", F.cross_entropy(logits, nobody).isnan())

# %% [markdown]
# ### Four losses on the same digits
#
# Does the loss matter on real data? Take a network with two hidden layers and ReLU, on the 3,500
# training digits that come with the course, normalized to mean 0 and standard deviation 1 with
# the numbers of the *training* set. Four losses: cross-entropy; squared error and absolute error
# between the ten outputs and the one-hot target; and the classic bug, cross-entropy after a
# softmax.

# %%
digits = data.mnist_5k()
mean, std = digits.train.images.mean(), digits.train.images.std()
X_train, X_validation, X_test = (
    (split.flat() - mean) / std for split in (digits.train, digits.validation, digits.test)
)
print(tuple(X_train.shape), tuple(X_validation.shape), tuple(X_test.shape))


# %% [markdown]
# The function takes the loss as an argument, so everything else is equal by construction: the
# initial weights and the order of the batches depend on the seed only. Note that the network ends
# in `nn.Linear`; whatever comes after it is the business of the loss.


# %%
def learn_digits(loss_of, seed, lr, epochs=3):
    """Train a 784-128-64-10 network with loss_of(logits, y), and return it."""
    torch.manual_seed(seed)
    hidden = [nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU()]
    model = nn.Sequential(*hidden, nn.Linear(64, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(epochs):
        for X, y in data.batches(X_train, digits.train.labels, generator=generator):
            loss = loss_of(model(X), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return model


# %% [markdown]
# The prediction is the class with the largest output. This works for logits, for probabilities
# and for outputs that were trained toward one-hot targets, so all four losses can be judged by
# the same rule.


# %%
@torch.no_grad()
def share_right(model, X, y):
    """Share of the images X (N, 784) whose largest output is the class y (N,)."""
    return (model(X).argmax(dim=1) == y).float().mean().item()


# %% [markdown]
# A fair comparison gives each loss the learning rate that suits it: three rates are tried for
# each, with one seed, and judged on the validation digits. Then five seeds are trained with the
# chosen rate, three epochs each, and judged once on the test digits. *Predict first:* which loss
# ends more than 10 points below cross-entropy?

# %%
guess = ...  # "a": squared error, "b": absolute error, "c": both, "d": neither
exercises.digits_guess.commit(guess)

# %% [markdown]
# `F.one_hot(y, 10)` turns class numbers (N,) into a table (N, 10) of integers; `.float()` makes
# them comparable with the outputs. Twelve networks are trained to choose the rates, sixteen more
# for the other seeds.

# %%
classification = {
    "cross-entropy": F.cross_entropy,
    "squared, one-hot": lambda z, y: F.mse_loss(z, F.one_hot(y, 10).float()),
    "absolute, one-hot": lambda z, y: F.l1_loss(z, F.one_hot(y, 10).float()),
    "softmax twice": lambda z, y: F.cross_entropy(z.softmax(dim=1), y),
}

# %% [markdown]
# For each loss: train with three rates, keep the one that is best on the validation digits, and
# train four more seeds with it. The test digits play no part in the choice.

# %%
trained = {}
for name, loss_of in classification.items():
    tried = {lr: learn_digits(loss_of, seed=0, lr=lr) for lr in (3e-4, 3e-3, 3e-2)}
    y = digits.validation.labels
    best = max(tried, key=lambda lr: share_right(tried[lr], X_validation, y))
    trained[name] = [tried[best]] + [learn_digits(loss_of, seed, best) for seed in range(1, 5)]

# %% [markdown]
# Now the test digits, which nobody has looked at yet: one accuracy for each of the five networks
# of each loss.

# %%
test = {
    name: torch.tensor([share_right(m, X_test, digits.test.labels) for m in models])
    for name, models in trained.items()
}
for name, runs in test.items():
    print(f"{name:18} median ≈{100 * runs.median():.0f} %, worst ≈{100 * runs.min():.0f} %")

# %% [markdown]
# A median and a worst case are two numbers of five. The figure shows the whole range, because a
# difference that is smaller than the range between seeds would mean nothing.

# %%
fig, ax = plt.subplots(figsize=(8, 3.2))
for row, runs in enumerate(test.values()):
    color = plotting.colors[row]
    ax.plot([runs.min(), runs.max()], [row, row], color=color, linewidth=4, alpha=0.5, ls="-")
    ax.plot(runs.median(), row, plotting.markers[row], color=color, markersize=5)
ax.set(xlabel="test accuracy, 5 seeds", xlim=(0, 1), yticks=range(4))
ax.set_yticklabels(list(test))
ax.set_ylim(3.5, -0.5)
plt.show()

# %% [markdown]
# Test accuracy with four losses, a bar from the worst to the best of five seeds and a mark at the
# median: cross-entropy and the squared error are close together at the right, the softmax twice
# follows, the absolute error is far behind and its bar is long.

# %%
ce = test["cross-entropy"]
exercises.digits_guess.reveal("b", "The median of a one-hot target is zero.")
close = (test["squared, one-hot"].median() - ce.median()).abs() < 0.04
verify("squared error ends within 4 points of cross-entropy", close)
lost = ce.min() - test["absolute, one-hot"].max()
verify("absolute error: over 10 points lost, for every seed", lost > 0.1)
verify("softmax twice has a lower median", test["softmax twice"].median() < ce.median())

# %% [markdown]
# Were you surprised? The usual advice "MSE is for regression" is about meaning, not about
# accuracy: with squares the outputs estimate the *mean* of the one-hot target, which is the
# probability of each class, and the largest of them is the right one to pick. (L. Hui and M.
# Belkin, 2021, find the same on large tasks.) Absolute errors estimate the *median* of a target
# that is 0 nine times out of ten, and that median is 0 unless the network is already more than
# half sure. We punished the right mistakes by the wrong amount. Look at the largest of the ten
# outputs:

# %%
with torch.no_grad():
    largest = {name: models[0](X_test).max(dim=1).values for name, models in trained.items()}
low = {name: 100 * (values < 0.5).float().mean().item() for name, values in largest.items()}
for name in ["squared, one-hot", "absolute, one-hot"]:
    print(f"{name}: no output above one half for ≈{low[name]:.0f} % of the test images")
more = low["absolute, one-hot"] - low["squared, one-hot"]
verify("with absolute errors it happens far more often", more > 10)

# %% [markdown]
# And the softmax twice? Its accuracy looks almost healthy here, because Adam rescales its tiny
# gradients. Its loss gives it away: it cannot fall below log(e + 9) − 1 = 1.4612, because the
# inner softmax never hands more than the logits (1, 0, …, 0) to the outer one. With C classes the
# floor is log(e + C − 1) − 1.

# %%
floor = math.log(math.e + 9) - 1
y = digits.train.labels
with torch.no_grad():
    once = [F.cross_entropy(model(X_train), y).item() for model in trained["cross-entropy"]]
    outputs = [model(X_train).softmax(dim=1) for model in trained["softmax twice"]]
    twice = [F.cross_entropy(output, y).item() for output in outputs]
print(f"best training loss of five: once ≈{min(once):.2f}, twice ≈{min(twice):.2f}")

# %% [markdown]
# The first number is a loss that training has brought down from 2.30. The second has stopped a
# little above its floor, and if you did not know the floor you would look for a bug in the
# learning rate.

# %%
verify("the floor is 1.4612", round(floor, 4) == 1.4612)
verify("no doubled loss is below it", min(twice) > floor)
verify("every plain loss is far below", max(once) < 0.5)

# %% [markdown]
# So "softmax is the last layer of a classifier" is true of what you *report*: apply it when you
# want probabilities, after the training or outside of the loss. In front of `CrossEntropyLoss` it
# is a bug. (Lesson 3.2 shows what it costs with plain SGD.) `NLLLoss` and `KLDivLoss` need a
# `log_softmax` before them; `CrossEntropyLoss` brings its own.

# %% [markdown]
# ## 5. Logits of ±100
#
# **Why not compute the probability first?** Because float32 cannot hold it. The closest number
# below 1 is about 1 − 6·10⁻⁸, so σ(z) is *exactly* 1 for every z above 17 or so. If the target
# was 0, the loss needs log(1 − σ(z)) = log 0. `BCELoss` cuts this logarithm off at −100. Watch
# what that does to the value, and to the gradient.

# %%
z = torch.tensor([-100.0, 5.0, 20.0, 100.0], requires_grad=True)
y = torch.zeros(4)  # the answer is "no"; large logits say "yes"
both = {
    "BCELoss(σ(z))": F.binary_cross_entropy(torch.sigmoid(z), y, reduction="none"),
    "BCEWithLogits": F.binary_cross_entropy_with_logits(z, y, reduction="none"),
}
slopes = {name: torch.autograd.grad(each.sum(), z)[0] for name, each in both.items()}
for name, each in both.items():
    print(f"{name}: loss ", [round(v, 2) + 0.0 for v in each.tolist()])
    print(f"{name}: slope", [round(v, 2) + 0.0 for v in slopes[name].tolist()])

# %% [markdown]
# Compare the last two columns of each pair. For z = 20 the exact loss is log(1 + e²⁰), which is
# 20 to eight digits, and the exact slope is σ(20), which is 1. `BCELoss` reports five times as
# much and no slope at all: the largest price on the list, and nobody is told to do anything about
# it.

# %%
verify("z = 20 should cost 20, BCELoss says 100", both["BCELoss(σ(z))"][2] == 100)
verify("and its slope is exactly 0", slopes["BCELoss(σ(z))"][2] == 0)
verify("on logits: loss 0, 20 and 100", both["BCEWithLogits"][[0, 2, 3]].tolist() == [0, 20, 100])
verify("and slopes 0, 1 and 1", slopes["BCEWithLogits"][[0, 2, 3]].round().tolist() == [0, 1, 1])

# %% [markdown]
# The other side, a target of 1 and a logit of −100, mirrors this:

# %%
z_low = torch.tensor(-100.0, requires_grad=True)
loss = F.binary_cross_entropy_with_logits(z_low, torch.ones(()))
loss.backward()
verify("at −100 with target 1: loss 100, slope −1", loss == 100 and z_low.grad == -1)

# %% [markdown]
# This is the worst place for a gradient to vanish: the network is entirely sure and entirely
# wrong, and nothing tells it so. The loss on logits says 20 and pulls with full strength 1.
#
# How does it do that? Put $\sigma(z) = e^z/(1+e^z)$ into the formula, and the dangerous
# logarithms merge into one:
#
# $$
# -y\log\sigma(z) - (1-y)\log\bigl(1-\sigma(z)\bigr) = \log(1+e^{z}) - z\,y .
# $$
#
# Now only $e^z$ can overflow, and `torch.logaddexp` computes log(eᶻ + e⁰) by pulling the larger
# exponent out first. Many libraries write the same as max(z, 0) − z·y + log(1 + e^−|z|).
#
# With more classes it is the log-sum-exp trick of lesson 3.2: `log_softmax` subtracts the maximum
# and never forms the probability. Its result at ±100 is exact; the logarithm of the softmax is
# −∞, and its gradient is nan.

# %%
z = torch.tensor([[100.0, -100.0]], requires_grad=True)
careless = torch.softmax(z, dim=1).log()[0, 1]
careful = torch.log_softmax(z, dim=1)[0, 1]
print("log(softmax):", careless.item(), " log_softmax:", careful.item())

# %% [markdown]
# A nan in a gradient is worse than a wrong number: one optimizer step carries it into every
# weight that it touches, and from then on everything is nan.

# %%
(bad_slope,) = torch.autograd.grad(careless, z)
(good_slope,) = torch.autograd.grad(careful, z)
verify("log(softmax) is −inf", careless == -math.inf)
verify("and its gradient is nan", bad_slope.isnan().all())
verify("log_softmax is −200", careful == -200)
verify("and its gradient is (−1, 1)", good_slope.tolist() == [[-1.0, 1.0]])

# %% [markdown]
# ### Exercise 05.4: a binary cross-entropy that survives ±100
#
# Write `bce_with_logits(z, y)`, element by element, for logits from −100 to 100 and targets
# between 0 and 1. The checker looks at the gradient too.


# %% tags=["exercise"]
def bce_with_logits(z, y):
    # your code here
    ...


exercises.stable_bce_exercise.check(bce_with_logits)

# %% [markdown]
# ## 6. Accuracy is not the loss
#
# **Which number should you watch?** Accuracy counts answers on the right side of a border. It
# moves in jumps, so it has no gradient, and it does not see how sure an answer was. The loss
# does. They can even move in opposite directions. Train a small network on 500 digits for much
# too long, and measure both on the test digits after each of 40 epochs, five seeds:


# %%
def watch_both(seed, epochs=40):
    """Test loss and test accuracy after each epoch on 500 digits: (epochs, 2)."""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    X_few, y_few, y = X_train[:500], digits.train.labels[:500], digits.test.labels
    generator, history = torch.Generator().manual_seed(seed), []
    for _ in range(epochs):
        for X, labels in data.batches(X_few, y_few, batch_size=50, generator=generator):
            loss = F.cross_entropy(model(X), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            test_loss = F.cross_entropy(model(X_test), y).item()
        history.append([test_loss, share_right(model, X_test, y)])
    return torch.tensor(history)


# %% [markdown]
# Five hundred examples are few, and 40 epochs are many: the network will know them by heart. The
# learning rate was not tuned. Each run returns 40 pairs of numbers, loss and accuracy, always on
# the 1,000 test digits.

# %%
runs = torch.stack([watch_both(seed) for seed in range(5)])  # (5, 40, 2)
fig, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.6))
plotting.band(left, range(1, 41), runs[:, :, 0], color="vermillion")
left.set(xlabel="epoch", ylabel="test loss")
plotting.band(right, range(1, 41), runs[:, :, 1], color="blue", linestyle="--")
right.set(xlabel="epoch", ylabel="test accuracy", ylim=(0.5, 1))
plt.show()

# %% [markdown]
# Test loss on the left and test accuracy on the right, median and range of five seeds: the loss
# falls, turns and rises again, while the accuracy climbs and then stays level. The late network
# makes the same number of mistakes, but it is surer of them, and −log p charges for that.

# %%
lowest, last = runs[:, :, 0].min(dim=1), runs[:, -1]
at_lowest = runs[torch.arange(5), lowest.indices, 1]
rise = last[:, 0] / lowest.values
print(f"the loss rises to ≈{rise.median():.2f} times its lowest value")
verify("the test loss rises by over 10 %, for every seed", rise.min() > 1.1)
change = (last[:, 1] - at_lowest).median()
verify("the median accuracy changes by less than 2 points", change.abs() < 0.02)

# %% [markdown]
# ### Rare nines
#
# The difference turns expensive when one class is rare and missing it is costly. Is this image a
# nine? Imagine that nines are rare: 70 of 3,220 training images, 2.2 %. A missed nine costs 20, a
# false alarm costs 1. *Never a nine* is right on 97.8 % of the images and useless.
#
# With so few nines one experiment would prove little, so split them into five small *worlds*:
# each has its own 70 training nines and its own 20 test nines, and all share the other digits.
# Five neurons are trained side by side, one for each world, on images shrunk to 14 × 14. `holds`
# says which images a world has.


# %%
def rare_nines(split, per_world):
    """Images (N, 196), targets (N,), and which of 5 worlds holds which image: (N, 5)."""
    X = F.avg_pool2d(split.images.unsqueeze(1), 2).flatten(1)  # (N, 28, 28) -> (N, 196)
    nine = split.labels == 9
    number = nine.long().cumsum(dim=0) - 1  # counts the nines
    world = torch.arange(5)
    holds = ~nine.unsqueeze(1) | (number.unsqueeze(1) // per_world == world)
    return X, nine.float(), holds


# %% [markdown]
# `cumsum` numbers the nines from 0 on; the first 70 go to world 0, the next 70 to world 1, and so
# on. `avg_pool2d` with a window of 2 replaces each block of 2 × 2 pixels by its mean.

# %%
X, nine, holds = rare_nines(digits.train, per_world=70)
print("each world:", holds.sum(dim=0).tolist(), "training images")
share = nine.sum() / 5 / holds[:, 0].sum()
verify("2.2 % of them are nines", abs(share - 0.0217) < 1e-3)

# %% [markdown]
# Three losses compete. Plain binary cross-entropy is the first. `pos_weight` multiplies the loss
# of the nines, here by 20, the price of a missed one. **Focal loss** (T.-Y. Lin et al., 2017)
# multiplies the loss of each example by $(1 - p_\text{right})^\gamma$, where $p_\text{right}$ is
# the probability of the right answer: an example that is already right by a wide margin hardly
# counts any more. It is not in `torch.nn`; torchvision has it.

# %%
from torchvision.ops import sigmoid_focal_loss

bce_loss, weight = F.binary_cross_entropy_with_logits, torch.tensor(20.0)
z = torch.tensor([2.0, -1.0], dtype=torch.float64)
p, y = z.sigmoid(), torch.tensor([1.0, 0.0], dtype=torch.float64)
weighted = -20 * y * p.log() - (1 - y) * (1 - p).log()
of_torch = bce_loss(z, y, pos_weight=weight, reduction="none")
verify("pos_weight by hand", torch.allclose(weighted, of_torch))

# %% [markdown]
# Of the two targets the first is a 1 and the second a 0, so the right answers have the
# probabilities p₀ and 1 − p₁. With γ = 2 each loss is multiplied by the square of what is missing
# to certainty:

# %%
by_hand = -((1 - p[0]) ** 2) * p[0].log(), -(p[1] ** 2) * (1 - p[1]).log()  # γ = 2
of_vision = sigmoid_focal_loss(z, y, alpha=-1, gamma=2)
verify("focal by hand", torch.allclose(torch.stack(by_hand), of_vision))
verify("it is not in torch.nn", not hasattr(nn, "FocalLoss"))


# %% [markdown]
# Both formulas agree with the libraries. `alpha=-1` switches off the class weight that
# torchvision would otherwise apply on top.
#
# One `nn.Linear(196, 5)` is five neurons side by side, one for each world. Their losses come as a
# table (N, 5); `holds` blanks out the images that a world does not have, and each column is
# averaged by itself.


# %%
def five_detectors(loss_of, steps=300):
    """Train one neuron for each world, full batch, with loss_of(logits, targets): nn.Linear."""
    torch.manual_seed(0)
    X, nine, holds = rare_nines(digits.train, per_world=70)
    targets = nine.unsqueeze(1).expand(-1, 5)  # (N, 5)
    model = nn.Linear(196, 5)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    for _ in range(steps):
        losses = loss_of(model(X), targets) * holds  # (N, 5)
        loss = (losses.sum(dim=0) / holds.sum(dim=0)).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model


# %% [markdown]
# To judge a detector, count its two kinds of mistakes in each world: nines that it missed, and
# false alarms. A comparison gives a table of True and False; `~` turns it around, `&` combines
# two, and the sum counts. The cost is stated for 1,000 images, so that it can be compared with
# the 435 of "never a nine": 21.7 nines at 20 each.


# %%
@torch.no_grad()
def judge(model, split, per_world, threshold):
    """Accuracy, share of nines found, and cost of 1,000 images in each world: (3, 5)."""
    X, nine, holds = rare_nines(split, per_world)
    says, nine = torch.sigmoid(model(X)) > threshold, nine.unsqueeze(1) == 1
    missed = (~says & nine & holds).sum(dim=0)
    alarms = (says & ~nine & holds).sum(dim=0)
    total, nines = holds.sum(dim=0), (nine & holds).sum(dim=0)
    cost = 1000 * (20 * missed + alarms) / total
    return torch.stack([1 - (missed + alarms) / total, 1 - missed / nines, cost])


# %% [markdown]
# When should a detector say "nine"? Saying it costs 1 if it is wrong, which happens with
# probability 1 − p. Keeping silent costs 20 with probability p. So say "nine" when 20 p > 1 − p,
# that is when p > 1/21. The *threshold* is part of the decision, not of the network, and 0.5 is
# right only when both mistakes cost the same. *Predict first:* "never a nine" has an accuracy of
# 97.8 %. How accurate is the cheapest detector?

# %%
guess = ...  # "a": 99 % or more, "b": 97.8 to 99 %, "c": less than "never a nine"
exercises.nines_guess.commit(guess)

# %% [markdown]
# Each loss trains its five detectors for 300 steps. They are judged at the usual border of 0.5,
# and the plain one also at 1/21. A border of 1 can never be crossed: that is "never a nine".

# %%
candidates = {
    "plain": lambda z, y: bce_loss(z, y, reduction="none"),
    "pos_weight 20": lambda z, y: bce_loss(z, y, pos_weight=weight, reduction="none"),
    "focal, γ = 2": lambda z, y: sigmoid_focal_loss(z, y, alpha=-1, gamma=2),
}
detectors = {name: five_detectors(loss_of) for name, loss_of in candidates.items()}
results = {(name, 0.5): judge(model, digits.test, 20, 0.5) for name, model in detectors.items()}
results["plain", 1 / 21] = judge(detectors["plain"], digits.test, 20, 1 / 21)
results["never a nine", 1] = judge(detectors["plain"], digits.test, 20, 1.0)

# %% [markdown]
# The table shows means over the five worlds: accuracy, share of the nines that were found, and
# the cost of 1,000 images at 20 for a missed nine and 1 for a false alarm.

# %%
print("                threshold   accuracy    found   cost")
for (name, threshold), measured in results.items():
    accuracy, found, cost = measured.mean(dim=1).tolist()
    numbers = f"≈{100 * accuracy:.1f} %   ≈{100 * found:.0f} %   ≈{cost:.0f}"
    print(f"{name:18} {threshold:6.3f}   {numbers}")

# %% [markdown]
# Read the table from right to left. The plain loss with the usual border 0.5 is more accurate
# than "never a nine" and finds well under half of the nines. The threshold 1/21 and `pos_weight`
# find about four in five or more, at about half of the cost or less, *and they are less accurate
# than a detector that never says anything*. If you choose by accuracy, you choose the wrong ones.

# %%
exercises.nines_guess.reveal("c", "Many cheap false alarms replace a few expensive misses.")
plain, lowered = results["plain", 0.5], results["plain", 1 / 21]
heavy, never = results["pos_weight 20", 0.5], results["never a nine", 1]
verify("plain at 0.5: the most accurate of the four", plain[0].mean() > never[0].mean() + 0.002)
verify("plain at 0.5 finds less than 55 % of the nines", plain[1].mean() < 0.55)
for name, row in {"the threshold 1/21": lowered, "pos_weight": heavy}.items():
    verify(f"{name} costs less, in every world", (row[2] < plain[2]).all())
    verify(f"{name}: 60 % of the cost at most", row[2].mean() < 0.6 * plain[2].mean())
    verify(f"{name}: over 70 % of the nines", row[1].mean() > 0.7)
    verify(f"{name}: less accurate than never", row[0].mean() < never[0].mean() - 0.005)

# %% [markdown]
# Weight and threshold did nearly the same, and that is no accident. With weight w, a lonely logit
# fitted to a share π of positives ends where $p/(1-p) = w\,\pi/(1-\pi)$: the odds are multiplied
# by w. So p > 1/2 with weight w is p > 1/(1 + w) without. A weight does not tell the network
# anything new about nines; it moves the border, and it spoils the meaning of p as a probability.
# Focal loss also bends the probabilities, in its own way. Take one logit, ten percent of
# positives, and find the best output under each loss:

# %%
p = torch.linspace(0.001, 0.999, 999, dtype=torch.float64)  # candidates for the output
share = 0.1
expected = {
    "plain": -share * p.log() - (1 - share) * (1 - p).log(),
    "pos_weight 20": -20 * share * p.log() - (1 - share) * (1 - p).log(),
    "focal, γ = 2": -share * (1 - p) ** 2 * p.log() - (1 - share) * p**2 * (1 - p).log(),
}
honest = {name: p[value.argmin()].item() for name, value in expected.items()}
print({name: round(value, 3) for name, value in honest.items()})

# %% [markdown]
# One number for a crowd of which ten percent are nines: what would you answer? The three losses
# disagree, because their prices do.

# %%
verify("plain cross-entropy answers 0.1", abs(honest["plain"] - 0.1) < 0.002)
odds = 20 * share / (1 - share)
gap = abs(honest["pos_weight 20"] - odds / (1 + odds))
verify("weight 20 multiplies the odds by 20", gap < 0.002)
verify("focal loss answers more than twice the truth", honest["focal, γ = 2"] > 0.2)

# %% [markdown]
# So plain cross-entropy is *honest*: its best answer is the true share. Focal loss says about
# 0.31 when the truth is 0.1. Its border of 1/21 would be wrong, and must be found on validation
# data. Do that for all three, over the same 99 thresholds, choosing on the validation nines (10
# in each world):

# %%
thresholds = torch.arange(1, 100) / 100
tuned = {}
for name, model in detectors.items():
    costs = [judge(model, digits.validation, 10, t)[2].mean() for t in thresholds]
    best = thresholds[torch.stack(costs).argmin()].item()
    tuned[name] = judge(model, digits.test, 20, best)[2]
    print(f"{name:14} threshold ≈{best:.2f}, test cost ≈{tuned[name].mean():.0f}")

# %% [markdown]
# Each border was chosen on the validation digits and judged once on the test digits. Is the order
# of the three a result, or luck? Compare the differences between the losses with those between
# the worlds.

# %%
means = torch.stack([cost.mean() for cost in tuned.values()])
within = torch.stack([cost.max() - cost.min() for cost in tuned.values()])
verify("own thresholds: the costs differ by less than 60 %", means.max() < 1.6 * means.min())
verify("every one is well below the plain loss at 0.5", means.max() < 0.8 * plain[2].mean())
verify("the worlds differ more than the losses", within.min() > means.max() - means.min())

# %% [markdown]
# For each loss the five worlds differ more than the three losses do, so these 100 test nines
# cannot rank them. They can tell that the border mattered more than the loss. (For dense object
# detection, with about a thousand times more background than objects, Lin et al. report a clear
# gain for focal loss.) Find a good border yourself:

# %%
explorers.rare_nines()

# %% [markdown]
# On the left how the detector's outputs are distributed for nines and for other digits, in the
# middle the *confusion matrix*, which counts the images by what they are and what the detector
# says, on the right the cost for every threshold. Watch the accuracy in the line below while you
# lower the cost. Then raise the weight and see the lowest point of the cost curve wander from
# about 0.06 toward the middle, while its height stays about the same.

# %% [markdown]
# ### Exercise 05.5: focal loss
#
# Write `focal_loss(z, y, gamma=2.0)`, element by element, for logits z and targets y of one
# shape: the binary cross-entropy times (1 − p_right)^γ. It has to survive a sure mistake, so
# remember section 5.


# %% tags=["exercise"]
def focal_loss(z, y, gamma=2.0):
    # your code here
    ...


exercises.focal_exercise.check(focal_loss)

# %% [markdown]
# ## 7. A loss for your own costs
#
# **What if no loss in the library says what you want?** Then say it yourself. Any differentiable
# function of outputs and targets will do. A parcel service promises an arrival time. Each minute
# too late costs 9, each minute too early costs 1. The travel time grows with the distance, and
# its spread grows too.


# %%
class PromiseLoss(nn.Module):
    """Mean price of promised times (N,) against real times (N,)."""

    def __init__(self, late=9.0, early=1.0):
        super().__init__()
        self.late, self.early = late, early

    def forward(self, promised, real):
        delay = real - promised
        return torch.where(delay > 0, self.late * delay, -self.early * delay).mean()


# %% [markdown]
# A loss as a module is four lines and works in every training loop of this course. Its prices are
# arguments, because they are the part that somebody will want to change. The trips are invented,
# so that the truth is known:


# %%
def trips(count, seed):
    """Distances (N,) from 0 to 1 and travel times (N,) in minutes."""
    generator = torch.Generator().manual_seed(seed)
    distance = torch.rand(count, generator=generator)
    noise = torch.randn(count, generator=generator)
    return distance, 10 + 40 * distance + (3 + 9 * distance) * noise


# %% [markdown]
# A loss with a stated price leads to a *quantile*. Where the expected cost is lowest, one more
# minute of caution must not change it: it costs 1 with the probability of being early and saves 9
# with the probability of being late. So P(late) = 1/10, and the promise is the time that 90 % of
# the parcels keep. (Half and half gives the median: L1 again.) Fit lines with the MSE and with
# the promise loss, five draws of 400 trips each, and judge both by the price on 5,000 new trips:


# %%
def fit_promise(criterion, distance, minutes, steps=600):
    """Slope and start of the best line under the criterion: two scalars."""
    line = torch.zeros(2, requires_grad=True)
    optimizer = torch.optim.Adam([line], lr=1.0)
    calmer = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, total_iters=steps)
    for _ in range(steps):
        loss = criterion(line[0] * distance + line[1], minutes)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        calmer.step()
    return line.detach()


# %% [markdown]
# The line has two parameters and starts at zero. Both criteria get the same 600 steps and the
# same five draws of training trips. What is compared at the end is the *price*, for both: the MSE
# line is judged by the same rule, although it was trained by another.

# %%
price = PromiseLoss()
paid, kept, fitted = {}, {}, {}
for name, criterion in {"MSE": nn.MSELoss(), "promise loss": price}.items():
    fitted[name] = [fit_promise(criterion, *trips(400, seed)) for seed in range(5)]
    distance, minutes = trips(5000, seed=100)
    promises = [slope * distance + start for slope, start in fitted[name]]
    paid[name] = torch.stack([price(promised, minutes) for promised in promises])
    kept[name] = torch.stack([(minutes <= promised).float().mean() for promised in promises])
    print(f"{name:12} price ≈{paid[name].median():.0f}, kept ≈{100 * kept[name].median():.0f} %")

# %% [markdown]
# Half of the price is gone, and nine of ten promises are kept instead of one of two. The lines of
# the first draw show how:

# %%
fig, ax = plt.subplots(figsize=(6.5, 3.8))
distance, minutes = trips(400, seed=0)
ax.plot(distance, minutes, ".", color="gray", label="trips")
ends = torch.tensor([0.0, 1.0])
lines = {name: runs[0][0] * ends + runs[0][1] for name, runs in fitted.items()}
plotting.curves(ax, ends, lines, xlabel="distance", ylabel="minutes")
plt.show()

# %% [markdown]
# Four hundred trips with two lines: the MSE line runs through the middle of the cloud, the
# promise line along its upper edge, and the gap between them widens where the times scatter more.
# Nobody told the second line about the spread; the price did.

# %%
verify(
    "the promise loss is cheaper, for every draw", (paid["promise loss"] < 0.8 * paid["MSE"]).all()
)
off = (kept["promise loss"] - 0.9).abs().max()
verify("86 to 94 % of its promises are kept", off < 0.04)
verify("the MSE line keeps about half", (kept["MSE"] - 0.5).abs().max() < 0.08)

# %% [markdown]
# ### Exercise 05.6: a loss for a stated cost
#
# A bakery plans how many loaves to bake. A loaf that is missing costs 4, one that is left over
# costs 1. Write `bakery_loss(planned, demand)`, both of shape (N,): the mean cost of a day.


# %% tags=["exercise"]
def bakery_loss(planned, demand):
    # your code here
    ...


exercises.cost_exercise.check(bakery_loss)

# %% [markdown]
# ### Losses about distances
#
# Sometimes there is no right output at all, only "these two belong together, those do not". The
# network maps each input to a vector, an *embedding* of shape (D,), and the loss speaks of
# distances. The *contrastive loss* of lesson 3.3 takes pairs: pull equal ones together, push
# different ones apart until they are a margin away. Two more are in the library:
#
# - **triplet:** $\max\bigl(0,\; \lVert a - p\rVert - \lVert a - n\rVert + m\bigr)$ for an anchor
#   a, a positive p of the same kind and a negative n of another: the negative must be farther
#   than the positive by the margin m;
# - **cosine embedding:** $1 - \cos(a, p)$ for equal pairs and $\max(0, \cos(a, n) - m)$ for
#   different ones: only the angle counts, not the length.

# %%
generator = torch.Generator().manual_seed(0)
a, p, n = torch.randn(3, 4, 8, generator=generator, dtype=torch.float64)  # three times (N=4, D=8)
near, far = (a - p).norm(dim=1), (a - n).norm(dim=1)
by_hand = (near - far + 1.0).clamp(min=0).mean()
of_torch = F.triplet_margin_loss(a, p, n, margin=1.0)  # adds 1e-6 inside the norm
verify("triplet by hand", torch.allclose(of_torch, by_hand, atol=1e-5))

# %% [markdown]
# The cosine of two vectors is their scalar product divided by both lengths. Which formula applies
# is told by a third argument, +1 for equal and −1 for different pairs:

# %%
cosine = (a * p).sum(dim=1) / (a.norm(dim=1) * p.norm(dim=1))
same, different = torch.ones(4), -torch.ones(4)
pulled = F.cosine_embedding_loss(a, p, same)
verify("cosine, equal pairs", torch.allclose(pulled, (1 - cosine).mean()))
pushed = (cosine - 0.1).clamp(min=0).mean()
of_torch = F.cosine_embedding_loss(a, p, different, margin=0.1)
verify("cosine, different pairs", torch.allclose(of_torch, pushed))

# %% [markdown]
# ## 8. Choosing
#
# **Which loss for which task?** Ask in this order: What is the target (a number, a class, several
# labels, a distribution, a distance)? Which summary of it do I want (mean, median, quantile,
# probability)? Which mistake is worse than which? The common answers:
#
# | task | loss | last layer gives | seen in |
# |---|---|---|---|
# | a number, errors of one size | `MSELoss` | the number | section 2 |
# | a number, some targets badly wrong | `HuberLoss`, `L1Loss` | the number | section 3 |
# | a number, too low costs more | quantile loss, your own | the number | section 7 |
# | yes or no, or several labels at once | `BCEWithLogitsLoss` | a logit for each | section 4 |
# | one of C classes | `CrossEntropyLoss` | C logits | section 4 |
# | a distribution over C classes | `CrossEntropyLoss` or `KLDivLoss` | C logits | section 4 |
# | rare and costly positives | plain loss and a threshold, or `pos_weight` | a logit | section 6 |
# | same or different | triplet, contrastive, cosine | a vector | section 7 |
#
# `BCELoss` and `NLLLoss` are missing on purpose: they are right only after a sigmoid or a
# `log_softmax`, and then the loss on logits does the same, safely.

# %% [markdown]
# ### Exercise 05.7: the loss for six tasks
#
# 1. Predict house prices; a few of the prices were mistyped and are a thousand times too high.
# 2. Name the species of the one bird in a photo, one of 20. The network ends in
#    `nn.Linear(64, 20)`.
# 3. Name all the objects in a photo, any of 20 kinds. The network ends in `nn.Linear(64, 20)`.
# 4. A small network shall imitate the ten probabilities of a large one.
# 5. Recognize people who are not in the training data, by comparing two photos.
# 6. Promise a delivery time that 90 % of the parcels keep.
#
# The losses: **a)** `MSELoss`, **b)** `HuberLoss`, **c)** `CrossEntropyLoss`, **d)**
# `BCEWithLogitsLoss`, **e)** `NLLLoss`, **f)** `KLDivLoss`, **g)** `TripletMarginLoss`, **h)** an
# asymmetric L1: late 9, early 1.

# %% tags=["exercise"]
losses = ...  # six letters, as in ("a", "b", "c", "d", "e", "f")

exercises.six_tasks.check(losses)

# %% [markdown]
# ## Common mistakes
#
# Two of them had a place above: the table of all pairs in
# [The table of all pairs](#The-table-of-all-pairs), and the softmax twice in
# [Four losses on the same digits](#Four-losses-on-the-same-digits). Here are the others, on
# purpose.
#
# ### BCELoss on logits
#
# **Symptom:** *all elements of input should be between 0 and 1*. That is the lucky case. Some
# people "repair" it with a clamp, and then each logit above 1 counts as a certainty, and each
# below 0 as an impossible one. Where the clamp acts, no gradient passes.

# %%
z = torch.tensor([3.0, -2.0], requires_grad=True)
y = torch.tensor([0.0, 1.0])  # both are wrong
try:
    F.binary_cross_entropy(z, y)
    refused = False
except RuntimeError:
    refused = True
verify("BCELoss refuses logits", refused)

# %% [markdown]
# The error message is a gift: it names the cause. Now the "repair", on two logits that are both
# on the wrong side.

# %%
(clamped,) = torch.autograd.grad(F.binary_cross_entropy(z.clamp(0, 1), y), z)
(healthy,) = torch.autograd.grad(bce_loss(z, y), z)
verify("after a clamp the gradient of both mistakes is 0", (clamped == 0).all())
verify("BCEWithLogitsLoss is the cure", (healthy.abs() > 0.4).all())

# %% [markdown]
# ### NLLLoss on logits
#
# **Symptom:** a negative loss that falls for ever. `NLLLoss` only picks an entry and turns its
# sign; it trusts you that the entries are log-probabilities. On raw logits "make the right entry
# larger" has no end, and the other entries do not matter.

# %%
z = torch.tensor([[2.0, 1.0, 0.1]], requires_grad=True)
raw = F.nll_loss(z, torch.tensor([0]))
print("NLLLoss of raw logits:", raw.item())
(slope,) = torch.autograd.grad(raw, z)
verify("a negative 'loss'", raw < 0)
verify("only the right entry is pushed, always by 1", slope.tolist() == [[-1, 0, 0]])

# %% [markdown]
# Train with it, in the function of section 4, with a rate of 0.001:

# %%
worst = learn_digits(F.nll_loss, seed=0, lr=1e-3)
loss_now = F.nll_loss(worst(X_train), digits.train.labels).item()
verify("on digits the loss falls below −1000", loss_now < -1000)
verify("and the accuracy is below 30 %", share_right(worst, X_test, digits.test.labels) < 0.3)

# %% [markdown]
# ### One-hot and float targets
#
# **Symptom:** an error about *Long* and *Float*, or about a multi-target. `CrossEntropyLoss`
# decides by the shape and dtype of the target: (N,) of int64 are class numbers, (N, C) of floats
# are probabilities. One-hot vectors as *floats* are fine and give the same loss; as integers they
# are refused, and so are class numbers as floats or in a column.


# %%
def accepts(target):
    """Whether cross_entropy takes this target for the two examples of section 2."""
    try:
        F.cross_entropy(logits, target)
    except (RuntimeError, IndexError):
        return False
    return True


# %% [markdown]
# Error messages change between versions of PyTorch, so the function only reports whether the
# target was accepted. Try the five that people write most often:

# %%
same = F.cross_entropy(logits, one_hot.double()) == F.cross_entropy(logits, classes)
verify("one-hot floats: accepted, the same loss", same)
verify("one-hot integers: refused", not accepts(one_hot))
verify("class numbers as floats: refused", not accepts(classes.double()))
verify("class numbers in a column: refused", not accepts(classes.unsqueeze(1)))
verify("a class number that does not exist: refused", not accepts(torch.tensor([0, 3])))

# %% [markdown]
# ### The wrong dim
#
# **Symptom:** none. `CrossEntropyLoss` looks for the classes in dimension *1*. For a batch of
# sentences the network returns (N, T, C), with T words and the classes last, but the loss wants
# (N, C, T). Usually T and C differ and an error saves you. When they happen to be equal, the
# words are taken for classes.

# %%
generator = torch.Generator().manual_seed(0)
scores = torch.randn(2, 5, 5, generator=generator, dtype=torch.float64)  # (N, T=5, C=5)
words = scores.argmax(dim=-1)  # (N, T): pretend that the network is always right

# %% [markdown]
# `words` are the largest entries along the last dimension, so the loss of the right arrangement
# must be small. Three calls, two of them right:

# %%
wrong = F.cross_entropy(scores, words)
right = F.cross_entropy(scores.transpose(1, 2), words)  # (N, C, T)
flat = F.cross_entropy(scores.flatten(0, 1), words.flatten())  # (N·T, C)
print(f"classes in the wrong place: {wrong:.4f}, in the right one: {right:.4f}")
verify("transposing equals flattening", torch.allclose(right, flat))
verify("the wrong one runs, and is larger", wrong > right + 0.2)

# %% [markdown]
# The same slip inside a model, `log_softmax(dim=0)`, makes the images of a batch compete with
# each other: each *column* sums to 1. Check with `.exp().sum(dim=1)`: all ones, or something is
# wrong.

# %%
columns = logits.log_softmax(dim=0).exp().sum(dim=1)
print("sums of the rows:", [round(v, 4) for v in columns.tolist()])
verify("dim=0: the rows do not sum to 1", not torch.allclose(columns, torch.ones(2).double()))

# %% [markdown]
# ## Key takeaways
#
# - A loss is a negative log-likelihood: Gaussian noise gives MSE, Laplace L1, a coin binary
#   cross-entropy, a die cross-entropy ([section 2](#2.-Where-losses-come-from)).
# - MSE leads to the mean, L1 to the median, an asymmetric L1 to a quantile
#   ([section 2](#2.-Where-losses-come-from), [section 7](#7.-A-loss-for-your-own-costs)).
# - One bad point moves an MSE line without limit and a Huber line by a bounded amount; Huber is δ
#   times Smooth L1 ([section 3](#3.-Predicting-numbers:-what-one-bad-point-does)).
# - (N, 1) against (N,) averages over all N² pairs and fits a flat line
#   ([The table of all pairs](#The-table-of-all-pairs)).
# - The gradient of cross-entropy with respect to the logits is p − y
#   ([The gradient](#The-gradient-is-p-−-y)).
# - Give losses logits. A sigmoid first caps the loss at 100 and kills the gradient from z = 20 on
#   ([section 5](#5.-Logits-of-±100)).
# - Softmax twice has a floor of 1.4612 for ten classes
#   ([Four losses](#Four-losses-on-the-same-digits)).
# - Accuracy is not the loss, and neither is the cost. For rare and costly classes choose the
#   threshold by the cost ([Rare nines](#Rare-nines)).
#
# ## Further exercises
#
# 1. Let the network predict the width too: two outputs, $\hat y$ and log σ, and the full Gaussian
#    likelihood of section 2 (`nn.GaussianNLLLoss`). Fit the trips of section 7. Which 90 %
#    promise do you get, and what does it cost?
# 2. Find the temperature by which the logits of the 40-epoch networks of section 6 must be
#    divided so that their test loss is lowest. (Choose it on the validation digits.)
# 3. Relabel 20 % of the training digits at random. Compare cross-entropy, label smoothing of 0.1
#    and squared error on one-hot targets, five seeds each.
# 4. Draw the expected focal loss of section 6 for γ from 0 to 5 and find its best output for a
#    share of 0.1. How would you turn the outputs back into probabilities?
#
# **Reading.** P. Huber, "Robust estimation of a location parameter" (1964). C. Bishop, *Pattern
# Recognition and Machine Learning*, chapters 1 and 4 (2006). T.-Y. Lin et al., "Focal loss for
# dense object detection" (2017). R. Müller, S. Kornblith and G. Hinton, "When does label
# smoothing help?" (2019). L. Hui and M. Belkin, "Evaluation of neural architectures trained with
# square loss vs cross-entropy in classification tasks" (2021). R. Koenker, *Quantile Regression*
# (2005).
#
# ## Your progress

# %%
from course_utils.exercises import progress

progress("05")

# %% [markdown]
# ## Next
#
# You can now say what you want. [Lesson 3.6, The training loop](06_training_loop.ipynb), is about
# getting it: the order of the five steps, batches and schedules, validation, early stopping and
# checkpoints, and what breaks when a single line is missing.
