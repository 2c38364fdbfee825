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
# # 3.0 Foundations: from a weighted sum to backpropagation
#
# Welcome to *Neural Network Basics*, a course that leads from the mathematics to PyTorch. A
# neural network looks mysterious from outside. Inside there are weighted sums, one simple curve,
# and a rule from school about derivatives, repeated many times. In this lesson you do all of it
# by hand on a network that is small enough to hold in your head: nine numbers. You let it
# predict, work out which way each number has to move, and watch it learn. Then you write the same
# in six lines of PyTorch, and in the end you build your own little PyTorch.
#
# The motto of the course: **understand the maths, then let PyTorch handle the derivatives.**
#
# ## You will be able to
#
# - **use** tensors: their shapes, their types, and what happens when shapes differ;
# - **compute** a network's output by hand, in index form and in matrix form, with all shapes;
# - **derive** its gradients by the chain rule, and check them in two independent ways;
# - **train** it by gradient descent, by hand and in six lines of PyTorch, and say which learning
#   rates work;
# - **build** an automatic differentiation engine of your own, and use it.
#
# ## Before you start
#
# **Who is this for?** For you, if you have written some Python: a loop, a function, a list. You
# need no experience with PyTorch, and no machine learning. From school you need a straight line
# and the derivative of $x^2$; everything else is explained when it appears. If you know
# derivatives well, sections 4 and 5 will go fast. Do look at the table of symbols in section 3: the
# whole course uses it.
#
# **Time:** about 100 minutes with all exercises; 50 if you only read, slide and run.

# %% [markdown]
# <!-- launch:start -->
# Open this lesson with `make lab`.
# <!-- launch:end -->

# %%
from course_utils import setup

setup()

# %% [markdown]
# That was a *cell*: some code, and below it what the code printed. You can read this page like a
# book, because all results are already here. But it is a workshop. Click on a cell and press
# Shift+Enter to run it; change a number and run it again. You cannot break anything: *Restart
# Kernel* in the menu *Kernel* brings everything back to the start.
#
# The next cell fetches the tools of this lesson. `torch` is PyTorch, which came out of Facebook's
# AI research lab and now belongs to the PyTorch Foundation; `nn` are its building blocks for
# networks, `F` its functions, and `plt` draws. The lines with `course_utils` bring the course's
# own helpers. All of them are plain Python that you can open and read.

# %%
import contextlib
import inspect
import io
import math
import random
from itertools import pairwise

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from torch import nn

from course_utils import data, doctor, drawings, plotting, verify
from course_utils.exercises import foundations as exercises
from course_utils.explore import foundations as explorers

# %% [markdown]
# ## 1. How a lesson works
#
# **You learn by doing four things: run, slide, predict, answer.** Here is each of them once.
#
# *Run.* Every claim of this course has a cell behind it. `verify` takes a sentence and a
# condition. If the condition holds in your kernel, the Python process behind this page, it prints
# the sentence with a ✓. If not, it stops with an error, and shows the values. So you never have
# to believe us. Here is one true claim, and one false claim whose error is caught and printed:

# %%
verify("two and two make four", 2 + 2 == 4)
try:
    verify("two and two make five", 2 + 2 == 5, found=2 + 2)
except AssertionError as error:
    print(error)

# %% [markdown]
# A number behind **≈** may differ a little on your machine: other processors round differently.
# A `verify` nearby says by how much at most. Numbers without ≈ come out the same everywhere.
# `setup` helps with that: it fixes the *seed*, the starting point of all random numbers.

# %%
average = torch.rand(10_000).mean().item()  # ten thousand random numbers between 0 and 1
print(f"their average: ≈{average:.2f}")
verify("it is one half, give or take 0.02", abs(average - 0.5) < 0.02)

# %% [markdown]
# *Slide.* Some cells show a picture with sliders, an *explorer*. It answers at once, with the
# mouse or the arrow keys. Where you read this page without a kernel, you see a few telling
# positions instead. The first one comes in section 5.
#
# *Predict.* Before a surprise you are asked for a guess. Replace the `...` by a letter and run
# on. Nobody grades it. But a wrong guess that you have committed to is remembered; a surprise
# that you have only read about is not.
#
# *Answer.* An exercise gives you a function to write. Its last line checks your answer, says what
# it does, right or wrong, and recognizes typical mistakes. Any correct solution counts, not only
# ours. For help write `.hint()` after its name, as in `exercises.batch_sum.hint()`, three times if
# you like, or `.solution()`. Untouched, an exercise says "not attempted yet", and that is fine.
#
# ### Python that may be new to you
#
# The cells use a few short forms. Come back here when one puzzles you.
#
# - `[2 * n for n in numbers]` builds a list by a loop; `{n: 2 * n for n in numbers}` a dictionary.
# - `for a, b in zip(A, B, strict=True)` runs through two lists in step; `strict` insists on equal
#   lengths. `pairwise(A)` gives neighbors, the first and second, the second and third, and so on.
# - `lambda w: w * w` is a function without a name: it takes w and returns w².
# - `f"{x:.2f}"` is a text with the value of x in it, here with two digits behind the point.
# - `try: ... except RuntimeError: ...` goes on in the second part if the first one fails.
# - `with torch.no_grad():` holds for the indented lines below it, and ends with them.
#
# ### Is everything installed?
#
# First a part that breaks easily: torchvision, PyTorch's library for images, must be made for your
# version of PyTorch. If it is not, the import fails. It takes a few seconds the first time.

# %%
import torchvision

verify("torchvision loads, so it fits this PyTorch", hasattr(torchvision, "transforms"))

# %% [markdown]
# The rest is the job of `doctor()`: it looks at the installation, prints a line for each part with
# its version, and says what to do about what is wrong. Run it by itself to see the whole report.
# This cell keeps the report back unless something is wrong, because your versions differ from
# ours.

# %%
report = io.StringIO()
with contextlib.redirect_stdout(report):  # what is printed inside goes to the report
    healthy = doctor()
print("Everything is fine." if healthy else report.getvalue())

# %% [markdown]
# The course needs no network after its installation: 5,000 real handwritten digits come with it.
# Opened on Colab from a published copy, the first cell installs what is missing. A GPU is used
# where there is one, but nothing here needs it.
#
# ### The course on one page
#
# | lesson | the question that it answers |
# |---|---|
# | 3.0 Foundations | what does a network compute, and how can it learn? (you are here) |
# | [3.1 The perceptron](01_perceptron.ipynb) | what can one neuron do, and where is its limit? |
# | [3.2 Activation functions](02_activations.ipynb) | which curve between layers, and why any? |
# | [3.3 Architectures](03_architectures.ipynb) | how are layers put together? |
# | [3.4 Initialization](04_initialization.ipynb) | with which weights does one begin? |
# | [3.5 Loss functions](05_losses.ipynb) | what exactly is a mistake, and what does it cost? |
# | [3.6 The training loop](06_training_loop.ipynb) | how is training organized and measured? |
# | [3.7 Debugging](07_debugging.ipynb) | it does not learn. Where is the fault? |
# | [3.8 Regularization](08_regularization.ipynb) | does it work on data that it has not seen? |
# | [3.9 Optimizers](09_optimizers.ipynb) | how far should each weight move, and which way? |
# | [3.10 Capstone](10_capstone.ipynb) | all of it together, on real data, tested and saved |
#
# Each lesson is worth reading alone, but they build on each other in this order. By the end you
# can design a network, initialize and regularize it, and find out why one does not train. Large
# models, such as convolutional networks for images and Transformers for text, are made of the
# same parts; lesson 3.3 builds a small one of each kind.
#
# **Why begin at the bottom?** Because this is where you will look when something fails. A network
# that does not learn raises no error; it just stays bad. If you know what every number is for, you
# can find the one that is wrong. And if you can write a layer by hand, you can also write one that
# no library has yet.

# %% [markdown]
# ## 2. Tensors in ten lines
#
# **What do all the numbers live in?** In a *tensor*: a box of numbers with a shape. A list of
# numbers is a *vector*, a table of rows and columns a *matrix*, a single number a tensor with
# the empty shape `()`. Take a small café: coffee costs 3, tea costs 2, and three orders come in.

# %%
prices = torch.tensor([3.0, 2.0])  # (2,): coffee, tea
orders = torch.tensor([[1.0, 4.0], [0.0, 5.0], [2.0, 2.0]])  # (3, 2): one order in each row
print(orders.shape, orders.dtype, orders.device)
print("second order:", orders[1], " all teas:", orders[:, 1])
print("cost by drink:", (orders * prices).tolist())  # (3, 2) * (2,): each row times the prices
print("totals:", orders @ prices)  # (3, 2) @ (2,) -> (3,)
print("delivered:", orders @ prices + 1.5)  # (3,) + (): the fee is added to each
print("drinks of each order:", orders.sum(dim=1))  # (3, 2) -> (3,)
print("turned around:", orders.T.tolist())  # (2, 3): rows become columns
print("in one row:", orders.reshape(6).tolist())  # (6,)

# %% [markdown]
# Ten lines, and you have seen most of what this course does with tensors:
#
# - `shape` says how many numbers lie along each direction. `dtype` is the kind of number, here
#   `float32`: a decimal number in 32 bits. `device` is the place where it lives: the CPU or a GPU.
# - `orders[1]` is a row, `orders[:, 1]` a column. Counting starts at 0.
# - `*` multiplies element by element. The shapes (3, 2) and (2,) differ, so the prices are used
#   for each row, without a loop. This is *broadcasting*.
# - `@` is the *matrix product*: each row times the prices, added up. The inner sizes must agree,
#   (3, **2**) @ (**2**,), and disappear.
# - `sum(dim=1)` adds along direction 1, so that this direction disappears.
#
# Look at the totals once more. The first order costs 1 · 3 + 4 · 2 = 11: each input times its
# weight, added up. Plus a fee that does not depend on the order. That is called a *weighted sum*
# with a *bias*, and it is the first half of a neuron.

