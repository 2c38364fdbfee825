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
# # 3.4 Weight initialization
#
# Before the first step of training, somebody has to choose the weights. The choice lasts for one
# moment, and in a shallow network you hardly notice it. In a network of twenty layers it decides
# whether the first gradient arrives at all. In this lesson you derive the right scale from one
# line about variances, test it in thirty layers, and then measure where it matters and where it
# does not.
#
# ## You will be able to
#
# - **explain** why weights must differ from each other, and why their scale must fit the layer;
# - **derive** Xavier's and Kaiming's formulas, and say which fan each of them uses;
# - **initialize** a model by module type, and check the result against what you expected;
# - **diagnose** a layer left at zero, a dead layer and a gradient that never came;
# - **start** an LSTM so that it can remember, and a new classifier from weights learned
#   elsewhere.
#
# ## Before you start
#
# You need the activations of [lesson 3.2](02_activations.ipynb), above all the slope that
# backpropagation multiplies by, and the variance of a random number. Shapes of weights are (out,
# in), as `nn.Linear` stores them.
#
# **Time:** about 100 minutes with all exercises; 50 if you only read, slide and run.

# %% [markdown]
# <!-- launch:start -->
# Open this lesson with `make lab LESSON=04`.
# <!-- launch:end -->

# %%
from course_utils import setup

setup()

# %% [markdown]
# The imports have two new faces. `initializers` is a table of recipes, from which section 4
# prints and checks itself; `inspection` looks into a running network, and you will meet it in
# every lesson from here on. Everything else you know: data, figures, and `verify`, which prints a
# claim only if it holds in your kernel.

# %%
import math
from itertools import pairwise

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from IPython.display import Markdown
from torch import nn

from course_utils import data, initializers, inspection, plotting, verify
from course_utils.exercises import initialization as exercises
from course_utils.explore import initialization as explorers

# %% [markdown]
# ## 1. Why not start at zero?
#
# **Zero is the most neutral number. What is wrong with it?** Take a network with one hidden
# layer, $\mathbf{h} = \text{ReLU}(W_1\mathbf{x})$ and logits $W_2\mathbf{h}$. Its gradients are
#
# $$
# \frac{\partial L}{\partial W_2} = \boldsymbol\delta\,\mathbf{h}^\top,
# \qquad
# \frac{\partial L}{\partial W_1} = \bigl(W_2^\top\boldsymbol\delta
# \odot \mathbf{1}[W_1\mathbf{x} > 0]\bigr)\,\mathbf{x}^\top .
# $$
#
# If all weights are zero, then **h** is zero, so the first gradient is zero; and $W_2$ is zero,
# so the second one is too. Nothing moves but the last bias. The digits are real ones, 3,500 to
# train on.

# %%
digits = data.mnist_5k()
X_train, y_train = digits.train.flat(), digits.train.labels  # (3500, 784), (3500,)
X_test, y_test = digits.test.flat(), digits.test.labels  # (1000, 784), (1000,)

# %% [markdown]
# The network is as small as it can be and still have a problem: 784 pixels, 32 hidden units, 10
# classes. `fill_all_weights` gives every weight the same value, and `percent_right` will tell us
# what became of it. Remember that a model which guesses gets about 10 % right.


# %%
def fill_all_weights(value, seed=0):
    """Return a 784-32-10 network whose weights all equal `value` and whose biases are zero."""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(784, 32), nn.ReLU(), nn.Linear(32, 10))
    for layer in (model[0], model[2]):
        nn.init.constant_(layer.weight, value)
        nn.init.zeros_(layer.bias)
    return model


def percent_right(model):
    """Percent of the 1,000 test digits that a model gets right."""
    with torch.no_grad():
        return 100 * (model(X_test).argmax(dim=1) == y_test).float().mean().item()


# %% [markdown]
# The functions of `nn.init` change a parameter in place and take care of `no_grad` for you; their
# names end in an underscore, as all in-place operations of PyTorch do. Send one batch through the
# zero network and look at the gradients.

# %%
zeros = fill_all_weights(0.0)
F.cross_entropy(zeros(X_train), y_train).backward()
for found in inspection.gradient_statistics(zeros):
    print(f"{found.name:9} gradient norm {found.norm:.3f}")
verify(
    "no weight gets any gradient", not (zeros[0].weight.grad.any() or zeros[2].weight.grad.any())
)

# %% [markdown]
# `inspection.gradient_statistics` walks through the parameters after `backward()` and notes the
# norm of each gradient; you will write its core yourself in an exercise. Now a constant that is
# not zero. Gradients flow, so it should learn. *Predict first:* how many of the 32 hidden units
# will differ from each other after three epochs?

# %%
guess = ...  # "a": all 32, "b": about half, "c": 10, "d": none, it is one unit 32 times
exercises.twins_guess.commit(guess)

# %% [markdown]
# The loop is the five lines that you know; only the optimizer is new. *Adam* scales each weight's
# step by the recent size of its gradients, so that small gradients do not mean small steps. It is
# a good choice for this lesson, because it takes away an excuse: if a network does not learn
# here, it is not because its steps were too short. (Lesson 3.9 takes Adam apart.) As in lesson
# 3.3, `fused=True` changes no rule; it lets Adam update all parameters in one call.


