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
# # 3.2 Activation functions
#
# Between two layers of a network sits a function of one number. It looks like a detail: a few
# characters of code, no weights to learn. But without it a hundred layers are worth one, and with
# the wrong one the first layers of a deep network learn nothing at all. In this lesson you write
# the common activation functions by hand, watch what their slopes do to learning, break a few on
# purpose, and measure which choices matter.
#
# ## You will be able to
#
# - **show** why a network without activations is a single linear layer;
# - **write** the common activations and their derivatives, and check both against PyTorch;
# - **explain** vanishing gradients and dead units by the slope of the activation, and cure them;
# - **use** softmax safely: stable, along the right dimension, and never twice;
# - **build** an activation of your own, then test it, weigh it and time it.
#
# ## Before you start
#
# You need the neuron of [lesson 3.1](01_perceptron.ipynb), z = w·x + b, and the chain rule. Shape
# comments such as `# (N, D)` count examples (N) and inputs (D).
#
# **Time:** about 100 minutes with all exercises; 50 if you only read, slide and run.

# %% [markdown]
# <!-- launch:start -->
# Open this lesson with `make lab LESSON=02`.
# <!-- launch:end -->

# %%
from course_utils import setup

setup()

# %%
import time
import warnings

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from IPython.display import Markdown
from torch import nn
from torch.autograd import gradcheck

from course_utils import activations, data, device, plotting, verify
from course_utils.exercises import activations as exercises
from course_utils.explore import activations as explorers

# %% [markdown]
# `activations` is the course's registry: one entry for each function, with its formula, its
# range, its two PyTorch forms and its color. Tables, figures and sliders are all made from it, so
# that they cannot disagree. `verify` prints a ✓ with a claim if the claim holds in your kernel,
# right now, and raises an error if it does not.

# %% [markdown]
# ## 1. Why a network needs a bend
#
# **What does a second layer add?** A layer computes weighted sums, and an *activation function* f
# is applied to each of them:
#
# $$
# \mathbf{z}^{(l)} = W^{(l)} \mathbf{a}^{(l-1)} + \mathbf{b}^{(l)}, \qquad
# a_j^{(l)} = f\bigl(z_j^{(l)}\bigr).
# $$
#
# The shapes are $W^{(l)}$ (out, in), $\mathbf{a}^{(l-1)}$ (in,) and $\mathbf{z}^{(l)}$ (out,).
# Leave f out, and two layers are
#
# $$
# W_2 (W_1 \mathbf{x} + \mathbf{b}_1) + \mathbf{b}_2
# = (W_2 W_1)\,\mathbf{x} + (W_2 \mathbf{b}_1 + \mathbf{b}_2),
# $$
#
# which is one layer with the weights $W_2 W_1$. The second layer has added parameters, but not
# one function that a single layer could not compute. The same argument folds four layers, or a
# hundred. Here are four, with random weights, in float64 so that rounding cannot be an excuse:

# %%
generator = torch.Generator().manual_seed(0)
x = torch.randn(6, 4, generator=generator, dtype=torch.float64)  # (N=6, D=4)
stack = nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 3)).double()

# %%
W, b = torch.eye(4, dtype=torch.float64), torch.zeros(4, dtype=torch.float64)
for layer in stack:  # fold each layer into W (out, 4) and b (out,)
    W, b = layer.weight @ W, layer.weight @ b + layer.bias
verify("four linear layers equal one linear layer", torch.allclose(stack(x), x @ W.T + b))

# %% [markdown]
# So 211 parameters do the work of 15. In lesson 3.1 you saw what that costs: no single layer can
# compute XOR, so no stack of them can either.
#
# **What is a bend good for?** Give each hidden unit the function max(0, t − k), a *ReLU* with
# threshold k. It is a hinge: flat up to the knot k, then a straight ramp. A sum of hinges is a
# chain of straight pieces. Walk along it from left to right: at each knot one more unit wakes up
# and changes the slope by its weight. Turn that around, and you can write down, without any
# training, a hidden layer that draws any chain you like. Its weights are the *changes* of slope.


# %%
def chain_of_hinges(t, knots, heights):
    """The straight pieces through (knots, heights) as one hidden ReLU layer: t (T,) -> (T,)."""
    slopes = heights.diff() / knots.diff()
    weights = torch.cat([slopes[:1], slopes.diff()])  # (K - 1,) the change of slope at each knot
    return heights[0] + F.relu(t[:, None] - knots[:-1]) @ weights  # (T, K - 1) @ (K - 1,)


# %% [markdown]
# Let 3, 6 and 12 such units follow a sine, with knots at equal distances. Curves bend away from
# their chords quadratically, so half the distance between knots should leave about a quarter of
# the error.

# %%
t = torch.linspace(0, 6, 601, dtype=torch.float64)
fits = {}
for units in (3, 6, 12):
    knots = torch.linspace(0, 6, units + 1, dtype=torch.float64)
    fits[units] = chain_of_hinges(t, knots, knots.sin())
errors = {units: (fit - t.sin()).abs().max().item() for units, fit in fits.items()}
print({units: round(error, 3) for units, error in errors.items()})
verify("12 units: nowhere more than 0.04 from the sine", errors[12] < 0.04)
verify("twice the units, a third of the error or less", 3 * errors[12] < errors[6])

# %%
fig, ax = plt.subplots(figsize=(6.5, 3.4))
lines = {"sine": t.sin(), "3 ReLU units": fits[3], "12 ReLU units": fits[12]}
plotting.curves(ax, t, lines, xlabel="t", ylabel="output")
plt.show()

# %% [markdown]
# A sine and two chains of straight pieces: three ReLU units follow it roughly, twelve so closely
# that the curves nearly coincide. *Non-linearity* means no more than this: the units may bend, so
# their sum can follow a curve. Any bend would do, as long as it is not that of a polynomial
# (Leshno et al., 1993): a sum of parabolas is only a parabola. The rest of the lesson is about
# which bends are good for *learning*, and that is a question about slopes.

# %% [markdown]
# ## 2. Thirteen functions, one table
#
# **Which bends are in use?** The table holds those that you will meet in papers and code. Read it
# once now, and come back to it; nobody learns it by heart. Two remarks on its fifth column.
# "Usual place" is a convention, not a law: many texts call ReLU "the most common" activation, we
# know of no measurement, and section 7 shows when the choice matters at all. And the last layer
# of a network follows other rules than the hidden ones: it must produce what the *loss* expects
# (section 5).

# %%
Markdown(activations.table())

# %% [markdown]
# ### S-shapes
#
# Now write them. For each one you need the value f(x) for the forward pass and the slope f′(x)
# for the backward pass. We collect both in dictionaries, under the names that the registry uses.
#
# Sigmoid and tanh are the classics. Both are nearly straight around 0 and flat far from it. Both
# have a slope that you can compute from the *value* alone, which was worth a lot when computers
# were slow: sigmoid's is σ(1 − σ), tanh's is 1 − tanh².

# %%
value, slope = {}, {}  # name -> f(x), name -> f'(x)

value["sigmoid"] = lambda x: 1 / (1 + torch.exp(-x))
slope["sigmoid"] = lambda x: torch.sigmoid(x) * (1 - torch.sigmoid(x))
value["tanh"] = lambda x: (torch.exp(x) - torch.exp(-x)) / (torch.exp(x) + torch.exp(-x))
slope["tanh"] = lambda x: 1 - torch.tanh(x) ** 2

# %% [markdown]
# Sigmoid turns any number into a value between 0 and 1, so it can be read as a probability; tanh
# turns it into one between −1 and 1. They are the same curve in two scales. The difference that
# matters is that tanh is *zero-centered*: inputs that are symmetric around 0 give outputs that
# are symmetric around 0, while sigmoid's outputs always have a positive mean. "Between" is exact
# only on paper: in float32, sigmoid reaches 1 long before infinity, and the logarithm of 1 − σ is
# then minus infinity. That is why losses prefer the number before the sigmoid.

# %%
x = torch.linspace(-6, 6, 241, dtype=torch.float64)
verify("tanh(x) = 2 sigmoid(2x) - 1", torch.allclose(x.tanh(), 2 * torch.sigmoid(2 * x) - 1))
verify("tanh's outputs have mean 0 here", abs(x.tanh().mean()) < 1e-12)
verify("sigmoid's have mean 1/2", abs(torch.sigmoid(x).mean() - 0.5) < 1e-12)
verify("sigmoid(20) is exactly 1 in float32", torch.sigmoid(torch.tensor(20.0)) == 1)