# %%
verify("the first total is the weighted sum", (orders @ prices)[0] == 1 * 3 + 4 * 2)

# %% [markdown]
# Broadcasting compares the shapes *from the right*. Two sizes fit if they are equal, or if one of
# them is 1 or missing; that one is stretched. Mostly this is what you want. Sometimes it is not.
#
# *Predict first.* A column has the shape (3, 1), a vector the shape (3,). What is their sum?

# %%
guess = ...  # "a": an error, "b": shape (3,), "c": shape (3, 1), "d": shape (3, 3)
exercises.shape_guess.commit(guess)

# %%
column = torch.tensor([[10.0], [20.0], [30.0]])  # (3, 1)
vector = torch.tensor([1.0, 2.0, 3.0])  # (3,)
exercises.shape_guess.reveal("d", "Both are stretched: every row entry meets every column entry.")
print(column + vector)
verify("the sum has the shape (3, 3)", (column + vector).shape == (3, 3))

# %% [markdown]
# No error, nine numbers instead of three. This is how a prediction of shape (N, 1) and a target
# of shape (N,) quietly ruin a training; lesson 3.5 hunts that bug. The cure is a habit that you
# find on every page from here on: **write the shape beside the line.**
#
# ### The whole-number trap
#
# `torch.tensor([1, 4])` looks like `torch.tensor([1.0, 4.0])`, but without a decimal point you get
# whole numbers, `int64`. Networks compute with decimal numbers, and here the two meet in three
# ways: two complain, and one is silent. (`requires_grad_` asks PyTorch to prepare a derivative, a
# *gradient*; section 5 is about that.)

# %%
whole = torch.tensor([1, 4])
print(whole.dtype)
complaints = 0
for attempt in (lambda: whole @ prices, lambda: whole.requires_grad_()):
    try:
        attempt()
    except RuntimeError:
        complaints += 1
verify("neither the product nor a gradient is allowed", complaints == 2)

# %%
whole[0] = 2.9  # silent: stored in a box for whole numbers
print(whole.tolist())
verify("the decimals were cut off, not rounded", whole[0] == 2)
verify("with .float() the product works", (whole.float() @ prices).item() == 2 * 3 + 4 * 2)

# %% [markdown]
# So write the decimal point, or convert with `.float()`. There is one place where whole numbers
# are right: class labels, such as "this digit is a 7".
#
# One more type: `float64`, with about 16 digits instead of 7. It is slower and takes twice the
# room, so training uses `float32`. In this lesson we compare derivatives to many digits, and
# write `dtype=torch.float64`. The difference is easy to see:

# %%
small = 1e-9
verify("float32: one plus a billionth is one", torch.tensor(1.0) + small == 1.0)
verify("float64 sees it", torch.tensor(1.0, dtype=torch.float64) + small > 1.0)

# %% [markdown]
# ## 3. Neurons and layers
#
# **What does a neuron compute?** Two things. First a weighted sum of its inputs plus a bias, as
# in the café. Then an *activation function* f bends the result:
#
# $$
# z = w_1 x_1 + w_2 x_2 + \dots + w_D x_D + b, \qquad a = f(z).
# $$
#
# The weights $w$ say how much each input counts, and with which sign. The bias $b$ shifts the
# result. Weights and biases are the *parameters*: they are what the network learns. The name
# *neuron* comes from a comparison with nerve cells, which lesson 3.1 looks at with some care. It
# is best to read it as the name of this formula.
#
# Neurons are put together in *layers*. All neurons of a layer get the same inputs, and their
# outputs are the inputs of the next layer. Nothing runs in a circle; such a network is called
# *feedforward*. Here is the one of this lesson:

# %%
fig, ax = plt.subplots(figsize=(6.4, 3.4))
layers = [["$x_1$", "$x_2$"], ["$h_1$", "$h_2$"], ["$\\hat{y}$"]]
drawings.layered_network(ax, layers, ["input layer", "hidden layer", "output layer"])
plt.show()

# %% [markdown]
# A 2-2-1 network: two inputs on the left, two hidden neurons in the middle, one output on the
# right, with an arrow for every weight. There are six arrows. Together with a bias for each of
# the three neurons that makes nine parameters.
#
# - The **input layer** computes nothing. Each of its units is one *feature*, one number that
#   describes an example: a pixel, a price, the water that a plant gets.
# - A **hidden layer** turns its inputs into features of its own. There may be many hidden layers,
#   and then one speaks of *deep* learning.
# - The **output layer** gives the answer. Its size depends on the question: one unit for one
#   number or for yes/no, C units for a choice among C classes.
#
# As a whole, a network is a function with adjustable numbers: $\hat{y} = f(\mathbf{x};
# \boldsymbol\theta)$. It maps inputs $\mathbf{x}$ to a prediction $\hat{y}$, and
# $\boldsymbol\theta$ stands for all of its parameters. Learning means choosing θ by examples.
#
# ### Index form and matrix form
#
# For one layer, number its inputs by i and its neurons by j. The weight from input i to neuron j
# is $w_{ij}$. With $a_i$ for the inputs, which are the activations of the layer before,
#
# $$
# z_j = \sum_{i} w_{ij}\, a_i + b_j
# \qquad\text{or, with the layers numbered by } l,\qquad
# z_j^{(l)} = \sum_{i} w_{ij}^{(l)}\, a_i^{(l-1)} + b_j^{(l)} .
# $$
#
# The sign $\sum_i$ means: add up what follows, once for each i. The small (l) is no power; it says
# which layer. This is the *index form*: one equation for each neuron. A weight and a bias carry the
# number of the layer that they lead *into*. (Some texts give the weights the number of the layer
# that they come from. Both are in use; do not mix them.)
#
# The *matrix form* says the same for all neurons at once. Put the weights into a matrix $W$ with
# one **row for each neuron**, so that row j, column i holds $w_{ij}$. Then
#
# $$
# \underset{(\text{out},)}{\mathbf{z}}
# = \underset{(\text{out},\ \text{in})}{W}\;\underset{(\text{in},)}{\mathbf{a}}
# + \underset{(\text{out},)}{\mathbf{b}},
# \qquad
# \underset{(N,\ \text{out})}{Z}
# = \underset{(N,\ \text{in})}{A}\;\underset{(\text{in},\ \text{out})}{W^\top}
# + \underset{(\text{out},)}{\mathbf{b}} .
# $$
#
# Under each letter stands its shape. The second equation handles N examples at once, one in each
# row of $A$. $W^\top$ is the *transpose*, W with rows and columns exchanged, so that the inner
# sizes agree.
#
# Mind the order of the indices! In $w_{ij}$ the first index is where the arrow *starts*; in a
# matrix the first index is the row, and the row is where the arrow *ends*. So $w_{ij}$ is the
# entry `W[j, i]`. PyTorch's `nn.Linear(in, out)` stores exactly this W: its `weight` has the shape
# (out, in). Books that put $w_{ij}$ in row i work with our $W^\top$.
#
# In the cells `.double()` turns a layer's numbers into `float64`, `torch.stack` makes one tensor of
# a list of tensors, and `torch.allclose` asks whether two tensors are equal up to rounding.

# %%
a = torch.tensor([1.0, 0.5, -2.0], dtype=torch.float64)  # (in=3,)
layer = nn.Linear(3, 2).double()  # 3 inputs, 2 neurons
W, b = layer.weight, layer.bias
print("weight:", tuple(W.shape), " bias:", tuple(b.shape))

by_index = [sum(W[j, i] * a[i] for i in range(3)) + b[j] for j in range(2)]
verify("index form and matrix form agree", torch.allclose(torch.stack(by_index), W @ a + b))
verify("and nn.Linear computes just that", torch.allclose(layer(a), W @ a + b))

# %% [markdown]
# Now five examples at once, one in each row of `A`. The layer handles them in a single product;
# you never write a loop over examples.

# %%
A = torch.rand(5, 3, dtype=torch.float64)  # (N=5, in=3)
Z = A @ W.T + b  # (5, 3) @ (3, 2) + (2,) -> (5, 2)
verify("five examples at once", torch.allclose(layer(A), Z) and Z.shape == (5, 2))
verify("row 4 is the answer for example 4", torch.allclose(Z[4], W @ A[4] + b))

# %% [markdown]
# ### Exercise 00.1: the weighted sums of a layer
#
# Write `weighted_sum(X, W, b)`: X is (N, in), W is (out, in) as in `nn.Linear`, b is (out,).
# Return the sums of all neurons for all examples, shape (N, out).


# %% tags=["exercise"]
def weighted_sum(X, W, b):
    # your code here
    ...


exercises.batch_sum.check(weighted_sum)

# %% [markdown]
# ### The bend
#
# Three activation functions come up again and again:
#
# $$
# \sigma(z) = \frac{1}{1 + e^{-z}}, \qquad
# \tanh(z) = \frac{e^z - e^{-z}}{e^z + e^{-z}}, \qquad
# \text{ReLU}(z) = \max(0, z).
# $$
#
# Here e = 2.718... is Euler's number. $e^z$ grows fast for positive z, is 1 at z = 0, and shrinks
# toward 0 for negative z; its slope is $e^z$ again. The *sigmoid* σ squeezes any number into the
# range from 0 to 1, so it can stand for a probability. *tanh*, the hyperbolic tangent, squeezes
# into −1 to 1, with 0 in the middle. *ReLU*, the rectified linear unit, passes what is positive and
# stops the rest; it is the simplest and the one that you will see most.

