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
# # 3.3 Designing architectures
#
# You know neurons, layers and activations. An *architecture* is how they are put together: in a
# row, with shortcuts, side by side, shared, or only as far as needed. In this lesson you build
# each of these patterns, see what problem it solves, and measure whether it does. At the end four
# families of networks read the same digits with the same number of parameters.
#
# ## You will be able to
#
# - **build** networks from `nn.Sequential` and from your own `nn.Module`, and count their
#   parameters and shapes by hand;
# - **find** parameters that a module has lost, and register them;
# - **explain** what width and depth can represent, and why that is not what training finds;
# - **write** residual blocks, branches, shared encoders and early exits;
# - **choose** between an MLP, a convolutional, a recurrent and an attention network, with
#   evidence.
#
# ## Before you start
#
# You need [lesson 3.1](01_perceptron.ipynb) and [lesson 3.2](02_activations.ipynb): the training
# loop of five lines, logits, ReLU, and why gradients fade in deep networks.
#
# **Time:** about two hours with all exercises; 60 minutes if you only read, slide and run.

# %% [markdown]
# <!-- launch:start -->
# Open this lesson with `make lab LESSON=03`.
# <!-- launch:end -->

# %%
from course_utils import setup

setup()

# %%
from functools import partial
from itertools import pairwise

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from torch import nn

from course_utils import data, drawings, plotting, verify
from course_utils.exercises import architectures as exercises
from course_utils.explore import architectures as explorers
from course_utils.inspection import layer_shapes, parameter_table

# %% [markdown]
# ## 1. Layers in a row
#
# **What is the simplest architecture?** An assembly line: data enter at one end, each station
# does its work and hands the result on. The *input layer* is the data themselves; the *hidden
# layers* turn them into features; the *output layer* turns the features into a prediction. The
# stations you will meet most often:
#
# | layer | what it does | input → output |
# |---|---|---|
# | `nn.Linear(D, H)` | every output sees every input (*fully connected*) | (N, D) → (N, H) |
# | `nn.Conv2d(C, K, k)` | slides small filters over an image | (N, C, H, W) → (N, K, H′, W′) |
# | `nn.LSTM(D, H)`, `nn.GRU(D, H)` | reads a sequence, with a memory | (N, T, D) → (N, T, H) |
# | `nn.BatchNorm2d(C)`, `nn.LayerNorm(D)` | brings its input to mean 0 and spread 1 | same shape |
#
# (For the recurrent layers the order (N, T, D) needs `batch_first=True`.) `nn.Sequential` is the
# assembly line. It is a list of modules whose `forward` calls one after the other, and nothing
# more:

# %%
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
x = torch.rand(5, 784)  # (N=5, 784)
by_hand = x
for layer in model:
    by_hand = layer(by_hand)
verify("Sequential is a loop over its layers", torch.equal(model(x), by_hand))

# %% [markdown]
# The stations can have names, and a line can be a station of a longer line. Names make messages
# and tables readable; nesting lets you take a network apart. Here the body is named and reused to
# look at the hidden features.

# %%
from collections import OrderedDict

body = nn.Sequential(OrderedDict(hidden=nn.Linear(784, 256), relu=nn.ReLU()))
classifier = nn.Sequential(OrderedDict(flatten=nn.Flatten(), body=body, head=nn.Linear(256, 10)))
print(parameter_table(classifier))

# %% [markdown]
# Read a row from left to right: the path of the tensor, its shape, how many numbers it holds, and
# whether the optimizer may change it. `nn.Flatten` and `nn.ReLU` have no row, because they own
# nothing. The weight matrix has the shape (out, in), so that its row j holds the weights of unit
# j; that is the matrix W of lesson 3.2.
#
# A `Sequential` behaves like a Python list. You can index it, slice it, measure its length, and
# call the slice as a network of its own. That is useful more often than one thinks: cut off the
# head, and what remains turns images into *features* that another program can use.


# %%
images = torch.rand(5, 28, 28)  # (N=5, 28, 28)
features = classifier[:2](images)  # a slice is a network too
verify("flatten and body give 256 features", features.shape == (5, 256))
verify("parts are found by name or by index", classifier.body.hidden is classifier[1][0])

# %% [markdown]
# The table lists every parameter by its path. Where do the numbers come from? A unit of a fully
# connected layer has one weight for each input and one bias, so
#
# $$
# \text{parameters of a layer} = (n_\text{in} + 1)\, n_\text{out},
# \qquad
# (784 + 1)\cdot 256 + (256 + 1)\cdot 10 = 203{,}530 .
# $$
#
# A convolution with C input channels, K filters and kernel size k has $(C k^2 + 1)\,K$: the size
# of the image does not appear, because the filter is the same everywhere. An LSTM has four gates,
# each with a weight for every input and every memory cell and two biases: $4H(D + H + 2)$. Check
# all three against PyTorch.
#
# Two lessons hide in these formulas. In a fully connected network nearly all parameters sit where
# two wide layers meet: here 200,704 of the 203,530 lie between the pixels and the first hidden
# units. And a convolution is cheap in parameters but not in work: its few weights are used again
# at every place of the image.


# %%
def size_of(module):
    """Number of parameters of a module."""
    return sum(p.numel() for p in module.parameters())


verify("784-256-10 has 203,530 parameters", size_of(classifier) == 785 * 256 + 257 * 10 == 203_530)
verify("Conv2d(16, 32, 3) has (16·9 + 1)·32", size_of(nn.Conv2d(16, 32, 3)) == 145 * 32)
verify("LSTM(28, 52) has 4·52·(28 + 52 + 2)", size_of(nn.LSTM(28, 52)) == 4 * 52 * 82)

# %% [markdown]
# ### Exercise 03.1: a network from a sentence
#
# Write `build_simple_net()`: images of shape (N, 28, 28) go in, one hidden layer of 256 units
# with ReLU, and ten logits come out, ready for `F.cross_entropy`.


# %% tags=["exercise"]
def build_simple_net():
    # your code here
    ...


exercises.simple_net.check(build_simple_net)

# %% [markdown]
# ### Exercise 03.2: count the parameters by hand
#
# Write `count_parameters(sizes)` for a fully connected network, without building it:
# `[784, 256, 10]` has 203,530.


# %% tags=["exercise"]
def count_parameters(sizes):
    # your code here
    ...


exercises.parameter_count.check(count_parameters)

# %% [markdown]
# ### Shapes on the way
#
# In PyTorch images have four dimensions: (N, C, H, W) for batch, channels, height and width. A
# gray image has one channel, and a layer with eight filters makes eight channels, one *feature
# map* for each filter. `MaxPool2d(2)` keeps the largest value of every 2 × 2 square and so halves
# height and width. `Flatten` finally lays all maps in one row.
#
# The most frequent error message of this trade is *mat1 and mat2 shapes cannot be multiplied*. It
# comes from a `Linear` that was promised another number of inputs than it gets, usually after
# convolutions. So watch the shapes. A *hook* is a function that PyTorch calls after a module has
# run, with the module, its inputs and its output:

# %%
filters = [nn.Conv2d(1, 8, 5), nn.Conv2d(8, 16, 3, stride=2, padding=1)]
convolutions = nn.Sequential(filters[0], nn.ReLU(), nn.MaxPool2d(2), filters[1], nn.Flatten())
seen = []
for layer in convolutions:
    layer.register_forward_hook(lambda module, inputs, output: seen.append(tuple(output.shape)))
flat = convolutions(torch.rand(5, 1, 28, 28))
print(seen)

# %% [markdown]
# `layer_shapes` from the course's toolbox does the same for any model, removes its hooks
# afterwards, and adds the names. Each size follows from one formula. A kernel of size k, with p
# pixels of padding on both sides, has its left edge at $s + 2p - k$ steps at most from the start,
# in strides of t:
#
# $$
# s' = \left\lfloor \frac{s + 2p - k}{t} \right\rfloor + 1 .
# $$

# %%
for name, kind, shape in layer_shapes(convolutions, torch.rand(5, 1, 28, 28)):
    print(f"{name}  {kind:10} {shape}")