# %% [markdown]
# ### Hinges
#
# ReLU, the *rectified linear unit*, passes what is positive and stops the rest. It costs one
# comparison, and its slope on the right is exactly 1, however large the input. LeakyReLU lets a
# hundredth of the negative side through, so that the slope is never 0. ELU bends the negative
# side smoothly towards a floor at −α, which brings the mean of the outputs nearer to zero. SELU
# is an ELU with two constants chosen so that, with suitable weights, mean 0 and variance 1
# reproduce themselves from layer to layer.
#
# Note `clamp(max=0)` in the code: it keeps the exponential away from large numbers. The first of
# the *Common mistakes* shows what happens without it. `expm1(x)` is eˣ − 1, computed without
# losing the small digits near 0.

# %%
scale, alpha = activations.SELU_SCALE, activations.SELU_ALPHA  # about 1.051 and 1.673

value["relu"] = lambda x: torch.where(x > 0, x, 0)
slope["relu"] = lambda x: torch.where(x > 0, 1.0, 0.0)
value["leaky_relu"] = lambda x: torch.where(x > 0, x, 0.01 * x)
slope["leaky_relu"] = lambda x: torch.where(x > 0, 1.0, 0.01)
value["elu"] = lambda x: torch.where(x > 0, x, torch.expm1(x.clamp(max=0)))
slope["elu"] = lambda x: torch.where(x > 0, 1.0, torch.exp(x.clamp(max=0)))
value["selu"] = lambda x: scale * torch.where(x > 0, x, alpha * torch.expm1(x.clamp(max=0)))
slope["selu"] = lambda x: scale * torch.where(x > 0, 1.0, alpha * torch.exp(x.clamp(max=0)))

# %% [markdown]
# ### Smooth hinges
#
# Four of the last five have the form *x times a gate*, and the gate opens from 0 to 1 as x grows.
# So they behave like ReLU far from zero, and dip a little below it on the way: they are not
# monotonic. The gate of SiLU, also called Swish, is σ(x). GELU's is Φ(x), the probability that a
# standard normal number lies below x. Mish takes tanh(softplus(x)), and Hardswish replaces the
# gate by a straight ramp from −3 to 3, because phones compute ramps faster than exponentials.
# Softplus, ln(1 + eˣ), is no gate: it is the smooth ReLU whose slope is exactly the sigmoid.

# %%
normal = torch.distributions.Normal(0.0, 1.0)

value["gelu"] = lambda x: x * normal.cdf(x)
slope["gelu"] = lambda x: normal.cdf(x) + x * normal.log_prob(x).exp()
value["silu"] = lambda x: x * torch.sigmoid(x)
slope["silu"] = lambda x: torch.sigmoid(x) * (1 + x * (1 - torch.sigmoid(x)))
value["hardswish"] = lambda x: x * (x + 3).clamp(0, 6) / 6
slope["hardswish"] = lambda x: torch.where(x.abs() < 3, (2 * x + 3) / 6, 1.0 * (x > 0))
value["softplus"] = lambda x: torch.log1p(torch.exp(x))
slope["softplus"] = torch.sigmoid

# %% [markdown]
# Mish is a function of a function of a function, so its slope needs the product rule once and the
# chain rule twice. It gets a proper `def`:

# %%
value["mish"] = lambda x: x * torch.tanh(value["softplus"](x))


def mish_slope(x):
    """Product rule, then chain rule: tanh has slope 1 - t², softplus has slope sigmoid."""
    t = torch.tanh(value["softplus"](x))
    return t + x * (1 - t**2) * torch.sigmoid(x)


slope["mish"] = mish_slope

# %% [markdown]
# ### Are they right?
#
# Never trust a formula that you have typed. A chain of three checks, in float64: your values
# against PyTorch's; your slopes against autograd's; and autograd's against *finite differences*,
# (f(x+h) − f(x−h)) / 2h, which is what `gradcheck` computes. It knows nothing about derivatives,
# so it cannot share a mistake with either. The points of the grid avoid the kinks at 0 and ±3,
# where no derivative exists.

# %%
x = torch.linspace(-6, 6, 240, dtype=torch.float64, requires_grad=True)  # no point at 0 or ±3
for name in activations.ELEMENTWISE:
    f = activations.get(name)
    (by_autograd,) = torch.autograd.grad(f(x).sum(), x)
    same_values = torch.allclose(value[name](x), f(x), rtol=0, atol=1e-6)
    same_slopes = torch.allclose(slope[name](x).to(x.dtype), by_autograd, rtol=0, atol=1e-6)
    in_range = bool(f(x).min() >= f.minimum - 1e-5) and bool(f(x).max() <= f.maximum)
    right = same_values and same_slopes and in_range and gradcheck(f, x)
    verify(f"{f.name}: values, slopes, range and gradcheck", right)

# %% [markdown]
# All eleven agree, and they stay within the ranges that the table states. At the kink itself
# there is no slope to compute, and PyTorch has to pick something: for ReLU it says 0. In practice
# a pre-activation is hardly ever exactly 0, unless the bias is 0 and all inputs or all weights
# are 0, too.

# %%
kink = torch.zeros(1, requires_grad=True)
F.relu(kink).sum().backward()
verify("PyTorch takes 0 as ReLU's slope at 0", kink.grad.item() == 0)

# %% [markdown]
# ### Values above, slopes below
#
# Now look at them in families. Ask of each curve two questions. Where is it flat? And how steep
# does it get?

# %%
families = [("sigmoid", "tanh"), ("relu", "leaky_relu", "elu", "selu")]
families += [("gelu", "silu", "mish", "hardswish", "softplus")]
x = torch.linspace(-5, 5, 501)
fig, axes = plt.subplots(2, 3, figsize=(11, 5.6), sharex=True, sharey="row")
for (top, bottom), names in zip(axes.T, families, strict=True):
    for name in names:
        style = activations.get(name).style
        top.plot(x, activations.get(name)(x), **style)
        bottom.plot(x, slope[name](x), **style)
    top.legend()
axes[0, 0].set(ylabel="f(x)", ylim=(-2, 4))
axes[1, 0].set(ylabel="f′(x)", ylim=(-0.6, 1.85))
plt.show()

# %% [markdown]
# In the upper row the three families, in the lower row their slopes: the S-shapes lose their
# slope on both sides, the hinges and the smooth ones keep a slope near 1 on the right. Every
# function keeps its color and line style in all figures with lines.
#
# The lower row matters more than the upper one, because *the slope is what backpropagation
# multiplies by*. Where it is 0, a unit still computes, but it no longer learns, and nothing
# before it learns through it. Slide along the curves and watch that number:

# %%
explorers.shapes()

# %% [markdown]
# One activation and its slope side by side, with a point that you move along both; where the
# slope is nearly zero, the background is gray. Try three things. Find the input where tanh
# becomes gray. Set ELU's α to 2: which jump appears in the slope? Give LeakyReLU the parameter 1:
# why is it useless now?

# %% [markdown]
# Four facts from the lower row are worth remembering, so here they are, checked: how steep the
# S-shapes get, how soon tanh is flat, and that some smooth functions even *amplify* a gradient a
# little (SELU and Hardswish, as the figure shows, do it more).

# %%
peaks = {name: slope[name](torch.linspace(-6, 6, 1201)).max().item() for name in slope}
verify("sigmoid's slope never exceeds 1/4", peaks["sigmoid"] <= 0.25)
verify("tanh's slope reaches 1", abs(peaks["tanh"] - 1) < 1e-6)
verify("at ±3 tanh has lost 99 % of it", slope["tanh"](torch.tensor(3.0)) < 0.01)
verify("GELU, SiLU and Mish exceed 1", min(peaks[n] for n in ("gelu", "silu", "mish")) > 1.05)

# %% [markdown]
# ### In PyTorch
#
# Each function exists in two forms: a module, `nn.ReLU()`, that you can put into a network, and a
# plain function, `F.relu(x)`, to call inside `forward`. Some also exist as `torch.relu(x)` and
# `x.relu()`. They compute the same thing; which one you take is a matter of style, and section 6
# says what the module form is good for. Five of them on five numbers:

# %%
x = torch.tensor([-2.0, -1.0, 0.0, 1.0, 2.0])
for name in ("sigmoid", "tanh", "relu", "leaky_relu", "elu"):
    print(f"{name:10}", [round(number, 3) for number in activations.get(name)(x).tolist()])

# %%
registry = activations.ACTIVATIONS.values()
verify(
    "all 13 modules equal their functions", all(torch.equal(f.build()(x), f(x)) for f in registry)
)
verify("torch.relu(x) and x.relu() are F.relu", torch.equal(torch.relu(x), x.relu()))

# %% [markdown]
# ### Exercise 02.1: leaky ReLU for any slope
#
# Write `leaky_relu(x, negative_slope=0.01)` for a tensor of any shape: x where x > 0,
# negative_slope · x elsewhere. It must be right for *every* slope, also above 1: a popular
# one-liner is not. Replace the three dots, run the cell, and read what the checker says.
# `exercises.leaky_exercise.hint()` gives a hint, and calling it again a clearer one;
# `.solution()` shows an answer with its reasons.


# %% tags=["exercise"]
def leaky_relu(x, negative_slope=0.01):
    # your code here
    ...