# %%
z = torch.linspace(-5, 5, 201, dtype=torch.float64)
formulas = {
    "sigmoid": 1 / (1 + torch.exp(-z)),
    "tanh": (torch.exp(z) - torch.exp(-z)) / (torch.exp(z) + torch.exp(-z)),
    "relu": torch.where(z > 0, z, 0.0),
}
for name, values in formulas.items():
    verify(f"{name}: the formula equals PyTorch's", torch.allclose(values, getattr(torch, name)(z)))

# %%
fig, ax = plt.subplots(figsize=(6.4, 3.2))
plotting.curves(ax, z, formulas, xlabel="weighted sum z", ylabel="activation a")
ax.set(ylim=(-1.2, 2.2))
plt.show()

# %% [markdown]
# The three functions over the weighted sum: the sigmoid rises from 0 to 1, tanh from −1 to 1, and
# ReLU is flat on the left and straight on the right. Sigmoid and tanh become flat at both ends,
# which slows learning in deep networks; lesson 3.2 measures that, and ten more functions.
#
# **Why bend at all?** Because without it, layers are worth nothing. Two layers without an
# activation are one layer in disguise, whatever their weights:
# $W_2(W_1\mathbf{x}) = (W_2 W_1)\,\mathbf{x}$, again a matrix times $\mathbf{x}$. Whatever such a
# network computes is a straight line or a flat plane.

# %%
first, second = nn.Linear(3, 50).double(), nn.Linear(50, 2).double()
W_both = second.weight @ first.weight  # (2, 50) @ (50, 3) -> (2, 3)
b_both = second.weight @ first.bias + second.bias  # (2,)
of_both = sum(p.numel() for p in [*first.parameters(), *second.parameters()])
verify("two layers with 302 parameters", of_both == 302)
verify("do the work of one with 8", W_both.numel() + b_both.numel() == 8)
verify("the outputs are the same", torch.allclose(second(first(A)), A @ W_both.T + b_both))

# %% [markdown]
# ### The symbols of this course
#
# This table holds for all lessons. Do not learn it; come back when a letter puzzles you. Shapes
# are written as in the code.
#
# | symbol | meaning | shape |
# |---|---|---|
# | N, B | number of examples; in one batch | numbers |
# | D, H, C | number of inputs, of hidden units, of classes | numbers |
# | **x**, X | one example; all examples, one in each row | (D,), (N, D) |
# | y, ŷ | target; prediction ("y hat") | (N,), (N, 1) or (N, C) |
# | **w**, b | weights and bias of one neuron | (D,), () |
# | $W^{(l)}$, $\mathbf{b}^{(l)}$ | weights, biases into layer l; also $W_1$ | (out, in), (out,) |
# | $w_{ij}$ | weight from unit i to unit j: entry `W[j, i]` | () |
# | z, **z** | weighted sum, *pre-activation*; of the last layer: *logits* | as the layer's output |
# | a, h | activation $f(z)$; h if the unit is hidden | as z |
# | f, σ | activation function; σ is the sigmoid | |
# | p, **p** | probability; $\sigma(z)$ or softmax(**z**) | (N,), (N, C) |
# | θ | all parameters together | |
# | L | the loss, one number | () |
# | $\partial L/\partial w$, $\nabla L$, **g** | gradient of the loss | as w |
# | δ | gradient of the loss with respect to z | as z |
# | η, `lr` | learning rate | number |
#
# And the signs: ⊙ multiplies element by element, ⊤ transposes, ← means "becomes", 𝔼 and Var are
# mean and variance, ≈ is explained in section 1. A few letters have a second job where a lesson
# says so: σ is any activation function in the formula of 3.1, and C, H, W are channels, height and
# width of images, (N, C, H, W). H is also the matrix of curvatures in 3.9, δ with two indices is 1
# if they are equal (3.2), and L the number of layers in 3.3. In the code of this lesson H holds the
# hidden activations of all examples, and h is also a small nudge. f can be any function that is
# being studied, and σ² is a variance, as of noise. In 3.8 p is the share of units that dropout
# removes, and in 3.10 T is a temperature. Lesson 3.4 numbers the entries of W as matrices do, row
# first. The Greek letters of single lessons, such as λ for a curvature here and in 3.9, for the
# strength of a penalty in 3.8, and κ for a ratio of curvatures, are explained there. In shape
# comments S counts networks that are trained side by side, one for each seed, and T the steps of a
# sequence.

# %% [markdown]
# ## 4. Forward: nine numbers make a prediction
#
# **What does a network do with one example?** Take a gardener's question: will this plant thrive?
# Two things are known about it, the water $x_1$ and the sun $x_2$ that it gets, on a scale from
# −1 (little) to 1 (much). Plants here thrive when the two match: much water goes with much sun,
# little with little. Nobody tells the network this rule. It only gets eight examples.

# %%
X = torch.tensor([[1, 0.5], [0.5, 1], [-1, -0.5], [-0.5, -1],
                  [1, -0.5], [0.5, -1], [-0.5, 1], [-1, 0.5]], dtype=torch.float64)  # fmt: skip
y = torch.tensor([[1.0]] * 4 + [[0.0]] * 4, dtype=torch.float64)  # (N=8, 1): 1 means it thrives
print("inputs", tuple(X.shape), " targets", tuple(y.shape))

# %% [markdown]
# The network needs some weights to begin with. Small and different ones are a good start; these are
# easy to compute with. The hidden neurons have the weights $w_{ij}$ and the biases $b_1$, $b_2$; to
# keep the indices short, we write $v_1, v_2$ and $c$ for the weights and the bias of the output.

# %%
w11, w21, b1 = 1.0, -0.5, 0.0  # into h1: from water, from sun, bias
w12, w22, b2 = -1.5, 2.0, -0.5  # into h2
v1, v2, c = -2.0, -1.0, 0.5  # into the output: from h1, from h2, bias
x1, x2, target = 1.0, 0.5, 1.0  # the first plant: much water, some sun, and it thrives

# %% [markdown]
# Now forward, one neuron after the other. Take a pencil and follow the first line:
# $z_1 = 1 \cdot 1 + (-0.5) \cdot 0.5 + 0 = 0.75$. The sigmoid turns it into
# $h_1 = 1/(1 + e^{-0.75})$. The output neuron uses $h_1$ and $h_2$ as its inputs.


# %%
def squash(z):
    """The sigmoid of one number."""
    return 1 / (1 + math.exp(-z))


z1 = w11 * x1 + w21 * x2 + b1
z2 = w12 * x1 + w22 * x2 + b2
h1, h2 = squash(z1), squash(z2)
z_out = v1 * h1 + v2 * h2 + c
y_hat = squash(z_out)
print(f"z1 = {z1:.2f}, z2 = {z2:.2f}   ->   h1 = {h1:.4f}, h2 = {h2:.4f}")
print(f"z_out = {z_out:.4f}   ->   y_hat = {y_hat:.4f}")

# %% [markdown]
# That was *forward propagation*: from left to right, each layer from the one before. The network
# gives this plant a chance of 24 %, and it does thrive. A poor prediction, but what do you expect
# of arbitrary weights?
#
# The same in matrix form, once for this plant and once for all eight. The rows of `W_hidden` are
# the hidden neurons.


# %%
def starting_weights():
    """The nine numbers as W_hidden (2, 2), b_hidden (2,), W_out (1, 2), b_out (1,)."""
    numbers = ([[1.0, -0.5], [-1.5, 2.0]], [0.0, -0.5], [[-2.0, -1.0]], [0.5])
    return [torch.tensor(values, dtype=torch.float64) for values in numbers]


# %%
def plant_forward(X, weights):
    """Inputs (N, 2) -> hidden activations (N, 2) and predictions (N, 1)."""
    W_hidden, b_hidden, W_out, b_out = weights
    H = torch.sigmoid(X @ W_hidden.T + b_hidden)  # (N, 2) @ (2, 2) + (2,) -> (N, 2)
    return H, torch.sigmoid(H @ W_out.T + b_out)  # (N, 2) @ (2, 1) + (1,) -> (N, 1)


# %%
H, predictions = plant_forward(X, starting_weights())
print("predictions:", " ".join(f"{p:.2f}" for p in predictions[:, 0]))
verify("the first row is what you computed by hand", abs(predictions[0, 0] - y_hat) < 1e-12)
verify("every prediction lies between 0 and 1", ((predictions > 0) & (predictions < 1)).all())

# %% [markdown]
# ### How wrong is it?
#
# The *loss* is one number that says how wrong the predictions are. The smaller, the better, and
# training will do nothing else than make it smaller. There are two great families. For numbers,
# one takes the *squared error*, averaged over the N examples (*mean squared error*, MSE):
#
# $$
# \text{MSE} = \frac{1}{N} \sum_{n=1}^{N} (\hat{y}_n - y_n)^2 .
# $$
#
# For classes one takes the *cross-entropy*. The network gives a probability $p_{nk}$ to each
# class k, and $y_{nk}$ is 1 for the right class and 0 for the others, so that only the
# logarithm of the probability of the *right* class remains:
#
# $$
# \text{CE} = -\frac{1}{N} \sum_{n=1}^{N} \sum_{k=1}^{C} y_{nk} \ln p_{nk} .
# $$
#
# Here ln is the natural logarithm, which undoes $e^z$; in the code it is called `log`. If the right
# class gets probability 1, it costs nothing, because ln 1 = 0. A probability near 0 costs a great
# deal, because its logarithm is far below 0. With only two classes, one number $\hat{y}$ is enough,
# because the other class has the probability $1 - \hat{y}$; the formula then has two terms.

# %%
mse = ((predictions - y) ** 2).mean()
cross = -(y * predictions.log() + (1 - y) * (1 - predictions).log()).mean()
print(f"mean squared error {mse:.4f}, cross-entropy {cross:.4f}")
verify("MSE equals PyTorch's", torch.allclose(mse, F.mse_loss(predictions, y)))
verify("so does CE", torch.allclose(cross, F.binary_cross_entropy(predictions, y)))