verify("28 → 24 → 12 → 6 by the formula", seen[3] == (5, 16, (12 + 2 - 3) // 2 + 1, 6))
verify("576 numbers per image are left", flat.shape == (5, 16 * 6 * 6))

# %% [markdown]
# So the next layer is `nn.Linear(576, …)`. When you do not want to count, `nn.LazyLinear(10)`
# takes its input size from the first batch; when you want to understand, count.
#
# ### Exercise 03.3: how many numbers after the convolutions?
#
# Write `flat_size(size, channels, layers)` for an image of shape (channels, size, size). `layers`
# is a list of `(out_channels, kernel, stride, padding)`; a pooling layer has `None` for
# out_channels and keeps their number.
#
# Try the formula on the first layer: 28 pixels, no padding, a kernel of 5, stride 1 give (28 − 5)
# / 1 + 1 = 24. The 2 × 2 pooling has stride 2 and gives 12. With padding 1, kernel 3 and stride 2
# the fraction is 11 / 2 = 5.5, which rounds *down*: the kernel that would hang over the edge is
# left out, and one column of pixels is never the center of a window.


# %% tags=["exercise"]
def flat_size(size, channels, layers):
    # your code here
    ...


exercises.flatten_size.check(flat_size)

# %% [markdown]
# ## 2. Your own module
#
# **What if data should not go straight through?** Then write the flow yourself. `__init__` makes
# the parts, and `forward` says how data move between them: it may branch, loop, use a part twice,
# or ask an `if`. Here is the plainest case, the same network as before.


# %%
class CustomNet(nn.Module):
    """784-128-10 with ReLU: (N, 784) -> (N, 10) logits."""

    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(784, 128)
        self.output = nn.Linear(128, 10)

    def forward(self, x):
        h = F.relu(self.hidden(x))  # (N, 128)
        return self.output(h)


custom = CustomNet()
custom.load_state_dict(dict(zip(custom.state_dict(), model.state_dict().values(), strict=True)))
verify("same weights, same answers as Sequential", torch.equal(custom(x), model(x)))

# %% [markdown]
# The parts and the flow are separate. The `state_dict`, a dictionary of all tensors that belong
# to the model, knows only the parts; the flow is Python. That is why `load_state_dict` could pour
# the weights of a `Sequential` into a class. Use `Sequential` for a straight line and a class for
# everything else.
#
# One more habit: call the model, `custom(x)`, and never `custom.forward(x)`. The call runs
# `forward` too, but it also runs the hooks, on which many tools rely (you will see it among the
# common mistakes).
#
# ### What a module owns
#
# A module keeps track of three kinds of things, when you assign them to `self`:
#
# - **parameters**, trained by the optimizer: `nn.Parameter`, usually inside layers;
# - **buffers**, saved and moved with the model but not trained: `register_buffer`, for example
#   the mean of the data;
# - **submodules**, with parameters and buffers of their own.
#
# It does *not* look into a plain Python list. This is the most expensive small mistake in
# PyTorch, because nothing complains.
#
# `nn.Module` does this by watching assignments: when you write `self.head = nn.Linear(…)`, it
# notices that the value is a module and notes it under the name "head". When you write
# `self.hidden = […]`, the value is a list, and a list is nothing to it. The class below takes the
# container as an argument, so that you can compare both.


# %%
class ListNet(nn.Module):
    """Three hidden layers, kept in a plain list: (N, 784) -> (N, 10)."""

    def __init__(self, container=list):
        super().__init__()
        sizes = [784, 64, 64, 64]
        self.hidden = container([nn.Linear(sizes[k], sizes[k + 1]) for k in range(3)])
        self.head = nn.Linear(64, 10)

    def forward(self, x):
        for layer in self.hidden:
            x = F.relu(layer(x))
        return self.head(x)


# %%
lost, kept = ListNet(), ListNet(container=nn.ModuleList)
print("plain list   ", size_of(lost), "parameters,", list(lost.state_dict()))
print("nn.ModuleList", size_of(kept), "parameters")

# %% [markdown]
# Only the head is left: 650 of 59,210 parameters. The forward pass works, the loss even falls,
# because the head learns on top of random features. But the optimizer never hears of the rest, a
# checkpoint does not hold it, and `.to(device)` leaves it behind. Watch one step of training:

# %%
before = [layer.weight.clone() for layer in lost.hidden]
optimizer = torch.optim.SGD(lost.parameters(), lr=0.1)
F.cross_entropy(lost(x), torch.arange(5)).backward()
optimizer.step()
after = [layer.weight for layer in lost.hidden]
unmoved = all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
verify("the layers in the list got a gradient", lost.hidden[0].weight.grad is not None)
verify("but no step changed them", unmoved)
verify("ModuleList registers all of them", size_of(kept) == 785 * 64 + 2 * 65 * 64 + 650)

# %% [markdown]
# The layers do receive gradients: autograd follows the computation and not the bookkeeping. So
# even a look at `.grad` does not betray the mistake. What betrays it is the number of parameters,
# and that is why one prints it.
#
# For layers with names there is `nn.ModuleDict`, for bare parameters `nn.ParameterList`. Now a
# buffer. The module below subtracts the mean image; the mean belongs to the model, but no
# optimizer should touch it.
#
# What follows the model automatically? Everything registered: a call such as `.double()`,
# `.to(device)` or `state_dict()` walks through parameters and buffers of all submodules, and
# through nothing else.


# %%
class Centered(nn.Module):
    """Subtract a fixed mean (D,) from x (N, D)."""

    def __init__(self, mean):
        super().__init__()
        self.register_buffer("mean", mean)
        self.also_mean = mean  # a plain attribute, for comparison

    def forward(self, x):
        return x - self.mean


centered = Centered(x.mean(dim=0)).double()  # .double(), like .to(device), moves what is registered
verify("a buffer is saved with the model", list(centered.state_dict()) == ["mean"])
verify("and is no parameter", size_of(centered) == 0)
verify("it is converted with the model", centered.mean.dtype == torch.float64)
verify("a plain attribute is left behind", centered.also_mean.dtype == torch.float32)

# %% [markdown]
# ### Exercise 03.4: register what you own
#
# The module below runs, but its layers reach no optimizer and its mean no checkpoint.
#
# ```python
# class BrokenTower(nn.Module):
#     def __init__(self, width, depth, mean):
#         super().__init__()
#         self.mean = mean
#         self.layers = [nn.Linear(width, width) for _ in range(depth)]
#
#     def forward(self, x):
#         x = x - self.mean
#         for layer in self.layers:
#             x = torch.relu(layer(x))
#         return x
# ```
#
# Write it again as `Tower`, repaired. The flow is right and stays; what must change is how the
# layers and the mean are assigned.


# %% tags=["exercise"]
class Tower(nn.Module):
    def __init__(self, width, depth, mean):
        # your code here
        ...

    def forward(self, x):
        # and here
        ...


exercises.registered_tower.check(Tower)

# %% [markdown]
# ## 3. Wider or deeper?
#
# **How large must a network be?** In lesson 3.2 you drew any chain of straight pieces with one
# hidden layer. That is the heart of the *universal approximation theorem* (Cybenko 1989; Hornik
# 1991; Leshno and others 1993): one hidden layer with enough units comes as close as you like to
# any continuous function on a bounded region, if the activation is not a polynomial. It says that
# the weights exist. It does not say how many units are enough, nor that training finds them. Try
# it: 90 networks were trained for you, 300 steps each, all with the same learning rate.
#
# Set the target to the wave first and move the width from 2 to 32: the chain of straight pieces
# follows the curve more and more closely. Then choose the zigzag of eight pieces, which one
# hidden layer of eight units could draw *exactly*, and look for a network that has found it.

# %%
explorers.approximator()

# %% [markdown]
# A target and a trained network, beside the error of all widths and depths against the number of
# parameters: on the wave wider networks follow the curve better at any depth. On the 8-piece
# zigzag one layer of 32 gives up, although it has far more hinges than it needs, and three layers
# of 16 follow it.
#
# ### What depth can do
#
# There are functions for which depth pays enormously. Fold a strip of paper in the middle, again
# and again: every fold doubles the number of creases. The function $f(x) = 1 - |2x - 1|$ folds
# the interval from 0 to 1, and two ReLU units compute it:
# $f(x) = 2\,\mathrm{relu}(x) - 4\,\mathrm{relu}(x - \tfrac12)$. A layer of two units for each
# fold gives $2^L$ straight pieces with $6L + 1$ parameters. In one hidden layer each unit adds at
# most one crease, so it needs $2^L - 1$ units (Telgarsky, 2016).
#
# The reason is in the picture of the fold. A function that is applied to its own output meets
# every crease again in each copy: the second layer cannot tell the left half of the strip from
# the right half, because both lie on top of each other, so whatever it draws appears twice. A
# wide layer must draw every piece by itself. To check the claim without rounding errors, the
# network below works in double precision on points that are exact in binary.


# %%
def folding_network(folds):
    """An exact network of `folds` hidden layers with two ReLU units each: (N, 1) -> (N, 1)."""
    sizes = [1] + [2] * folds + [1]
    linears = [nn.Linear(a, b, dtype=torch.float64) for a, b in pairwise(sizes)]
    with torch.no_grad():
        for k, linear in enumerate(linears):
            fold = torch.tensor([[1.0]] if k == 0 else [[2.0, -4.0]])  # what the layer reads
            last = k == folds
            linear.weight.copy_(fold if last else fold.expand(2, -1))
            linear.bias.copy_(torch.zeros(1) if last else torch.tensor([0.0, -0.5]))
    layers = [part for linear in linears for part in (linear, nn.ReLU())]
    return nn.Sequential(*layers[:-1])


# %% [markdown]
# The first layer reads the input x, every later one the two ReLU values of the layer before,
# combined as 2a − 4b; the biases 0 and −½ put the two hinges at 0 and at ½. Now count: where the
# slope changes its sign, a new piece begins.


# %%
x = torch.arange(4097, dtype=torch.float64)[:, None] / 4096  # (4097, 1), exact in binary
deep = folding_network(10)
y = deep(x).detach()
pieces = int((y.diff(dim=0).sign().diff(dim=0) != 0).sum()) + 1
print(f"{pieces} straight pieces from {size_of(deep)} parameters")
verify("ten layers of two units: 1,024 pieces", pieces == 1024 and size_of(deep) == 61)

# %% [markdown]
# One hidden layer would need 1,023 units, 3,070 parameters. So depth can be exponentially
# cheaper. But these weights were *set*, not learned. *Predict first:* networks with about 200
# parameters learn the zigzag of 8 pieces. Which shape wins?
#
# Fair rules: about the same number of parameters (193, 193 and 208), the same steps, the same
# optimizer, and many starts, because a single one can be lucky. We call a start *stuck* if its
# error stays above 0.1; always answering ½ would give 0.29.

# %%
guess = ...  # "a": one layer of 64, "b": two layers of 12, "c": three layers of 9
exercises.depth_guess.commit(guess)

# %% [markdown]
# Forty starts of each shape train side by side, as in lesson 3.2: one more dimension in front.
# `LayerStack` draws its weights and biases like `nn.Linear`, uniform within ±1/√fan_in.


# %%
class LayerStack(nn.Module):
    """S linear layers side by side: (N, in) or (S, N, in) -> (S, N, out)."""

    def __init__(self, copies, n_in, n_out, generator, gain=3**-0.5):
        super().__init__()
        shape = copies, n_in + 1, n_out
        values = 2 * torch.rand(shape, generator=generator, dtype=torch.float64) - 1
        self.W = nn.Parameter(gain * (3 / n_in) ** 0.5 * values[:, 1:])  # spread gain/√n_in
        self.b = nn.Parameter(n_in**-0.5 * values[:, :1])

    def forward(self, x):
        return x @ self.W + self.b  # (S, N, in) @ (S, in, out) + (S, 1, out)


# %% [markdown]
# With the default `gain` of 1/√3 the weights are exactly those of `nn.Linear`; section 4 uses
# another gain. The training function below builds a network of stacks, trains all forty copies
# with Adam, and returns one error for each copy. The schedule `OneCycleLR` lets the learning rate
# rise to its maximum and fall to almost zero, which lesson 3.6 explains; without the fall, the
# last errors would jump up and down.
#
# The stacks work in double precision. Long trainings amplify rounding errors, and single
# precision rounds differently from one processor to the next; with double precision you see the
# figures that this page shows.


# %%
def forty_fits(sizes, x, y, steps=600, lr=0.04):
    """Train forty networks of the given sizes on x (N, 1), y (N, 1): errors (40,)."""
    generator = torch.Generator().manual_seed(5)
    layers = []
    for n_in, n_out in pairwise(sizes):
        layers += [LayerStack(40, n_in, n_out, generator), nn.ReLU()]
    nets = nn.Sequential(*layers[:-1])
    optimizer = torch.optim.Adam(nets.parameters(), lr=lr)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=steps)
    for _ in range(steps):
        loss = ((nets(4 * x - 2) - y) ** 2).mean(dim=(1, 2))  # (40,), inputs between -2 and 2
        optimizer.zero_grad()
        loss.sum().backward()
        optimizer.step()
        schedule.step()  # the rate rises, then falls to almost 0
    return loss.detach().sqrt()


# %% [markdown]
# Of the rates 0.02, 0.04 and 0.08, 0.04 gave every shape its best single run. The deep shapes get
# stuck about equally often with all three; the wide one a little less often with 0.08.

# %%
x = torch.linspace(0, 1, 33, dtype=torch.float64)[:, None]  # (33, 1), four points a piece
zigzag = folding_network(3)(x).detach()
shapes = {"64": [1, 64, 1], "12-12": [1, 12, 12, 1], "9-9-9": [1, 9, 9, 9, 1]}
errors = {name: forty_fits(sizes, x, zigzag) for name, sizes in shapes.items()}

# %%
fig, ax = plt.subplots(figsize=(7, 3.6))
for place, runs in enumerate(errors.values()):
    spread = torch.linspace(place - 0.3, place + 0.3, 40)
    color, marker = plotting.colors[place], plotting.markers[place]
    ax.plot(spread, runs.sort().values, marker, color=color, markersize=5)
ax.axhline(0.1, color="black", linestyle=":", label="above: stuck")
ax.set(yscale="log", xlabel="hidden units", ylabel="error (root mean square)")
ax.set_xticks(range(3), shapes)
ax.legend(loc="lower left")
plt.show()

# %% [markdown]
# The final errors of forty starts for three shapes of about 200 parameters, each sorted from best
# to worst: the wide network is seldom above the dotted line, the deep ones are in more than half
# of their starts. But the best deep runs are several times better than the best wide one.

# %%
stuck = {name: (runs > 0.1).float().mean().item() for name, runs in errors.items()}
best = {name: runs.min().item() for name, runs in errors.items()}
exercises.depth_guess.reveal("a", "Depth can represent more; training must also get there.")
print("stuck:", {name: f"≈{100 * share:.0f} %" for name, share in stuck.items()})
verify("the wide shape gets stuck least often", stuck["64"] < min(stuck["12-12"], stuck["9-9-9"]))
verify("and fewer than 35 % of its starts do", stuck["64"] < 0.35)
verify("the best deep run is twice as good or better", 2 * best["12-12"] < best["64"])

# %% [markdown]
# Keep both halves. What a network *can represent* grows fast with depth. What it *learns* depends
# on whether gradients lead there, and in deep networks they often do not. The next section is
# about the repair.
#
# This is also why width is the safer choice when you do not know better: make the network wider
# first, and deeper only together with the means of the next section.

# %% [markdown]
# ## 4. Skip connections
#
# **How can a deep network be made trainable?** Add a shortcut around each block, so that the
# block only has to learn a *change* of its input (He and others, 2016):
#
# $$
# \mathbf{y} = \mathbf{x} + F(\mathbf{x}),
# \qquad
# \frac{\partial \mathbf{y}}{\partial \mathbf{x}} = I + \frac{\partial F}{\partial \mathbf{x}} .
# $$
#
# The gradient that arrives at $\mathbf{y}$ passes to $\mathbf{x}$ through $I$ unchanged, however
# small $\partial F / \partial \mathbf{x}$ is.
#
# Compare it with a plain stack. There the gradient is multiplied by one Jacobian after another,
# and if each of them shrinks it a little, a hundred of them shrink it to nothing. In a residual
# stack you can multiply out the product of the (I + ∂F/∂x): one of its terms is I, the direct
# path, and it is there at any depth.

# %%
fig, ax = plt.subplots(figsize=(8, 2.8))
drawings.skip_block(ax)
plt.show()

# %% [markdown]
# A residual block: the branch computes F(x) from left to right, and the dashed shortcut carries x
# around it to the sum. Nothing stands on the shortcut, and nothing after the sum: that matters,
# as you will see.
#
# Now the experiment of this section: stacks of 2 to 100 blocks of width 32, on real digits.
# *Plain* means h ← relu(Wh + b), *residual* h ← h + W relu(h) + b. Three starts run side by side,
# and four variants are compared: plain, plain with weights matched to ReLU (gain √2, lesson 3.2),
# residual, and residual with F divided by √L for L blocks.
#
# Why ReLU *before* the weights in the residual variant? So that the shortcut stays free: the
# branch may do what it likes, and what it returns is simply added. (Putting it there is called
# *pre-activation*.)


# %%
class DeepStacks(nn.Module):
    """Three networks of `depth` blocks side by side: (N, 784) -> (3, N, 10)."""

    def __init__(self, depth, variant, width=32):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        gain = 2**0.5 if variant == "plain, matched" else 3**-0.5
        blocks = [LayerStack(3, width, width, generator, gain) for _ in range(depth)]
        self.stem, self.blocks = LayerStack(3, 784, width, generator), nn.ModuleList(blocks)
        self.head = LayerStack(3, width, 10, generator)
        self.is_plain = variant.startswith("plain")
        self.factor = depth**-0.5 if variant == "residual / √L" else 1.0

    def forward(self, x):
        h = self.stem(x.double())  # (3, N, 32)
        for block in self.blocks:
            h = F.relu(block(h)) if self.is_plain else h + self.factor * block(F.relu(h))
        return self.head(h)


# %% [markdown]
# The stem brings the 784 pixels to width 32, the head brings them to ten logits, and between them
# stand the blocks: a linear layer and a ReLU each. Only one line of `forward` tells the variants
# apart. The loss adds the cross-entropies of the three copies; since no copy shares a weight with
# another, each gets its own gradient.


# %%
def stacks_loss(stacks, X, y):
    """Sum of the cross-entropies of the copies: X (N, 784), y (N,)."""
    return sum(F.cross_entropy(logits, y) for logits in stacks(X))


# %%
digits = data.mnist_5k()
X_train, y_train = digits.train.flat(), digits.train.labels
X_test, y_test = digits.test.flat(), digits.test.labels
depths = [2, 5, 10, 20, 50, 100]
variants = ["plain", "plain, matched", "residual", "residual / √L"]

# %% [markdown]
# First without any training: build each network, send 200 digits through, call `backward`, and
# note how much gradient arrives at the weights of the *first* block, the one that is farthest
# from the loss.


# %%
def first_gradients(variant, depth):
    """Norm of the gradient at the first block of the three copies: (3,)."""
    stacks = DeepStacks(depth, variant)
    stacks_loss(stacks, X_train[:200], y_train[:200]).backward()
    return stacks.blocks[0].W.grad.flatten(1).norm(dim=1)


arriving = {v: torch.stack([first_gradients(v, d) for d in depths], dim=1) for v in variants}


# %%
def draw_bands(ax, x, runs_by_name):
    """One band for each name, always in the same order of colors and line styles."""
    styles = zip(plotting.colors, plotting.linestyles, strict=True)
    for (name, runs), (color, linestyle) in zip(runs_by_name.items(), styles, strict=False):
        plotting.band(ax, x, runs, label=name, color=color, linestyle=linestyle)
    ax.legend()


fig, ax = plt.subplots(figsize=(7, 4))
draw_bands(ax, depths, {name: runs.clamp(min=1e-25) for name, runs in arriving.items()})
ax.set(xscale="log", yscale="log", xlabel="blocks", ylabel="gradient of the first block")
ax.set_xticks(depths, depths)
plt.show()

# %% [markdown]
# The norm of the loss's gradient at the first block before training, against the number of
# blocks, band over three starts: plain falls off a cliff, residual *grows*, and the matched plain
# and the scaled residual variants stay within a few powers of ten. So skip connections do not
# "solve" gradients; they stop them from vanishing, and the sum of many branches must be kept from
# exploding.
#
# Values below 10⁻²⁵ are drawn at the lower edge; the plain gradient at 100 blocks is far below
# it. At ten blocks it is already a thousand times smaller than at two. The residual curve bends
# the other way: each block adds its own contribution to the sum, the values grow with depth, and
# the gradients with them.

# %%
plain, scaled = arriving["plain"], arriving["residual / √L"]  # (3, depths)
verify("plain, 50 blocks: less than a trillionth arrives", plain[:, 4].max() < 1e-12)
verify("plain, 100 blocks: not even 10⁻³⁰", plain[:, 5].max() < 1e-30)
verify("residual, 100 blocks: more than 10", arriving["residual"][:, 5].min() > 10)
verify("residual / √L: always between 0.0003 and 0.3", scaled.min() > 3e-4 and scaled.max() < 0.3)

# %% [markdown]
# *Predict first:* with matched weights the plain gradient is alive at 100 blocks. Will that
# network learn?

# %%
guess = ...  # "a": as well as 2 blocks, "b": somewhat worse, "c": no better than guessing
exercises.plain_guess.commit(guess)

# %% [markdown]
# Every training from here on is the five-line loop with Adam, so write it once. `loss_of` says
# how a model turns a batch into a loss. `fused=True` changes no rule: Adam then updates all
# parameters in one call instead of one after the other, which saves time when there are hundreds
# of small ones.


# %%
def run_epochs(model, loss_of, *tensors, epochs, lr=3e-3, seed=0):
    """Train in place with Adam on batches of 50; `loss_of(model, *batch)` gives the loss."""
    optimizer = torch.optim.Adam(model.parameters(), lr=lr, fused=True)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(epochs):
        for batch in data.batches(*tensors, batch_size=50, generator=generator):
            loss = loss_of(model, *batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


# %% [markdown]
# Here is the real test: 20 steps on 500 digits for each variant and depth. That is little
# training on purpose. With more steps the shallow plain networks would improve as well; the
# question is which of them can *start* to learn.


# %%
def stack_accuracy(variant, depth):
    """Train three stacks for 20 steps; accuracies on 500 test digits in percent (3,)."""
    stacks = DeepStacks(depth, variant)
    run_epochs(stacks, stacks_loss, X_train[:500], y_train[:500], epochs=2, lr=5e-3)
    with torch.no_grad():
        right = stacks(X_test[:500]).argmax(dim=2) == y_test[:500]  # (3, 500)
    return 100 * right.float().mean(dim=1)


some_depths = [2, 10, 30, 100]
reached = {v: torch.stack([stack_accuracy(v, d) for d in some_depths], dim=1) for v in variants}

# %%
fig, ax = plt.subplots(figsize=(7, 4))
draw_bands(ax, some_depths, reached)
ax.set(xscale="log", xlabel="blocks", ylabel="test accuracy (%)", ylim=(0, 100))
ax.set_xticks(some_depths, some_depths)
plt.show()

# %% [markdown]
# Test accuracy after 20 steps on 500 digits, against depth, band over three starts: both plain
# variants end at 10 %, guessing; the residual one still learns with 30 blocks; the scaled residual
# network hardly notices its depth. One learning rate for all, tuned for none.
#
# Read the figure from left to right: plain falls first, then plain with matched weights, then the
# residual stack. A wide band means that the first weights decide, that is, luck. Only the scaled
# residual stack arrives at 100 blocks as it began.

# %%
at_100 = {variant: runs[:, -1] for variant, runs in reached.items()}
exercises.plain_guess.reveal("c", "A living gradient is not enough.")
print({variant: f"≈{runs.median():.0f} %" for variant, runs in at_100.items()})
verify("plain, 100 blocks: no better than 15 %", at_100["plain"].max() < 15)
verify("matched weights do not save it", at_100["plain, matched"].max() < 25)
verify("residual / √L, 100 blocks: at least 60 %", at_100["residual / √L"].min() > 60)

# %% [markdown]
# Why does the matched plain network fail? Each layer mixes all directions and keeps the positive
# part; after a hundred layers the images have become nearly the same vector. The gradient is
# alive and says nothing. A residual block starts close to the identity, so the input is still
# *there* at block 100. Measure it: the cosine of the angle between the representations of
# different digits, where 1 means "the same direction".

# %%
alike = {}
for variant in variants:
    stacks = DeepStacks(100, variant)
    stacks.head = nn.Identity()
    with torch.no_grad():
        h = F.normalize(stacks(X_train[:50]), dim=2)  # (3, 50, 32)
    alike[variant] = (h @ h.mT).mean().item()
print({variant: f"≈{value:.2f}" for variant, value in alike.items()})
verify("plain, matched: all digits point the same way", alike["plain, matched"] > 0.95)
verify("residual / √L: they do not", alike["residual / √L"] < 0.9)

# %% [markdown]
# ### A thousand blocks
#
# It is often said that skip connections "allow networks of 1,000 layers". One forward and one
# backward pass through 1,000 blocks shows under which condition.
#
# "Usable" means here: finite, larger than 10⁻⁸ and smaller than 1,000, so that an optimizer could
# do something with it.

# %%
norms = {}
for variant in variants:
    stacks = DeepStacks(1000, variant)
    stacks_loss(stacks, X_train[:20], y_train[:20]).backward()
    norms[variant] = stacks.blocks[0].W.grad.norm().item()
    usable = 1e-8 < norms[variant] < 1e3
    print(f"{variant:14}  gradient of the first block:", "usable" if usable else "useless")

# %%
verify("plain: exactly 0", norms["plain"] == 0)
verify("residual: over 10²⁰", norms["residual"] > 1e20)
verify("residual / √L: between 0.0001 and 1", 1e-4 < norms["residual / √L"] < 1)

# %% [markdown]
# Plain: exactly 0; with matched weights nearly so. Residual: astronomically large, because every
# block adds its variance to the sum; single precision would overflow. Divided by √L: as usable as
# at 100 blocks. Other cures have the same aim: start every branch at zero, or normalize inside
# the branch (lesson 3.8). The famous networks of that depth combine a free shortcut with
# normalization (He and others, "Identity mappings", 2016).
#
# The arithmetic behind √L is short. If the branches are about independent, L of them, each of
# variance v, add up to the variance Lv. Dividing each branch by √L divides each variance by L, so
# the sum has the variance v, whatever the depth.

# %% [markdown]
# ### Keep the shortcut free
#
# A popular way to write the block ends in ReLU: `F.relu(x + F(x))`. Then "the input is preserved"
# is not true. Take a branch that outputs 0, the state in which a block should do nothing:

# %%
x = torch.linspace(-2, 2, 9)
branch = torch.zeros_like(x)
verify("x + F(x) passes everything on", torch.equal(x + branch, x))
verify("relu(x + F(x)) loses every negative value", torch.equal(F.relu(x + branch), x.clamp(min=0)))

# %% [markdown]
# The damage adds up. After the first such block everything is positive, and from then on a block
# can only add and never truly pass on a negative number; the identity is out of reach exactly
# where it matters. The original ResNet of 2015 ended its blocks in this way, the improved version
# of 2016 removed the last ReLU.
#
# ### When the shapes differ
#
# A sum needs two equal shapes. Written without thought, the block of the figure fails in three
# ways, and the third is silent:

# %%
image, maps = torch.rand(2, 1, 8, 8), torch.rand(2, 8, 8, 8)
no_padding, wider = nn.Conv2d(8, 8, 3), nn.Conv2d(8, 16, 3, padding=1)
from_one = nn.Conv2d(1, 8, 3, padding=1)
outcome = []
for x, conv in [(maps, no_padding), (maps, wider), (image, from_one)]:
    try:
        outcome.append(tuple((x + conv(x)).shape))
    except RuntimeError:
        outcome.append("refused")
print(outcome)

# %% [markdown]
# The first two are refused. In the third, one channel is *broadcast*: the image is added to all
# eight feature maps, and no error tells you. The cure for a change of shape is a *projection* on
# the shortcut, a 1×1 convolution: for each pixel, a small linear map from the old channels to the
# new ones, with a stride if the size changes too.
#
# Use the projection only where it is needed. A 1×1 convolution on every shortcut would bring back
# a product of matrices, and with it the problem that the shortcut was to solve.

# %%
verify("1 channel broadcasts in silence", outcome == ["refused", "refused", (2, 8, 8, 8)])
projection = nn.Conv2d(8, 16, 1, stride=2)
verify("a 1×1 projection changes channels and size", projection(maps).shape == (2, 16, 4, 4))
verify("it has (8 + 1)·16 parameters", size_of(projection) == 9 * 16)

# %% [markdown]
# ### Exercise 03.5: a residual block with projection
#
# The branch: a 3×3 convolution with padding 1 and the given stride, ReLU, a 3×3 convolution with
# padding 1. The shortcut: x where the shapes agree, else a 1×1 convolution. Return their sum, and
# nothing after it.


# %% tags=["exercise"]
class ResidualBlock(nn.Module):
    def __init__(self, in_channels, out_channels, stride=1):
        # your code here
        ...

    def forward(self, x):
        # and here
        ...


exercises.residual_block.check(ResidualBlock)

# %% [markdown]
# ## 5. Branches side by side
#
# **Which kernel size is right?** A thin stroke needs a small kernel, a loop a large one.
# Inception (Szegedy and others, 2015) does not choose: several branches look at the same input,
# and their feature maps are joined as channels with `torch.cat`.
#
# Joining is not adding. `cat` along dim 1 puts the feature maps behind one another, so that the
# next layer can weigh each of them; adding would mix them before anybody could look. All other
# dimensions must agree: the batch, the height and the width.


# %%
class InceptionBlock(nn.Module):
    """Kernels of size 1, 3 and 5 side by side: (N, C, H, W) -> (N, 24, H, W)."""

    def __init__(self, channels):
        super().__init__()
        self.point = nn.Conv2d(channels, 8, 1)
        self.small = nn.Conv2d(channels, 8, 3, padding=1)
        self.large = nn.Conv2d(channels, 8, 5, padding=2)

    def forward(self, x):
        maps = [self.point(x), self.small(x), self.large(x)]  # three of (N, 8, H, W)
        return torch.cat(maps, dim=1)


# %%
inception = InceptionBlock(1)
for name, kind, shape in layer_shapes(inception, digits.test.images[:2, None]):
    print(name, kind, shape)
joined = inception(digits.test.images[:2, None])
verify("the channels add up: 8 + 8 + 8", joined.shape == (2, 24, 28, 28))

# %% [markdown]
# Two remarks. Padding of $(k-1)/2$ keeps the size, without which `cat` refuses. And "parallel"
# describes the drawing: in ordinary PyTorch the branches run one after the other, in the order in
# which `forward` calls them, as the table shows. What you gain is not time but several scales at
# once. To *see* scales, blur a digit with kernels of five sizes:

# %%
sizes = [1, 3, 5, 7, 9]
digit = digits.train.images[4:5]  # (1, 28, 28)
blurred = [F.avg_pool2d(digit, size, stride=1, padding=size // 2) for size in sizes]
names = [f"{size} × {size}" for size in sizes]
plotting.show_images(torch.cat(blurred), titles=names, columns=5, cell=1.4)
plt.show()

# %% [markdown]
# One digit averaged over windows of 1, 3, 5, 7 and 9 pixels: small windows keep the edges, large
# ones see only where the ink is. A branch can have learned filters of any of these sizes.
#
# There is a second way to a large view: stack small kernels. Two layers of 3×3 see 5×5 pixels,
# three see 7×7, with fewer weights and a ReLU in between. What one output can depend on is its
# *receptive field*.

# %%
explorers.receptive_field()

# %% [markdown]
# A digit with the receptive field of one output as a box, and bars for the number of paths from
# each column of pixels to it: layers of stride 1 widen the view slowly, strides widen it fast.
# The bars show that the view is not even: most paths come from the middle (Luo and others, 2016).

# %% [markdown]
# You can measure a receptive field. Ask autograd which input pixels the middle output depends on:
# those with a gradient that is not zero. Three layers of 3×3 should reach 7×7 pixels, with 27
# weights where a single 7×7 filter has 49.


# %%
stacked = nn.Sequential(*[nn.Conv2d(1, 1, 3, padding=1) for _ in range(3)])
pixels = torch.rand(1, 1, 15, 15, requires_grad=True)
(gradient,) = torch.autograd.grad(stacked(pixels)[0, 0, 7, 7], pixels)
reached = (gradient[0, 0] != 0).nonzero()  # pixels that the middle output depends on
low, high = reached.min(dim=0).values, reached.max(dim=0).values
verify("three layers of 3×3 see 7×7 pixels", (high - low + 1).tolist() == [7, 7])
verify("27 weights instead of 49", 3 * 9 < 7 * 7)

# %% [markdown]
# ### Exercise 03.6: branches that fit together
#
# Write `Branches(in_channels, plan)` for any plan, such as `{1: 8, 3: 16, 5: 4}`, from odd kernel
# size to output channels. Keep height and width, and join in the order of the plan.


# %% tags=["exercise"]
class Branches(nn.Module):
    def __init__(self, in_channels, plan):
        # your code here
        ...

    def forward(self, x):
        # and here
        ...


exercises.branches.check(Branches)

# %% [markdown]
# ## 6. Shared weights
#
# **How do you compare two inputs?** Send both through *the same* encoder, and measure the
# distance of the results. Two inputs, one set of weights: a *Siamese* network (Bromley and
# others, 1993). Returning two codes is only half of it; the comparison belongs to the model.
#
# Why not two encoders? Then the same digit could land in two different places, and the distance
# would mean nothing. With shared weights, equal inputs have distance 0 from the first step on,
# before any training.


# %%
class Siamese(nn.Module):
    """One encoder for two inputs: (N, 784) and (N, 784) -> distances (N,)."""

    def __init__(self, code=16):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, code))

    def forward(self, x1, x2):
        z1, z2 = self.encoder(x1), self.encoder(x2)  # (N, code) each
        return ((z1 - z2) ** 2).sum(dim=1).add(1e-9).sqrt()  # the 1e-9: √ has no slope at 0


# %% [markdown]
# What happens to the gradient of a weight that is used twice? The chain rule says: it is the
# *sum* over both uses. Cut one path with `detach()`, then the other, and add, in double
# precision:

# %%
twins = Siamese().double()
x1, x2 = X_train[:8].double(), X_train[8:16].double()
weight = twins.encoder[0].weight
z1, z2 = twins.encoder(x1), twins.encoder(x2)
(both,) = torch.autograd.grad(((z1 - z2) ** 2).sum(), weight, retain_graph=True)
(first,) = torch.autograd.grad(((z1 - z2.detach()) ** 2).sum(), weight, retain_graph=True)
(second,) = torch.autograd.grad(((z1.detach() - z2) ** 2).sum(), weight)
verify("gradient = use 1 + use 2", torch.allclose(both, first + second, rtol=1e-12, atol=1e-12))
verify("two inputs, still 51,280 parameters", size_of(twins) == 785 * 64 + 65 * 16)

# %% [markdown]
# Sharing saves parameters, not work: the encoder runs twice. To train it, the *contrastive loss*
# (Hadsell and others, 2006) pulls pairs of the same class together and pushes others apart, up to
# a margin of 1:
#
# $$
# L = s\,d^2 + (1 - s)\,\max(0,\, 1 - d)^2,
# \qquad s = 1 \text{ for the same class, else } 0 .
# $$
#
# Without the second term there would be a cheap way out: map everything to one point, and all
# pairs of one class are perfect. The margin sets how far is far enough; pairs that are further
# apart than 1 cost nothing and give no gradient.
#
# `draw_pairs` makes the training pairs. It sorts the images by class into one tensor (C, M, 784),
# draws a class for the first image, and for the second the same class (for every even pair) or
# another one.


# %%
def contrastive_loss(model, x1, x2, same):
    """Mean contrastive loss of pairs x1, x2 (N, 784), same (N,) in {0., 1.}."""
    d = model(x1, x2)  # (N,)
    return (same * d**2 + (1 - same) * F.relu(1 - d) ** 2).mean()


def draw_pairs(split, classes, n, seed):
    """Draw n pairs, half of them of one class: x1, x2 (n, 784), same (n,)."""
    generator = torch.Generator().manual_seed(seed)
    groups = torch.stack([split.flat()[split.labels == c] for c in classes])  # (C, M, 784)
    C, M = groups.shape[:2]
    a = torch.randint(C, (n,), generator=generator)
    other = (a + torch.randint(1, C, (n,), generator=generator)) % C  # surely another class
    same = torch.arange(n) % 2 == 0
    b = torch.where(same, a, other)
    i, j = torch.randint(M, (2, n), generator=generator)
    return groups[a, i], groups[b, j], same.float()


# %% [markdown]
# How good is a distance? Take a random pair of the same class and one of different classes: how
# often is the first closer? That number is called AUC; ½ is guessing. Compare distances between
# codes with distances between raw pixels. And ask a harder question: what about classes that the
# encoder has never seen?
#
# For the harder question a second set of encoders is trained on the digits 0 to 6 only, and
# tested on pairs of 7, 8 and 9. Every encoder sees 8,000 pairs once, in batches of 50, with Adam
# and the rate 0.001.


# %%
@torch.no_grad()
def closer_share(distance, pairs):
    """How often a pair of one class is closer than a pair of two classes."""
    x1, x2, same = pairs
    d = distance(x1, x2)
    return (d[same == 1][:, None] < d[same == 0]).float().mean().item()


def train_siamese(classes, seed, dtype=torch.float32):
    """Train a Siamese network for one epoch over 8,000 pairs of the given classes."""
    torch.manual_seed(seed)
    model = Siamese().to(dtype)
    pairs = [part.to(dtype) for part in draw_pairs(digits.train, classes, 8000, seed)]
    run_epochs(model, contrastive_loss, *pairs, epochs=1, lr=1e-3, seed=seed)
    return model


# %%
everything, known, held_out = range(10), range(7), range(7, 10)
all_pairs = draw_pairs(digits.test, everything, 2000, seed=100)
new_pairs = draw_pairs(digits.test, held_out, 2000, seed=100)
pixels = {"all": closer_share(F.pairwise_distance, all_pairs)}
pixels["new"] = closer_share(F.pairwise_distance, new_pairs)
encoders = [train_siamese(everything, seed) for seed in range(3)]
on_all = [closer_share(model, all_pairs) for model in encoders]
on_new = [closer_share(train_siamese(known, seed), new_pairs) for seed in range(2)]

# %%
print(f"pixels:   all classes ≈{pixels['all']:.2f}, only 7, 8, 9 ≈{pixels['new']:.2f}")
print("encoder:  trained on all classes", [f"≈{value:.2f}" for value in on_all])
print("          trained on 0–6, tested on 7, 8, 9", [f"≈{value:.2f}" for value in on_new])
verify("trained on all: at least 0.92, pixels below 0.8", pixels["all"] < 0.8 < 0.92 < min(on_all))
verify("on classes never seen: not 0.1 better than pixels", max(on_new) < pixels["new"] + 0.1)

# %% [markdown]
# For the ten digits the learned distance is far better than pixels. For classes that were not in
# the training pairs it is no better than pixels: seven classes are too few to learn what "the
# same" means in general. Face verification works for new people because it is trained on millions
# of photos of very many people (Schroff and others, 2015).
#
# Look at what the encoder calls near: for six test digits, the nearest three of the training
# digits.
#
# The search is simple: encode all training digits once, encode the query, and take the smallest
# of 3,500 distances, in 16 dimensions instead of 784. Which neighbor comes third can hang on the
# last digit of a distance, so this encoder is trained in double precision.

# %%
exact = train_siamese(everything, seed=0, dtype=torch.float64)
with torch.no_grad():
    codes = exact.encoder(X_train.double())  # (3500, 16)
    queries = exact.encoder(X_test[:6].double())  # (6, 16)
nearest = torch.cdist(queries, codes).topk(3, largest=False).indices  # (6, 3)
rows = [torch.cat([X_test[n : n + 1], X_train[nearest[n]]]) for n in range(6)]
grid = torch.stack(rows, dim=1).reshape(24, 28, 28)
titles = [f"test: {label}" for label in y_test[:6].tolist()] + y_train[nearest.T].flatten().tolist()
plotting.show_images(grid, titles=titles, columns=6, cell=1.1)
plt.show()

# %% [markdown]
# Six test digits in the top row, and under each its three nearest training digits by the learned
# distance, with their labels: nearly all are of the same class, although their pixels differ in
# slant and thickness.
#
# Mistakes are instructive here: where a wrong neighbor appears, look at the two images, and you
# will often see what the encoder took for similar.

# %%
agree = (y_train[nearest] == y_test[:6, None]).float().mean().item()
verify("at least two thirds of these neighbors have the right class", agree > 0.66)

# %% [markdown]
# ## 7. As deep as needed
#
# **Must every input take the whole way?** A clear 1 is easy, a smeared 8 is hard. A *dynamic*
# network stops early when it can. Often you see this version: a loop
# `for layer in self.layers[:depth]` with `depth` as an argument of `forward`. That adapts to
# nothing: the caller chooses the depth without looking at the input. We need two things: an
# answer at several depths, and a rule for when to believe it.
#
# The network below has three stages of convolution, each with stride 2, and after each stage a
# small head of its own: it averages the maps down to 4 × 4 and ends in ten logits. Early heads
# see small patterns, late ones large patterns. All three answers come back together, as one
# tensor of shape (N, 3, 10).


# %%
class ExitNet(nn.Module):
    """Three convolution stages, each with a head: (N, 28, 28) -> logits (N, 3, 10)."""

    def __init__(self):
        super().__init__()
        channels, double = [1, 8, 16, 32], torch.float64  # the weights, too, are drawn in float64
        self.stages, self.heads = nn.ModuleList(), nn.ModuleList()
        for c_in, c_out in pairwise(channels):
            self.stages.append(nn.Conv2d(c_in, c_out, 3, stride=2, padding=1, dtype=double))
            pool = nn.AdaptiveAvgPool2d(4)  # (c_out, 4, 4) for every stage
            head = nn.Linear(16 * c_out, 10, dtype=double)
            self.heads.append(nn.Sequential(pool, nn.Flatten(), head))

    def forward(self, x):
        h, answers = x[:, None], []  # (N, 1, 28, 28)
        for stage, head in zip(self.stages, self.heads, strict=True):
            h = F.relu(stage(h))
            answers.append(head(h))
        return torch.stack(answers, dim=1)


# %% [markdown]
# *Predict first:* train it through the last head only, as usual. How often is the *first* head
# right?

# %%
guess = ...  # "a": about 90 %, "b": about 50 %, "c": about 10 %
exercises.exit_guess.commit(guess)


# %%
def exit_loss(model, X, y, exits=(0, 1, 2)):
    """Mean of the cross-entropies of some exits."""
    logits = model(X)  # (N, 3, 10)
    return sum(F.cross_entropy(logits[:, k], y) for k in exits) / len(exits)


# %%
def train_exits(seed, exits=(0, 1, 2)):
    """Train an ExitNet on 1,000 digits through some exits; test logits (1000, 3, 10)."""
    torch.manual_seed(seed)
    model, loss_of = ExitNet(), partial(exit_loss, exits=exits)
    images, labels = digits.train.images[:1000].double(), digits.train.labels[:1000]
    run_epochs(model, loss_of, images, labels, epochs=4, lr=0.01, seed=seed)
    with torch.no_grad():
        return model(digits.test.images.double())


# %%
only_last = train_exits(seed=0, exits=(2,))
by_exit = (only_last.argmax(dim=2) == y_test[:, None]).float().mean(dim=0)
print("trained through the last exit:", [f"≈{value:.2f}" for value in by_exit.tolist()])
exercises.exit_guess.reveal("c", "A head that nobody trained guesses.")
verify("the last exit reads at least 82 %", by_exit[2] > 0.82)
verify("the first two guess", by_exit[:2].max() < 0.4)

# %% [markdown]
# Cutting a trained network short gives nonsense; every exit has to be trained. So add the losses
# of all three, and let each digit leave at the first exit that is sure enough: the largest
# softmax probability is at least a threshold.
#
# ### Exercise 03.7: when to stop
#
# Write `early_exit(logits, threshold)` for logits of shape (N, K, C): return the predicted
# classes and the exits, both (N,) and int64. The last exit always answers.
#
# The rule is the part that *looks at the input*: the digit itself decides, by how clear the
# answer already is, how much is computed for it. With a high threshold few digits leave early,
# with a low one nearly all leave at once.


# %% tags=["exercise"]
def early_exit(logits, threshold):
    # your code here
    ...


exercises.exit_rule.check(early_exit)

# %% [markdown]
# And the price? Count *multiply–adds*: a convolution needs one for each output pixel, output
# channel, input channel and kernel element; a linear head one for each weight. A digit that
# leaves at exit k has paid for all stages and heads up to k.
#
# In the sweep below, a threshold of 1.1 can never be reached, so it gives the full network; 0.3
# lets almost everything leave at the first exit. Three seeds are trained, each through all exits.

# %%
areas, channels = [14 * 14, 7 * 7, 4 * 4], [1, 8, 16, 32]
stages = [areas[k] * channels[k] * channels[k + 1] * 9 for k in range(3)]
heads = [16 * channels[k + 1] * 10 for k in range(3)]
price = (torch.tensor(stages) + torch.tensor(heads)).cumsum(0).double()  # (3,), up to each exit
print("multiply–adds up to each exit:", price.long().tolist())

# %%
thresholds = [0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.1]  # 1.1: nobody leaves early
curves = []  # for each seed: (thresholds, 2), cost and accuracy
for seed in range(3):
    probability, predicted = train_exits(seed).softmax(dim=2).max(dim=2)  # (1000, 3)
    curve = []
    for threshold in thresholds:
        sure = (probability >= threshold) | torch.tensor([False, False, True])
        exits = sure.int().argmax(dim=1)  # the first exit that is sure
        right = predicted.gather(1, exits[:, None]).squeeze(1) == y_test
        curve.append([price[exits].mean() / price[-1], right.float().mean()])
    curves.append(torch.tensor(curve))
curves = 100 * torch.stack(curves)  # (3, thresholds, 2)

# %%
fig, ax = plt.subplots(figsize=(6.5, 3.8))
for seed, curve in enumerate(curves):
    style = dict(color=plotting.colors[seed], linestyle=plotting.linestyles[seed])
    ax.plot(*curve.T, marker=plotting.markers[seed], label=f"seed {seed}", **style)
ax.set(xlabel="multiply–adds, % of the full network", ylabel="test accuracy (%)", ylim=(50, 100))
ax.legend()
plt.show()

# %% [markdown]
# Accuracy against computation for nine thresholds and three seeds: from left to right the
# threshold rises from 0.3 to "never leave early". The curves flatten: the last fifth of the
# computation buys almost nothing, because only the hard digits need it.

# %%
full, early = curves[:, -1], curves[:, thresholds.index(0.7)]  # (3, 2) each
saved, lost_points = 100 - early[:, 0], full[:, 1] - early[:, 1]
print(f"threshold 0.7: ≈{saved.median():.0f} % less work, ≈{lost_points.median():.1f} points lost")
verify("at 0.7 at least 35 % of the work is saved, for every seed", saved.min() > 35)
verify("and at most 4 points of accuracy are lost", lost_points.max() < 4)

# %% [markdown]
# Two cautions. The saving is real only if you run the digits one by one, or regroup those that go
# on; in a batch the slowest decides. And confidence is not truth: a network can be sure and
# wrong. Choose the threshold on validation data.

# %% [markdown]
# ## 8. Four families, one task
#
# **Which family for which data?** Four kinds of network read the same 1,000 digits with about
# 17,500 parameters each:
#
# - **MLP:** fully connected; all 784 pixels at once, in any order.
# - **CNN:** small filters slide over the image; the same weights at every place.
# - **LSTM:** reads the image as a sequence of 14 strips, top to bottom, with a memory. A strip is
#   a pair of rows. Made for sequences: text, sensors, sound.
# - **Transformer encoder:** sees the 28 rows as a set of vectors that look at each other by
#   *attention*; a learned position tells which row is which. The base of today's large language
#   models (Vaswani and others, 2017).
#
# ### Attention in ten lines
#
# Each row asks a question, its *query* q; each row offers a *key* k and a *value* v. The dot
# product says how well a key answers a query, a softmax turns these scores into weights, and the
# output is the weighted mean of the values. With d numbers in a key:
#
# $$
# \mathrm{attention}(Q, K, V) = \mathrm{softmax}\!\left(\frac{Q K^\top}{\sqrt d}\right) V,
# \qquad
# (T, d),\,(T, d),\,(T, d) \to (T, d) .
# $$
#
# Why divide by √d? A dot product of d independent numbers of spread 1 has the spread √d. Without
# the division the scores grow with d, the softmax becomes nearly one-hot, and (lesson 3.2) its
# gradient fades.


# %%
def attention(q, k, v):
    """Scaled dot-product attention: q, k, v (…, T, d) -> outputs (…, T, d), weights (…, T, T)."""
    scores = q @ k.mT / q.shape[-1] ** 0.5  # (…, T, T): row t holds what row t asks for
    weights = scores.softmax(dim=-1)  # each row sums to 1
    return weights @ v, weights


# %%
generator = torch.Generator().manual_seed(0)
q, k, v = torch.randn(3, 2, 28, 40, generator=generator, dtype=torch.float64)
out, weights = attention(q, k, v)
theirs = F.scaled_dot_product_attention(q, k, v)
verify("equal to F.scaled_dot_product_attention", torch.allclose(out, theirs))
verify("every row of weights sums to 1", (weights.sum(dim=-1) - 1).abs().max() < 1e-12)
order = torch.randperm(28, generator=generator)
shuffled, _ = attention(q[:, order], k[:, order], v[:, order])
verify("attention does not know the order", torch.allclose(shuffled, out[:, order]))

# %% [markdown]
# The last line is why a position must be added to each row. It also shows the strength: all rows
# are handled at once, in two matrix products, while an LSTM has to finish row 5 before row 6.
# Here is a Transformer encoder of one block. It splits queries, keys and values into four *heads*
# that look at different things. Its two sums are skip connections, as in section 4, with
# normalization inside the branches.


# %%
class RowEncoder(nn.Module):
    """A one-block Transformer encoder over the rows of an image: (N, 28, 28) -> (N, 10)."""

    def __init__(self, d=40):
        super().__init__()
        self.embed = nn.Linear(28, d)
        self.position = nn.Parameter(0.1 * torch.randn(28, d))
        self.norm1, self.norm2 = nn.LayerNorm(d), nn.LayerNorm(d)
        self.to_qkv, self.merge = nn.Linear(d, 3 * d), nn.Linear(d, d)
        self.mix = nn.Sequential(nn.Linear(d, 96), nn.ReLU(), nn.Linear(96, d))
        self.head = nn.Linear(d, 10)

    def forward(self, x):
        h = self.embed(x) + self.position  # (N, 28, d)
        qkv = self.to_qkv(self.norm1(h)).unflatten(2, (3, 4, -1))  # (N, 28, 3, 4 heads, d/4)
        looked, self.weights = attention(*qkv.permute(2, 0, 3, 1, 4))  # (N, 4, 28, d/4)
        h = h + self.merge(looked.transpose(1, 2).flatten(2))
        h = h + self.mix(self.norm2(h))
        return self.head(h.mean(dim=1))


# %% [markdown]
# The other three are short. The LSTM reads strip after strip, two rows of 28 pixels at a time, and
# keeps a memory of 43 numbers; its state after the last strip goes to the head. The CNN slides 16
# and then 92 filters and pools, until of each of the 92 maps only the four maxima of its quarters
# are left. LSTM and CNN compute in double precision, since their single-precision results differ
# most from one processor to the next. The MLP has room for only 22 hidden units, because each of
# them costs 785 parameters.


# %%
class StripLSTM(nn.Module):
    """Read pairs of rows from top to bottom: (N, 28, 28) -> (N, 10)."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(56, 43, batch_first=True, dtype=torch.float64)
        self.head = nn.Linear(43, 10, dtype=torch.float64)

    def forward(self, x):
        strips = x.double().reshape(-1, 14, 56)
        states, _ = self.lstm(strips)  # (N, 14, 43), one state after each strip
        return self.head(states[:, -1])


# %%
def small_mlp():
    """784-22-10."""
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 22), nn.ReLU(), nn.Linear(22, 10))


class SmallCNN(nn.Module):
    """Two convolutions with pooling, in double precision: (N, 28, 28) -> (N, 10)."""

    def __init__(self):
        super().__init__()
        layers = [nn.Conv2d(1, 16, 5, stride=2, padding=2), nn.MaxPool2d(2), nn.ReLU()]
        layers += [nn.Conv2d(16, 92, 3), nn.AdaptiveMaxPool2d(2), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(92 * 4, 10)).double()

    def forward(self, x):
        return self.layers(x[:, None].double())


# %%
families = {"MLP": small_mlp, "CNN": SmallCNN, "LSTM": StripLSTM, "Transformer": RowEncoder}
sizes = {name: size_of(make()) for name, make in families.items()}
print(sizes)
verify("all within 4 % of 17,500", all(abs(n / 17_500 - 1) < 0.04 for n in sizes.values()))

# %% [markdown]
# Then we move 500 of the *test* digits by up to 4 pixels to the side. No network has seen a moved
# digit in training. *Predict first:* an MLP reads about 85 % of the test digits. What is left
# when each moves by 2 pixels?
#
# All four are trained in the same way: four epochs over 1,000 digits in batches of 50, Adam with
# the rate 0.008, three seeds each. (With 0.005 the order at the end is the same.) The training
# function also takes the time.

# %%
guess = ...  # "a": about 85 %, "b": about 75 %, "c": about 60 %, "d": about 10 %
exercises.shift_guess.commit(guess)


# %%
def shifted(images, by):
    """Move images (N, 28, 28) to the right by a number of pixels; what leaves is lost."""
    padded = F.pad(images, (4, 4))  # 4 empty columns on each side
    return padded[:, :, 4 - by : 32 - by]


def classify_loss(model, X, y):
    """Cross-entropy of a classifier's logits."""
    return F.cross_entropy(model(X), y)


# %%
import time

shifts = [-4, -2, 0, 2, 4]
unmoved = digits.test.images[:500]
moved = torch.stack([shifted(unmoved, by) for by in shifts])  # (5, 500, 28, 28)


def train_family(name, seed, images=digits.train.images[:1000]):
    """Train one model of a family; return it and the seconds of CPU time that it took."""
    torch.manual_seed(seed)
    model, start = families[name](), time.process_time()
    run_epochs(model, classify_loss, images, y_train[:1000], epochs=4, lr=0.008, seed=seed)
    return model, time.process_time() - start


# %%
trained, seconds = {}, {}
for name in families:
    runs = [train_family(name, seed) for seed in range(3)]
    trained[name] = [model for model, _ in runs]
    seconds[name] = min(spent for _, spent in runs)

# %%
by_shift = {}
for name, models in trained.items():
    with torch.no_grad():
        logits = [torch.stack([model(images) for images in moved]) for model in models]
    right = torch.stack(logits).argmax(dim=3) == y_test[:500]  # (3 seeds, 5 shifts, 500)
    by_shift[name] = 100 * right.float().mean(dim=2)

# %%
fig, ax = plt.subplots(figsize=(7, 4.2))
draw_bands(ax, shifts, by_shift)
ax.set(xlabel="shift of the test digits in pixels", ylabel="test accuracy (%)", ylim=(0, 100))
plt.show()

# %% [markdown]
# Accuracy on test digits moved sideways, median and range over three seeds: at shift 0 the CNN
# leads, and while the others fall off steeply it keeps most of its accuracy two pixels away. Same
# data, same budget of parameters and epochs, one learning rate for all, tuned for none.
#
# The others fail for the same reason: to the MLP pixel 400 is an input of its own, with weights
# of its own, and has nothing to do with pixel 402. LSTM and Transformer take each strip or
# row as *one vector*, so for them, too, a move to the side scrambles every input. (A move up or
# down would be another matter; try it.)

# %%
still = {name: runs[:, 2] for name, runs in by_shift.items()}  # (3,) each, shift 0
two = {name: (runs[:, 1] + runs[:, 3]) / 2 for name, runs in by_shift.items()}  # mean of ±2
for name in families:
    unmoved, after = still[name].median(), two[name].median()
    print(f"{name:11} unmoved ≈{unmoved:.0f} %, moved by 2 ≈{after:.0f} %")

# %%
exercises.shift_guess.reveal("c", "It reads pixels by their place, and every place has changed.")
verify("MLP: 80 to 92 % unmoved", 80 < still["MLP"].median() < 92)
verify("MLP: 45 to 72 % moved by 2", 45 < two["MLP"].median() < 72)
for name in ("MLP", "LSTM", "Transformer"):
    verify(f"the worst CNN beats the best {name}", still["CNN"].min() > still[name].max())
    verify("and moved by 2 it leads by 10 points", two["CNN"].min() - two[name].max() > 10)

# %% [markdown]
# The time is another matter. The next cell prints how long the training of one model took here;
# your numbers will differ. (CNN and LSTM compute in double precision here, which costs time.)

# %% tags=["nbval-ignore-output"]
for name, spent in seconds.items():
    print(f"{name:11} {spent:5.2f} s for 4 epochs, {spent / seconds['MLP']:4.0f} × the MLP")

# %% [markdown]
# ### Why convolution?
#
# A filter is the same at every place. Move the image, and the feature map moves along, unchanged:
# convolution is *equivariant* to shifts. Pooling then forgets small moves. In the explorer the
# filters are fixed edge detectors, and nothing is trained.

# %%
explorers.shifted_digit()

# %% [markdown]
# A digit, its edge map, and how much both resemble the unmoved digit, for every shift: pixels and
# edges change completely within a few pixels, but pooled edges change slowly, the more slowly the
# larger the pooling window. Global pooling ignores the shift altogether, and with it the place of
# every stroke: that is too much for digits.

# %%
conv = nn.Conv2d(1, 4, 5, padding=2, bias=False).double()
image = F.pad(digits.test.images[:1, None, 4:24, 4:24].double(), (8, 8, 8, 8))  # room to move
filtered_last, filtered_first = conv(image.roll(3, dims=3)), conv(image).roll(3, dims=3)
verify("shift, then filter = filter, then shift", torch.allclose(filtered_last, filtered_first))

# %% [markdown]
# The same assumption can be wrong. Shuffle the pixels of all images with one fixed permutation:
# every image is still unique and the MLP does not care, but neighborhoods mean nothing any more.

# %%
permutation = torch.randperm(784, generator=torch.Generator().manual_seed(7))
train_images, test_images = (X[:, permutation].unflatten(1, (28, 28)) for X in (X_train, X_test))
scrambled = {}
for name in ("MLP", "CNN"):
    model, _ = train_family(name, seed=0, images=train_images[:1000])
    with torch.no_grad():
        right = model(test_images[:500]).argmax(dim=1) == y_test[:500]
    scrambled[name] = 100 * right.float().mean().item()
print({name: f"≈{value:.0f} %" for name, value in scrambled.items()})

# %%
verify("the MLP does not care", abs(scrambled["MLP"] - still["MLP"].median()) < 5)
verify("the CNN loses 5 points or more", still["CNN"].min() - scrambled["CNN"] > 5)

# %% [markdown]
# That is what an architecture is: an *assumption about the data* built into the wiring. Where it
# holds, fewer examples are enough; where it does not, it is in the way. Fewer parameters are not
# the point: all four families had the same number. The point is which functions are *easy to
# reach* from the start.
#
# ### Where does the encoder look?
#
# The weights of attention can be drawn. For one digit, row t of the map shows from which rows row
# t took its values.
#
# In `forward` the encoder keeps its last weights as an attribute, shape (N, heads, rows, rows).
# That is all one needs to draw them.

# %%
encoder = trained["Transformer"][0]
with torch.no_grad():
    encoder(digits.test.images[:1])
fig, axes = plt.subplots(1, 5, figsize=(10, 2.6))
axes[0].imshow(digits.test.images[0])
axes[0].set(title="a test digit", ylabel="row", xticks=[])
for k, ax in enumerate(axes[1:]):
    ax.imshow(encoder.weights[0, k], cmap="viridis", vmin=0)
    ax.set(title=f"head {k + 1}", xlabel="looks at row", yticks=[])
for ax in axes:
    ax.grid(False)
plt.show()

# %% [markdown]
# A test digit, and for each of the four heads the attention of every row of the image (vertical)
# over all rows (horizontal), brighter for more: each head has bright columns of its own, rows
# that many others look at. Such a map shows where values are taken from; it is not a full
# explanation of the answer.
#
# Some bright columns belong to rows without any ink. That is no error: the weights of a row must
# sum to 1, so a row that has nothing to ask for must still look somewhere.

# %%
peak = encoder.weights[0].amax(dim=2)  # (4, 28): the largest weight of each row
verify("four heads, 28 rows, 28 weights each", encoder.weights.shape == (1, 4, 28, 28))
verify("attention has learned to prefer: some weight is over 3/28", peak.max() > 3 / 28)

# %% [markdown]
# ### Which pattern, when?
#
# | pattern | reach for it when | evidence here |
# |---|---|---|
# | `Sequential` | the data go straight through; always as a baseline | section 1 |
# | own `Module` | the flow branches, loops or repeats | section 2 |
# | skip connections | depth beyond about ten layers | 100 blocks learn, plain ones do not |
# | branches | features of several scales matter | section 5 |
# | shared weights | inputs are compared, or a pattern can be anywhere | Siamese; convolution |
# | early exits | inputs differ in difficulty and time is short | accuracy–work curve |
# | MLP | the inputs have no order (tables); small | scrambled pixels |
# | CNN | images: neighbors belong together | shifts |
# | LSTM, GRU | sequences, read step by step | lesson 3.4 |
# | Transformer | sequences and sets, much data, fast hardware | handles all rows at once |
#
# On 1,000 small images the Transformer is not the best of the four. It assumes least about its
# inputs, so it needs the most data; its fame rests on very large data sets, which a lesson cannot
# reproduce.
#
# ### Exercise 03.8: same person or not?
#
# A door shall open if the photo taken now shows the same person as the photo on the card. New
# people join every day, without retraining. Which architecture?
#
# - **a** A classifier with one output for each person.
# - **b** One encoder applied to both photos, and a threshold on the distance of its codes.
# - **c** Two encoders with weights of their own, one for each photo, and a threshold on the
#   distance.
# - **d** A deeper classifier with skip connections.
#
# How would you decide in practice? Begin with the simplest network that respects what you know
# about the data: order, neighborhood, equal treatment of places. Measure it. Add one pattern at a
# time, and only where a measurement asks for it: a skip connection because the deep network does
# not learn, a second kernel size because details are missed, an early exit because the phone gets
# warm. A pattern that solves no problem of yours costs time and parameters.

# %% tags=["exercise"]
answer = ...  # "a", "b", "c" or "d"

exercises.which_pattern.check(answer)

# %% [markdown]
# ## Common mistakes
#
# ### The same layer three times
#
# **Symptom:** far fewer parameters than you counted. `[layer] * 3` is a list of three names for
# *one* layer. PyTorch counts a shared parameter once, and trains it as one, with the sum of three
# gradients. Sometimes that is what you want (section 6); here it is not.

# %%
repeated = nn.Sequential(*[nn.Linear(8, 8)] * 3)
fresh = nn.Sequential(*[nn.Linear(8, 8) for _ in range(3)])
print(size_of(repeated), "parameters, wanted", size_of(fresh))
verify("all three are one object", repeated[0] is repeated[2])

# %% [markdown]
# ### Calling `forward` directly
#
# **Symptom:** hooks, and the tools that use them, see nothing. `model(x)` runs the hooks and then
# `forward`; `model.forward(x)` skips them.

# %%
calls = []
layer = nn.Linear(3, 2)
layer.register_forward_hook(lambda module, inputs, output: calls.append(1))
layer.forward(torch.ones(1, 3))
verify("layer.forward(x): the hook was not called", len(calls) == 0)
layer(torch.ones(1, 3))
verify("layer(x): it was", len(calls) == 1)

# %% [markdown]
# ### Flattening the batch
#
# **Symptom:** a shape error about a number that is a multiple of the batch size, or, with
# `view(-1, …)`, no error and wrong rows. `x.flatten()` joins everything, the batch included;
# `x.flatten(1)` and `nn.Flatten()` begin after the batch.

# %%
batch = torch.rand(5, 28, 28)
verify("flatten() loses the batch", batch.flatten().shape == (3920,))
verify("flatten(1) keeps it", batch.flatten(1).shape == (5, 784))
verify("view(-1, 392) makes ten rows of five images", batch.view(-1, 392).shape == (10, 392))

# %% [markdown]
# ### A depth beyond the end
#
# **Symptom:** none, and that is the problem. `self.layers[:99]` on a list of six layers is those
# six: slices never complain. If a depth is an argument, check it.

# %% [markdown]
# ### Seen before in this lesson
#
# - Layers in a plain list are not trained ([section 2](#2.-Your-own-module)).
# - One channel plus eight channels broadcasts
#   ([When the shapes differ](#When-the-shapes-differ)).
# - A ReLU after the sum blocks the shortcut ([Keep the shortcut free](#Keep-the-shortcut-free)).

# %% [markdown]
# ## Key takeaways
#
# - A layer has (n_in + 1)·n_out parameters; shapes follow from one formula, and hooks show them
#   ([section 1](#1.-Layers-in-a-row)).
# - A module owns what you assign to it: parameters, buffers, submodules. A plain list hides them
#   ([What a module owns](#What-a-module-owns)).
# - Depth can represent exponentially more pieces per parameter, and training may still not find
#   them ([section 3](#3.-Wider-or-deeper?)).
# - `x + F(x)` lets gradient and information pass; keep the shortcut free and the sum of branches
#   bounded, and 100 blocks train ([section 4](#4.-Skip-connections)).
# - Branches see several scales; pad them alike and join along dim 1
#   ([section 5](#5.-Branches-side-by-side)).
# - A weight that is used twice gets the sum of two gradients; a Siamese encoder learns a distance
#   for the classes it has seen ([section 6](#6.-Shared-weights)).
# - Depth on demand needs trained exits and a rule that looks at the input
#   ([section 7](#7.-As-deep-as-needed)).
# - An architecture is an assumption about data. Convolution assumes that neighbors matter and
#   places do not, and wins on shifted digits ([section 8](#8.-Four-families,-one-task)).
#
# ## Further exercises
#
# 1. Train `folding_network(3)` from its exact weights plus a little noise. How much noise can it
#    bear before it does not find its way back?
# 2. Start every branch of the residual stack at zero instead of dividing by √L. Compare at 100
#    and 1,000 blocks.
# 3. Replace the average at the end of `RowEncoder` by a maximum. What happens to the shifts?
# 4. Train the Siamese network on more classes: cut each digit into halves and treat these as
#    classes. Does it get better on classes it has never seen?
# 5. Train an `ExitNet` whose depth is drawn at random in each step, with a single head. Compare
#    it with three heads.
#
# **Reading.** K. He et al., "Deep residual learning for image recognition" and "Identity mappings
# in deep residual networks" (2016). M. Telgarsky, "Benefits of depth in neural networks" (2016).
# C. Szegedy et al., "Going deeper with convolutions" (2015). W. Luo et al., "Understanding the
# effective receptive field" (2016). J. Bromley et al., "Signature verification using a Siamese
# time delay neural network" (1993). R. Hadsell et al., "Dimensionality reduction by learning an
# invariant mapping" (2006). F. Schroff et al., "FaceNet" (2015). A. Vaswani et al., "Attention is
# all you need" (2017).
#
# ## Your progress

# %%
from course_utils.exercises import progress

progress("03")

# %% [markdown]
# ## Next
#
# Twice in this lesson everything hung on the first weights: the matched plain network, and the
# residual sum that exploded. [Lesson 3.4](04_initialization.ipynb) is about initialization: what
# the weights should be before the first step, and why.