exercises.leaky_exercise.check(leaky_relu)

# %% [markdown]
# ## 3. Saturation: where gradients fade
#
# **What happens to a gradient on its way back through twenty layers?** Think of a message that is
# passed on by whispering. If everybody whispers at 40 % of the volume that they heard, the
# message is gone after a few people, no matter how loud the first one shouted. Write
# $\boldsymbol\delta^{(l)}$ for the gradient of the loss with respect to the pre-activations
# $\mathbf{z}^{(l)}$. The chain rule leads from one layer to the one before:
#
# $$
# \boldsymbol\delta^{(l)} = \bigl(W^{(l+1)}\bigr)^{\!\top} \boldsymbol\delta^{(l+1)}
# \odot f'\bigl(\mathbf{z}^{(l)}\bigr).
# $$
#
# The shapes: $W^{(l+1)}$ is (out, in), $\boldsymbol\delta^{(l+1)}$ is (out,), and the product
# with the slopes, ⊙, goes element by element over (in,). Each layer multiplies by its weights and
# by the slopes of its activation. A unit whose input lies where the slope is nearly zero is
# *saturated*: it passes almost nothing back.
#
# Sigmoid's slope is at most 1/4, and twenty factors of 1/4 make 10⁻¹². You will read this
# argument often. It is not yet the whole truth, because weights multiply too, and large weights
# could make up for small slopes. So be fair, and give every activation weights that suit it.
#
# Draw each weight with variance $g^2/\text{fan-in}$, where fan-in is the number of inputs. If all
# inputs $z$ are standard normal, the next pre-activation is a sum of fan-in terms, each of
# variance $g^2\,\mathbb{E}[f(z)^2]/\text{fan-in}$, so together $g^2\,\mathbb{E}[f(z)^2]$. The
# **matched gain** g makes that 1, so that signals keep their size going forward. Going back, each
# unit collects from *fan-out* units, those that it feeds. In a network of equally wide layers
# that is the same number; and if the gradient that arrives is independent of the slopes, the same
# counting gives the factor by which each layer multiplies the gradient's norm:
#
# $$
# r = g \sqrt{\mathbb{E}\bigl[f'(z)^2\bigr]}, \qquad g = \frac{1}{\sqrt{\mathbb{E}[f(z)^2]}} .
# $$


# %%
def matched_gain(f):
    """Return the gain g and the gradient's factor per layer r, by integrating over a normal z."""
    z = torch.linspace(-12, 12, 4001, dtype=torch.float64, requires_grad=True)
    weight = torch.softmax(-(z.detach() ** 2) / 2, dim=0)  # the normal density, summing to 1
    a = f(z)
    (da,) = torch.autograd.grad(a.sum(), z)
    gain = (weight * a.detach() ** 2).sum() ** -0.5
    return gain.item(), (gain * (weight * da**2).sum() ** 0.5).item()


# %% [markdown]
# The expectation over a normal z is an integral. On a fine grid it becomes a weighted mean, with
# the bell curve as weights; softmax, which section 5 explains, makes those sum to 1. ReLU's gain
# can be checked on paper: half of the inputs are cut off, so $\mathbb{E}[f^2] = 1/2$ and
# $g = \sqrt 2$, the number behind "Kaiming" initialization.

# %%
names = ("sigmoid", "tanh", "relu", "gelu")
theory = {name: matched_gain(activations.get(name)) for name in names}
for name, (gain, factor) in theory.items():
    print(f"{name:8} gain {gain:.2f}   factor per layer {factor:.2f}")
verify("ReLU's matched gain is √2, and its factor 1", abs(theory["relu"][0] - 2**0.5) < 1e-3)

# %% [markdown]
# ### Predict first
#
# A network of 20 sigmoid layers, its weights matched so that the pre-activations keep their size.
# How large is the gradient at the first layer, compared with the last? Commit yourself before you
# run on; it is no test.

# %%
guess = ...  # "a": the same, "b": about 1/20, "c": about 1/1000, "d": below a millionth
exercises.survival.commit(guess)


# %%
def gradient_by_layer(f, gain, seed, depth=20, width=256):
    """Norm of the gradient at each layer's pre-activations, from first to last: (depth,)."""
    generator = torch.Generator().manual_seed(seed)
    layers = [torch.randn(64, width, generator=generator).requires_grad_()]
    for _ in range(depth - 1):
        W = torch.randn(width, width, generator=generator) * gain / width**0.5
        layers.append(f(layers[-1]) @ W)
    at_the_end = torch.randn(64, width, generator=generator)  # some gradient arrives there
    gradients = torch.autograd.grad(layers[-1], layers, at_the_end)
    return torch.stack([gradient.norm() for gradient in gradients])


# %% [markdown]
# The measurement builds a random network, sends 64 random inputs through it, starts a random
# gradient at the far end and asks autograd what arrives at each layer. Five seeds for each of
# four activations; no data and no training are needed.

# %%
profiles = {}  # name -> (5 seeds, 20 layers), relative to the last layer
for name in names:
    runs = [gradient_by_layer(activations.get(name), theory[name][0], seed) for seed in range(5)]
    profiles[name] = torch.stack([run / run[-1] for run in runs])

# %%
exercises.survival.reveal("d", "matched weights do not save sigmoid.")
first = {name: runs[:, 0] for name, runs in profiles.items()}
verify("sigmoid: less than a millionth arrives, for every seed", first["sigmoid"].max() < 1e-6)
for name in ("tanh", "relu", "gelu"):
    kept = first[name].min() > 0.1 and first[name].max() < 20
    verify(f"{activations.get(name).name}: between a tenth and twentyfold arrives", bool(kept))
predicted = theory["sigmoid"][1] ** 19
close = (first["sigmoid"] / predicted).log2().abs().max() < 1
verify("the formula r¹⁹ predicts sigmoid's loss within a factor of 2", close)

# %%
fig, ax = plt.subplots(figsize=(7, 4))
for name, runs in profiles.items():
    entry = activations.get(name)
    style = activations.LINE_STYLES[entry.dash]
    plotting.band(ax, range(1, 21), runs, label=entry.name, color=entry.color, linestyle=style)
ax.set(yscale="log", xlabel="layer", ylabel="gradient / that of layer 20", xticks=(1, 10, 20))
ax.legend()
plt.show()

# %% [markdown]
# The gradient at each layer of a 20-layer network, on a log axis, with a band from the smallest
# to the largest of five random networks: tanh, ReLU and GELU stay between about 1 and 5, sigmoid
# falls along a straight line to about 10⁻⁸. The straight line is the factor r = 0.39, nineteen
# times over.
#
# Why do matched weights not repair it? Sigmoid's outputs lie around ½, so $\mathbb{E}[f^2]$ is
# mostly the square of a constant that carries no information. It uses up the budget: the gain
# must stay small to keep the signal's size, while the slopes are at most ¼. Tanh has the same
# shape without that constant, and a slope of 1 in the middle. This is the advantage of a
# zero-centered function.
#
# The other half of the truth is the weights. With PyTorch's default for `nn.Linear`, uniform
# within ±1/√fan-in, which is g = 1/√3, even ReLU fades. "ReLU cures vanishing gradients" is true
# only together with weights that suit it. Lesson 3.4 is about that half.

# %%
default = [gradient_by_layer(F.relu, 3**-0.5, seed) for seed in range(5)]
worst = max(run[0] / run[-1] for run in default)
verify("default weights, 20 ReLU layers: below 1/100,000 arrives", worst < 1e-5)

# %%
explorers.depth_and_gradient()

# %% [markdown]
# The gradient that reaches each layer, for six activations, from 1 to 30 layers and with three
# kinds of weights: with matched weights only sigmoid and softplus fall. Start at 5 layers:
# sigmoid loses "only" a factor of about 50 there. Then go to 20, and switch to PyTorch's default
# weights: now the question is only who fades fastest. Softplus shares sigmoid's problem: a large
# constant part in its outputs, and slopes too small to make up for the gain that this costs.

# %% [markdown]
# ## 4. Dead units
#
# **And ReLU, is it safe?** Its slope is 1 or exactly 0. A unit whose pre-activation is negative
# for *every* training example outputs 0 everywhere and gets no gradient from any of them, so its
# weights stay as they are. It is **dead**, and as long as its inputs stay the same, it stays
# dead: to be woken it would need a gradient, and to get a gradient it would need to be awake. You
# met this in lesson 3.1, where silent neurons stopped XOR from being learned.
#
# Now on digits, real ones: 3,500 to train on and 1,000 to test, as rows of 784 pixels between 0
# and one. They come with the course, from the MNIST collection.

# %%
digits = data.mnist_5k()
X_train, y_train = digits.train.flat().to(device()), digits.train.labels.to(device())
X_test, y_test = digits.test.flat().to(device()), digits.test.labels.to(device())
print(tuple(X_train.shape), tuple(X_test.shape))