# %% [markdown]
# And for three classes, by the double sum. The network's last sums, the *logits*, become
# probabilities by the *softmax*, $p_k = e^{z_k} / \sum_m e^{z_m}$. PyTorch's `cross_entropy`
# takes the logits themselves, and the labels as whole numbers.

# %%
logits = torch.tensor([[2.0, 0.5, -1.0], [0.0, 1.0, 3.0]], dtype=torch.float64)  # (N=2, C=3)
labels = torch.tensor([0, 1])  # (N,): the right classes
probabilities = logits.exp() / logits.exp().sum(dim=1, keepdim=True)  # (2, 3), rows add up to 1
one_hot = F.one_hot(labels, 3)  # (2, 3): 1 for the right class, else 0
double_sum = -(one_hot * probabilities.log()).sum() / 2
verify(
    "the double sum is cross_entropy", torch.allclose(double_sum, F.cross_entropy(logits, labels))
)

# %% [markdown]
# Two pieces of small print that save an evening later. With several outputs, PyTorch's MSE divides
# by *all* numbers, N times the outputs, where many books divide by N. And yes/no can be asked with
# one output or with two: softmax over two logits is the sigmoid of their difference, so both are
# the same model.

# %%
both = torch.softmax(torch.stack([torch.zeros_like(z), z]), dim=0)  # (2, 201): z as above
verify("softmax of (0, z) is (1 - σ(z), σ(z))", torch.allclose(both[1], torch.sigmoid(z)))
twos, zeros = torch.full((4, 2), 2.0), torch.zeros(4, 2)
verify("2 squared, over 4 · 2 numbers, is 4, not 8", F.mse_loss(twos, zeros) == 4)

# %% [markdown]
# ## 5. Backward: which way should each number move?
#
# **The loss is too high. Which of the nine numbers is to blame?** Turn one of them a little and
# look at the loss. If it rises, turn the number down; if it falls, turn it up. How much the loss
# changes for a tiny turn is the *derivative*, the slope of the loss along this number. You can
# measure it: go a little up, go a little down, divide the difference by the distance.


# %%
def slope(f, w, h=1e-5):
    """Measure the slope of a function of one number at w."""
    return (f(w + h) - f(w - h)) / (2 * h)


print(f"slope of w² at 3: {slope(lambda w: w * w, 3.0):.4f}")
verify("that is 2w, as in school", abs(slope(lambda w: w * w, 3.0) - 6) < 1e-8)

# %% [markdown]
# All slopes together form the *gradient*, written $\nabla L$. Its entry for $w_{11}$ is
# $\partial L / \partial w_{11}$; the round ∂ says that all other numbers stay where they are.
# There are three ways to get it, and you will use all of them: by hand, by measuring, and by
# PyTorch.
#
# ### By hand: the chain rule
#
# A chain of functions has the *product* of their slopes. If a gear turns the next one twice as
# fast, and that one turns a third gear three times as fast, then the first turns the third six
# times as fast. Here is the chain for the weight $v_1$, from the weight to the squared error
# $L = (\hat{y} - y)^2$ of one plant:
#
# $$
# \frac{\partial L}{\partial v_1}
# = \underbrace{\frac{\partial L}{\partial \hat{y}}}_{2(\hat{y} - y)}
# \cdot \underbrace{\frac{\partial \hat{y}}{\partial z}}_{\text{slope of } \sigma}
# \cdot \underbrace{\frac{\partial z}{\partial v_1}}_{h_1}
# $$
#
# The first factor depends on the loss, the second on the activation function. The third is always
# the input that the weight multiplies, because $z = v_1 h_1 + v_2 h_2 + c$. Only the slope of
# the sigmoid is missing, and it has a lovely form, which you can find yourself.
#
# ### Exercise 00.2: the sigmoid's slope from its output
#
# Given the output $a = \sigma(z)$, not z, return the slope $d\sigma/dz$. Write it for a tensor of
# any shape. Two slopes beyond $x^2$ are needed: that of $e^{-z}$ is $-e^{-z}$, and that of $1/u$ is
# $-1/u^2$. The rest is the chain rule, with $u = 1 + e^{-z}$. The answer must not contain z; so
# write what comes out as a product, and look for a in it.


# %% tags=["exercise"]
def sigmoid_slope(a):
    # your code here
    ...


exercises.output_slope.check(sigmoid_slope)

# %% [markdown]
# Differentiate $a = 1/(1 + e^{-z})$ and split the result into two fractions:
#
# $$
# \frac{da}{dz} = \frac{e^{-z}}{(1 + e^{-z})^2}
# = \frac{1}{1 + e^{-z}} \cdot \frac{e^{-z}}{1 + e^{-z}} = a\,(1 - a) .
# $$
#
# The output of the forward pass is all that is needed. So here is the first gradient, factor by
# factor.

# %%
verify("the slope of the sigmoid is a(1 - a)", abs(slope(squash, z1) - h1 * (1 - h1)) < 1e-9)

dL_dyhat = 2 * (y_hat - target)  # how the loss changes with the prediction
dyhat_dz = y_hat * (1 - y_hat)  # how the prediction changes with its sum
dz_dv1 = h1  # how the sum changes with the weight
dL_dv1 = dL_dyhat * dyhat_dz * dz_dv1
print(f"{dL_dyhat:.4f} · {dyhat_dz:.4f} · {dz_dv1:.4f} = {dL_dv1:.4f}")

# %% [markdown]
# Negative: the loss *falls* when $v_1$ grows. That makes sense. The prediction is too low, and
# $v_1$ pulls it down.
#
# For $w_{11}$ the chain is longer: two more links, through the hidden neuron. The first two
# factors are the same as before. They come up so often that their product has a name,
# $\delta = \partial L/\partial z$, the *delta* of the neuron:
#
# $$
# \frac{\partial L}{\partial w_{11}}
# = \underbrace{\frac{\partial L}{\partial \hat{y}} \frac{\partial \hat{y}}{\partial z}}_{\delta}
# \cdot \underbrace{\frac{\partial z}{\partial h_1}}_{v_1}
# \cdot \underbrace{\frac{\partial h_1}{\partial z_1}}_{h_1(1-h_1)}
# \cdot \underbrace{\frac{\partial z_1}{\partial w_{11}}}_{x_1}
# $$

# %%
delta = dL_dyhat * dyhat_dz  # of the output
delta1 = delta * v1 * h1 * (1 - h1)  # of h1: what comes back through v1, times the slope
delta2 = delta * v2 * h2 * (1 - h2)
print(f"deltas: output {delta:.4f}, hidden {delta1:.4f} and {delta2:.4f}")
print(f"dL/dw11 = {delta1 * x1:.4f}")

# %% [markdown]
# You see why it is called *back*propagation: the deltas are computed from right to left, each
# from those on its right, and nothing is computed twice. Once a neuron has its delta, the rest is
# one product: **the gradient of a weight is the activation on its left times the delta on its
# right**, and the gradient of a bias is the delta itself. All nine:

# %%
by_hand = torch.tensor(
    [delta1 * x1, delta1 * x2, delta2 * x1, delta2 * x2]  # w11, w21, w12, w22
    + [delta1, delta2]  # b1, b2
    + [delta * h1, delta * h2, delta],  # v1, v2, c
    dtype=torch.float64,
)
print([round(g, 4) for g in by_hand.tolist()])

# %% [markdown]
# Here is the whole of it as a picture with sliders: forward on the left, backward on the right.
# Before you slide: what happens to the right side if you set $v_1$ to 0? And what if the plant
# does *not* thrive?

# %%
explorers.network()

# %% [markdown]
# The same network twice: on the left activations in the circles and weights on the lines, on the
# right the delta of each neuron and the gradient of each weight; orange is positive, dashed blue
# negative, and thick is large. The biases are not drawn: their gradients are the deltas. With $v_1
# = 0$ nothing flows back to $h_1$: a weight of zero passes no blame. With water at 0, the two
# weights that start there get no gradient, because they had no say. Push $w_{11}$ and the water up,
# and $h_1$ ends on the flat part of the sigmoid, where hardly anything comes through. If the target
# changes, all signs change together.
#
# ### Where paths meet, add
#
# One thing the chain rule needs that a single chain does not show. The water $x_1$ reaches the
# output in two ways, through $h_1$ and through $h_2$. Its total effect is the *sum* over both:
#
# $$
# \frac{\partial L}{\partial a_i} = \sum_j w_{ij}\, \delta_j .
# $$
#
# In a deeper network this holds for every hidden neuron: its delta is the sum over *all* neurons
# that it feeds, times its own slope. Many short derivations leave out that sum. It is not a small
# matter:


# %%
def loss_for_water(water):
    """The plant's loss as a function of its water alone."""
    left = squash(w11 * water + w21 * x2 + b1)
    right = squash(w12 * water + w22 * x2 + b2)
    return (squash(v1 * left + v2 * right + c) - target) ** 2


measured = slope(loss_for_water, x1)
print(f"measured {measured:.4f}; both ways {delta1 * w11 + delta2 * w12:.4f}, ", end="")
print(f"first way only {delta1 * w11:.4f}")
verify("the sum over both ways is right", abs(delta1 * w11 + delta2 * w12 - measured) < 1e-8)

# %% [markdown]
# ### Exercise 00.3: backward through one linear layer
#
# Now you have all that it takes for a whole layer and a whole batch. Forward was
# `Z = X @ W.T + b`, with X (N, in), W (out, in), b (out,). Backward, `dZ` arrives, the deltas of
# all neurons for all examples, shape (N, out). Return the gradients `dW, db, dX`. The shapes
# almost answer it: each gradient has the shape of what it belongs to.