# %%
def train_epochs(model, X, y, epochs, lr, seed=0):
    """Train in place with Adam, in batches of 64; the seed decides the order of the batches."""
    optimizer = torch.optim.Adam(model.parameters(), lr=lr, fused=True)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(epochs):
        for X_batch, y_batch in data.batches(X, y, batch_size=64, generator=generator):
            loss = F.cross_entropy(model(X_batch), y_batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return model


# %% [markdown]
# Two networks of the same shape, with the same batches in the same order. One starts at 0.01
# everywhere, the other at PyTorch's random default. Then compare the 32 rows of the first weight
# matrix: a row holds the 784 weights of one hidden unit.

# %%
constant = train_epochs(fill_all_weights(0.01), X_train, y_train, epochs=3, lr=1e-3)
ordinary = nn.Sequential(nn.Linear(784, 32), nn.ReLU(), nn.Linear(32, 10))
train_epochs(ordinary, X_train, y_train, epochs=3, lr=1e-3)
rows = constant[0].weight.detach()  # (32, 784): one row for each hidden unit
spread = (rows - rows[0]).abs().max().item()

# %% [markdown]
# The largest difference between any unit and the first one is in `spread`. If the batches could
# pull the units apart, however little, it would show there.

# %%
exercises.twins_guess.reveal("d", "Equal weights get equal gradients, at every step.")
print(f"constant ≈{percent_right(constant):.0f} %, random ≈{percent_right(ordinary):.0f} %")
verify("all 32 units are still the same unit", spread < 1e-5)
verify("though they have moved", (rows[0] - 0.01).abs().max() > 0.01)
verify("the constant start gets fewer than 50 % right", percent_right(constant) < 50)
verify("random weights get more than 80 %", percent_right(ordinary) > 80)

# %% [markdown]
# Thirty-two units, and one idea among them. The network is not quite helpless, because one hidden
# unit still carries some information, but it can only sort the digits along a single line. Two
# units with the same weights compute the same value, receive the same gradient, and make the same
# step; no batch can tell them apart. That is the **symmetry** that random weights break. Biases
# need no help: once the weights differ, zero biases are fine, and they are the usual choice.
#
# Random weights do more than break the tie. They hand every unit a different question about the
# image, and training then only has to sharpen the useful ones. You saw in lesson 3.1 that spare
# hidden units are spare tickets in a lottery; equal weights would put all units on one ticket.
#
# So the weights must be random. How large?

# %% [markdown]
# ## 2. Too small, too large
#
# **What does the scale of the weights do in thirty layers?** Each network below has thirty layers
# of 256 units, biases of zero, and a random input of standard deviation 1. Only the
# initialization differs. We watch the activations on the way forward and the gradients on the way
# back.


# %%
def deep_stack(activation, fill, seed=0, depth=30, width=256):
    """Return `depth` linear layers, each followed by an activation, with weights from `fill`."""
    torch.manual_seed(seed)
    layers = []
    for _ in range(depth):
        linear = nn.Linear(width, width)
        fill(linear.weight)
        nn.init.zeros_(linear.bias)
        layers += [linear, activation()]
    return nn.Sequential(*layers)


# %% [markdown]
# Five ways to fill a weight. The first is the zero of section 1. The second is a number that you
# find in many old scripts, the third is only twenty times larger. The last two carry names that
# section 3 explains; for now take them as black boxes.

# %%
fills = {
    "zeros": nn.init.zeros_,
    "std 0.01": lambda w: nn.init.normal_(w, std=0.01),
    "std 0.2": lambda w: nn.init.normal_(w, std=0.2),
    "Xavier": nn.init.xavier_normal_,
    "Kaiming": lambda w: nn.init.kaiming_normal_(w, nonlinearity="relu"),
}

# %% [markdown]
# *Predict first:* thirty ReLU layers with the innocent-looking std of 0.01. What is the standard
# deviation of the last layer's output?

# %%
guess = ...  # "a": about 0.01, "b": about 0.0001, "c": about 1e-9, "d": below 1e-25
exercises.depth_guess.commit(guess)

# %% [markdown]
# To look inside we use **hooks**: functions that PyTorch calls whenever a module has run.
# `inspection.record` hangs one on every layer of a kind, collects the outputs and, if asked, the
# gradients with respect to them, and takes its hooks away at the end of the block, even if there
# was an error. The heart of it is two lines that you can write yourself:

# %%
seen = []
stack = deep_stack(nn.ReLU, fills["Kaiming"], depth=3)
handle = stack[5].register_forward_hook(lambda module, inputs, output: seen.append(output))
last = stack(torch.randn(4, 256))
handle.remove()
verify("the hook saw what the last layer gave", torch.equal(seen[0], last))

# %% [markdown]
# So a hook gets the module, its inputs and its output, and `remove` takes it away again; a
# forgotten hook keeps running, and keeps everything that it saw in memory. For the gradients we
# need something to start from. A real loss would do, but it would mix its own size into the
# result. Instead let a random gradient of size 1 arrive at the last layer, and see what is left
# of it at the first.


# %%
def look_inside(activation, fill, seed=0):
    """Statistics of activations and gradients at the 30 activations of a deep stack."""
    stack = deep_stack(activation, fill, seed)
    generator = torch.Generator().manual_seed(seed)
    x, at_the_end = torch.randn(2, 256, 256, generator=generator)  # (N, 256) each
    with inspection.record(stack, activation, gradients=True) as recording:
        stack(x).backward(at_the_end)
    return recording.statistics(keep_values=True), recording.gradient_statistics()


# %% [markdown]
# Two activations times five initializations make ten networks. For each we keep thirty records of
# the forward pass, and thirty of the backward pass.

# %%
inside = {
    (activation.__name__, name): look_inside(activation, fill)
    for activation in (nn.Tanh, nn.ReLU)
    for name, fill in fills.items()
}

# %% [markdown]
# First the numbers, one line for each network: how large are the activations after thirty layers,
# and how much of the gradient came back to layer 1, relative to layer 30? Read 3e-28 as 3 ·
# 10⁻²⁸.

# %%
exercises.depth_guess.reveal("d", "Every layer multiplies by about 0.11, thirty times over.")
for (activation, name), (forward, backward) in inside.items():
    ratio = backward[0].std / backward[-1].std if backward[-1].std else 0.0
    print(f"{activation}, {name:8}: layer 30 has std ≈{forward[-1].std:.0e};", end=" ")
    print(f"gradient at layer 1 / at layer 30 ≈{ratio:.0e}")

# %% [markdown]
# Then the picture. A standard deviation says how wide a distribution is, but not what it looks
# like, and the difference matters: tanh with large weights has a perfectly decent standard
# deviation. It is only that nearly every value sits at −1 or 1.

# %%
fig, axes = plt.subplots(2, 5, figsize=(10, 6.2), sharey=True)
for ax, ((activation, name), (forward, _)) in zip(axes.flat, inside.items(), strict=True):
    shown = [forward[layer - 1] for layer in (1, 8, 15, 22, 30)]
    labels = [f"layer {layer}" for layer in (1, 8, 15, 22, 30)]
    limits = (-1.05, 1.05) if activation == "Tanh" else (-0.2, 3.0)
    color = "purple" if activation == "Tanh" else "blue"
    plotting.layer_histograms(ax, shown, limits=limits, names=labels, color=color)
    ax.set_title(f"{activation}, {name}")
fig.supxlabel("activation")
plt.show()

# %% [markdown]
# The activations of five layers in ten networks, tanh above and ReLU below, each histogram with
# its standard deviation: with zeros nothing arrives, with std 0.01 the signal dies, with std 0.2
# tanh is driven to its ends and ReLU explodes. Xavier keeps tanh alive; under ReLU it fades as
# well, and only Kaiming keeps it level. (Exact zeros, half of a ReLU's values, are left out of
# the histograms.)

# %%
out = {key: forward[-1] for key, (forward, _) in inside.items()}
back = {key: b[0].std / b[-1].std for key, (_, b) in inside.items() if b[-1].std > 0}
verify("std 0.01: nothing is left", out["ReLU", "std 0.01"].std < 1e-25)
verify("std 0.2 and ReLU: ten billion", out["ReLU", "std 0.2"].std > 1e9)
verify("std 0.2 and tanh: a third is saturated", out["Tanh", "std 0.2"].share_saturated > 0.3)
verify("Xavier and tanh: between 0.05 and 0.3", 0.05 < out["Tanh", "Xavier"].std < 0.3)
verify("Xavier and ReLU: below 0.001", out["ReLU", "Xavier"].std < 1e-3)
verify("Kaiming and ReLU: between 0.2 and 2", 0.2 < out["ReLU", "Kaiming"].std < 2)

# %% [markdown]
# Two networks deserve a second look. Tanh with std 0.2 has a std of 0.85 in every layer, which
# looks healthy in a table of numbers, yet half of its values sit at the ends, where the slope is
# nearly zero, and its gradient grows by a factor of ten thousand on the way back: the few units
# that are not saturated have large weights to multiply by. And ReLU with Kaiming wobbles between
# 0.5 and 1. The theory keeps the *expected* mean square; a single random network of finite width
# wanders around it, the more the deeper and the narrower it is.
#
# You will read that bad initialization makes "weights vanish" or "explode". The weights do
# neither; they stay exactly as they were drawn. What vanishes is the *signal* on its way forward
# and the *gradient* on its way back, by one factor for each layer:

# %%
small = deep_stack(nn.ReLU, fills["std 0.01"])
weights = torch.cat(
    [layer.weight.detach().flatten() for layer in small if isinstance(layer, nn.Linear)]
)
verify("the weights still have std 0.01", abs(weights.std() - 0.01) < 1e-4)
verify("the gradient at layer 1 has vanished", back["ReLU", "std 0.01"] < 1e-25)
verify("with std 0.2 it has exploded", back["ReLU", "std 0.2"] > 1e8)
verify("with Kaiming it has not", 0.1 < back["ReLU", "Kaiming"] < 10)

# %% [markdown]
# Nor does a small scale kill units: about half of a ReLU's values are zero at *every* scale,
# because a positive factor does not change a sign, and hardly any unit is zero for all inputs.
# Units die of large negative biases or of large steps ([lesson 3.2](02_activations.ipynb)), or of
# weights that are all zero.

# %%
for name in ("std 0.01", "std 0.2", "Kaiming"):
    first = inside["ReLU", name][0][0]
    verify(f"{name}: half of the values are zero", 0.45 < first.share_zero < 0.55)
    verify(f"{name}: but no unit is dead", first.share_dead == 0)
verify("all weights zero: every unit is dead", out["ReLU", "zeros"].share_dead == 1)

# %% [markdown]
# Five settings are five points of a curve. Here is the whole curve.

# %%
explorers.scale()

# %% [markdown]
# Histograms of the activations and of the gradients in six of thirty layers, while you turn the
# scale of the weights; 1 is what the recipes of section 4 recommend. Halve it for ReLU, then for
# tanh: which one forgives more? Try sigmoid: its activations look healthy at every scale. Now
# look at its gradients.

# %% [markdown]
# ## 3. The arithmetic of variance
#
# **Which scale keeps the signal level?** Follow one unit of a linear layer,
# $z = \sum_{i=1}^{n} w_i x_i$, where n is the number of its inputs, the **fan-in**. The weights
# are drawn independently of each other and of the inputs, with mean 0. Then every product has
# mean $\mathbb{E}[w_i]\,\mathbb{E}[x_i] = 0$, products of different terms are uncorrelated, and
# the variances add up:
#
# $$
# \text{Var}(z) = \sum_{i=1}^{n} \text{Var}(w_i x_i)
# = \sum_{i=1}^{n} \mathbb{E}[w_i^2]\,\mathbb{E}[x_i^2] = n\,\text{Var}(w)\,\mathbb{E}[x^2].
# $$
#
# Note what stands at the end: the *mean square* of x, not its variance. For an input with mean 0
# they agree; after a ReLU they do not. The shapes: $\mathbf{x}$ is (n,), W is (out, n),
# $\mathbf{z}$ is (out,), and the formula speaks of each of its entries. Two assumptions went in:
# that the weights are independent with mean 0, which is how we draw them, and that they are
# independent of the inputs, which holds before training and not after it. So the formula is a
# statement about the first step, and only about that. Test it with inputs that are far from
# centered:

# %%
generator = torch.Generator().manual_seed(0)
x = torch.rand(400, 300, generator=generator, dtype=torch.float64) + 0.5  # (N, n), mean 1
W = 0.03 * torch.randn(500, 300, generator=generator, dtype=torch.float64)  # (out, n)
z = x @ W.T  # (400, 300) @ (300, 500) -> (400, 500)
predicted = 300 * 0.03**2 * x.square().mean()
print(f"Var(z): measured ≈{z.var():.3f}, predicted ≈{predicted:.3f}")
verify("Var(z) = n Var(w) E[x²], within 10 %", abs(z.var() / predicted - 1) < 0.1)
verify("with Var(x) in its place it is wrong by far", z.var() > 5 * 300 * 0.03**2 * x.var())

# %% [markdown]
# **The ½ of ReLU.** The next layer's input is $a = \max(0, z)$. The distribution of z is
# symmetric about 0, because flipping the signs of all weights flips z and is just as likely. So
# the positive half of z carries exactly half of the mean square, and the ReLU keeps only that
# half:
#
# $$
# \mathbb{E}[a^2] = \tfrac12\,\mathbb{E}[z^2] = \tfrac12\,\text{Var}(z).
# $$
#
# It is half of the mean *square* that survives. The variance of a is smaller still, because the
# mean of a is no longer 0; many texts mix the two up, and the next layer does not care about the
# variance of its input.
#
# A leaky ReLU with slope s keeps the other half too, reduced by s²:
# $\mathbb{E}[a^2] = \tfrac12(1+s^2)\,\text{Var}(z)$.

# %%
z = torch.randn(1_000_000, generator=generator, dtype=torch.float64)
verify("ReLU keeps half of the mean square", abs(F.relu(z).square().mean() - 0.5) < 0.005)
leaky = F.leaky_relu(z, 0.5).square().mean()
verify("slope 0.5 keeps (1 + 0.25)/2", abs(leaky - 0.625) < 0.005)
verify("but ReLU's variance is not a half", F.relu(z).var() < 0.36)

# %% [markdown]
# Put the two together. One layer turns the mean square $q$ of its input into
# $\tfrac12\,n\,\text{Var}(w)\,q$. It stays the same if and only if
#
# $$
# \text{Var}(w) = \frac{2}{n_\text{in}}, \qquad \text{std}(w) = \sqrt{\frac{2}{n_\text{in}}} .
# $$
#
# That is **Kaiming's** initialization (He et al., 2015), also called He's. The √2 is ReLU's
# **gain**. With 1/n instead of 2/n the mean square halves in each layer: after thirty layers
# 2⁻³⁰, about a billionth, and for the standard deviation its root, 2⁻¹⁵ ≈ 3·10⁻⁵. That is the
# number you saw for Xavier and ReLU.

# %%
verify("Xavier and ReLU: within a factor of 2 of 2⁻¹⁵", 0.5 < out["ReLU", "Xavier"].std * 2**15 < 2)

# %% [markdown]
# **Backward.** The gradient goes through the transposed matrix: each input i collects from all
# outputs, $\delta x_i = \sum_{j=1}^{m} w_{ji}\,\delta z_j$, where m is the number of outputs, the
# **fan-out**. The same sum of m uncorrelated products, and the slope of a ReLU is 1 for half of
# the units and 0 for the rest:
#
# $$
# \mathbb{E}[\delta x^2] = m\,\text{Var}(w)\,\mathbb{E}[\delta z^2], \qquad
# \mathbb{E}[\delta z^2] = \tfrac12\,\mathbb{E}[\delta a^2].
# $$
#
# So the gradient keeps its size if $\text{Var}(w) = 2/n_\text{out}$. Forward asks for the fan-in,
# backward for the fan-out. Check both on one layer that widens, 128 → 512:

# %%
W = torch.randn(512, 128, generator=generator, dtype=torch.float64) * (2 / 128) ** 0.5
x = torch.randn(1000, 128, generator=generator, dtype=torch.float64, requires_grad=True)
delta_a = torch.randn(1000, 512, generator=generator, dtype=torch.float64)
a = F.relu(x @ W.T)  # (1000, 128) @ (128, 512) -> (1000, 512)
a.backward(delta_a)

# %% [markdown]
# Now compare mean squares, on the way forward and on the way back. The layer was drawn with
# variance 2/fan_in, so theory says: factor 1 forward. Backward, each input collects from 512
# outputs instead of 128, so the factor should be 512/128.

# %%
forward = (a.square().mean() / x.square().mean()).item()
backward = (x.grad.square().mean() / delta_a.square().mean()).item()
print(f"mean squares: forward times ≈{forward:.2f}, backward times ≈{backward:.2f}")
verify("fan_in keeps the activations", abs(forward - 1) < 0.1)
verify("and multiplies the gradient by 512/128 = 4", abs(backward / 4 - 1) < 0.1)

# %% [markdown]
# **Xavier** (Glorot and Bengio, 2010) came five years earlier, for tanh, whose slope is 1 near
# zero: no ½, and a compromise between $1/n_\text{in}$ and $1/n_\text{out}$,
#
# $$
# \text{Var}(w) = \frac{2}{n_\text{in} + n_\text{out}} .
# $$
#
# In a square layer both fans agree, and forward and backward are satisfied at once. Is the choice
# of the fan important when they differ? Along a network the mismatches multiply to n_in/n_out of
# the whole, and cancel in between. Compare both modes in a network that widens step by step from
# 64 to 1024:


# %%
def end_to_end(mode, widths, seed=0):
    """Factors of the mean square through a ReLU network without biases: forward, backward."""
    torch.manual_seed(seed)
    x = torch.randn(200, widths[0], requires_grad=True)
    a = x
    for n_in, n_out in pairwise(widths):
        W = nn.init.kaiming_normal_(torch.empty(n_out, n_in), mode=mode, nonlinearity="relu")
        a = F.relu(a @ W.T)
    a.backward(torch.randn_like(a))
    return (a.square().mean() / x.square().mean()).item(), x.grad.square().mean().item()


# %% [markdown]
# Each step of this network doubles the width. With fan_in, the forward pass should stay level,
# and the gradient should grow by 2 in each of the four steps, 16 in all. With fan_out it should
# be the other way round.

# %%
for mode in ("fan_in", "fan_out"):
    forward, backward = end_to_end(mode, [64, 128, 256, 512, 1024])
    print(f"{mode:7}: forward times ≈{forward:.2f}, backward times ≈{backward:.2f}")
    kept, other = (forward, backward) if mode == "fan_in" else (backward, forward)
    verify(f"{mode} keeps one direction level", 0.5 < kept < 2)
    verify("and the other one is off by 16, up or down", 8 < max(other, 1 / other) < 32)

# %% [markdown]
# A factor of 16 in the mean square, 4 in the size, once and not per layer: any optimizer copes
# with that. Between inner layers the mode matters little. In the *last* layer, from hundreds of
# units to ten logits, it matters a great deal, as section 5 shows. Take fan_in unless you have a
# reason.

# %% [markdown]
# In the next explorer you set the gain g, with weights of std g/√n, and follow the mean square
# through up to sixty layers. The dashed line is the theory, computed without any network: it
# takes the mean square of one layer's input, integrates f(z)² over a normal z, and hands the
# result to the next layer.

# %%
explorers.gain_and_depth()

# %% [markdown]
# The mean square in each layer on a log axis, measured (dots) and by the formula (dashed), and
# the gradient relative to the last layer (dotted): straight lines, level only near the right
# gain. Find ReLU's gain to within a tenth. Then take tanh at gain 1: it does not fall on a
# straight line, but ever more slowly. Why? (Small activations stay in tanh's linear part.)

# %% [markdown]
# ### Exercise 04.1: Kaiming's standard deviation
#
# Write `kaiming_std(shape, mode="fan_in", slope=0.0)` for the shape of a weight: (out, in) of a
# linear layer, or (out, in, height, width) of a convolution, whose units sum over the whole
# kernel. Return gain / √fan with gain = √(2 / (1 + slope²)). `exercises.kaiming_exercise.hint()`
# helps.


# %% tags=["exercise"]
def kaiming_std(shape, mode="fan_in", slope=0.0):
    # your code here
    ...


exercises.kaiming_exercise.check(kaiming_std)

# %% [markdown]
# ## 4. The recipes
#
# **What does `nn.init` offer?** A *uniform* distribution within ±b has the standard deviation
# b/√3, so each formula comes in two forms, with the std or with the bound, √3 times larger. They
# do the same job. Here are the recipes; $n_\text{in}$ and $n_\text{out}$ are the fans, g the
# gain.

# %%
Markdown(initializers.table())

# %% [markdown]
# Nine rows, and none of them taken on trust: draw a matrix of 600 × 400 with each, and compare
# its standard deviation with the formula.

# %%
for entry in initializers.INITIALIZERS:
    w = entry.fill(torch.empty(600, 400))  # (out, in)
    expected = entry.std(400, 600)
    print(f"{entry.name:24} std ≈{w.std():.4f}   formula {expected:.4f}")
    verify(f"{entry.name}: within 2 %", abs(w.std().item() - expected) <= 0.02 * expected)

# %% [markdown]
# ### What PyTorch does by itself
#
# Create an `nn.Linear` and you get `kaiming_uniform_(weight, a=√5)`. That sounds like Kaiming,
# but the odd a = √5 turns the gain into √(2/(1+5)) = 1/√3. The bound is then √3 · gain / √n =
# 1/√n, and the standard deviation 1/√(3n): **√6 times smaller than Kaiming for ReLU.** It is a
# historical default (uniform within ±1/√n, as in LeCun et al., 1998), not a recommendation for
# deep ReLU networks. `nn.Conv2d` does the same with n = channels · height · width, and both draw
# their biases from the same range.

# %%
for layer in (nn.Linear(500, 300), nn.Conv2d(20, 300, 5)):
    n, kind = layer.weight[0].numel(), type(layer).__name__
    bound = layer.weight.abs().max().item() * n**0.5
    verify(f"{kind}: the bound is 1/√fan_in", 0.99 < bound <= 1.0001)
    verify(f"{kind}: the std is 1/√(3 fan_in)", abs(layer.weight.std() * (3 * n) ** 0.5 - 1) < 0.02)
    verify(f"{kind}: biases too", 0.9 < layer.bias.abs().max() * n**0.5 <= 1.0001)

# %% [markdown]
# How much signal is that? A layer with ReLU multiplies the mean square by ½ · n · 1/(3n) = 1/6.
# Biases add a little. Thirty layers:

# %%
stack = deep_stack(nn.ReLU, lambda w: nn.init.kaiming_uniform_(w, a=5**0.5))
x = torch.randn(256, 256)
measured = inspection.activation_statistics(stack, x, nn.ReLU)[-1].std
print(f"PyTorch's default after 30 ReLU layers: std ≈{measured:.0e}")
verify("it is about 6⁻¹⁵, a trillionth", 0.2 < measured * 6**15 < 5)

# %% [markdown]
# ### Orthogonal
#
# A square matrix Q is *orthogonal* if QᵀQ = I: it turns and reflects, and changes no length.
# Random weights of the right variance keep lengths only on average; an orthogonal matrix keeps
# each of them exactly, forward and backward, however many of them you multiply. That makes them
# attractive for recurrent networks, which multiply by the same matrix again and again (section
# 7), and for very deep plain ones. A rectangular one has orthonormal rows or columns, whichever
# are fewer.

# %%
Q = nn.init.orthogonal_(torch.empty(64, 64, dtype=torch.float64))
x = torch.randn(64, dtype=torch.float64)
verify("QᵀQ = I", torch.allclose(Q.T @ Q, torch.eye(64, dtype=torch.float64)))
verify("Q keeps lengths", torch.allclose((Q @ x).norm(), x.norm()))
wide = nn.init.orthogonal_(torch.empty(16, 64, dtype=torch.float64))
verify("16 × 64: the rows are orthonormal", torch.allclose(wide @ wide.T, torch.eye(16).double()))

# %% [markdown]
# The difference shows in a product of fifty matrices. Its *singular values* are the factors by
# which it stretches the different directions. For the orthogonal product all of them are 1. For
# random matrices of variance 1/n the average is kept, but a few directions take everything and
# the rest are flattened.

# %%
products = {}
for name, draw in {"orthogonal": nn.init.orthogonal_, "normal": nn.init.xavier_normal_}.items():
    product = torch.eye(64, dtype=torch.float64)
    for _ in range(50):
        product = draw(torch.empty(64, 64, dtype=torch.float64)) @ product
    products[name] = torch.linalg.svdvals(product)  # (64,), from largest to smallest

# %% [markdown]
# `svdvals` sorts them from the largest to the smallest. If the median is tiny, then half of all
# directions are practically lost after fifty layers: two inputs that differ only in these
# directions look the same to the rest of the network.

# %%
verify("orthogonal: all are 1", (products["orthogonal"] - 1).abs().max() < 1e-10)
verify("normal: the median direction is below 10⁻⁴", products["normal"].median() < 1e-4)
verify("and the largest is above 1", products["normal"][0] > 1)

# %% [markdown]
# ### Two traps in the signatures
#
# **The gain of a leaky ReLU.** `kaiming_normal_` has the defaults `a=0` and
# `nonlinearity="leaky_relu"`, which gives √2, the gain of a plain ReLU.
# `calculate_gain("leaky_relu")` without a number takes a slope of 0.01 instead. For a leaky ReLU
# with slope 0.3, say so: pass `a=0.3`.

# %%
gain = nn.init.calculate_gain
print(f"relu {gain('relu'):.4f}, leaky_relu {gain('leaky_relu'):.4f}, ", end="")
print(f"leaky_relu with 0.3 {gain('leaky_relu', 0.3):.4f}, tanh {gain('tanh'):.4f}")
verify("leaky, slope 0.3: √(2/1.09)", abs(gain("leaky_relu", 0.3) - (2 / 1.09) ** 0.5) < 1e-9)
default = nn.init.kaiming_normal_(torch.empty(800, 800)).std() * 800**0.5
verify("kaiming_normal_'s default gain is ReLU's √2", abs(default - 2**0.5) < 0.01)

# %% [markdown]
# "Xavier for tanh and sigmoid", you will read. For tanh it works, as section 2 showed, though the
# signal fades slowly; the 5/3 that `calculate_gain` offers is a compromise, with which it
# settles. For sigmoid no gain repairs a slope of at most ¼ and outputs around ½
# ([lesson 3.2](02_activations.ipynb)).

# %%
larger = look_inside(nn.Tanh, lambda w: nn.init.xavier_normal_(w, gain("tanh")))[0]
sigmoid = look_inside(nn.Sigmoid, nn.init.xavier_normal_)[1]
verify("tanh with 5/3 settles between 0.6 and 0.7", all(0.6 < s.std < 0.7 for s in larger[10:]))
verify("sigmoid with Xavier: the gradient vanishes", sigmoid[0].std < 1e-12 * sigmoid[-1].std)

# %% [markdown]
# **The bounds of a truncated normal.** `trunc_normal_(w, std=0.02)` cuts at a = −2 and b = 2: in
# *absolute* numbers, a hundred standard deviations away. Nothing is cut. If you mean ±2 standard
# deviations, write a = −0.04, b = 0.04, and expect a std of 0.88 · 0.02.

# %%
plain = nn.init.trunc_normal_(torch.empty(1000, 1000), std=0.02)
cut = nn.init.trunc_normal_(torch.empty(1000, 1000), std=0.02, a=-0.04, b=0.04)
verify("the default bounds cut nothing", plain.abs().max() > 0.08)
verify("explicit bounds do", cut.abs().max() <= 0.04 + 1e-6)
verify("and the std shrinks to 0.88 of 0.02", abs(cut.std() / 0.02 - 0.88) < 0.01)

# %% [markdown]
# ## 5. A real model: set, check, repair
#
# **How do you initialize a whole model, and how do you know that it worked?** `model.apply(f)`
# calls f on every module, however deeply it is nested, so f only has to decide by type. A first
# attempt, of a kind that is often copied:


# %%
def careless_init(module):
    """An often-seen version with three faults."""
    if isinstance(module, nn.Linear):
        nn.init.xavier_normal_(module.weight)
        nn.init.kaiming_normal_(module.weight, mode="fan_out")
        module.bias.data.fill_(0.01)


# %% [markdown]
# One: two initializations of the same tensor do not combine; the second overwrites the first.
# Two: fan_out. Three: a layer made with `bias=False` has `bias` None, and the function crashes on
# it.

# %%
layer = nn.Linear(100, 50)
careless_init(layer)
std = layer.weight.std().item()
verify("the last one wins: √(2/fan_out) = 0.2", abs(std - 0.2) < 0.01)
try:
    careless_init(nn.Linear(100, 50, bias=False))
    crashed = False
except AttributeError:
    crashed = True
verify("and it fails on a layer without bias", crashed)

# %% [markdown]
# ### Exercise 04.2: initialize by module type
#
# Write `init_weights(module)` for `model.apply(init_weights)`: Kaiming weights for ReLU with
# fan_in, and zero biases if there are any, in Linear and Conv2d layers. Every other module, such
# as a batch norm or an embedding, keeps what it has.


# %% tags=["exercise"]
def init_weights(module):
    # your code here
    ...


exercises.init_exercise.check(init_weights)

# %% [markdown]
# ### Expected and measured
#
# You may read that Kaiming's std should be "about 0.01". It should not: the std is gain/√fan, and
# differs from layer to layer. 0.01 would need a fan-in of 20,000. So print both, for the weights;
# biases and norm layers follow other rules. (A batch norm starts with weights of exactly 1.)

# %%
model = nn.Sequential(
    nn.Conv2d(1, 16, 5), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 32, 5, stride=2), nn.ReLU(),
    nn.Flatten(), nn.Linear(3200, 200), nn.ReLU(), nn.Linear(200, 10),
)  # fmt: skip
for layer in model:
    if isinstance(layer, (nn.Conv2d, nn.Linear)):
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")