# %% [markdown]
# The same training loop serves all experiments from here on: minibatches of 64, cross-entropy,
# and an optimizer that you choose. Its five lines are those of lesson 3.1. Every run sees the
# same batches in the same order, so two runs differ only in what we change.


# %%
def train_on_digits(model, optimizer, epochs=3, loss_function=F.cross_entropy):
    """Train in place on the 3,500 training digits; every run sees the same batches."""
    generator = torch.Generator().manual_seed(0)
    for _ in range(epochs):
        for X, y in data.batches(X_train, y_train, generator=generator):
            loss = loss_function(model(X), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


@torch.no_grad()
def test_accuracy(model):
    """Share of the 1,000 test digits that the model gets right; (S,) for S models side by side."""
    return (model(X_test).argmax(dim=-1) == y_test).float().mean(dim=-1).cpu()


# %% [markdown]
# The model is small: one hidden layer of 64 units. To count its dead units, feed it all training
# images and ask which units are never above zero. One image that lifts a unit is enough to save
# it, because that image will send it a gradient.


# %%
def two_layers(activation, seed, bias=None):
    """Return a 784-64-10 network; `bias` sets all biases of the hidden layer."""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(784, 64), activation, nn.Linear(64, 10))
    if bias is not None:
        nn.init.constant_(model[0].bias, bias)
    return model.to(device())


@torch.no_grad()
def dead_share(model):
    """Share of hidden units that are negative for every training image."""
    z = model[0](X_train)  # (3500, 64)
    return (z <= 0).all(dim=0).float().mean().item()


# %% [markdown]
# **Cause 1: a learning rate that is too large.** One big step can push a unit's weights so far
# that it is negative for all images. Pixels are never negative, so a step that lowers many
# weights at once lowers the pre-activation for every image. Count the dead among 64 units after
# three epochs of SGD, at a modest rate and at one that is twenty times larger:

# %%
dead = {}
for lr in (0.1, 2.0):
    for seed in range(3):
        model = two_layers(nn.ReLU(), seed)
        train_on_digits(model, torch.optim.SGD(model.parameters(), lr=lr))
        dead[lr, seed] = dead_share(model)
    print(f"lr {lr}: dead", " ".join(f"≈{100 * dead[lr, seed]:.0f} %" for seed in range(3)))
verify("lr 0.1 kills fewer than 5 %", max(dead[0.1, seed] for seed in range(3)) < 0.05)
verify("lr 2 kills more than 60 %", min(dead[2.0, seed] for seed in range(3)) > 0.6)

# %% [markdown]
# Nothing warned you. The code did not crash; nearly all units of the second network simply no
# longer take part.
#
# **Cause 2: a very negative bias.** Start all hidden biases at −5, and no image lifts any unit
# above zero. This is an artificial experiment, but a clean one: all units are dead from the
# start, so you can ask which activations let them live again. Before any training, look at the
# gradient that the first layer gets:

# %%
gradients = {}
for name in ("relu", "leaky_relu", "elu"):
    model = two_layers(activations.get(name).build(), seed=0, bias=-5.0)
    F.cross_entropy(model(X_train), y_train).backward()
    gradients[name] = model[0].weight.grad.abs().max().item()
verify("all 64 units are dead", dead_share(model) == 1.0)
verify("ReLU: the first layer's gradient is exactly zero", gradients["relu"] == 0)
verify("LeakyReLU and ELU: it is not", min(gradients["leaky_relu"], gradients["elu"]) > 0)

# %% [markdown]
# LeakyReLU passes a hundredth of the gradient on the left, ELU passes eˣ, less than a hundredth
# at −5. Is so little of any use? That depends on the optimizer. *Adam*, the subject of lesson
# 3.9, divides each gradient by its typical size, so a steady small gradient moves the weights as
# fast as a steady large one. Give each of the three activations four epochs of Adam to recover,
# with three seeds:

# %%
recovered = {}
for name in ("relu", "leaky_relu", "elu"):
    for seed in range(3):
        model = two_layers(activations.get(name).build(), seed, bias=-5.0)
        train_on_digits(model, torch.optim.Adam(model.parameters(), lr=3e-3), epochs=4)
        recovered[name, seed] = test_accuracy(model).item()
    shown = " ".join(f"≈{recovered[name, seed]:.2f}" for seed in range(3))
    print(f"{activations.get(name).name:10} accuracy {shown}")

# %%
verify("ReLU never recovers: 10 % is guessing", max(recovered["relu", s] for s in range(3)) < 0.15)
for name in ("leaky_relu", "elu"):
    lowest = min(recovered[name, seed] for seed in range(3))
    verify(f"{activations.get(name).name} recovers to over 80 %", lowest > 0.8)
model = two_layers(nn.LeakyReLU(0.01), seed=0, bias=-5.0)
train_on_digits(model, torch.optim.SGD(model.parameters(), lr=0.1), epochs=4)
verify("but not with plain SGD at 0.1: a hundredth is too little", test_accuracy(model) < 0.3)

# %% [markdown]
# So LeakyReLU does not *prevent* negative units; it keeps a way back, and how fast the unit
# returns depends on the optimizer. The cures, in the order in which to try them:
#
# 1. a smaller learning rate, the first cause above;
# 2. biases that start at 0 or near it, which PyTorch's defaults do;
# 3. weights suited to ReLU (lesson 3.4), or normalization (3.8);
# 4. an activation with a slope on the left.
#
# A unit that is silent for *most* inputs is no disease at all: it is a specialist. Only "silent
# for all of them" means dead.

# %% [markdown]
# ## 5. Softmax: scores become probabilities
#
# **How does a network say "7, I am fairly sure"?** The last layer gives one score per class, the
# *logits* z. Softmax makes them positive and lets them sum to 1:
#
# $$
# p_i = \frac{e^{z_i / T}}{\sum_j e^{z_j / T}}, \qquad
# \frac{\partial p_i}{\partial z_j} = \frac{1}{T}\, p_i\,(\delta_{ij} - p_j).
# $$
#
# Here $\delta_{ij}$ is 1 for i = j and 0 otherwise, and T is the *temperature*, usually 1. Unlike
# all the functions before, softmax looks at a whole vector: raising one score lowers all the
# other probabilities, which is what the minus sign in the derivative says.
#
# Compute one by hand. The logits 2, 1 and 0.1 have the exponentials 7.39, 2.72 and 1.11, with the
# sum 11.21; so the first class gets 7.39/11.21 = 0.66. Only *differences* of logits matter: one
# more in the logit means e = 2.72 times the probability of a class with one less.


# %%
def naive_softmax(z, T=1.0):
    """Softmax along the last dimension, exactly as in the formula."""
    exponentials = torch.exp(z / T)
    return exponentials / exponentials.sum(dim=-1, keepdim=True)


z = torch.tensor([2.0, 1.0, 0.1], dtype=torch.float64)  # (C=3,)
p = naive_softmax(z)
print([round(number, 4) for number in p.tolist()])
verify("positive, and sums to 1", bool((p > 0).all()) and abs(p.sum() - 1) < 1e-12)

# %% [markdown]
# The derivative is now a matrix, the *Jacobian*: row i, column j tells how the probability of
# class i answers to the logit of class j. Check the formula against autograd, and both softmax
# and log-softmax by finite differences.

# %%
jacobian = torch.autograd.functional.jacobian(naive_softmax, z)  # (C, C)
by_hand = torch.diag(p) - torch.outer(p, p)  # p_i (δ_ij - p_j)
verify("the Jacobian is p_i(δ_ij − p_j)", torch.allclose(jacobian, by_hand))
inputs = torch.randn(3, 5, generator=generator, dtype=torch.float64, requires_grad=True)
for name in ("softmax", "log_softmax"):
    verify(f"{name} passes gradcheck", gradcheck(activations.get(name), inputs))

# %% [markdown]
# With two classes, softmax of the logits (z, 0) is sigmoid(z): divide numerator and denominator
# of the fraction by the exponential of z, and the formula of the sigmoid appears. So a spam
# filter with one output and a sigmoid is a softmax in disguise, and all that follows holds for it
# too.

# %%
two = torch.stack([z, torch.zeros_like(z)], dim=-1)  # (3, 2)
verify("softmax([z, 0]) begins with sigmoid(z)", torch.allclose(two.softmax(-1)[:, 0], z.sigmoid()))

# %% [markdown]
# ### Overflow, and a shift that costs nothing
#
# In float32, exp(89) is already infinite. A network that is very sure produces such logits, and
# the formula above answers `nan`. But adding the same number to all logits multiplies numerator
# and denominator by the same factor. So subtract the largest logit first: the result is the same,
# and no exponential is above 1.