# %% tags=["exercise"]
def linear_backward(X, W, dZ):
    # your code here
    ...


exercises.layer_backward.check(linear_backward)

# %% [markdown]
# ### By measuring: finite differences
#
# The second way needs no mathematics. Nudge one number, and look. It works for anything that you
# can compute, so it is the referee for every gradient that you derive. How large should the
# nudge h be? The formula above goes up *and* down. The *one-sided* one, $(f(w+h) - f(w))/h$,
# would save half of the work. Compare both on $f(w) = w^3$ at w = 1.5, where the slope is known
# to be $3w^2$:


# %%
def cube(w):
    return w * w * w


steps = [10.0**-k for k in range(1, 13)]
true_slope = 3 * 1.5**2
one_sided = [abs((cube(1.5 + h) - cube(1.5)) / h - true_slope) for h in steps]
central = [abs(slope(cube, 1.5, h) - true_slope) for h in steps]

# %%
fig, ax = plt.subplots(figsize=(6.4, 3.6))
errors = {"one-sided": one_sided, "central": central}
plotting.curves(ax, steps, errors, xlabel="nudge h", ylabel="error of the slope", marker="o")
ax.set(xscale="log", yscale="log")
plt.show()

# %% [markdown]
# The error of both differences against the nudge, on log axes, where equal distances are equal
# factors: read it from right to left. At first a smaller nudge helps: ten times smaller makes the
# one-sided error ten times smaller and the central error a hundred times. Then both turn and grow
# again. Two numbers that are almost equal are subtracted, and of the 16 digits of `float64` only
# the last few survive.

# %%
verify("one-sided: h/10, error/10", 9 < one_sided[1] / one_sided[2] < 11)
verify("central: h/10, error/100", 90 < central[1] / central[2] < 110)
verify("too small a nudge is worse than 1e-5", central[11] > 100 * central[4])
verify("at 1e-5 the central error is below 1e-8", central[4] < 1e-8)

# %% [markdown]
# Why? Near w every smooth curve is a straight line, plus a parabola, plus smaller terms:
# $f(w \pm h) = f \pm f' h + \tfrac12 f'' h^2 \pm \dots$, where $f'$ is the slope at w, which we
# want, and $f''$ the slope of the slope. In the central difference the terms with $h^2$ cancel; in
# the one-sided one they stay, and the error is $\tfrac12 f'' h$. So: central, with h about
# $10^{-5}$, in `float64`. In `float32` the digits run out much earlier, and even the best nudge is
# a poor one:

# %%
in_float32 = [abs(slope(cube, torch.tensor(1.5), h).item() - true_slope) for h in steps]
verify("float64: the best error is below 1e-9", min(central) < 1e-9)
verify("float32: the best error is above 1e-5", min(in_float32) > 1e-5)

# %% [markdown]
# ### Exercise 00.4: a gradient from values alone
#
# Write `central_difference(f, x, h=1e-5)` for a function of several numbers: `x` is a float64
# tensor (D,), `f(x)` is one number. Move one coordinate at a time, and return all slopes, shape
# (D,), in `float64`. `x` must stay as it is, and the caller chooses h.


# %% tags=["exercise"]
def central_difference(f, x, h=1e-5):
    # your code here
    ...


exercises.central.check(central_difference)

# %% [markdown]
# ### By PyTorch: autograd
#
# The third way is the one that you will use from tomorrow on. Set `requires_grad`, compute the
# loss, call `backward()`. PyTorch keeps a record of every operation on the way forward, and
# walks it backward with the chain rule. To compare all three ways, write the network as a function
# of its nine numbers in one vector.


# %%
def plant_loss(p):
    """Squared error of the first plant for the nine parameters p (9,) -> ()."""
    hidden = torch.sigmoid(p[:4].reshape(2, 2) @ X[0] + p[4:6])  # (2, 2) @ (2,) + (2,) -> (2,)
    prediction = torch.sigmoid(p[6:8] @ hidden + p[8])  # (2,) @ (2,) + () -> ()
    return (prediction - 1.0) ** 2


# %%
nine = torch.cat([w.flatten() for w in starting_weights()])  # (9,)
nudges = 1e-5 * torch.eye(9, dtype=torch.float64)  # (9, 9): one nudge in each row
by_nudging = torch.stack([plant_loss(nine + n) - plant_loss(nine - n) for n in nudges]) / 2e-5

p = nine.clone().requires_grad_()
plant_loss(p).backward()
by_autograd = p.grad

# %% [markdown]
# `p.grad` holds the gradient, in the shape of p. `clone()` makes a copy first, so that `nine` stays
# a plain tensor. Side by side:

# %%
print("by hand     ", " ".join(f"{g:7.4f}" for g in by_hand.tolist()))
print("by nudging  ", " ".join(f"{g:7.4f}" for g in by_nudging.tolist()))
print("by autograd ", " ".join(f"{g:7.4f}" for g in by_autograd.tolist()))
verify("by hand = by nudging, to 1e-6", (by_hand - by_nudging).abs().max() < 1e-6)
verify("by hand = by autograd, to 1e-6", (by_hand - by_autograd).abs().max() < 1e-6)
verify("in fact, to 1e-14", (by_hand - by_autograd).abs().max() < 1e-14)

# %% [markdown]
# Three roads, one gradient. You have understood the maths; from here on PyTorch may handle the
# derivatives. It is not only more comfortable. Measuring took two runs of the network for each
# number, 18 in all. For a network with a hundred thousand parameters it would take two hundred
# thousand. Backward needs **one** pass, whatever the number of parameters. All of deep learning
# rests on that.
#
# ### Another loss changes one factor
#
# Take the cross-entropy instead of the squared error. In the chain only the first factor is
# another one: for a plant that thrives, $L = -\ln \hat{y}$ and
# $\partial L/\partial\hat{y} = -1/\hat{y}$. Times the sigmoid's slope $\hat{y}(1-\hat{y})$ that
# gives $\hat{y} - 1$; for a plant that fails, the same way, $\hat{y} - 0$. Together:
#
# $$
# \delta = \hat{y} - y .
# $$
#
# Prediction minus target. It could not be simpler, and that is one reason why the two go together.

# %%
z_free = torch.tensor([-3.0, 0.0, 2.0], dtype=torch.float64, requires_grad=True)
some_targets = torch.tensor([1.0, 0.0, 1.0], dtype=torch.float64)
F.binary_cross_entropy(torch.sigmoid(z_free), some_targets, reduction="sum").backward()
difference = torch.sigmoid(z_free.detach()) - some_targets
verify("delta is prediction minus target", torch.allclose(z_free.grad, difference))

# %% [markdown]
# ## 6. Downhill: gradient descent
#
# **You know which way each number should move. How far?** *Gradient descent* takes a small step
# against the gradient, for all parameters at once, and then asks again:
#
# $$
# w_{ij} \leftarrow w_{ij} - \eta\, \frac{\partial L}{\partial w_{ij}} .
# $$
#
# The minus sign leads downhill. The *learning rate* η is a number that you choose; it is not
# learned, and such numbers are called *hyperparameters*. To see what it does, take one weight and
# the simplest valley there is, a parabola:
#
# $$
# L(w) = \tfrac{\lambda}{2}\, (w - w^*)^2, \qquad \frac{dL}{dw} = \lambda\,(w - w^*) .
# $$
#
# Its minimum is at $w^*$, and λ is its *curvature*, the slope of its slope: how fast the sides get
# steep. One step changes the distance from the minimum to
#
# $$
# w - \eta\lambda(w - w^*) - w^* = (1 - \eta\lambda)\,(w - w^*) ,
# $$
#
# so every step multiplies the distance by the same factor, $1 - \eta\lambda$. Everything follows
# from this factor.
#
# *Predict first.* The loss is $2w^2$, so the curvature is 4, and w starts at 1. The learning rate
# is 0.5. What happens?

# %%
guess = ...  # "a": there in one step, "b": swings and settles, "c": jumps forever, "d": moves away
exercises.rate_guess.commit(guess)


# %%
def walk(curvature, lr, steps, w=1.0):
    """Gradient descent on curvature/2 · w²: all positions, the start included."""
    path = [w]
    for _ in range(steps):
        path.append(path[-1] - lr * curvature * path[-1])
    return path


print(walk(curvature=4.0, lr=0.5, steps=5))
exercises.rate_guess.reveal("c", "The factor is 1 - 0.5 · 4 = -1: from 1 to -1 and back.")

# %%
explorers.descent()

# %% [markdown]
# The path of gradient descent on a parabola, and beside it the loss after each step on a log
# axis. Small rates creep. At η = 1/curvature one step is enough. Beyond that the steps jump across
# the valley: still closer each time, until at **2/curvature** they do not come closer any more.
# Past this border every step leads further away, and the loss explodes. Change the curvature: the
# border moves, but learning rate times curvature is always 2 there.
#
# Is the border really that sharp? One percent below it and one percent above it, for three
# curvatures:

# %%
for curvature in (0.5, 1.0, 4.0):
    border = 2 / curvature
    below = walk(curvature, 0.99 * border, steps=500)[-1]
    above = walk(curvature, 1.01 * border, steps=500)[-1]
    print(f"curvature {curvature}: border {border:.1f}")
    verify("1 % below it arrives, 1 % above it explodes", abs(below) < 1e-4 and abs(above) > 1e4)

# %% [markdown]
# A network has one curvature for each direction, and they change on the way; the direction with the
# largest curvature sets the border. Lesson 3.9 computes with that. What you should take along is
# the picture: too small is slow, too large explodes, and on the parabola the best rate is half of
# the border.
#
# ### Nine numbers learn
#
# Back to the plants, all eight of them. The loss is the mean cross-entropy, so the output's delta
# is $(\hat{y} - y)/N$. The rest you have derived: exercise 00.3 once for each layer, and the
# slope of the sigmoid between them.