# %% [markdown]
# Now the table that should become a habit. For each weight compute the fan-in from its shape, the
# std that you expect, and the std that is there. A small matrix may miss by a few percent,
# because a std that is estimated from n numbers is uncertain by about 1/√(2n).

# %%
for name, parameter in model.named_parameters():
    if parameter.ndim > 1:  # weights of layers; a norm's weight has one dimension
        fan_in = parameter[0].numel()
        expected, measured = (2 / fan_in) ** 0.5, parameter.std().item()
        print(f"{name:9} fan_in {fan_in:4}   expected {expected:.3f}   measured ≈{measured:.3f}")
        verify("within 15 %", abs(measured / expected - 1) < 0.15)
verify("0.01 would need a fan-in of 20,000", math.isclose((2 / 20_000) ** 0.5, 0.01))

# %% [markdown]
# ### The first loss
#
# The cheapest test of an initialization is the loss before training. A model that knows nothing
# should give all ten classes about the same probability, that is 1/10, at a loss of −ln(1/10) =
# ln 10 ≈ 2.303. Much more means that the logits are already large: the model is sure of nonsense,
# and its first steps go into unlearning it. Here is where fan_out does harm.

# %%
first_loss = {"default": [], "fan_in": [], "fan_out": []}
for mode, losses in first_loss.items():
    for seed in range(5):
        torch.manual_seed(seed)
        model = nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10))
        for layer in (model[0], model[2]) if mode != "default" else ():
            nn.init.kaiming_normal_(layer.weight, mode=mode, nonlinearity="relu")
        with torch.no_grad():
            losses.append(F.cross_entropy(model(X_train), y_train).item())