# %%
verify("a shift by 100 changes nothing", torch.allclose(naive_softmax(z + 100), p))
large = torch.tensor([1000.0, 999.0, 0.0])
print("naive:  ", naive_softmax(large).tolist())
print("shifted:", [round(number, 3) for number in naive_softmax(large - large.max()).tolist()])
verify("the naive formula gives nan", bool(naive_softmax(large).isnan().any()))
verify("torch.softmax shifts by itself", bool(torch.softmax(large, dim=-1).isfinite().all()))

# %% [markdown]
# The logarithm needs the same care. Losses use the logarithm of a probability, and a network can
# be very wrong: a probability of e⁻¹²⁰ is 0 in float32, and ln 0 = −∞. `log_softmax` never forms
# the probability: it computes $z_i - \max - \ln \sum_j e^{z_j - \max}$, the *log-sum-exp trick*.
# That is why losses take logits, not probabilities.

# %%
far = torch.tensor([0.0, 120.0])
print("log(softmax):", torch.softmax(far, dim=-1).log().tolist())
print("log_softmax: ", torch.log_softmax(far, dim=-1).tolist())
y = torch.tensor([0])
same = F.nll_loss(torch.log_softmax(far[None], dim=-1), y) == F.cross_entropy(far[None], y)
verify("NLLLoss on log_softmax is CrossEntropyLoss on logits", same)

# %% [markdown]
# ### The `dim` mistake
#
# A batch of logits has shape (N, C), one row per example. Each *row* must sum to 1. `dim` names
# the dimension along which softmax adds up, and C is the last one: `dim=-1`. With `dim=0` the
# examples of a batch compete with each other. Nothing complains, the numbers look like
# probabilities, and the answer for one image depends on which others happen to be in its batch. A
# single vector has only one dimension, so `dim=1`, right for a batch, fails for it; `dim=-1` is
# right for both.

# %%
batch = torch.tensor([[1.0, 2.0, 3.0], [3.0, 1.0, 0.0]])  # (N=2, C=3)
print("dim=-1, row sums:", [round(s, 2) for s in batch.softmax(dim=-1).sum(dim=1).tolist()])
print("dim=0,  row sums:", [round(s, 2) for s in batch.softmax(dim=0).sum(dim=1).tolist()])
try:
    torch.softmax(batch[0], dim=1)
except IndexError:
    print("dim=1 on a vector of shape (3,): IndexError")

# %% [markdown]
# ### Temperature
#
# Divide all logits by T before the softmax. A T below 1 stretches the differences, a T above 1
# shrinks them. Move both sliders: can you make class A win by temperature alone?

# %%
explorers.softmax_temperature()

# %% [markdown]
# Four logits on the left, their probabilities on the right: a low temperature gives everything to
# the largest logit, a high one makes all bars equal. Entropy, in bits, measures the indecision: 0
# for a certain answer, 2 for four equal bars. The temperature of a language model is this very
# slider. Which class is ahead never changes with T; how far ahead does, so no temperature turns a
# wrong answer into a right one.

# %%
temperatures = (0.1, 1.0, 10.0)
top = [naive_softmax(z, T).max().item() for T in temperatures]
verify("the lower the temperature, the surer", top[0] > top[1] > top[2])
verify("the winner stays", all(naive_softmax(z, T).argmax() == 0 for T in temperatures))

# %% [markdown]
# ### Exercise 02.2: a softmax that cannot overflow
#
# Write `stable_softmax(logits)` for shape (…, C), without calling torch's own softmax (the
# checker would accept it, but you would learn nothing). It must survive logits of a thousand, and
# rows of very different size in the same batch.


# %% tags=["exercise"]
def stable_softmax(logits):
    # your code here
    ...


exercises.softmax_exercise.check(stable_softmax)

# %% [markdown]
# ### Softmax twice
#
# You will read: "the output layer of a classifier is softmax". As a sentence about probabilities
# it is fine. As code, followed by `F.cross_entropy`, it is a classic bug: the loss applies
# log-softmax by itself, so softmax acts twice. Nothing crashes, the loss falls for a while, and
# the network even learns something.
#
# **Predict first.** Ten classes. What is the lowest loss such a network can ever reach, if it is
# always right and entirely sure?

# %%
guess = ...  # "a": 0, "b": 2.30 (ln 10), "c": about 0.1, "d": about 1.46
exercises.floor.commit(guess)

# %%
perfect = F.one_hot(torch.tensor([3]), 10).double()  # (1, 10) sure and right
lowest = F.cross_entropy(perfect, torch.tensor([3])).item()
formula = torch.log(torch.tensor(torch.e + 9, dtype=torch.float64)).item() - 1
print(f"lowest loss with softmax twice: {lowest:.4f}")
verify("it is ln(e + 9) − 1", abs(lowest - formula) < 1e-12)
exercises.floor.reveal("d", "The second softmax sees only numbers between 0 and 1.")

# %% [markdown]
# Where does it come from? The second softmax takes the probabilities 1, 0, …, 0 for logits, and
# logits that differ by 1 are not very different: it gives the right class only e/(e + 9) = 23 %.
#
# The floor is not the worst of it. Suppose the network is sure *and wrong*: its logit for a wrong
# class is 8, all others 0. That is when it needs a strong gradient. Cross-entropy on logits pulls
# hard. Through two softmaxes almost nothing arrives, because the inner one is saturated, and its
# Jacobian is nearly zero.

# %%
logits = torch.zeros(1, 10, dtype=torch.float64)
logits[0, 1] = 8.0  # sure of class 1; the truth is class 0
logits.requires_grad_()
pull = {}
for name, output in {"once": logits, "twice": logits.softmax(-1)}.items():
    (gradient,) = torch.autograd.grad(F.cross_entropy(output, torch.tensor([0])), logits)
    pull[name] = gradient.norm().item()
print({name: round(size, 4) for name, size in pull.items()})
verify("softmax twice: a thousandth of the gradient", 1000 * pull["twice"] < pull["once"])

# %% [markdown]
# And on digits, with three seeds and everything else equal:

# %%
accuracy = {}
for seed in range(3):
    for ending in ("logits", "softmax"):
        model = two_layers(nn.ReLU(), seed)
        if ending == "softmax":
            model.append(nn.Softmax(dim=-1))
        train_on_digits(model, torch.optim.SGD(model.parameters(), lr=0.1), epochs=4)
        accuracy[ending, seed] = test_accuracy(model).item()

# %%
for ending in ("logits", "softmax"):
    print(f"{ending:8}", " ".join(f"≈{accuracy[ending, seed]:.2f}" for seed in range(3)))
gaps = [accuracy["logits", seed] - accuracy["softmax", seed] for seed in range(3)]
verify("softmax twice costs more than 15 points of accuracy, for every seed", min(gaps) > 0.15)

# %% [markdown]
# Same network, same data, same budget; one line too many. The floor does not depend on the
# optimizer: watch for a loss that stops near 1.46. Ending in `LogSoftmax` is harmless, because
# log-softmax of log-probabilities changes nothing, and it is what `NLLLoss` needs.

# %%
logits = torch.randn(4, 10, generator=generator, dtype=torch.float64)
once = torch.log_softmax(logits, dim=-1)
verify("log_softmax twice is log_softmax once", torch.allclose(once.log_softmax(-1), once))

# %% [markdown]
# ### Exercise 02.3: repair the output layer
#
# A colleague's `build_classifier()` returns this, for training with `F.cross_entropy`:
# `nn.Sequential(nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 10), nn.Softmax(dim=-1))`. Write one
# whose loss can reach zero, with the same architecture.


# %% tags=["exercise"]
def build_classifier():
    # your code here
    ...


exercises.classifier_exercise.check(build_classifier)

# %% [markdown]
# ## 6. Your own activation
#
# **What if the function you want is not there?** Usually it is. But writing one teaches how
# PyTorch is built. There are three levels: a module, a module with a learnable parameter, and a
# function with its own backward pass.
#
# The first is a class of four lines. It has no parameters and no state, so it needs no
# `__init__`. Inherit from `nn.Module`, because `nn.Sequential` takes modules only.


# %%
class Swish(nn.Module):
    """x · sigmoid(x)."""

    def forward(self, x):
        return x * torch.sigmoid(x)


x = torch.tensor([-1.0, 0.0, 1.0])
print([round(number, 4) for number in Swish()(x).tolist()])
verify("it is nn.SiLU", torch.allclose(Swish()(x), nn.SiLU()(x)))

# %% [markdown]
# Handing `nn.Sequential` a bare function fails, at once and clearly. A module shows up by its
# name when you print the network:

# %%
try:
    nn.Sequential(nn.Linear(3, 3), torch.relu)
except TypeError:
    print("TypeError: nn.Sequential takes modules, not functions")
print(nn.Sequential(nn.Linear(3, 3), Swish()))

# %% [markdown]
# A function called inside `forward` works just as well, but you do not see it: the printed model
# shows modules only. This network has two activations and a log-softmax, and admits none of them.
# The same goes for every tool that walks through modules, such as the hooks that hunt a nan
# below.