# %%
def plant_backward(X, y, weights, H, predictions):
    """Gradients of the mean cross-entropy, in the order of the weights."""
    dZ_out = (predictions - y) / len(y)  # (N, 1)
    dH = dZ_out @ weights[2]  # (N, 1) @ (1, 2) -> (N, 2)
    dZ_hidden = dH * H * (1 - H)  # (N, 2)
    return [dZ_hidden.T @ X, dZ_hidden.sum(dim=0), dZ_out.T @ H, dZ_out.sum(dim=0)]


# %% [markdown]
# The learning rate is 2, large for a network, but this one is tiny. We stop as soon as the loss
# falls below 0.05, and keep the weights after every step for later. Each turn of the loop does
# four things: forward, loss, backward, update. Remember them; lesson 3.6 is about nothing else.

# %%
weights, losses, trace = starting_weights(), [], []
for _ in range(1000):
    H, predictions = plant_forward(X, weights)
    losses.append(F.binary_cross_entropy(predictions, y).item())
    if losses[-1] < 0.05:
        break
    gradients = plant_backward(X, y, weights, H, predictions)
    weights = [w - 2.0 * g for w, g in zip(weights, gradients, strict=True)]
    trace.append(weights)
print(f"{len(trace)} steps: the loss fell from {losses[0]:.4f} to {losses[-1]:.4f}")

# %%
print("predictions:", " ".join(f"{p:.2f}" for p in predictions[:, 0]))
verify("the loss is below 0.05", losses[-1] < 0.05)
verify("it fell at every step", all(a > b for a, b in pairwise(losses)))
verify("all eight plants are judged rightly", ((predictions > 0.5) == (y > 0.5)).all())

# %% [markdown]
# You have just trained a neural network, and every derivative in it was worked out by hand. The
# rule "water and sun must match" was never written anywhere. It is in the nine numbers now:

# %%
for name, row, bias in zip(("h1", "h2"), weights[0].tolist(), weights[1].tolist(), strict=True):
    print(f"{name}: {row[0]:+.1f} · water {row[1]:+.1f} · sun {bias:+.1f}")
print(f"out: {weights[2][0, 0]:+.1f} · h1 {weights[2][0, 1]:+.1f} · h2 {weights[3].item():+.1f}")
verify("h1 reports too much water for the sun", weights[0][0, 0] > 3 and weights[0][0, 1] < -3)
verify("h2 reports too much sun for the water", weights[0][1, 0] < -3 and weights[0][1, 1] > 3)
verify("both reports count against the plant", (weights[2] < -6).all())

# %% [markdown]
# Read it: $h_1$ is an alarm for too much water, $h_2$ an alarm for too much sun, and the output
# says yes unless an alarm rings. Nobody designed these features. They appeared because they lower
# the loss. No single neuron could do this, as lesson 3.1 will prove.
#
# ### The same in six lines of PyTorch
#
# First the model, with the same starting weights. `nn.Sequential` puts layers in a row. The last
# sigmoid is missing on purpose: the loss `binary_cross_entropy_with_logits` takes z and applies
# it inside, which is safer for large z.


# %%
def plant_model():
    """The 2-2-1 network in PyTorch, with our starting weights."""
    model = nn.Sequential(nn.Linear(2, 2), nn.Sigmoid(), nn.Linear(2, 1)).double()
    with torch.no_grad():  # copying is not part of any computation to differentiate
        for parameter, start in zip(model.parameters(), starting_weights(), strict=True):
            parameter.copy_(start)
    return model


# %% [markdown]
# Now the six lines: optimizer, loop, the four steps that you know (forward and loss share a line),
# and one that is new. PyTorch *adds* new gradients to old ones, for a reason that section 7 shows.
# So the old ones have to be cleared first, by `zero_grad`. The other two lines compare the weights
# with those that you computed by hand, at every single step.

# %%
model, largest_gap = plant_model(), 0.0
optimizer = torch.optim.SGD(model.parameters(), lr=2.0)  # 1
for by_hand_weights in trace:  # 2
    loss = F.binary_cross_entropy_with_logits(model(X), y)  # 3 forward and loss
    optimizer.zero_grad()  # 4 clear the old gradients
    loss.backward()  # 5 new gradients
    optimizer.step()  # 6 update
    pairs = zip(model.parameters(), by_hand_weights, strict=True)
    largest_gap = max([largest_gap, *((a - b).abs().max().item() for a, b in pairs)])
verify("the same weights at every step, to 1e-12", largest_gap < 1e-12)

# %%
fig, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8))
plotting.curves(left, range(len(losses)), {"loss": losses}, xlabel="step", ylabel="cross-entropy")
left.axhline(0.05, color="0.4", linestyle=":")
square = (-1.5, 1.5)
plotting.decision_regions(right, lambda points: model(points.double()), square, square)
plotting.scatter_classes(right, X, y[:, 0], labels=["fails", "thrives"], size=80)
right.legend(loc="center left", bbox_to_anchor=(1, 0.5))
right.set(xlabel="water $x_1$", ylabel="sun $x_2$", aspect="equal")
plt.show()

# %% [markdown]
# The loss of 161 steps on the left: after a first jump it falls slowly, faster once the two alarms
# have found their roles, and slowly again toward the end. On the right the plane of water and
# sun, shaded by the network's answer: a band along the diagonal, where the two match. Between the
# eight plants the network has an opinion too; whether such opinions are right is the question of
# every test set.
#
# ### Two things that are often said
#
# **"Backpropagation updates the weights."** It does not. Backpropagation computes the gradient;
# the update is another step, done by the optimizer. That is why they are two lines:

# %%
model = plant_model()
optimizer = torch.optim.SGD(model.parameters(), lr=2.0)
before = [w.detach().clone() for w in model.parameters()]
F.binary_cross_entropy_with_logits(model(X), y).backward()
same = [torch.equal(w, b) for w, b in zip(model.parameters(), before, strict=True)]
verify("backward() has changed no weight", all(same))
optimizer.step()
moved = [not torch.equal(w, b) for w, b in zip(model.parameters(), before, strict=True)]
verify("step() has changed them all", all(moved))

# %% [markdown]
# `step()` is "weight minus rate times gradient" for SGD, the plain optimizer. Others, such as
# Adam, compute their step from the gradient in another way ([lesson 3.9](09_optimizers.ipynb)).
#
# **"The loss falls in every iteration."** Only if the rate is small enough. Here is the same
# network, with exact gradients and three rates:


# %%
def train_plants(lr, steps=200):
    """Losses of the 2-2-1 network over some steps of gradient descent."""
    model, losses = plant_model(), []
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    for _ in range(steps):
        loss = F.binary_cross_entropy_with_logits(model(X), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %%
runs = {lr: train_plants(lr) for lr in (0.02, 2.0, 50.0)}
for lr, values in runs.items():
    rises = sum(b > a for a, b in pairwise(values))
    print(f"rate {lr:5}: from ≈{values[0]:.2f} to ≈{values[-1]:.2f}, rose ≈{rises} times")

# %% [markdown]
# The last line is a wild ride; its numbers may look different on your machine. That it never
# settles does not depend on that.

# %%
verify("0.02 is slow: after 200 steps it is above 0.6", runs[0.02][-1] > 0.6)
verify("2 is good: below 0.05", runs[2.0][-1] < 0.05)
lasting = sum(runs[50.0][-50:]) / 50
verify("50 is still far above its start in the last 50 steps", lasting > 2 * runs[50.0][0])

# %% [markdown]
# Slow, good, too large: much as on the parabola, in nine dimensions. Only the far end differs: the
# loss goes up and down instead of growing without end. And in real training the gradient comes from
# a small sample of the data, so that the loss goes up now and then even with a good rate.

# %% [markdown]
# ## 7. Your own autograd
#
# **How does PyTorch know the chain rule for any program?** It does not look at your program. Each
# *operation* leaves a note: where its inputs came from, and the slope with respect to each of
# them. The notes form a graph. Backward, one walks through it and multiplies and adds. You can
# build that in about forty lines, for single numbers.
#
# The class first. A `Scalar` is a number with a memory: its `value`, its gradient `grad`, and its
# `parents`, a list of pairs. Each pair holds a Scalar that was used, and the slope of the result
# with respect to it. A number that you type in has no parents.


# %%
class Scalar:
    """A number that remembers where it came from."""

    def __init__(self, value, parents=()):
        self.value, self.grad = value, 0.0
        self.parents = tuple(parents)  # pairs: (Scalar, slope with respect to it)


# %% [markdown]
# Now the operations. Each computes its value, and notes the slopes. For a sum both slopes are 1.
# For a product the slope of each factor is the *other* factor. For the sigmoid it is the formula
# of exercise 00.2, and the slope of the logarithm is 1/a.


# %%
def add(a, b):
    return Scalar(a.value + b.value, [(a, 1.0), (b, 1.0)])


def multiply(a, b):
    return Scalar(a.value * b.value, [(a, b.value), (b, a.value)])


def sigmoid_of(a):
    s = squash(a.value)
    return Scalar(s, [(a, s * (1 - s))])


def log_of(a):
    return Scalar(math.log(a.value), [(a, 1 / a.value)])


# %% [markdown]
# Try it: the graph of $(a + b) \cdot a$ grows while you compute. The product remembers its two
# factors, and the sum remembers its two terms. Drawn as a picture, with a used twice:
#
# ```text
#     a ────┬───► ( + ) ───► ( × ) ───► result
#           │       ▲          ▲
#     b ────┼───────┘          │
#           └──────────────────┘
# ```

# %%
a, b = Scalar(2.0), Scalar(3.0)
total = add(a, b)
result = multiply(total, a)
print("value:", result.value, " slopes:", [slope for _, slope in result.parents])
verify("the first parent is the sum, the second is a", [p for p, _ in result.parents] == [total, a])

# %% [markdown]
# Backward, each Scalar sends its gradient to its parents, times the slope. But in which order? A
# Scalar may send only when it has received everything itself. So we need an order in which every
# Scalar comes *after* its parents, and walk it in reverse. It is called a *topological order*, and
# the way to get it is: first visit all my parents, then write myself down.


# %%
def in_order(result):
    """All Scalars behind a result, each after its parents."""
    order, seen = [], set()

    def visit(scalar):
        if scalar not in seen:
            seen.add(scalar)
            for parent, _ in scalar.parents:
                visit(parent)
            order.append(scalar)

    visit(result)
    return order


# %% [markdown]
# And here is the heart: the chain rule in one line. The result's gradient with respect to itself
# is 1. From there, slope times gradient goes to each parent, and it is **added**, because a Scalar
# may be used more than once and paths that meet add up.


# %%
def backpropagate(result):
    """Add to each Scalar's grad the slope of the result along it; once for each new graph."""
    result.grad = 1.0
    for scalar in reversed(in_order(result)):
        for parent, slope_of_parent in scalar.parents:
            parent.grad += slope_of_parent * scalar.grad


# %%
backpropagate(result)
print("gradient of (a + b) · a at a = 2, b = 3:", a.grad, b.grad)
verify("by hand: 2a + b = 7, and a = 2", (a.grad, b.grad) == (7.0, 2.0))

# %% [markdown]
# From the result, 1 is sent to the product. The product sends 2 to the sum and 5 to a. The sum
# passes its 2 on to a and to b. So a receives 5 + 2 = 7. (Run that cell once more, and it fails:
# the old gradients are still there, and the new ones are added. First make new Scalars, by running
# the cell that begins with `a, b`.)
#
# **Why the order matters.** The chain rule asks for the sum over *all paths* from the result to a
# number. Follow them one by one, and you need patience: if every step uses its input twice, the
# paths double with each step. In the right order each Scalar is visited once, when its gradient
# is complete, and all paths through it are settled together.


# %%
def count_paths(scalar):
    """Number of ways from a Scalar back to numbers without parents."""
    return sum(count_paths(parent) for parent, _ in scalar.parents) if scalar.parents else 1


start = doubled = Scalar(1.0)
for _ in range(12):
    doubled = add(doubled, doubled)
backpropagate(doubled)
print("paths:", count_paths(doubled), " Scalars to visit:", len(in_order(doubled)))
verify("13 visits have summed 4,096 paths", start.grad == 4096)

# %% [markdown]
# With a hundred steps there would be more paths than atoms in a room, and 101 visits. This is the
# real invention behind backpropagation: not the chain rule, but never computing a part of it
# twice.
#
# Your autograd engine is complete. Count its lines: the class, four operations, the order, the
# backward pass.

# %%
parts = [Scalar.__init__, add, multiply, sigmoid_of, log_of, in_order, backpropagate]
lines = sum(len(inspect.getsource(part).strip().splitlines()) for part in parts)
print("lines:", lines)
verify("with the class's own three lines, under 40", lines + 3 < 40)

# %% [markdown]
# *Predict first.* What if the `+=` were an `=`? Take the smallest case, a + a, whose slope is 2.

# %%
guess = ...  # "a": 0, "b": 1, "c": 2, "d": an error
exercises.reuse_guess.commit(guess)

# %%
a = Scalar(5.0)
twice = add(a, a)
for parent, slope_of_parent in twice.parents:
    parent.grad = slope_of_parent * 1.0  # an = where += should stand
exercises.reuse_guess.reveal("b", "The second contribution has overwritten the first.")
verify("one of two paths is lost", a.grad == 1.0)

# %% [markdown]
# So gradients accumulate. This is also the reason for `zero_grad`: what is added within one pass
# is added across passes too. PyTorch leaves it to you to say when a new gradient begins.
#
# ### Does it agree with PyTorch?
#
# A few examples prove little. Let a random generator write expressions: start with four numbers
# and combine any two, twelve times over. Such an expression may use a number many times, or never.
# The function takes the operations as arguments, so the same recipe, with the same seed, can be
# computed once with ours and once with PyTorch's. The logarithm is taken of sigmoids only, because
# it needs a positive number.


# %%
def random_expression(seed, leaves, plus, times, bend, log):
    """Combine numbers at random, twelve times: the same way for the same seed."""
    rng, pool = random.Random(seed), list(leaves)
    for _ in range(12):
        a, b = rng.choice(pool), rng.choice(pool)
        one_input = [lambda a, b: bend(a), lambda a, b: log(bend(b))]
        pool.append(rng.choice([plus, times, *one_input])(a, b))
    return plus(pool[-1], times(pool[-2], pool[-3]))


# %% [markdown]
# Now 300 such expressions, and all four gradients of each. Where an expression does not use a
# number, PyTorch leaves its gradient None, and ours stays 0.

# %%
worst = 0.0
for seed in range(300):
    numbers = [random.Random(1000 + seed).uniform(-1, 1) + k / 10 for k in range(4)]
    ours = [Scalar(value) for value in numbers]
    theirs = [torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in numbers]
    backpropagate(random_expression(seed, ours, add, multiply, sigmoid_of, log_of))
    random_expression(seed, theirs, torch.add, torch.mul, torch.sigmoid, torch.log).backward()
    for mine, tensor in zip(ours, theirs, strict=True):
        expected = 0.0 if tensor.grad is None else tensor.grad.item()
        worst = max(worst, abs(mine.grad - expected) / max(1.0, abs(expected)))
verify("300 expressions, 1,200 gradients: all equal", worst < 1e-10)

# %% [markdown]
# ### It trains networks, too
#
# With operators it reads like mathematics. Python calls `__add__` for `+` and `__mul__` for `*`;
# `wrap` lets plain numbers take part. `__radd__` and `__rmul__` are for the case that the plain
# number stands on the left.


# %%
def wrap(x):
    return x if isinstance(x, Scalar) else Scalar(x)


Scalar.__add__ = Scalar.__radd__ = lambda a, b: add(a, wrap(b))
Scalar.__mul__ = Scalar.__rmul__ = lambda a, b: multiply(a, wrap(b))
Scalar.__sub__ = lambda a, b: a + (-1.0) * wrap(b)

# %% [markdown]
# The formulas are those of section 4, word for word; only the nine numbers are Scalars now.

# %%
w11, w21, w12, w22, b1, b2, v1, v2, c = nine_scalars = [Scalar(v) for v in nine.tolist()]
first_hidden = sigmoid_of(w11 * x1 + w21 * x2 + b1)
second_hidden = sigmoid_of(w12 * x1 + w22 * x2 + b2)
error = sigmoid_of(v1 * first_hidden + v2 * second_hidden + c) - target
backpropagate(error * error)
by_engine = torch.tensor([s.grad for s in nine_scalars], dtype=torch.float64)
verify("a fourth way to the nine gradients", (by_engine - by_hand).abs().max() < 1e-14)

# %% [markdown]
# Your engine has computed the nine gradients of section 5. PyTorch does the same with tensors
# instead of single numbers, with hundreds of operations, and on GPUs; and the order, the pairs and
# the adding are there as well.
#
# ### Exercise 00.5: a neuron's sum as one operation
#
# A neuron with a thousand inputs would make two thousand Scalars. Write the missing operation:
# `neuron_sum(weights, inputs, bias)` gets two lists of Scalars and one Scalar, and returns **one**
# Scalar, Σ w·x + bias, whose parents are all weights, all inputs and the bias. The same Scalar may
# appear twice, as when a weight is shared; everything that it contributes must count.


# %% tags=["exercise"]
def neuron_sum(weights, inputs, bias):
    # your code here
    ...


exercises.missing_operation.check(neuron_sum)

# %% [markdown]
# ## 8. From eight plants to real digits
#
# **Does that also work for something real?** The same six lines, with another network and more
# data: 3,500 handwritten digits of 28 by 28 pixels, each with its label from 0 to 9. The network
# gets 784 inputs, 32 hidden units and ten outputs, one for each digit, in all 25,450 parameters
# instead of nine.
#
# Two things are new, and both are what "training" means in practice. The data come in *batches*
# of 64 images, one step for each batch; a pass over all of them is an *epoch*. And a second set,
# the *validation* digits, is only looked at, never learned from. It tells you how the network does
# on images that it has not seen, which is the only thing that counts.

# %%
digits = data.mnist_5k()
X_train, y_train = digits.train.flat(), digits.train.labels  # (3500, 784), (3500,)
X_valid, y_valid = digits.validation.flat(), digits.validation.labels  # (500, 784), (500,)
X_test, y_test = digits.test.flat(), digits.test.labels  # (1000, 784), (1000,)
plotting.show_images(digits.train.images[:10], titles=y_train[:10], columns=10)
plt.show()

# %% [markdown]
# Ten of the training digits with their labels above. Each image is one row of `X_train`: 784
# numbers from 0 (black) to 1 (white).
#
# The function below is the six lines again, inside two loops. `cross_entropy` is the double sum of
# section 4, and `data.batches` shuffles the digits and cuts them into batches.


# %%
def teach(model, X, y, epochs=5, lr=0.1, seed=0):
    """Train a classifier by gradient descent on batches of 64; return losses by epoch."""
    generator, losses = torch.Generator().manual_seed(seed), []
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    for _ in range(epochs):
        for X_batch, y_batch in data.batches(X, y, generator=generator):
            loss = F.cross_entropy(model(X_batch), y_batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.no_grad():  # only looking: no record, no gradients
            pair = F.cross_entropy(model(X), y), F.cross_entropy(model(X_valid), y_valid)
        losses.append([value.item() for value in pair])
    return losses


# %%
torch.manual_seed(0)
reader = nn.Sequential(nn.Linear(784, 32), nn.ReLU(), nn.Linear(32, 10))
verify("it has 25,450 parameters", sum(p.numel() for p in reader.parameters()) == 25_450)
by_epoch = teach(reader, X_train, y_train)
for epoch, (training, validation) in enumerate(by_epoch, start=1):
    print(f"epoch {epoch}: training loss ≈{training:.2f}, validation loss ≈{validation:.2f}")
verify(
    "both losses fell", all(last < 0.6 * first for first, last in zip(*by_epoch[::4], strict=True))
)
verify("unseen digits cost more than seen ones", by_epoch[-1][1] > by_epoch[-1][0] + 0.02)

# %% [markdown]
# And how many does it read correctly? For each test image the network gives ten numbers; `argmax`
# picks the digit with the largest. The test digits have played no role in anything so far.

# %%
with torch.no_grad():
    share = (reader(X_test).argmax(dim=1) == y_test).float().mean().item()
print(f"right on 1,000 test digits: ≈{share:.2f}")
verify("more than 80 % of digits that it has never seen; guessing gives 10 %", share > 0.8)

# %% [markdown]
# In a moment, the mathematics of this lesson has learned to read handwriting. How long
# should one go on? "Until the training loss converges" is a common answer and not a good one: the
# training loss may fall forever, while the validation loss turns around. Lessons 3.6 and 3.8 are
# about that.
#
# ### Is it the only way to learn from examples?
#
# Sometimes neural networks are contrasted with "traditional algorithms that follow fixed rules".
# But many older methods learn from the same examples. The simplest of all has no training: look
# for the most similar known digit, and give its label. Here it is, with more and more examples to
# look through.

# %%
nearest = {}
for known in (50, 500, 3500):
    distances = torch.cdist(X_test, X_train[:known])  # (1000, known)
    guesses = y_train[distances.argmin(dim=1)]  # (1000,): the label of the nearest
    nearest[known] = (guesses == y_test).float().mean().item()
print("nearest neighbor:", {known: f"≈{value:.2f}" for known, value in nearest.items()})
verify("more examples, better answers", nearest[50] + 0.1 < nearest[500] < nearest[3500] - 0.03)
verify("and here it beats our first network", nearest[3500] > share + 0.02)

# %% [markdown]
# A lesson in modesty, and a baseline for the rest of the course. It also shows what all learning
# from examples has in common: more data help. A wider network, trained with more care, catches up
# with it in lesson 3.6. And a network needs its weights to answer, not 3,500 images.
#
# ### What is it good for?
#
# Networks are used where good examples are easy to collect and good rules are hard to write:
# recognizing faces and other things in images, reading medical scans, turning speech into text,
# recommending what to watch next, and answering in chat programs such as ChatGPT. What these have
# in common is that the relation between input and output is complicated, not linear, and that the
# inputs have very many dimensions. The network finds useful features by itself, as $h_1$ and $h_2$
# did. That does not spare you all preparation: see the raw pixels below.
#
# ### Training in outline, and where to find it
#
# | step | in this lesson | more about it |
# |---|---|---|
# | set up the environment | section 1 | `make lab`, the README |
# | get and prepare data | the eight plants, digits | 3.6; real, messy tables in 3.10 |
# | build a network | sections 3 and 6 | 3.1, 3.3; its activations 3.2 |
# | initialize the weights | nine chosen numbers | 3.4 |
# | forward propagation | section 4 | every lesson |
# | compute the loss | section 4 | 3.5 |
# | backpropagation | sections 5 and 7 | 3.2 and 3.3, in deep networks |
# | update, repeat | section 6 | 3.6; better steps in 3.9 |
# | find out why it does not learn | common mistakes, below | 3.7 |
# | do well on new data | validation, above | 3.8 |
# | evaluate, save, load, use | test digits, above | 3.10 |
#
# ## Common mistakes
#
# You have met four already: shapes that stretch without a word and whole numbers (section 2), an
# `=` instead of a `+=` (section 7), and a rate beyond the border (section 6). Three more.
#
# ### All weights the same
#
# **Symptom:** the network learns, but like one with a single hidden neuron. Zero, or any common
# value, looks like a neutral start. But then both hidden neurons compute the same, get the same
# gradient, and stay the same forever. That is why weights start at different, random values. How
# *large* they should be depends on the layer; lesson 3.4 derives it.

# %%
equal = [torch.full_like(w, 0.5) for w in starting_weights()]
for _ in range(500):
    H, predictions = plant_forward(X, equal)
    gradients = plant_backward(X, y, equal, H, predictions)
    equal = [w - 2.0 * g for w, g in zip(equal, gradients, strict=True)]
verify("two neurons, one behavior", torch.allclose(H[:, 0], H[:, 1], atol=1e-12))
stuck = F.binary_cross_entropy(predictions, y).item()
verify("after three times as many steps, the loss is still above 0.4", stuck > 0.4)

# %% [markdown]
# ### A number without its past
#
# **Symptom:** `backward()` complains that nothing requires a gradient. `.item()`, `float()` and
# `.detach()` take the number and leave the graph behind. That is right for printing, and wrong on
# the way to the loss.

# %%
p = nine.clone().requires_grad_()
printed = plant_loss(p).item()  # fine: only to look at
cut = torch.tensor(plant_loss(p).item())  # a new tensor with the same number
verify("the loss knows its past", plant_loss(p).requires_grad)
verify("the copy does not", not cut.requires_grad and abs(cut.item() - printed) < 1e-6)

# %% [markdown]
# ### Raw numbers
#
# **Symptom:** the loss does not fall, or becomes NaN ("not a number"), at a rate that works for
# others. Pixels come from a file as 0 to 255. The gradient of a weight is the input times a delta,
# so inputs that are 255 times as large make gradients 255 times as large, and the same rate is far
# beyond the border. Nothing else is changed here:

# %%
torch.manual_seed(0)
overwhelmed = nn.Sequential(nn.Linear(784, 32), nn.ReLU(), nn.Linear(32, 10))
teach(overwhelmed, 255 * X_train, y_train)
with torch.no_grad():
    raw_share = (overwhelmed(255 * X_test).argmax(dim=1) == y_test).float().mean().item()
print(f"with pixels from 0 to 255: ≈{raw_share:.2f}")
verify("it learns next to nothing", raw_share < 0.3 < share)

# %% [markdown]
# ## Key takeaways
#
# - A neuron is a weighted sum and a bend; a layer is a matrix with one row for each neuron, shape
#   (out, in) ([Index form and matrix form](#Index-form-and-matrix-form)).
# - Write shapes beside every line: broadcasting stretches without asking
#   ([section 2](#2.-Tensors-in-ten-lines)).
# - Without the bend, layers collapse into one ([The bend](#The-bend)).
# - Forward is one layer after the other; the loss turns all predictions into one number
#   ([section 4](#4.-Forward:-nine-numbers-make-a-prediction)).
# - The gradient of a weight is the activation on its left times the delta on its right; where
#   paths meet, they add ([By hand](#By-hand:-the-chain-rule),
#   [Where paths meet](#Where-paths-meet,-add)).
# - Check a gradient by central differences in `float64`
#   ([By measuring](#By-measuring:-finite-differences)).
# - Gradient descent on a valley of curvature λ is stable up to the rate 2/λ
#   ([section 6](#6.-Downhill:-gradient-descent)).
# - Backpropagation computes gradients; the optimizer updates
#   ([Two things](#Two-things-that-are-often-said)).
# - Autograd is a graph, an order and a `+=` ([section 7](#7.-Your-own-autograd)).
# - A neural network is a layered function with adjustable numbers, fitted to examples by
#   backpropagation and gradient descent
#   ([Nine numbers learn](#Nine-numbers-learn), [section 8](#8.-From-eight-plants-to-real-digits)).
#
# ## Further exercises
#
# 1. Give the plants a third hidden neuron, in your hand-written functions and in PyTorch. Which
#    shapes change? Are the weights still equal at every step?
# 2. Add `relu_of`, `exp_of` and division to the engine, and put them into the random expressions.
#    What should the slope of ReLU be at 0? What does PyTorch take?
# 3. Train the eight plants with your engine alone, and compare the time with PyTorch's. Then
#    guess why tensors exist.
# 4. Train from 20 random starts, `torch.manual_seed(0)` to `(19)`, for 600 steps. How many reach a
#    loss below 0.05? Look at the alarms of one that does not.
# 5. Find, by trying, the largest rate at which the loss of the plants falls at every step. Compare
#    it with the border of section 6: which curvature does that suggest?
#
# **Reading.** D. Rumelhart, G. Hinton and R. Williams, "Learning representations by
# back-propagating errors", *Nature* 323 (1986): four pages, still readable. M. Nielsen, *Neural
# Networks and Deep Learning* (2015), free on the web, chapters 1 and 2. A. Baydin et al.,
# "Automatic differentiation in machine learning: a survey", *JMLR* 18 (2018). A. Karpathy's
# micrograd, the best-known small engine. A. Paszke et al., "PyTorch: an imperative style,
# high-performance deep learning library", *NeurIPS* (2019).
#
# ## Your progress

# %%
from course_utils.exercises import progress

progress("00")

# %% [markdown]
# ## Next
#
# You can do the mathematics, and PyTorch can do the derivatives. Now look closely at one neuron:
# [lesson 3.1, The perceptron](01_perceptron.ipynb), shows what a single one can learn, how it
# learned in 1958, and exactly where it fails.