# %% [markdown]
# Each list now holds the first losses of five random networks that have not seen a single step.
# Compare them with ln 10.

# %%
for mode, losses in first_loss.items():
    print(f"{mode:8} first loss from ≈{min(losses):.2f} to ≈{max(losses):.2f}")
verify("PyTorch's default starts within 0.1 of ln 10", max(first_loss["default"]) < 2.4)
verify("Kaiming with fan_in within 0.5", max(first_loss["fan_in"]) < 2.8)
verify("fan_out starts above 3.5", min(first_loss["fan_out"]) > 3.5)

# %% [markdown]
# fan_out gives the last layer a std of √(2/10) = 0.45 where fan_in gives √(2/256) = 0.09. And no
# ReLU follows the last layer, so even the 2 is too much there. "Kaiming everywhere" is therefore
# not the best rule: **Kaiming for the hidden layers, a smaller scale, such as PyTorch's default,
# for the output.**

# %% [markdown]
# ### Exercise 04.3: find the layer that was left at zero
#
# A zero layer is easy to leave behind: `torch.zeros` in a custom module, a freshly added head, an
# `apply` that overwrote too much. Write `zero_layers(model)`: the names of all modules, at any
# depth, whose `weight` is zero everywhere. Zero biases are fine.


# %% tags=["exercise"]
def zero_layers(model):
    # your code here
    ...


exercises.zero_exercise.check(zero_layers)

# %% [markdown]
# ### None, zero, or frozen
#
# After the first backward pass, look at the gradients. Three findings look alike at first and
# mean different things. **None:** backward never came by; the parameter took no part in the loss.
# **Zero:** it came and brought nothing; the units are dead, or the layer after it is zero.
# **Frozen:** you asked for none. A test for None alone calls a dead layer healthy. Here is a
# network with one of each.

# %%
torch.manual_seed(0)
sick = nn.ModuleDict({
    "first": nn.Linear(784, 32), "second": nn.Linear(32, 32), "head": nn.Linear(32, 10),
    "forgotten": nn.Linear(32, 32),
})  # fmt: skip
nn.init.constant_(sick["second"].bias, -10.0)  # every unit is dead
sick["head"].weight.requires_grad_(False)  # frozen

# %% [markdown]
# Before you run the next cell, go through the layers and say which gradient you expect: a number,
# zero or None? Mind the layer *before* the dead one. Nothing is wrong with its own units.

# %%
h = F.relu(sick["second"](F.relu(sick["first"](X_train))))  # "forgotten" is never called
F.cross_entropy(sick["head"](h), y_train).backward()
for found in inspection.gradient_statistics(sick):
    norm = "None" if found.norm is None else f"≈{found.norm:.3f}" if found.norm else "0"
    print(f"{found.name:16} trainable {found.trainable!s:5}  norm {norm}")

# %% [markdown]
# The dead layer cuts off every layer before it. That is why one looks for the *last* layer with a
# zero gradient, counted from the input: the cause is there, or just after it, and the layers
# before it are only victims.