# %%
class FunctionalNet(nn.Module):
    """784-128-64-10 with the activations written inside forward."""

    def __init__(self):
        super().__init__()
        self.fc1, self.fc2, self.fc3 = nn.Linear(784, 128), nn.Linear(128, 64), nn.Linear(64, 10)

    def forward(self, x):
        x = F.relu(self.fc1(x))  # (N, 128)
        x = F.leaky_relu(self.fc2(x), negative_slope=0.01)  # (N, 64)
        return F.log_softmax(self.fc3(x), dim=-1)  # (N, 10), for nn.NLLLoss


print(FunctionalNet())
verify("no activation in the printed model", "ReLU" not in repr(FunctionalNet()))

# %% [markdown]
# ### A slope that learns
#
# Why fix LeakyReLU's slope at 0.01? Make it an `nn.Parameter`, and the optimizer finds it,
# because assigning a parameter to `self` puts it among `model.parameters()`; a plain tensor would
# stay where it is. The gradient of the slope is simple: on the negative side the output is slope
# · x, so each negative input contributes x. He et al. (2015) called this **PReLU**; PyTorch has
# it, starting at 0.25. Can it discover a slope of 0.6 from examples?


# %%
class LearnableLeaky(nn.Module):
    """LeakyReLU whose negative slope is a parameter."""

    def __init__(self, negative_slope=0.25):
        super().__init__()
        self.negative_slope = nn.Parameter(torch.tensor(negative_slope))

    def forward(self, x):
        return torch.where(x > 0, x, self.negative_slope * x)


# %%
x = torch.linspace(-2, 2, 101)
unit = LearnableLeaky()
verify("it equals nn.PReLU", torch.allclose(unit(x), nn.PReLU()(x)))
optimizer = torch.optim.SGD(unit.parameters(), lr=0.3)
for _ in range(50):
    loss = F.mse_loss(unit(x), F.leaky_relu(x, 0.6))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(f"slope: 0.25 -> {unit.negative_slope.item():.2f}")
verify("it has learned the slope 0.6", abs(unit.negative_slope.item() - 0.6) < 1e-3)

# %% [markdown]
# ### Your own backward pass, and what it saves
#
# To compute gradients, autograd keeps tensors from the forward pass until the backward pass has
# used them. In training these *saved tensors* often need far more memory than the weights: batch
# size times units times layers. For `x * torch.sigmoid(x)` autograd keeps two, x and σ(x),
# because the slope of a product needs both factors. A `torch.autograd.Function` decides for
# itself what to keep. Keep only x, compute σ(x) once more in the backward pass, and half of the
# memory is free.