# %%
norms = {found.name: found.norm for found in inspection.gradient_statistics(sick)}
verify("the forgotten layer has no gradient", norms["forgotten.weight"] is None)
verify("the dead layer has a gradient of exactly zero", norms["second.weight"] == 0)
verify("and so has the layer before it", norms["first.weight"] == 0)
verify("the head's bias is alive", norms["head.bias"] > 0)

# %% [markdown]
# (This is not "gradient checking": that compares gradients with finite differences, and belongs
# to lesson 3.7. Here we only ask whether gradients arrive.)
#
# ### Exercise 04.4: the hunt for missing gradients
#
# Write `gradient_report(model)`, to be called after `backward()`: a dictionary from each
# parameter's name to `"frozen"`, `"none"`, `"zero"` (every entry is zero) or `"ok"`.


# %% tags=["exercise"]
def gradient_report(model):
    # your code here
    ...


exercises.report_exercise.check(gradient_report)

# %% [markdown]
# ### Before you train: five looks
#
# 1. **Expected std beside measured std**, for every weight with two or more dimensions. A layer
#    that was missed by the initialization shows up at once.
# 2. **Activations of one batch**, layer by layer: is the std level, is a unit dead, is anything
#    saturated or not finite?
# 3. **The first loss**: near ln C for C classes, or near the variance of the targets for a
#    squared error.
# 4. **Gradients after the first backward pass**: no None that you did not intend, no exact zeros,
#    and sizes that do not change by a power of ten from layer to layer.
# 5. **The same again after a few steps.** A start that looks healthy can still be spoiled by a
#    learning rate that is too large.
#
# None of them takes a minute, and they find different faults: a hidden layer at zero hides behind
# a perfect first loss of ln 10, and an oversized head behind gradients that all arrive. We cannot
# promise that a network which passes all five will learn; one that fails any of them deserves a
# second look.
#
# ## 6. Does it matter? Measure it
#
# **Does the initialization decide between success and failure?** Four initializations, two
# depths, five seeds each, the same three epochs of Adam at the learning rate 0.001, tuned for
# none of them. To be quick, the digits are shrunk to 14 × 14 pixels, and all twenty networks
# train side by side: one more dimension in front, as in lesson 3.1.
#
# From here on the lesson uses one processor thread. A step multiplies many small matrices, and
# sharing such crumbs among several threads can take many times longer than doing the work.


# %%
torch.set_num_threads(1)


def shrink(images):
    """Average 2 × 2 pixels, standardize with MNIST's mean and std: (N, 28, 28) -> (N, 196)."""
    return (F.avg_pool2d(images[:, None], 2).flatten(1) - 0.131) / 0.28


small_train = shrink(digits.train.images).double()
small_test = shrink(digits.test.images).double()

# %% [markdown]
# `side_by_side` draws the weights. A *rule* is a function of the two fans that returns a std. For
# each layer there are S matrices in one tensor, five seeds of the first rule, then five of the
# second, and so on.


# %%
def side_by_side(stds, widths, seeds=5):
    """Weights (S, in, out) and zero biases, a group of `seeds` networks for each rule in `stds`."""
    weights, biases = [], []
    for layer, (n_in, n_out) in enumerate(pairwise(widths)):
        draws = []
        for rule in stds:
            for seed in range(seeds):
                g = torch.Generator().manual_seed(1000 * seed + layer)
                w = torch.randn(n_in, n_out, generator=g, dtype=torch.float64)
                draws.append(w * rule(n_in, n_out))
        weights.append(torch.stack(draws).requires_grad_())
        biases.append(torch.zeros(len(draws), 1, n_out, requires_grad=True, dtype=w.dtype))
    return weights, biases


# %% [markdown]
# All rules start from the *same* random numbers and only scale them, so that no rule has a
# luckier draw. The forward pass multiplies (S, N, in) by (S, in, out). We compute in float64:
# twenty layers amplify even rounding errors, and this way your curves are the page's curves. The
# switch `normalize` is for later.


# %%
def forward_all(weights, biases, x, normalize=False):
    """Logits of S ReLU networks: (N, 196) -> (S, N, 10)."""
    a = x.expand(len(weights[0]), *x.shape)  # (S, N, 196)
    for layer, (W, b) in enumerate(zip(weights, biases, strict=True)):
        z = torch.baddbmm(b, a, W)  # (S, N, in) @ (S, in, out) + (S, 1, out)
        if layer == len(weights) - 1:
            return z
        if normalize:  # each unit over the batch: mean 0, std 1
            z = (z - z.mean(1, keepdim=True)) / (z.var(1, keepdim=True) + 1e-5).sqrt()
        a = F.relu(z)


# %% [markdown]
# `race` is the training loop once more, with a sum over the networks as its loss, so that each
# network receives its own gradient and nothing else. It measures the accuracy of all networks
# before the first epoch and after each.


# %%
def race(stds, widths, lr=1e-3, epochs=3, seeds=5, normalize=False):
    """Train all networks side by side: test accuracy in percent, (rules, seeds, epochs + 1)."""
    weights, biases = side_by_side(stds, widths, seeds)
    optimizer = torch.optim.Adam(weights + biases, lr=lr, fused=True)
    generator = torch.Generator().manual_seed(0)
    curve = [accuracies(weights, biases, normalize)]
    for _ in range(epochs):
        for X, y in data.batches(small_train, y_train, batch_size=64, generator=generator):
            logits = forward_all(weights, biases, X, normalize)
            loss = F.cross_entropy(logits.flatten(0, 1), y.repeat(len(logits)), reduction="sum")
            optimizer.zero_grad()
            (loss / len(y)).backward()  # a sum over networks: each gets its own gradient
            optimizer.step()
        curve.append(accuracies(weights, biases, normalize))
    return torch.stack(curve, dim=1).reshape(len(stds), seeds, epochs + 1)


@torch.no_grad()
def accuracies(weights, biases, normalize=False):
    """Percent of the test digits that each network gets right: (S,)."""
    logits = forward_all(weights, biases, small_test, normalize)
    return 100 * (logits.argmax(dim=2) == y_test).float().mean(dim=1)


# %% [markdown]
# Four rules. PyTorch's uniform default is represented by a normal distribution of the same std,
# so that all four can share their random numbers.

# %%
rules = {
    "std 0.01": lambda n_in, n_out: 0.01,
    "PyTorch's std": lambda n_in, n_out: (3 * n_in) ** -0.5,
    "Xavier": lambda n_in, n_out: (2 / (n_in + n_out)) ** 0.5,
    "Kaiming": lambda n_in, n_out: ((2 if n_out > 10 else 1) / n_in) ** 0.5,
}
deep = race(list(rules.values()), [196] + 19 * [48] + [10])

# %% [markdown]
# ("Kaiming" here follows the rule of section 5: gain √2 for the hidden layers, 1 for the ten
# logits.) *Predict first:* the same with one hidden layer. How far apart will the medians be?

# %%
guess = ...  # "a": as far as in the deep one, "b": 20-40 points, "c": 5-20, "d": less than 5
exercises.shallow_guess.commit(guess)

# %% [markdown]
# One cell trains the shallow networks and draws both results, with one color and line style for
# each rule.

# %%
shallow = race(list(rules.values()), [196, 48, 10])
fig, axes = plt.subplots(1, 2, figsize=(9.5, 3.9), sharey=True)
looks = [("vermillion", ":"), ("black", "-."), ("orange", "--"), ("blue", "-")]
for ax, runs, title in zip(axes, (shallow, deep), ("2 layers", "20 layers"), strict=True):
    for name, group, (color, linestyle) in zip(rules, runs, looks, strict=True):
        plotting.band(ax, range(4), group, label=name, color=color, linestyle=linestyle)
    ax.set(title=title, xlabel="epochs", xticks=range(4), ylim=(0, 100))
axes[0].set_ylabel("test accuracy (%)")
axes[0].legend(loc="lower right")
plt.show()

# %% [markdown]
# Test accuracy by initialization, median and range of five seeds: with 2 layers the curves run
# together, with 20 layers Kaiming learns, Xavier follows at a distance, and the two smaller
# scales stay at guessing, or just above. Adam rescales small gradients, and it does not help:
# what reaches the output carries no trace of the input any more.

# %% [markdown]
# Now the claims, one by one, with room for other machines. The comparison is between medians and
# worst cases, not between lucky runs.

# %%
last = {name: runs[:, -1] for name, runs in zip(rules, deep, strict=True)}
medians = shallow[:, :, -1].median(dim=1).values
exercises.shallow_guess.reveal("d", "With one hidden layer the initialization hardly matters.")
print("20 layers:", {name: f"≈{runs.median():.0f} %" for name, runs in last.items()})
verify("2 layers: the medians are within 5 points", medians.max() - medians.min() < 5)
between_seeds = deep[3, :, 1].max() - deep[3, :, 1].min()
verify("after one epoch Kaiming's seeds differ by over 4 points", between_seeds > 4)
verify("20 layers: every Kaiming start exceeds 60 %", last["Kaiming"].min() > 60)
small = max(last["PyTorch's std"].median(), last["std 0.01"].median())
verify("PyTorch's std and 0.01: the medians stay below 20 %", small < 20)
verify("Xavier's median is between", 20 < last["Xavier"].median() < last["Kaiming"].median() - 5)

# %% [markdown]
# Look at the width of the bands as well. In the shallow network the five seeds nearly coincide;
# in the deep one, after the first epoch, about ten points lie between the best and the worst seed
# of one and the same rule, and Xavier's luckiest start ends beside Kaiming's. A single run of
# each could have told a different story.
#
# So "initialization decides between success and failure" is true of twenty plain layers and false
# of two. Nor is any of these starts *optimal*: they only have a sensible scale, and several
# sensible scales tie.
#
# ### Normalization forgives
#
# If every layer standardizes its units over the batch, the scale of the weights before it
# cancels. (That is the core of batch normalization, lesson 3.8.) Multiply Kaiming's hidden
# weights by factors from 1/20 to 20, with and without, in eight layers:

# %%
factors = (0.05, 0.25, 1.0, 4.0, 20.0)
scaled = [
    lambda n_in, n_out, f=factor: (f * (2 / n_in) ** 0.5) if n_out > 10 else n_in**-0.5
    for factor in factors
]
widths = [196] + 7 * [48] + [10]
plain = race(scaled, widths, lr=3e-3, seeds=3)[:, :, -1]  # (5, 3)
normalized = race(scaled, widths, lr=3e-3, seeds=3, normalize=True)[:, :, -1]

# %% [markdown]
# The last layer keeps its scale in all of them, so that only the hidden weights differ, and the
# three seeds use the same random numbers for every factor.

# %%
fig, ax = plt.subplots(figsize=(6.5, 3.6))
plotting.band(ax, factors, plain.T, label="plain", color="purple", linestyle="--")
plotting.band(ax, factors, normalized.T, label="standardized", color="green")
ax.set(xscale="log", xlabel="weights / Kaiming's", ylabel="test accuracy (%)", ylim=(0, 100))
ax.set_xticks(factors, [f"{factor:g}" for factor in factors])
ax.minorticks_off()
ax.legend(loc="lower center")
plt.show()

# %% [markdown]
# Accuracy against the scale of the hidden weights, eight layers, median and range of three seeds:
# the plain networks have a narrow peak at 1, the standardized ones a broad plateau. It is not
# infinitely broad. Adam's steps have about the same length whatever the weights, so weights that
# are twenty times larger turn twenty times more slowly: a large initial scale acts like a small
# learning rate.

# %%
plain_worst = plain[[0, 1, 3, 4]].median(dim=1).values  # off the recommended scale
normal_worst = normalized[[0, 1, 3]].min()
print("plain:       ", [f"≈{value:.0f} %" for value in plain.median(dim=1).values])
print("standardized:", [f"≈{value:.0f} %" for value in normalized.median(dim=1).values])
verify("plain: at 1/20 nothing is learned", plain[0].median() < 20)
verify("standardized: above 65 % from 1/20 to 4", normal_worst > 65)
verify("plain: the recommended scale is the best", plain[2].median() > plain_worst.max())

# %% [markdown]
# ### Let the data choose: LSUV
#
# What if nobody has derived the gain of your activation? Then measure it. *Layer-sequential unit
# variance* (Mishkin and Matas, 2016): start orthogonal, send one batch through the layers, and
# divide each layer's weights by the standard deviation that comes out. Ten lines, shown for SiLU,
# for which `calculate_gain` knows no number.


# %%
@torch.no_grad()
def lsuv(stack, x, rounds=3):
    """Scale each linear layer of a Sequential until its outputs have std 1 on x (N, D)."""
    for layer in stack:
        if isinstance(layer, nn.Linear):
            nn.init.orthogonal_(layer.weight)
            for _ in range(rounds):  # the bias may shift it, so repeat
                layer.weight /= layer(x).std()
        x = layer(x)
    return stack


# %% [markdown]
# Orthogonal weights without a gain are the control. And a fair test needs new data: it would be
# no surprise if the batch that set the scale looked good.

# %%
batch = torch.randn(256, 256, generator=generator)
orthogonal = deep_stack(nn.SiLU, nn.init.orthogonal_)
scaled_stack = lsuv(deep_stack(nn.SiLU, nn.init.orthogonal_), batch)
fresh = torch.randn(256, 256, generator=generator)  # data that LSUV has not seen
before = inspection.activation_statistics(orthogonal, fresh, nn.Linear)
after = inspection.activation_statistics(scaled_stack, fresh, nn.Linear)

# %% [markdown]
# The norm of an orthogonal 256 × 256 matrix is √256 = 16, so the norm after LSUV, divided by 16,
# is the gain that it has found. The first layer sees a raw input of std 1 and needs a gain of
# about 1; the others have a SiLU in front of them.

# %%
gains = [layer.weight.norm().item() / 16 for layer in scaled_stack if isinstance(layer, nn.Linear)]
print(f"std in layer 30: orthogonal ≈{before[-1].std:.0e}, LSUV ≈{after[-1].std:.2f}")
print(f"the gains that it found: from ≈{min(gains[1:]):.2f} to ≈{max(gains[1:]):.2f}")
verify("orthogonal alone fades", before[-1].std < 1e-6)
verify("LSUV keeps every layer near 1, on new data", all(0.5 < s.std < 2 for s in after))
verify("all gains but the first lie between 1.2 and 2", 1.2 < min(gains[1:]) and max(gains[1:]) < 2)

# %% [markdown]
# Could you have known? The arithmetic of section 3 asks for g² E[f(z)²] = 1. For SiLU there is no
# ½ to read off, but the mean square over a million normal numbers is quickly taken. LSUV finds
# about the same number without asking which function it is, and it would also find the gain of a
# block that nobody can integrate.

# %%
z = torch.randn(1_000_000, generator=generator)
needed = F.silu(z).square().mean().item() ** -0.5
found = sum(gains[1:]) / 29
print(f"gain by the formula ≈{needed:.2f}, mean of LSUV's ≈{found:.2f}")
verify("they agree within 20 %", abs(found / needed - 1) < 0.2)

# %% [markdown]
# ## 7. LSTM and GRU
#
# **Why do recurrent networks need more care?** They apply the same weights at every time step, so
# a sequence of 100 steps is a network of 100 layers, and all of them share one matrix. Random
# deviations, which differ from layer to layer in a plain network and partly cancel, here push in
# the same direction every time. An LSTM keeps a cell **c** that each step multiplies by a *forget
# gate* f between 0 and 1:
#
# $$
# \mathbf{c}_t = \mathbf{f}_t \odot \mathbf{c}_{t-1} + \mathbf{i}_t \odot \mathbf{g}_t,
# \qquad
# \mathbf{f}_t = \sigma(W_{if}\mathbf{x}_t + \mathbf{b}_{if}
# + W_{hf}\mathbf{h}_{t-1} + \mathbf{b}_{hf}).
# $$
#
# PyTorch stores the four gates on top of each other in the order **input, forget, cell (g),
# output**: `weight_ih_l0` is (4H, D), `weight_hh_l0` (4H, H), and there are *two* bias vectors of
# length 4H, which are added. So the forget gate's bias is the second quarter, in both of them.
# Let a tiny LSTM with zero weights prove it.


# %%
def forget_value(b_ih, b_hh):
    """What one step of a zero-weight LSTM keeps of a cell of 1, for these forget biases."""
    lstm = nn.LSTM(1, 3)
    for parameter in lstm.parameters():
        nn.init.zeros_(parameter)
    nn.init.constant_(lstm.bias_ih_l0.chunk(4)[1], b_ih)  # chunks: input, forget, cell, output
    nn.init.constant_(lstm.bias_hh_l0.chunk(4)[1], b_hh)
    state = torch.zeros(1, 1, 3), torch.ones(1, 1, 3)  # h, c
    _, (_, c) = lstm(torch.zeros(1, 1, 1), state)
    return c.mean().item()


# %% [markdown]
# Start the cell at 1, give it nothing, and see what one step keeps. With no input and no state,
# the forget gate is σ of its bias and nothing else.

# %%
print(f"bias 1 in one vector: {forget_value(1, 0):.3f}, in both: {forget_value(1, 1):.3f}")
sigma = lambda b: 1 / (1 + math.exp(-b))
verify("one vector: σ(1) = 0.731", abs(forget_value(1, 0) - sigma(1)) < 1e-6)
verify("both vectors: σ(2) = 0.881", abs(forget_value(1, 1) - sigma(2)) < 1e-6)
largest = max(parameter.abs().max().item() for parameter in nn.LSTM(8, 25).parameters())
verify("by default all parameters are within 1/√H", 0.19 < largest <= 0.2)

# %% [markdown]
# A fresh `nn.LSTM` draws everything, biases too, uniformly within ±1/√H, so its forget gates
# start near σ(0) = ½. And this is the classic trap: a loop that sets the forget quarter of
# *every* parameter named "bias" to 1 sets it twice, and the gate starts at σ(2), not σ(1).
#
# ### How long does it remember?
#
# With forget bias b, each step keeps σ(b) of the cell, and the gradient along the cell shrinks by
# the same factor. After 100 steps: σ(0)¹⁰⁰ ≈ 10⁻³⁰, σ(1)¹⁰⁰ ≈ 10⁻¹⁴, σ(5)¹⁰⁰ ≈ 0.51. So the
# famous "set it to 1" is a rule for short memories. To keep a fraction 1/e over T steps you need
# σ(b) ≈ 1 − 1/T, that is **b ≈ ln T** (Tallec and Ollivier, 2018): 3 for 20 steps, 4.6 for 100.

# %%
T = 100
for b in (0.0, 1.0, math.log(T), 5.0):
    print(f"forget bias {b:.1f}: {sigma(b):.3f} per step, {sigma(b) ** T:.0e} after {T} steps")
verify("b = ln T keeps about 1/e", abs(sigma(math.log(T)) ** T - math.exp(-1)) < 0.01)

# %% [markdown]
# Does it show in training? The task: the first of 100 inputs is a pulse, +3 or −3; then come 99
# steps of weak noise; at the end, say which it was. One LSTM with 16 units, 100 steps of Adam,
# five seeds.


# %%
class BitMemory(nn.Module):
    """An LSTM that answers after the last step: (N, T, 2) -> (N,)."""

    def __init__(self, forget_bias, hidden=16):
        super().__init__()
        self.lstm, self.head = nn.LSTM(2, hidden, batch_first=True), nn.Linear(hidden, 1)
        with torch.no_grad():
            for bias in (self.lstm.bias_ih_l0, self.lstm.bias_hh_l0):
                bias.zero_()
            self.lstm.bias_ih_l0[hidden : 2 * hidden] = forget_bias  # once, in one vector
            for block in self.lstm.weight_hh_l0.chunk(4):
                nn.init.orthogonal_(block)  # gate by gate

    def forward(self, x):
        return self.head(self.lstm(x)[0][:, -1]).squeeze(1)  # the last step: (N, H) -> (N,)


# %% [markdown]
# `pulses` makes the sequences: channel 0 carries the pulse in the first step and is silent
# afterwards, channel 1 carries noise. A network that ignores time cannot solve it, and one that
# forgets can only guess, at 50 %.


# %%
def pulses(count, generator, steps=100):
    """Sequences (N, T, 2) with a pulse in front and noise behind, and the answers (N,)."""
    answer = torch.randint(0, 2, (count,), generator=generator).float()
    x = torch.zeros(count, steps, 2)
    x[:, :, 1] = 0.1 * torch.randn(count, steps, generator=generator)
    x[:, 0, 0] = 3 * (2 * answer - 1)
    return x, answer


# %% [markdown]
# `remembers` trains one network and asks it about 500 sequences that it has not seen. Only the
# forget bias differs between the calls: the seed fixes all other weights and the order of the
# data.


# %%
def remembers(forget_bias, seed, updates=100):
    """Train a BitMemory and return its accuracy on 500 new sequences."""
    torch.manual_seed(seed)
    generator, memory = torch.Generator().manual_seed(seed), BitMemory(forget_bias)
    optimizer = torch.optim.Adam(memory.parameters(), lr=0.01)
    for _ in range(updates):
        x, answer = pulses(32, generator)
        loss = F.binary_cross_entropy_with_logits(memory(x), answer)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(memory.parameters(), 1.0)
        optimizer.step()
    x, answer = pulses(500, torch.Generator().manual_seed(1))
    return ((memory(x) > 0) == answer.bool()).float().mean().item()


# %% [markdown]
# `clip_grad_norm_` limits the length of the gradient; lesson 3.6 explains it.

# %%
memory = {b: [remembers(b, seed) for seed in range(5)] for b in (0.0, 1.0, 5.0)}

# %%
for b, right in memory.items():
    print(f"forget bias {b:.0f}: ≈{sum(share > 0.9 for share in right)} of 5 seeds remember")
verify("bias 0: at most one seed remembers", sum(share > 0.9 for share in memory[0.0]) <= 1)
verify("bias 5: at least four do", sum(share > 0.9 for share in memory[5.0]) >= 4)
verify("bias 1 does worse than bias 5", sum(memory[1.0]) < sum(memory[5.0]))

# %% [markdown]
# With a forget gate that starts half closed, the pulse is gone before the end and no gradient
# says so; with an open gate, a hundred updates are enough.
#
# ### Gate by gate
#
# The recurrent weights were made orthogonal in `BitMemory` *block by block*. Calling
# `orthogonal_` on the stacked (4H, H) matrix makes its columns orthonormal as a whole, but the
# four square blocks, which are what multiplies **h**, are not orthogonal at all. The same holds
# for Xavier on the stacked `weight_ih`: it counts 4H outputs where each gate has H, and comes out
# too small. `chunk(4)` gives views of the blocks, so filling a block fills the parameter.

# %%
lstm = nn.LSTM(8, 16)
nn.init.orthogonal_(lstm.weight_hh_l0)
stacked = torch.linalg.svdvals(lstm.weight_hh_l0.detach()[:16])
for block in lstm.weight_hh_l0.chunk(4):
    nn.init.orthogonal_(block)
by_gate = torch.linalg.svdvals(lstm.weight_hh_l0.detach()[:16])
verify("stacked: one gate's stretch goes down to below 0.3", stacked.min() < 0.3)
verify("gate by gate: all singular values are 1", (by_gate - 1).abs().max() < 1e-4)

# %% [markdown]
# A **GRU** has three blocks: reset, update, new. It has no forget gate. Its update gate z mixes:
# $\mathbf{h}_t = (1-\mathbf{z})\odot\mathbf{n} + \mathbf{z}\odot\mathbf{h}_{t-1}$, so a large
# bias in its *second* third keeps the state. The code for the LSTM, with its quarters, fills the
# wrong entries.

# %%
gru = nn.GRU(1, 4)
for parameter in gru.parameters():
    nn.init.zeros_(parameter)
nn.init.constant_(gru.bias_ih_l0.chunk(3)[1], 3.0)  # chunks: reset, update, new
_, h = gru(torch.zeros(1, 1, 1), torch.ones(1, 1, 4))
verify(
    "the update gate keeps σ(3) of the state", torch.allclose(h, torch.sigmoid(torch.tensor(3.0)))
)

# %% [markdown]
# ### Exercise 04.5: a forget gate that starts open
#
# Write `set_forget_bias(lstm, value)`: in every layer and direction of an `nn.LSTM` the forget
# gate's bias is `value` in total, and all other biases are zero. An LSTM made with `bias=False`
# stays as it is. Change it in place.


# %% tags=["exercise"]
def set_forget_bias(lstm, value):
    # your code here
    ...


exercises.forget_exercise.check(set_forget_bias)

# %% [markdown]
# ## 8. Weights that were learned elsewhere
#
# **Is there a better start than random?** Often: weights from another task. Pretrain a small
# convolutional network on the digits 0 to 4. Then learn 5 to 9 from *five labeled images each*,
# starting from what it knows. You will need a new last layer, since the classes are new.


# %%
def filters_and_head():
    """Two convolutions, a hidden layer and five logits: (N, 1, 28, 28) -> (N, 5)."""
    filters = nn.Sequential(
        nn.Conv2d(1, 8, 3, stride=2, padding=1), nn.ReLU(),
        nn.Conv2d(8, 16, 3, stride=2, padding=1), nn.ReLU(), nn.Flatten(),
    )  # fmt: skip
    hidden = nn.Sequential(nn.Linear(784, 64), nn.ReLU())
    return nn.Sequential(filters, hidden, nn.Linear(64, 5))


# %% [markdown]
# The labels of the new task are shifted, so that both tasks have the classes 0 to 4. Test images
# of 5 to 9 are kept for the measurement; the pretraining never sees a 5.

# %%
images, labels = digits.train.images[:, None], digits.train.labels  # (3500, 1, 28, 28)
low = labels < 5
X_low, y_low = images[low], labels[low]
X_high, y_high = images[~low], labels[~low] - 5  # classes 5 to 9 become 0 to 4
test_high = digits.test.labels >= 5
X_new, y_new = digits.test.images[test_high][:, None], digits.test.labels[test_high] - 5

# %% [markdown]
# Now the three starts. `load_state_dict` copies parameters from one module into another of the
# same shape. `requires_grad_(False)` freezes: no gradient, no step.


# %%
def five_of_each(seed):
    """Row numbers of five random images of each of the five high digits: (25,)."""
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(y_high), generator=generator)
    return torch.cat([order[y_high[order] == c][:5] for c in range(5)])


def start_from(base, how, seed):
    """Return a network to train on the high digits, and the parts of it that may change."""
    torch.manual_seed(100 + seed)
    model = filters_and_head()
    if how == "filters learned":
        model[0].load_state_dict(base[0].state_dict())
    if how == "all learned, frozen":
        model[:2].load_state_dict(base[:2].state_dict())
        model[:2].requires_grad_(False)
    return model


# %% [markdown]
# *Predict first.* Three starts: random weights; the filters learned on 0 to 4 with two new layers
# behind them; everything learned on 0 to 4 and frozen, with only a new last layer. Which is the
# worst after ten passes over the 25 images?

# %%
guess = ...  # "a": random weights, "b": filters learned, "c": all learned and frozen
exercises.transfer_guess.commit(guess)

# %% [markdown]
# Five seeds, each with its own pretraining and its own 25 images; the learning rate is 0.002 for
# the whole networks, and 0.02 for the frozen one, which has only its last layer to train.

# %%
starts = ("random", "filters learned", "all learned, frozen")
checkpoints = (2, 3, 5, 10, 20)  # passes added each time: 2, 5, 10, 20, 40 in all
transfer = {how: torch.zeros(5, len(checkpoints)) for how in starts}
for seed in range(5):
    torch.manual_seed(seed)
    base = train_epochs(filters_and_head(), X_low, y_low, epochs=4, lr=2e-3, seed=seed)
    few = five_of_each(seed)
    for how in starts:
        model, lr = start_from(base, how, seed), 0.02 if "frozen" in how else 0.002
        for k, passes in enumerate(checkpoints):
            train_epochs(model, X_high[few], y_high[few], passes, lr)
            with torch.no_grad():
                transfer[how][seed, k] = 100 * (model(X_new).argmax(1) == y_new).float().mean()

# %% [markdown]
# Each model was measured after 2, 5, 10, 20 and 40 passes over its 25 images. With so few images
# a pass is a single step, so the first points show how much a start is worth before training has
# done its part. (`train_epochs` makes a new optimizer each time, for all three alike.)

# %%
fig, ax = plt.subplots(figsize=(7, 3.9))
looks = [("black", "-."), ("sky", "-"), ("vermillion", "--")]
for (how, runs), (color, linestyle) in zip(transfer.items(), looks, strict=True):
    plotting.band(ax, (2, 5, 10, 20, 40), runs, label=how, color=color, linestyle=linestyle)
ax.set(xscale="log", xlabel="passes over 25 images", ylabel="accuracy on new 5 to 9 (%)")
ax.set_xticks((2, 5, 10, 20, 40), ("2", "5", "10", "20", "40"))
ax.minorticks_off()
ax.legend(loc="lower right")
plt.show()

# %% [markdown]
# Accuracy on new images of 5 to 9 against the passes over 25 labeled ones, median and range of
# five seeds: learned filters lead clearly in the first passes, random weights catch up later, and
# the fully frozen network falls behind both. Note how wide the black band is after five passes:
# with random weights it is luck whether the first steps lead anywhere. The first layers learned
# strokes and edges, which serve any digit. The hidden layer learned to tell 0 to 4 apart, and
# threw away what they do not need.

# %%
early = {how: runs[:, 1] for how, runs in transfer.items()}  # after 5 passes
middle = {how: runs[:, 2].median() for how, runs in transfer.items()}  # after 10
late = {how: runs[:, -1].median() for how, runs in transfer.items()}
exercises.transfer_guess.reveal("c", "The last hidden layer is too specialized.")
print({how: f"≈{middle[how]:.0f} %, at the end ≈{late[how]:.0f} %" for how in starts})
lead = early["filters learned"].median() - early["random"].median()
verify("after 5 passes learned filters lead by 5 points", lead > 5)
verify(
    "at the end random has caught up to 10 points", late["random"] > late["filters learned"] - 10
)
verify(
    "frozen is the worst after 10 passes",
    middle[starts[2]] < min(middle[starts[0]], middle[starts[1]]),
)