# %%
class SwishFunction(torch.autograd.Function):
    """Swish that saves only its input."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * torch.sigmoid(x)

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        s = torch.sigmoid(x)
        return grad_output * s * (1 + x * (1 - s))


inputs = torch.randn(20, generator=generator, dtype=torch.float64, requires_grad=True)
verify("our backward pass passes gradcheck", gradcheck(SwishFunction.apply, inputs))

# %% [markdown]
# The price is a second sigmoid. What is the gain? A hook sees every tensor that autograd saves,
# so memory can be *counted* instead of believed. A tensor that is saved twice occupies memory
# once, so the function below counts each piece of storage once. The candidates: the naive
# formula, our function, and PyTorch's own.


# %%
def saved_megabytes(f, x):
    """Megabytes (10⁶ bytes) that autograd keeps for the backward pass of f(x)."""
    kept = {}

    def note(tensor):
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        result = f(x)
    total = sum(kept.values()) / 1e6
    del result  # it has kept the saved tensors alive until here
    return total


# %%
x = torch.randn(1_000_000, generator=generator).requires_grad_()  # 4 MB in float32
swishes = {"naive": Swish(), "our Function": SwishFunction.apply, "F.silu": F.silu}
megabytes = {name: saved_megabytes(f, x) for name, f in swishes.items()}
print(megabytes)
verify("our function keeps half of what the naive one keeps", megabytes["our Function"] == 4.0)
verify("and the native one keeps no more than ours", megabytes["F.silu"] == 4.0)

# %% [markdown]
# So the claim "a custom autograd function saves memory" is half true. It does, against a
# composition of several operations. PyTorch's own `F.silu` already has this trick built in. Write
# a `Function` for an operation that PyTorch does not have, and test it with `gradcheck`: a wrong
# backward pass does not crash, it trains badly.
#
# ### Exercise 02.4: the slope of Swish with β
#
# The original Swish has a parameter: x · σ(βx). Write `swish_slope(x, beta=1.0)`, its derivative
# with respect to x, by the product and chain rules. For β = 1 it must agree with the table.


# %% tags=["exercise"]
def swish_slope(x, beta=1.0):
    # your code here
    ...


exercises.swish_exercise.check(swish_slope)

# %% [markdown]
# ### How fast? Measure it properly
#
# A single run between two calls of a clock measures everything else, too: memory that is fetched
# for the first time, code that is loaded, another program that wakes up. On a GPU it measures
# nothing, because the call returns before the work is done. `torch.utils.benchmark.Timer` warms
# up, repeats until the measurement settles, synchronizes a GPU where there is one, and reports
# the median.

# %% tags=["nbval-ignore-output"]
from torch.utils import benchmark

x = torch.randn(1_000_000, generator=generator)
fresh = torch.nn.Softsign()  # a function that no cell above has called
start = time.perf_counter()
fresh(x)
once = time.perf_counter() - start
settled = benchmark.Timer("f(x)", globals={"f": fresh, "x": x}).blocked_autorange().median
print(f"first call {1e3 * once:.2f} ms, settled {1e3 * settled:.2f} ms")

# %% [markdown]
# Whichever function a careless benchmark calls first pays for things that have nothing to do with
# it. Run the lesson again, and the first number changes: sometimes it is ten times the second,
# sometimes hardly more. That alone disqualifies it. Now the fair comparison of PyTorch's versions
# with compositions by hand.

# %% tags=["nbval-ignore-output"]
by_composition = {
    "relu": lambda x: torch.where(x > 0, x, 0.0),
    "leaky_relu": lambda x: torch.where(x > 0, x, 0.01 * x),
    "elu": lambda x: torch.where(x > 0, x, torch.expm1(x.clamp(max=0))),
    "silu": lambda x: x * torch.sigmoid(x),
    "mish": lambda x: x * torch.tanh(F.softplus(x)),
}
milliseconds = {}
for name, composed in by_composition.items():
    for kind, f in {"native": activations.get(name), "composed": composed}.items():
        timer = benchmark.Timer("f(x)", globals={"f": f, "x": x})
        milliseconds[name, kind] = 1e3 * timer.blocked_autorange(min_run_time=0.05).median
    native, by_hand = milliseconds[name, "native"], milliseconds[name, "composed"]
    print(f"{name:10} native {native:.2f} ms, composed {by_hand:.2f} ms")

# %%
faster = 1.3 * milliseconds["relu", "native"] < milliseconds["relu", "composed"]
verify("relu: the native version is clearly faster than torch.where", faster)

# %% [markdown]
# Prefer the native function: it reads its input once, where a composition reads and writes
# several intermediate tensors. How much you gain depends on the function, the machine and the
# version, and it can be nothing at all: for an expensive function such as Mish, or for leaky ReLU
# on an old processor. Times are the one kind of number in this course that you will not see on
# your machine as printed here.

# %% [markdown]
# ## 7. Which one? Measure it
#
# **Does the choice matter on real data?** Take one architecture, eight activations, five seeds
# each, the same budget: three epochs of Adam (an optimizer that adapts its steps, lesson 3.9) at
# a learning rate of 0.003 on 3,500 digits. To be honest about it: this one rate was used for all
# and tuned for none.
#
# Why five seeds? Two runs of the *same* network with different initial weights can differ by a
# point, and deep ones by several. A difference between activations that is smaller than the
# difference between seeds tells nothing, so we always look at all five, from the worst to the
# best.
#
# The five train side by side. One more dimension in front, as in lesson 3.1: weights (S, in,
# out), and `@` multiplies matrix by matrix.


# %%
class ManyLinear(nn.Module):
    """S linear layers side by side: (N, in) or (S, N, in) -> (S, N, out)."""

    def __init__(self, n_in, n_out, generator, gain=None, copies=5):
        super().__init__()
        bound = n_in**-0.5 if gain is None else gain * (6 / (n_in + n_out)) ** 0.5
        W = bound * (2 * torch.rand(copies, n_in, n_out, generator=generator) - 1)
        self.W, self.b = nn.Parameter(W), nn.Parameter(torch.zeros(copies, 1, n_out))

    def forward(self, x):
        return x @ self.W + self.b  # (S, N, in) @ (S, in, out) + (S, 1, out) -> (S, N, out)


class Standardize(nn.Module):
    """Give each unit mean 0 and spread 1 over the batch."""

    def forward(self, z):
        return (z - z.mean(dim=-2, keepdim=True)) / (z.std(dim=-2, keepdim=True) + 1e-5)


# %% [markdown]
# Biases start at 0. Without a gain, the weights are drawn as `nn.Linear` draws them; with one, as
# Xavier initialization does. We need that and `Standardize` later in this section. A network is
# then a plain `nn.Sequential`. The loss of the five is their sum: no weight belongs to two
# networks, so each gets exactly the gradient that it would get alone.


# %%
def five_networks(activation, depth, gain=None, standardize=False):
    """Return five networks 784-64-…-64-10 with `depth` hidden layers: (N, 784) -> (5, N, 10)."""
    generator = torch.Generator().manual_seed(1)
    layers, n_in = [], 784
    for _ in range(depth):
        layers.append(ManyLinear(n_in, 64, generator, gain))
        layers += [Standardize()] if standardize else []
        layers.append(activation.build())
        n_in = 64
    return nn.Sequential(*layers, ManyLinear(n_in, 10, generator, gain)).to(device())


def summed_loss(logits, y):
    """Add the mean losses of S networks, so that each gets its own gradient: (S, N, C), (N,)."""
    copies = len(logits)
    return copies * F.cross_entropy(logits.flatten(0, 1), y.repeat(copies))  # (S·N, C), (S·N,)


# %%
def accuracy_of_five(activation, depth, lr=3e-3, **options):
    """Train five networks side by side; return their test accuracies, sorted: (5,)."""
    nets = five_networks(activation, depth, **options)
    optimizer = torch.optim.Adam(nets.parameters(), lr=lr)
    train_on_digits(nets, optimizer, loss_function=summed_loss)
    return test_accuracy(nets).sort().values


# %% [markdown]
# ### One hidden layer
#
# **Predict first.** One hidden layer of 64 units. How far apart are the best and the worst of the
# eight, in test accuracy? Sigmoid, with its small slopes, is among them, and so is Mish (Misra,
# 2019), proposed as an improvement on ReLU and Swish.

# %%
guess = ...  # "a": less than 4 points, "b": 4 to 20 points, "c": more than 20
exercises.spread.commit(guess)

# %%
eight = ("sigmoid", "tanh", "relu", "leaky_relu", "elu", "gelu", "silu", "mish")
shallow = {name: accuracy_of_five(activations.get(name), depth=1) for name in eight}
medians = torch.stack([runs.median() for runs in shallow.values()])
spread = (medians.max() - medians.min()).item()
print(f"best ≈{100 * medians.max():.1f} %, worst ≈{100 * medians.min():.1f} %")
verify("one hidden layer: the eight are within 4 points", spread < 0.04)
exercises.spread.reveal("a", "With one hidden layer it hardly matters.")

# %% [markdown]
# ### Six hidden layers
#
# Now the same with six hidden layers. From section 3 you know what the small default weights of
# `nn.Linear` do to gradients, for every activation; here all eight have to live with them.

# %%
deep = {name: accuracy_of_five(activations.get(name), depth=6) for name in eight}
others = torch.stack([runs for name, runs in deep.items() if name != "sigmoid"])
print(f"sigmoid: best of five ≈{deep['sigmoid'].max():.2f}")
print(f"others:  worst of thirty-five ≈{others.min():.2f}")
verify("no sigmoid network gets half of the digits right", deep["sigmoid"].max() < 0.5)
verify("every other network gets more than 60 % right", others.min() > 0.6)

# %%
fig, axes = plt.subplots(1, 2, figsize=(9.5, 3.8), sharey=True)
panels = {"1 hidden layer": shallow, "6 hidden layers": deep}
for ax, (title, results) in zip(axes, panels.items(), strict=True):
    for row, (name, runs) in enumerate(results.items()):
        color = activations.get(name).style["color"]
        ax.hlines(row, runs[0], runs[-1], color=color, linewidth=6, alpha=0.7)
    ax.set(title=title, xlabel="test accuracy", xlim=(0, 1))
    ax.axvline(0.1, color="gray", linestyle=":")
axes[0].set_yticks(range(8), [activations.get(name).name for name in eight])
axes[0].invert_yaxis()
plt.show()

# %% [markdown]
# Test accuracy of eight activations, each a bar from the worst to the best of five networks; the
# dotted line is guessing. On the left all eight nearly coincide. On the right sigmoid has
# collapsed towards guessing. The other seven lie close together, and most of their bars overlap,
# so a ranking of *those* from one seed ranks luck. Not all: here every tanh network is ahead of
# every ReLU network. But that holds for this depth, this rate and these default weights, which
# suit ReLU badly (lesson 3.4).
#
# Was it only the learning rate? Try two more for sigmoid. Then apply what section 3 suggests: in
# one run larger initial weights, four times Xavier's; in another a *standardization* of each
# unit's pre-activations over the batch, which removes the constant part and keeps the inputs
# where the slope is. (That is the core of batch normalization, lesson 3.8.)

# %%
sigmoid = activations.get("sigmoid")
rates = {lr: accuracy_of_five(sigmoid, depth=6, lr=lr) for lr in (1e-3, 1e-2)}
best_rate = max(runs.median().item() for runs in rates.values())
verify("neither of them lifts sigmoid's median to a half", best_rate < 0.5)
larger = accuracy_of_five(sigmoid, depth=6, gain=4.0)
standardized = accuracy_of_five(sigmoid, depth=6, standardize=True)
print(f"medians: gain 4 ≈{larger.median():.2f}, standardized ≈{standardized.median():.2f}")
verify("Xavier weights with gain 4 rescue every network", larger.min() > 0.6)
verify("standardized pre-activations do too", standardized.min() > 0.7)

# %% [markdown]
# So a sigmoid network of six hidden layers is not impossible, only fragile: the activation, the
# initial weights and the normalization share one task, to keep the gradient alive. Rules of thumb
# that survive these experiments:
#
# - **Hidden layers:** start with ReLU. In a transformer follow the model that you build on, often
#   GELU or SiLU (but `nn.TransformerEncoderLayer` defaults to ReLU). In an RNN or LSTM stay with
#   tanh and sigmoid. If units die, see section 4.
# - **Output:** choose by what the output *means*. Class scores: nothing, and CrossEntropyLoss. A
#   yes or no: nothing, and BCEWithLogitsLoss. Positive: softplus. Bounded: tanh. Any number:
#   nothing.
# - **Do not tune it first.** In this section larger initial weights, or standardization, moved
#   the sigmoid networks from near guessing to over 60 %; the choice among the other seven moved
#   the accuracy by a few points.
#
# Two of these defaults can be looked up in PyTorch itself:

# %%
verify("nn.RNN uses tanh by default", nn.RNN(2, 2).nonlinearity == "tanh")
verify(
    "nn.TransformerEncoderLayer uses ReLU by default",
    nn.TransformerEncoderLayer(d_model=4, nhead=1, batch_first=True).activation is F.relu,
)

# %% [markdown]
# ### Exercise 02.5: which function on which output?
#
# Four networks need an output.
#
# 1. Is this mail spam? Trained with `BCEWithLogitsLoss`.
# 2. One of ten digits. Trained with `CrossEntropyLoss`.
# 3. The expected number of calls per hour, which must be positive.
# 4. A steering command between −1 and 1.
#
# What comes after the last Linear layer during training?
#
# - **a)** (1) sigmoid, (2) softmax, (3) ReLU, (4) tanh
# - **b)** (1) nothing, (2) nothing, (3) softplus, (4) tanh
# - **c)** (1) nothing, (2) softmax, (3) softplus, (4) sigmoid
# - **d)** ReLU four times: it is the standard choice

# %% tags=["exercise"]
outputs = ...  # "a", "b", "c" or "d"

exercises.output_choice.check(outputs)

# %% [markdown]
# ## Common mistakes
#
# ### A NaN that nobody wrote
#
# Here is ELU as you would write it from the formula. On the grid below its values are right to
# six digits, and a test of values finds nothing. Then somebody forgets to divide the pixels by
# 255, another classic, and two harmless mistakes meet.


# %%
class WhereELU(nn.Module):
    """ELU, written as in the formula. It hides a trap."""

    def forward(self, x):
        return torch.where(x > 0, x, torch.exp(x) - 1)


x = torch.linspace(-100, 100, 2001)
verify("its values are those of F.elu", torch.allclose(WhereELU()(x), F.elu(x), atol=1e-6))

# %%
raw = 255 * X_train[:64]  # pixels from 0 to 255
net = two_layers(WhereELU(), seed=0)
optimizer = torch.optim.SGD(net.parameters(), lr=1e-3)
for step in range(2):
    loss = F.cross_entropy(net(raw), y_train[:64])
    print(f"step {step}: the loss is", "finite" if loss.isfinite() else "nan")
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

# %% [markdown]
# The loss is fine, and one step later it is nan, "not a number". From there it spreads: every sum
# and product with a nan is nan, so after one update all weights of a layer can be lost. The place
# where you *see* it is therefore never the place where it was *born*. Hunt it in three moves.
#
# **First: is it born in the forward pass?** Start again with fresh weights, and let a hook look
# at the output of every module. A forward hook is a function that PyTorch calls with each output.

# %%
net = two_layers(WhereELU(), seed=0)
finite = {}


def look(module, inputs, output):
    finite[type(module).__name__] = bool(output.isfinite().all())


for module in net:
    module.register_forward_hook(look)
loss = F.cross_entropy(net(raw), y_train[:64])
verify("every output of the forward pass is finite", all(finite.values()))

# %% [markdown]
# The forward pass is innocent. **Second: in the backward pass, from which layer on?** Gradients
# travel from the last layer to the first, so the first bad one *on their way* is the culprit.

# %%
loss.backward()
for name, parameter in net.named_parameters():
    print(f"{name:9} gradient", "finite" if parameter.grad.isfinite().all() else "has nan")
verify("the last layer's gradient is finite", bool(net[2].weight.grad.isfinite().all()))
verify("the first layer's is not", bool(net[0].weight.grad.isnan().any()))

# %% [markdown]
# Between layer 2 and layer 0 sits only the activation. **Third: which operation?** Ask autograd
# itself. With anomaly detection on, it checks every gradient that it computes and raises an error
# at the first nan, with the name of the operation. It is slow, and it warns that it is; we
# silence the warning, and use it only for the hunt.

# %%
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    try:
        with torch.autograd.set_detect_anomaly(True):
            F.cross_entropy(net(raw), y_train[:64]).backward()
        culprit = "nobody"
    except RuntimeError as error:
        culprit = str(error).split("'")[1]
print("autograd accuses", culprit)
verify("it is the exponential", culprit.startswith("Exp"))

# %% [markdown]
# `torch.where` computes *both* branches and picks afterwards. For x > 88.7, exp(x) is infinite in
# float32. The forward pass does not pick it, so you see nothing. But the backward pass goes
# through both branches: it multiplies the slope of the exponential, also infinite, by the 0 of
# "not picked", and 0 · ∞ is nan. There are two cures, and you need both: give the exponential an
# input that cannot be large, and scale your data.

# %%
x = torch.tensor([-1.0, 1.0, 100.0], requires_grad=True)
(trap,) = torch.autograd.grad(WhereELU()(x).sum(), x)
(cure,) = torch.autograd.grad(F.elu(x).sum(), x)
verify("WhereELU: the slope at 100 is nan", bool(trap[2].isnan()))
verify("F.elu: it is 1", cure[2] == 1)

# %% [markdown]
# ### Exercise 02.6: an ELU that survives large inputs
#
# Write `elu(x, alpha=1.0)`: x where x > 0, α(eˣ − 1) elsewhere. The gradient must be right for
# every finite input, also for x = 1000. Try to do it without looking back at section 2.


# %% tags=["exercise"]
def elu(x, alpha=1.0):
    # your code here
    ...


exercises.elu_exercise.check(elu)

# %% [markdown]
# ### "Safe" activations that hide the bug
#
# A remedy that you will find on the web is a "safe" activation that clamps its output. Feed it a
# nan, an infinity and a large number, and look at what it really does:


# %%
def safe_activation(x, eps=1e-6):
    """Does not do what its name says."""
    return torch.clamp(F.relu(x), max=1 / eps)


bad = torch.tensor([float("nan"), float("inf"), 5.0, 2e6])
print(safe_activation(bad).tolist())
x = torch.tensor([2e6], requires_grad=True)
(slope_above,) = torch.autograd.grad(safe_activation(x).sum(), x)
verify("nan passes straight through", bool(safe_activation(bad)[0].isnan()))
verify("an overflow becomes an innocent million", bool(safe_activation(bad)[1].isfinite()))
verify("and above a million the gradient is 0", slope_above.item() == 0)

# %% [markdown]
# It lets nan pass, the very thing it was meant to stop. It hides infinity, which is the earlier
# and more useful symptom. And where it clamps, its slope is 0, so the layer below stops learning,
# in silence. Comparing is no safer: nan > 0 is false, so a ReLU written with `torch.where` turns
# nan into a clean 0, and you train on garbage. `F.relu` passes it on, and that is a service. Do
# not clean a nan; *assert* that there is none, and find where it is born.


# %%
def assert_finite(tensor, name):
    """Stop at the first sign of trouble, with the name of the place."""
    if not tensor.isfinite().all():
        raise ValueError(f"{name} has {int((~tensor.isfinite()).sum())} values that are not finite")


verify("torch.where turns nan into 0", torch.where(bad > 0, bad, 0.0)[0].item() == 0)
verify("F.relu passes it on", bool(F.relu(bad)[0].isnan()))
try:
    assert_finite(bad, "hidden layer 1")
except ValueError as error:
    print(error)

# %% [markdown]
# ### LeakyReLU as a maximum
#
# max(ax, x) is a well-known one-liner for LeakyReLU. It is right for a ≤ 1 only: for larger
# slopes the two sides swap. That sounds harmless, because who would choose such a slope? PReLU
# might: its slope is learned, and nothing stops it at 1.

# %%
x = torch.tensor([-3.0, 3.0])
print("max(2x, x):        ", torch.maximum(2 * x, x).tolist())
print("LeakyReLU, slope 2:", F.leaky_relu(x, 2.0).tolist())
verify("right for a = 0.1", torch.allclose(torch.maximum(0.1 * x, x), F.leaky_relu(x, 0.1)))
verify("wrong for a = 2", not torch.allclose(torch.maximum(2 * x, x), F.leaky_relu(x, 2.0)))

# %% [markdown]
# ### Seen before in this lesson
#
# - Softmax before `CrossEntropyLoss`: [Softmax twice](#Softmax-twice).
# - `dim=0` or `dim=1` by habit: [The dim mistake](#The-dim-mistake).
# - Looking for activations in the printed model: [section 6](#6.-Your-own-activation).
# - Timing one call: [How fast?](#How-fast?-Measure-it-properly)

# %% [markdown]
# ## Key takeaways
#
# - Without a bend, any stack of linear layers is one linear layer
#   ([section 1](#1.-Why-a-network-needs-a-bend)).
# - An activation has two faces, the value and the slope, and learning depends on the slope
#   ([section 2](#2.-Thirteen-functions,-one-table)).
# - Sigmoid loses over half of the gradient in every layer, even with weights that suit it; tanh,
#   ReLU and GELU do not ([section 3](#3.-Saturation:-where-gradients-fade)).
# - A ReLU unit that is never positive gets a gradient of exactly zero. A smaller learning rate
#   prevents it, a slope on the left can undo it ([section 4](#4.-Dead-units)).
# - Softmax is for reporting probabilities; losses take logits. Softmax twice has a floor of 1.46
#   with ten classes ([Softmax twice](#Softmax-twice)).
# - An autograd function of your own saves memory against a naive composition, not against
#   PyTorch's version ([Your own backward pass](#Your-own-backward-pass,-and-what-it-saves)).
# - With one hidden layer eight activations end within four points. With six, sigmoid collapses
#   and the others overlap ([section 7](#7.-Which-one?-Measure-it)).
# - Find a nan where it is born; never clamp it away
#   ([A NaN that nobody wrote](#A-NaN-that-nobody-wrote)).
#
# ## Further exercises
#
# 1. Give each of the eight activations its own learning rate, chosen on `digits.validation`. Does
#    any ranking of the deep networks survive five new seeds?
# 2. SELU was designed to keep mean 0 and variance 1 by itself, with weights of variance 1/fan-in.
#    Test it with `gradient_by_layer` at 50 layers, against tanh and ReLU.
# 3. `nn.ReLU(inplace=True)` overwrites its input. Find out with `saved_megabytes` when this saves
#    memory, and construct a network in which it raises an error.
# 4. Invent an activation. Write it as a `Function`, pass `gradcheck`, compute its matched gain
#    and its factor per layer, and predict how it will do at six hidden layers before you train
#    it.
#
# **Reading.** X. Glorot and Y. Bengio, "Understanding the difficulty of training deep feedforward
# neural networks" (2010). K. He et al., "Delving deep into rectifiers" (2015): PReLU and the √2.
# D. Hendrycks and K. Gimpel, "Gaussian error linear units" (2016). P. Ramachandran, B. Zoph and
# Q. Le, "Searching for activation functions" (2017), for Swish.
#
# ## Your progress

# %%
from course_utils.exercises import progress

progress("02")

# %% [markdown]
# ## Next
#
# You can now choose what happens *inside* a layer.
# [Lesson 3.3, Architectures](03_architectures.ipynb), is about how layers are put together: in
# sequence, side by side, and with shortcuts that let gradients pass where even a good activation
# cannot.