# %% [markdown]
# So pretrained weights are a head start, not a law: how far it carries depends on how general the
# source is. Yosinski et al. (2014) found the same in networks for photographs: first layers are
# general, last layers are specific to their task.
#
# ### Pretrained weights in torchvision
#
# torchvision's models take a `weights=` argument, an entry of an *enum* that knows where the file
# is, which classes it predicts and how its inputs must be prepared (`weights.transforms()`
# returns that preparation; a network fed with differently scaled images wastes what it has
# learned). (`pretrained=True` is the old form; it is deprecated.) Creating a model with
# `weights=None` needs no network, and it shows another convention: torchvision fills the
# convolutions of a ResNet with Kaiming and **fan_out**; each has a batch norm behind it.

# %%
from torchvision.models import ResNet18_Weights, resnet18

weights = ResNet18_Weights.DEFAULT  # the recommended entry; nothing is downloaded yet
resnet = resnet18(weights=None)  # resnet18(weights=weights) would download the parameters
print(weights.name, "knows", len(weights.meta["categories"]), "classes")
std, fan_out = resnet.conv1.weight.std().item(), 64 * 7 * 7
verify("the first convolution: std √(2/fan_out)", abs(std / (2 / fan_out) ** 0.5 - 1) < 0.05)

# %% [markdown]
# To use it for your own five classes, *replace* the last layer. Re-initializing it, as some do,
# gives a layer with new numbers and still 1,000 outputs.

# %%
nn.init.kaiming_normal_(resnet.fc.weight)  # a new draw is not a new head
verify("re-initialized: still 1,000 classes", resnet.fc.out_features == 1000)
resnet.requires_grad_(False)  # freeze everything first
resnet.fc = nn.Linear(resnet.fc.in_features, 5)  # a new layer is trainable by default
trainable = [name for name, p in resnet.named_parameters() if p.requires_grad]
verify("replaced: five classes", resnet.fc.out_features == 5)
verify("and only the head is trained", trainable == ["fc.weight", "fc.bias"])

# %% [markdown]
# ### The whole lesson as one table
#
# | part of the network | weights | biases | see |
# |---|---|---|---|
# | hidden layer with ReLU or a relative | Kaiming, fan_in, gain for its slope | zero | 3, 6 |
# | hidden layer with tanh | Xavier | zero | 2 |
# | hidden layer with another activation | measure it: LSUV | zero | 6 |
# | layer in front of a normalization | any scale, rather too small | none needed | 6 |
# | output layer, logits | PyTorch's default or smaller | zero | 5 |
# | recurrent weights of an LSTM | orthogonal, gate by gate | forget gate ln T, else zero | 7 |
# | anything pretrained | leave it alone; replace the head | leave them | 8 |
#
# The last column names the section. Read it as a list of starting points. Each row has a reason
# that you have seen, and each has its exceptions.
#
# ### Exercise 04.6: choose an initialization
#
# Four parts of networks: (1) thirty hidden tanh layers; (2) twenty hidden ReLU layers without
# normalization; (3) the last linear layer, which gives ten logits; (4) the recurrent weights of
# an LSTM that must remember for 50 steps. Which plan fits?
#
# - **a)** Kaiming with `mode="fan_out"` for all four, and all biases zero
# - **b)** (1) Xavier, (2) Kaiming with fan_in, (3) a std of about 1/√fan_in or smaller, (4)
#   orthogonal blocks and a forget bias of several units
# - **c)** a normal distribution with std 0.01 for all four
# - **d)** (1) Kaiming, (2) Xavier, (3) Kaiming with fan_out, (4) orthogonal for the stacked
#   matrix, and a forget bias of 1 in both bias vectors

# %% tags=["exercise"]
initialization = ...  # "a", "b", "c" or "d"

exercises.choose_exercise.check(initialization)

# %% [markdown]
# ## Common mistakes
#
# ### Replacing a parameter after the optimizer was made
#
# **Symptom:** one layer never changes. An optimizer holds the parameters that it was given.
# `nn.init` changes them in place, and that is fine at any time. Assigning a *new* `nn.Parameter`
# leaves the optimizer with the old one.

# %%
layer = nn.Linear(4, 2)
optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
layer.weight = nn.Parameter(torch.zeros(2, 4))  # the optimizer does not know this one
layer(torch.ones(3, 4)).sum().backward()
optimizer.step()
verify("the new weight got a gradient", layer.weight.grad.any().item())
verify("but no step", not layer.weight.any())

# %% [markdown]
# ### Initializing after loading
#
# **Symptom:** a pretrained model that performs like a random one. `apply` overwrites what
# `load_state_dict` has loaded. First initialize, then load, then replace the head.

# %%
pretrained = fill_all_weights(0.5)
model = nn.Sequential(nn.Linear(784, 32), nn.ReLU(), nn.Linear(32, 10))
model.load_state_dict(pretrained.state_dict())
verify("loaded", torch.equal(model[0].weight, pretrained[0].weight))
model.apply(lambda m: m.reset_parameters() if hasattr(m, "reset_parameters") else None)
verify("and lost again", not torch.equal(model[0].weight, pretrained[0].weight))

# %% [markdown]
# The order of the three steps is the whole cure, and a quick check after loading is cheap: the
# accuracy of the loaded model on a few examples, before anything else is done to it.
# `reset_parameters()` is the method with which each layer initializes itself; calling it gives
# PyTorch's default anew.
#
# ### Only the top level
#
# **Symptom:** the expected and the measured std differ inside the blocks. A loop over a model's
# children does not enter nested blocks; `model.modules()` and `model.apply` do.

# %%
nested = nn.Sequential(nn.Linear(4, 4), nn.Sequential(nn.ReLU(), nn.Linear(4, 4)))
top = sum(isinstance(module, nn.Linear) for module in nested)
everywhere = sum(isinstance(module, nn.Linear) for module in nested.modules())
verify("the loop sees 1 of 2 linear layers", top == 1 and everywhere == 2)

# %% [markdown]
# ### Random weights for everything
#
# **Symptom:** *Fan in and fan out can not be computed for tensor with fewer than 2 dimensions*.
# Biases and the weights of norm layers have one dimension and no fan. They start at 0 and 1.

# %%
try:
    nn.init.kaiming_normal_(nn.BatchNorm1d(8).weight)
    refused = False
except ValueError:
    refused = True
verify("kaiming_normal_ refuses a norm's weight", refused)

# %% [markdown]
# ### Seen before in this lesson
#
# - All weights equal: [section 1](#1.-Why-not-start-at-zero?).
# - Two initializations in a row, fan_out in a linear layer, no guard for a missing bias:
#   [section 5](#5.-A-real-model:-set,-check,-repair).
# - "About 0.01": [Expected and measured](#Expected-and-measured).
# - The forget bias counted twice: [section 7](#7.-LSTM-and-GRU).
# - A new draw instead of a new head:
#   [Pretrained weights in torchvision](#Pretrained-weights-in-torchvision).

# %% [markdown]
# ## Key takeaways
#
# - Equal weights stay equal for ever; random weights break the symmetry, zero biases are fine
#   ([section 1](#1.-Why-not-start-at-zero?)).
# - A wrong scale makes signals and gradients vanish or explode, not weights, by one factor per
#   layer ([section 2](#2.-Too-small,-too-large)).
# - Var(z) = fan_in · Var(w) · E[x²], and ReLU keeps half of the mean square: hence √(2/fan_in)
#   ([section 3](#3.-The-arithmetic-of-variance)).
# - Xavier for tanh, Kaiming for hidden ReLU layers, a smaller scale for the logits; PyTorch's
#   default is √6 smaller than Kaiming ([section 4](#4.-The-recipes)).
# - The std to expect is gain/√fan, not 0.01. Check it, check that the first loss is near ln C,
#   and check that gradients arrive ([section 5](#5.-A-real-model:-set,-check,-repair)).
# - In two layers four initializations tie; in twenty they decide; a normalization forgives much
#   ([section 6](#6.-Does-it-matter?-Measure-it)).
# - An LSTM remembers T steps if its forget biases *sum* to about ln T
#   ([section 7](#7.-LSTM-and-GRU)).
# - Learned filters are a head start; a frozen body that is too specialized is a handicap
#   ([section 8](#8.-Weights-that-were-learned-elsewhere)).
#
# ## Further exercises
#
# 1. Give the 20-layer network PyTorch's scale and five other learning rates. Does any of them
#    save it? Choose on `digits.validation`.
# 2. Add `orthogonal` with gain √2 to the race. Is it better than Kaiming by more than the spread
#    of the seeds?
# 3. In a residual block, x + f(x), the variances add. Start f's last layer at zero and explain
#    why a thousand blocks then begin as the identity. Why is this zero harmless?
# 4. Repeat the transfer with the roles exchanged, from 5–9 to 0–4, and with 50 labels per class.
#    When does the head start disappear?
#
# **Reading.** Y. LeCun, L. Bottou, G. Orr and K.-R. Müller, "Efficient BackProp" (1998). X.
# Glorot and Y. Bengio (2010). A. Saxe, J. McClelland and S. Ganguli (2014), for orthogonal
# weights. K. He et al., "Delving deep into rectifiers" (2015). D. Mishkin and J. Matas, "All you
# need is a good init" (2016). R. Jozefowicz, W. Zaremba and I. Sutskever (2015), for the forget
# bias. J. Yosinski et al., "How transferable are features in deep neural networks?" (2014). C.
# Tallec and Y. Ollivier, "Can recurrent neural networks warp time?" (2018).
#
# ## Your progress

# %%
from course_utils.exercises import progress

progress("04")

# %% [markdown]
# ## Next
#
# The first loss of a fresh network was ln 10, and training pushes it down.
# [Lesson 3.5](05_losses.ipynb) asks what this number is: where losses come from, which one fits
# which task, and whether you punish the model for the right mistakes.
