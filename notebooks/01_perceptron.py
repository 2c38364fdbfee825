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
# # 3.1 The perceptron
#
# A neural network is made of very simple parts. In this lesson you take one of these parts, the
# perceptron of 1958, and learn it completely: what it computes, how it learns, and exactly where
# it stops. Then you put a few of them together and cross that limit. Everything later in the
# course, from activation functions to optimizers, answers a question that the perceptron raises.
#
# ## You will be able to
#
# - **explain** what a neuron computes, as a sum, as a matrix product and as a line in the plane;
# - **implement** a perceptron as an `nn.Module`, and Rosenblatt's learning rule from scratch;
# - **predict** when the rule will stop, and after how many mistakes at most;
# - **show**, in three ways, that one neuron cannot compute XOR (*exclusive or*: one or the other,
#   but not both);
# - **build and train** a small network that can, and see how its hidden layer does it.
#
# ## Before you start
#
# You need basic Python and vectors with their dot product; from section 6 on also the derivative,
# the chain rule and the logarithm. [Lesson 3.0](00_foundations.ipynb) explains all of them, and
# how a lesson works: run a cell, slide, *predict first*, answer an exercise. If you start here,
# read each shape comment, such as `# (N, D)`, as you go: N is the number of points, D the number
# of inputs.
#
# **Time:** about 90 minutes with all exercises; 45 if you only read, slide and run.

# %% [markdown]
# <!-- launch:start -->
# Open this lesson with `make lab LESSON=01`.
# <!-- launch:end -->

# %%
from course_utils import setup

setup()

# %%
import matplotlib.pyplot as plt
import torch
from torch import nn

from course_utils import data, drawings, plotting, verify
from course_utils.exercises import perceptron as exercises
from course_utils.explore import perceptron as explorers

# %% [markdown]
# `torch` brings tensors, `nn` layers and losses, `plt` figures. The rest is the course's own
# toolbox: data sets, drawings and plots, so that a figure costs a line or two, and this lesson's
# exercises and explorers. All of it is plain Python that you can open and read.
#
# `setup` fixes the random seed, so that you see the numbers that this page shows. `verify` is the
# course's promise: it prints a ✓ with a claim if the claim holds in your kernel, the Python
# process behind this page, and raises an error if it does not. A number behind ≈ may differ a
# little on your machine; a `verify` nearby says by how much at most.

# %% [markdown]
# ## 1. A neuron, drawn twice
#
# **What did we borrow from biology, and what did we leave out?**
#
# A nerve cell collects signals on its *dendrites*. If enough arrives within a short time, the
# cell body fires, and a spike travels along the *axon* to the *synapses*, where it excites or
# inhibits the next cells. In 1943, McCulloch and Pitts kept one idea of this: add up, compare
# with a threshold, answer yes or no. In 1958, Rosenblatt added weights that are learned, and
# called the machine a perceptron.

# %%
fig, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6))
drawings.biological_neuron(left).set_title("A nerve cell")
drawings.artificial_neuron(right).set_title("A perceptron")
plt.show()

# %% [markdown]
# On the left a nerve cell with dendrites, cell body, axon and synapses; on the right a perceptron
# with inputs, weights, a bias, a sum and a step. Signals flow from left to right in both.
#
# | nerve cell | perceptron | in the formula |
# |---|---|---|
# | signals on the dendrites | inputs | $x_1, \dots, x_D$ |
# | strength of each synapse | weights | $w_1, \dots, w_D$ |
# | how easily the cell fires | bias | $b$ |
# | cell body gathers signals | weighted sum | $z = \sum_i w_i x_i + b$ |
# | spike or no spike | step activation | $\hat{y} \in \{0, 1\}$ |
#
# The analogy ends there. A real neuron sends spikes *in time*; the perceptron has no clock. A
# real synapse mostly keeps its sign (Dale's principle); a weight may cross zero during training.
# No cell is known to learn by the backpropagation that trains section 7. And a single dendrite of
# a human neuron can already compute XOR (Gidon et al., *Science* 367, 2020), which, as you will
# see, a perceptron cannot. So read "neuron" from now on as the name of a formula.

# %% [markdown]
# ## 2. The formula and the module
#
# **What does a perceptron compute?** It multiplies each input by its weight, adds the bias, and
# answers 1 if the result is positive, else 0:
#
# $$
# z = w_1 x_1 + w_2 x_2 + \dots + w_D x_D + b = \mathbf{w} \cdot \mathbf{x} + b,
# \qquad
# \hat{y} = \begin{cases} 1 & \text{if } z > 0 \\ 0 & \text{otherwise} \end{cases}
# $$
#
# For N points at once, the points are the rows of a matrix $X$ of shape (N, D). One product gives
# all N sums: $\mathbf{z} = X\mathbf{w} + b$, with shapes (N, D) · (D,) + () → (N,). The number b
# is added to each of the N sums; that is called *broadcasting*. In general a neuron computes
# $a = \sigma(z)$ with an *activation function* σ; here σ is the step. Lesson 3.2 is about better
# choices.

# %% [markdown]
# As a first example take the four combinations of two binary inputs, and a neuron with both
# weights 1 and the bias −0.5. The cell computes the four sums twice: with a Python loop over the
# points, as the formula is written, and with one matrix product. You will use the second form
# from here on, because it is shorter and because PyTorch runs it as one fast operation.

# %%
X = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])  # (N=4, D=2)
w = torch.tensor([1.0, 1.0])  # (D,)
b = torch.tensor(-0.5)  # ()

z_by_loop = torch.tensor([w[0] * x1 + w[1] * x2 + b for x1, x2 in X])
z = X @ w + b  # (4, 2) @ (2,) + () -> (4,)
print("z =", z.tolist())

# %%
verify("the matrix form equals the sum written out", torch.equal(z, z_by_loop))

# %% [markdown]
# Now the step. The two pictures below show the same neuron twice: its answer as a function of the
# sum $z$, and its answer over the plane of inputs.

# %%
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6))
grid = torch.linspace(-2, 2, 4001)
left.plot(grid, (grid > 0).float(), linewidth=2)
left.set(xlabel="weighted sum z", ylabel="answer ŷ", title="ŷ = 1 if z > 0, else 0")
limits = (-0.5, 1.5)
plotting.decision_regions(right, lambda P: (P @ w + b > 0).float(), limits, limits)
plotting.scatter_classes(right, X, (z > 0).float(), size=90)
right.set(xlabel="x₁", ylabel="x₂", title="x₁ + x₂ − 0.5 = 0 splits the plane")
right.set(xticks=[0, 1], yticks=[0, 1])
plt.show()

# %% [markdown]
# On the left the answer jumps from 0 to 1 at z = 0; on the right the plane of inputs is cut in
# two by the line where z = 0, with three of the four points on the side that answers 1. The
# neuron answers 0 *on* the line: that is our convention, and any program must choose one.

# %% [markdown]
# In PyTorch a model is a class that inherits from `nn.Module`. `nn.Linear(D, 1)` holds the
# weights, shape (1, D), and the bias, shape (1,), as parameters that PyTorch will find, save and
# train.


# %%
class Perceptron(nn.Module):
    """A neuron with a step activation: (N, D) -> (N,)."""

    def __init__(self, in_features):
        super().__init__()
        self.linear = nn.Linear(in_features, 1)

    def forward(self, x):
        z = self.linear(x).squeeze(1)  # (N, 1) -> (N,)
        return (z > 0).float()


# %% [markdown]
# Three things happen here that every model of this course repeats. `super().__init__()` lets
# `nn.Module` prepare itself; forget it, and assigning a layer fails. In `__init__` you create the
# parts that hold parameters. In `forward` you say what happens to the data; you then call the
# model like a function, `neuron(X)`, and never `forward` itself. The column that `nn.Linear`
# returns, (N, 1), is squeezed to a vector (N,), one answer for each point.
#
# A fresh module has random weights. To set them by hand, copy values into the parameters inside
# `torch.no_grad()`, which tells PyTorch not to record the copy as part of a computation. `copy_`
# also checks the shape for you.


# %%
def set_weights(neuron, weights, bias):
    """Give a perceptron the weights (D,) and the bias, and return it."""
    with torch.no_grad():
        neuron.linear.weight.copy_(torch.tensor([weights]))
        neuron.linear.bias.fill_(bias)
    return neuron


# %% [markdown]
# Now you can be the learning algorithm yourself. A *gate* is a function of binary inputs: OR
# answers 1 if at least one input is 1, AND if both are, NAND if not both are. For each of them,
# three numbers are enough.

# %%
gate_weights = {
    "OR": ([1.0, 1.0], -0.5),
    "AND": ([1.0, 1.0], -1.5),
    "NAND": ([-1.0, -1.0], 1.5),
}
for name, (weights, bias) in gate_weights.items():
    answers = set_weights(Perceptron(2), weights, bias)(X)
    print(f"{name:4}  00 01 10 11 -> {answers.int().tolist()}")
    verify(f"these weights compute {name}", torch.equal(answers, data.gate(name)[1]))

# %% [markdown]
# Three gates, twelve right answers. Read the weights: OR and AND differ only in the bias. −0.5
# lets one active input win; −1.5 demands two. NAND is AND with every sign turned round. NOT needs
# a single input.

# %%
inverter = set_weights(Perceptron(1), [-1.0], 0.5)
answers = inverter(torch.tensor([[0.0], [1.0]]))
verify("NOT 0 = 1 and NOT 1 = 0", answers.tolist() == [1.0, 0.0])

# %% [markdown]
# ### Exercise 01.1: a neuron that takes a vote
#
# Three judges vote with 0 or 1. Find `majority = (w1, w2, w3, b)` so that one neuron answers 1
# exactly when at least two of them vote 1. Many answers are right.
# `exercises.majority_weights.hint()` gives a hint.

# %% tags=["exercise"]
majority = ...  # your four numbers here

exercises.majority_weights.check(majority)

# %% [markdown]
# ### Exercise 01.2: predict without a loop
#
# Write `predict(X, w, b)` for a whole batch: `X` is (N, D), `w` is (D,), `b` is a scalar tensor.
# Return a float tensor of shape (N,), 1.0 where z > 0 and 0.0 elsewhere.


# %% tags=["exercise"]
def predict(X, w, b):
    # your code here
    ...


exercises.predict_batch.check(predict)

# %% [markdown]
# ## 3. The decision boundary
#
# **Which points does a neuron separate?** It changes its mind where $z = 0$. With two inputs that
# is a line,
#
# $$
# w_1 x_1 + w_2 x_2 + b = 0,
# $$
#
# with three a plane, and with D inputs a *hyperplane* of D − 1 dimensions. Three facts make it
# easy to picture:
#
# 1. The weight vector $\mathbf{w}$ stands at right angles to the boundary and points to the side
#    that answers 1.
# 2. The signed distance of a point $\mathbf{x}$ from the boundary is
#    $z / \lVert \mathbf{w} \rVert$.
# 3. Multiplying $\mathbf{w}$ and $b$ by the same positive number changes no answer.
#
# The first follows from subtracting: for two points $\mathbf{p}$ and $\mathbf{q}$ of the
# boundary, $\mathbf{w}\cdot\mathbf{p} + b = 0$ and $\mathbf{w}\cdot\mathbf{q} + b = 0$, so
# $\mathbf{w}\cdot(\mathbf{p}-\mathbf{q}) = 0$: **w** is perpendicular to every direction along
# the boundary. The second follows from walking: a step of length $t$ in the direction
# $\mathbf{w}/\lVert\mathbf{w}\rVert$ raises $z$ by $t\lVert\mathbf{w}\rVert$, so from a point
# with sum $z$ the boundary is $z/\lVert\mathbf{w}\rVert$ away. The third is plain: a positive
# factor does not change the sign of $z$.
#
# Move the sliders: first turn the line with the weights, then shift it with the bias. Can you get
# all 40 points right?

# %%
explorers.boundary()

# %% [markdown]
# Forty points of two classes, the boundary of one neuron as a line, and the side that answers 1
# shaded; the arrow is **w**, and a ring marks each wrong point. Changing $w_1$ or $w_2$ turns the
# line, changing $b$ moves it without turning. If you double all three values, the line stays.
# Once all points are right, dashed lines show the *margin*: how far the nearest point is from the
# line.

# %% [markdown]
# Let us check the three facts in four dimensions, where nobody can draw. Take any point, walk
# from it along $-\mathbf{w}$ by the signed distance, and you must land on the boundary.

# %%
points = torch.rand(1000, 4, dtype=torch.float64) * 4 - 2  # (1000, 4)
normal = torch.tensor([2.0, -1.0, 0.5, 3.0], dtype=torch.float64)  # (4,)
offset = 0.7
distance = (points @ normal + offset) / normal.norm()  # (1000,)
landed = points - distance[:, None] * normal / normal.norm()  # (1000, 4)

# %%
differences = landed[1:] - landed[0]  # directions inside the hyperplane
verify("every point lands on z = 0", (landed @ normal + offset).abs().max() < 1e-12)
verify("w is at right angles to the hyperplane", (differences @ normal).abs().max() < 1e-12)

# %%
before = points @ normal + offset > 0
after = points @ (7 * normal) + 7 * offset > 0
verify("7w and 7b give the same answers as w and b", torch.equal(before, after))

# %% [markdown]
# So as long as $b$ grows along, the length of **w** means nothing to a perceptron's answers. Keep
# that in mind: in section 6, where the answer becomes a probability, the length will mean
# *certainty*.

# %% [markdown]
# ## 4. Learning from mistakes
#
# **How can the neuron find its weights by itself?** Rosenblatt's rule looks at one example at a
# time. With the *error* $y - \hat{y}$, which is 0, +1 or −1:
#
# $$
# \mathbf{w} \leftarrow \mathbf{w} + (y - \hat{y})\,\mathbf{x},
# \qquad
# b \leftarrow b + (y - \hat{y})
# $$
#
# A right answer changes nothing. A missed 1 adds the input to the weights, so that next time the
# same input gives
# $z' = (\mathbf{w}+\mathbf{x})\cdot\mathbf{x} + b + 1 = z + \lVert\mathbf{x}\rVert^2 + 1$, which
# is larger. A false alarm subtracts it. Repeat until a whole pass over the data brings no
# mistake. (A learning rate η in front of the error is often written. Starting from zero weights
# it only scales **w** and $b$ together, which changes no answer; we leave it out.)

# %% [markdown]
# One update by hand, before any loop. The weights are arbitrary, the point should be answered
# with 1, and the neuron says 0. Follow $z$: the update has to push it up.

# %%
w, b = torch.tensor([0.5, -1.0]), torch.tensor(0.2)
x, y = torch.tensor([1.0, 1.5]), 1.0  # should answer 1
z_old = w @ x + b
error = y - (z_old > 0).float()
w_new, b_new = w + error * x, b + error
z_new = w_new @ x + b_new
print(f"error {error:+.0f}:  z was {z_old:.2f}, z is {z_new:.2f}")

# %%
fig, axes = plt.subplots(1, 2, figsize=(9, 3.8), sharex=True, sharey=True)
for ax, (weights, bias), title in zip(
    axes, [(w, b), (w_new, b_new)], ["before: answers 0", "after: answers 1"], strict=True
):
    ax.set(xlim=(-2, 2.5), ylim=(-2, 2.5), aspect="equal", title=title, xlabel="x₁")
    plotting.boundary_line(ax, weights, bias, normal=True)
    ax.plot(*x, "^", markersize=10, color=plotting.OKABE_ITO["vermillion"], label="x, y = 1")
    ax.legend(loc="lower right")
axes[0].set_ylabel("x₂")
plt.show()

# %% [markdown]
# One update of the rule: before it the point lies behind the line, on the side that answers 0;
# after it the line has swung past the point. The arrow **w** has turned toward the point, because
# the point was added to it.

# %%
verify("one update raises z by |x|² + 1", torch.allclose(z_new, z_old + x @ x + 1))

# %% [markdown]
# ### Exercise 01.3: Rosenblatt's update
#
# Write `update(w, b, x, y)`: predict with the step neuron, then return the new `(w, b)`. The
# given tensors must stay as they are.


# %% tags=["exercise"]
def update(w, b, x, y):
    # your code here
    ...


exercises.update_rule.check(update)

# %% [markdown]
# Here is the whole algorithm. Both loops are honest Python, because the rule is sequential: each
# update changes the weights with which the next point is judged, so the points cannot be handled
# all at once. The outer loop repeats passes over the data (*epochs*), the inner one looks at the
# points in order. It starts from zero weights, where $z = 0$ and every answer is 0. It also
# counts its mistakes, and stops after the first pass without one.


# %%
def train_perceptron(X, y, max_epochs=1000):
    """Rosenblatt's rule from zero weights: X (N, D), y (N,) -> w, b, mistakes per epoch."""
    w, b = torch.zeros(X.shape[1], dtype=X.dtype), torch.zeros((), dtype=X.dtype)
    mistakes = []
    for _ in range(max_epochs):
        mistakes.append(0)
        for x, target in zip(X, y, strict=True):
            error = target - (w @ x + b > 0).to(X.dtype)
            if error != 0:
                w, b = w + error * x, b + error
                mistakes[-1] += 1
        if mistakes[-1] == 0:
            break
    return w, b, mistakes


# %%
for name in ["OR", "AND", "NAND"]:
    X, y = data.gate(name)
    w, b, mistakes = train_perceptron(X, y)
    print(f"{name:4}  w = {w.tolist()}, b = {b.item()}, mistakes per pass {mistakes}")
    verify(f"the learned weights compute {name}", torch.equal((X @ w + b > 0).float(), y))

# %% [markdown]
# Three gates, each learned within a few passes, and the last entry of each list is the pass
# without a mistake that ends the training. The weights differ from the ones you set by hand, and
# they are just as right: the rule stops at the *first* line that works, not at the best one.
#
# All numbers above are whole, because the inputs are: the rule only ever adds and subtracts
# inputs. Now watch it update by update. Try each data set, and keep an eye on the number of wrong
# points: does every update lower it?

# %%
explorers.learning_rule()

# %% [markdown]
# The data with the line after each update, and beside it the number of points on the wrong side.
# That number often *rises* for a while: an update repairs one point, not all. On the data that a
# line can separate it reaches zero and the rule stops; on the XOR data it never does.

# %% [markdown]
# ### How many mistakes can it make?
#
# **Does the rule always stop?** Novikoff (1962) proved that, started from zero weights, it does
# whenever some line separates the data, and gave a bound. Append a constant 1 to each point, so
# that the bias is one more weight: $\tilde{\mathbf{x}} = (\mathbf{x}, 1)$. Let $R$ be the largest
# length $\lVert\tilde{\mathbf{x}}\rVert$, and let some unit vector $\mathbf{u}$ separate the data
# with *margin* γ, that is $s\,\mathbf{u}\cdot\tilde{\mathbf{x}} \ge \gamma > 0$ for all points,
# with $s = \pm 1$ for the two classes. Then
#
# $$
# \text{number of mistakes} \;\le\; \left(\frac{R}{\gamma}\right)^2 .
# $$
#
# The proof watches two numbers after $k$ mistakes. Each update adds $s\tilde{\mathbf{x}}$, so:
#
# 1. *Agreement grows steadily:* $\mathbf{u}\cdot\mathbf{w}$ grows by at least γ, so
#    $\mathbf{u}\cdot\mathbf{w} \ge k\gamma$.
# 2. *Length grows slowly:* the update happens only when
#    $s\,\mathbf{w}\cdot\tilde{\mathbf{x}} \le 0$. So in the square
#    $\lVert\mathbf{w}+s\tilde{\mathbf{x}}\rVert^2$ the mixed term is not positive, and what
#    remains is at most $\lVert\mathbf{w}\rVert^2 + R^2$. Hence
#    $\lVert\mathbf{w}\rVert \le \sqrt{k}\,R$.
# 3. A projection is never longer than the vector:
#    $k\gamma \le \mathbf{u}\cdot\mathbf{w} \le \lVert\mathbf{w}\rVert \le \sqrt{k}\,R$, so
#    $k \le (R/\gamma)^2$.
#
# In words: the weights agree more and more with the separator, in proportion to the mistakes,
# while their length can only grow with the square root of the mistakes. Something that grows like
# $k$ overtakes something that grows like $\sqrt{k}$, so $k$ has to stop growing.
#
# The number of points and of dimensions does not appear. What counts is how wide the gap is
# compared with the size of the data. Let us test it on 60 random data sets with margins from wide
# to narrow.


# %%
def mistakes_and_bound(X, y, u):
    """Mistakes of the rule, and (R/γ)² for the separator u (D+1,), on X (N, D)."""
    extended = torch.cat([X, torch.ones_like(X[:, :1])], dim=1)  # (N, D+1)
    u = u / u.norm()
    radius = extended.norm(dim=1).max()
    margin = ((2 * y - 1) * (extended @ u)).min()
    *_, mistakes = train_perceptron(X, y)
    assert mistakes[-1] == 0, "the rule did not stop"
    return sum(mistakes), (radius / margin).item() ** 2


# %% [markdown]
# Each data set below comes with a line that is known to separate it, so that γ can be computed;
# the margin shrinks from set to set. The learning rule does not get to see that line.

# %%
pairs = []
for seed in range(60):
    margin = 0.4 * 0.93**seed  # from 0.4 down to about 0.006
    X, y, w_star, b_star = data.separable(n=40, margin=margin, seed=seed)
    pairs.append(mistakes_and_bound(X, y, torch.cat([w_star, b_star.reshape(1)])))
counts, bounds = torch.tensor(pairs, dtype=torch.float64).T  # (60,), (60,)
verify("on all 60 data sets the mistakes stay within the bound", (counts <= bounds).all())

# %%
fig, ax = plt.subplots(figsize=(6, 4))
ax.loglog(bounds, counts, "o", label="one random data set")
edge = torch.tensor([bounds.min(), bounds.max()])
ax.loglog(edge, edge, "--", color="black", label="mistakes = (R/γ)²")
ax.set(xlabel="bound (R/γ)²", ylabel="mistakes until the rule stops")
ax.legend()
plt.show()

# %% [markdown]
# Mistakes made against the bound, both on logarithmic axes: every point lies below the dashed
# line, most of them far below. The bound is a worst case; the narrower the margin (to the right),
# the more mistakes the rule *may* need.

# %% [markdown]
# ## 5. XOR: what one line cannot do
#
# **Is there anything a neuron cannot learn?** Two binary inputs have four combinations, and each
# can be answered by 0 or 1, so there are $2^4 = 16$ gates. You have met AND, OR and NAND.
# *Predict first:* how many of the 16 can one neuron compute?

# %%
guess = ...  # "a": all 16, "b": 15, "c": 14, "d": 8
exercises.gates_guess.commit(guess)

# %% [markdown]
# Why should any gate be impossible? Picture the four inputs as the corners of a square. A line
# cuts off one corner, or two neighbors, or none. For XOR the two corners that must answer 1 lie
# diagonally opposite, and so do the two that must answer 0.
#
# Instead of reasoning, search: try every combination of $w_1$, $w_2$ and $b$ on a grid of steps
# of ¼ and collect the distinct truth tables.

# %%
steps = torch.arange(-3, 3.01, 0.25)
weights = torch.cartesian_prod(steps, steps, steps)  # (15625, 3): w1, w2, b
X, xor = data.gate("XOR")
tables = (weights[:, :2] @ X.T + weights[:, 2:] > 0).int()  # (15625, 4)
found = {tuple(table) for table in tables.tolist()}
right = (tables == xor.int()).sum(dim=1)  # answers that agree with XOR
print(f"{len(found)} of 16 gates found; the best neuron gets {right.max()} of 4 XOR cases right")

# %%
missing = {(0, 1, 1, 0), (1, 0, 0, 1)}  # XOR and its opposite
verify("14 gates are found", len(found) == 14)
verify("only XOR and XNOR are missing", not (found & missing))
verify("no neuron on the grid gets more than 3 of 4 XOR cases", right.max() == 3)
exercises.gates_guess.reveal("c", "Only XOR and XNOR are out of reach.")

# %% [markdown]
# A grid proves nothing about the weights between its points, so here is the argument for all of
# them. XOR demands four inequalities:
#
# $$
# \begin{aligned}
# (0,0) \to 0: &\quad b \le 0 \\
# (0,1) \to 1: &\quad w_2 + b > 0 \\
# (1,0) \to 1: &\quad w_1 + b > 0 \\
# (1,1) \to 0: &\quad w_1 + w_2 + b \le 0
# \end{aligned}
# $$
#
# Add the two middle lines: $w_1 + w_2 + 2b > 0$. Add the outer two: $w_1 + w_2 + 2b \le 0$. Both
# cannot hold, so no weights exist, on any grid. And the learning rule? It cannot know, so it
# keeps trying. Here its weights are whole numbers, and they stay small (a theorem of Minsky and
# Papert), so it must come back to a state where it has been before, and then repeat itself.

# %%
w, b, mistakes = train_perceptron(X, xor, max_epochs=9)
again = train_perceptron(X, xor, max_epochs=10)
print("mistakes per pass:", mistakes)
print("after 9 passes:", w.tolist(), b.item(), " after 10:", again[0].tolist(), again[1].item())

# %%
verify("the rule is in a cycle", torch.equal(w, again[0]) and torch.equal(b, again[1]))
verify("and it still makes mistakes", again[2][-1] > 0)

# %% [markdown]
# After nine passes and after ten it stands at the very same weights, with four mistakes in
# between: it is going round in circles. That is a third argument: by Novikoff's theorem the rule
# would stop if any line separated the cases. It never stops, so there is none.

# %% [markdown]
# ### Exercise 01.4: XOR from NAND neurons
#
# One neuron cannot, but several can. Write `xor_from_nand(x1, x2, nand)` using only calls of the
# neuron `nand(a, b)`, which takes and returns float tensors of shape (N,). Every digital computer
# could be built from this one part.


# %% tags=["exercise"]
def xor_from_nand(x1, x2, nand):
    # your code here
    ...


exercises.nand_xor.check(xor_from_nand)

# %% [markdown]
# ## 6. Why the step must go
#
# **Could gradient descent train the perceptron?** *Gradient descent* changes each weight a little
# in the direction in which a *loss*, a measure of badness, falls. It needs the derivative of the
# answer with respect to the weights. The step is flat everywhere and jumps at one place, so its
# derivative is zero wherever it exists: it never says in which direction to move. PyTorch says so
# in its own way. While it computes, PyTorch notes which result came from which, so that its
# *autograd* can walk back and apply the chain rule. A comparison such as `z > 0` has no
# derivative, and cuts this trail.

# %%
neuron = Perceptron(2)
answer = neuron(X)
verify("the weights ask for a gradient", neuron.linear.weight.requires_grad)
verify("but the step's answer does not carry one", not answer.requires_grad)

# %% [markdown]
# A parameter *asks* for a gradient (`requires_grad`), and every differentiable operation passes
# the request on to its result. The comparison drops it: from `z > 0` on, nothing leads back to
# the weights. Calling `backward()` on it would raise *element 0 of tensors does not require
# grad*. The modern repair is to replace the step by a smooth one, the **sigmoid**
#
# $$
# \sigma(z) = \frac{1}{1 + e^{-z}},
# $$
#
# and to read $p = \sigma(z)$ as the probability of class 1. The neuron becomes **logistic
# regression**, and its loss is the *binary cross-entropy*, the negative logarithm of the
# probability given to the right answer. For one example:
#
# $$
# L = -\,y \log p - (1 - y)\log(1 - p),
# \qquad
# \frac{\partial L}{\partial z} = p - y,
# \qquad
# \frac{\partial L}{\partial \mathbf{w}} = (p - y)\,\mathbf{x}.
# $$
#
# The middle formula is short because two derivatives cancel. With $dp/dz = p(1-p)$ and
# $\partial L/\partial p = (p-y)/(p(1-p))$, the product is $p - y$: how much the neuron promised
# minus what happened. The rest is the chain rule through $z = \mathbf{w}\cdot\mathbf{x} + b$.
#
# A gradient step is then $\mathbf{w} \leftarrow \mathbf{w} + \eta\,(y - \sigma(z))\,\mathbf{x}$.
# Compare it with Rosenblatt's
# $\mathbf{w} \leftarrow \mathbf{w} + (y - \text{step}(z))\,\mathbf{x}$: the same sentence with a
# softer word. `nn.BCEWithLogitsLoss` takes the *logit* $z$ and applies the sigmoid inside, which
# is safer than doing it yourself (lesson 3.5 shows why).

# %% [markdown]
# Check the formula on the XOR data in double precision. `loss.backward()` lets PyTorch compute
# the gradients and store them in `w.grad` and `b.grad`; the second cell computes the same by
# hand. The loss is a *mean* over the four points, so the hand-made gradient is a mean too.

# %%
w = torch.tensor([0.3, -0.8], dtype=torch.float64, requires_grad=True)
b = torch.tensor(0.1, dtype=torch.float64, requires_grad=True)
X64, y64 = X.double(), xor.double()
loss = nn.BCEWithLogitsLoss()(X64 @ w + b, y64)
loss.backward()

# %%
with torch.no_grad():
    error = torch.sigmoid(X64 @ w + b) - y64  # p - y, (4,)
    by_hand = (error[:, None] * X64).mean(dim=0)  # (2,)
verify("autograd's gradient is the mean of (p − y)x", torch.allclose(w.grad, by_hand))
verify("and for the bias the mean of p − y", torch.allclose(b.grad, error.mean()))

# %% [markdown]
# You derived it, PyTorch agrees; from now on let PyTorch handle the derivatives. The training
# loop has five lines that will not change until the end of the course. *Forward:* compute the
# logits. *Loss:* one number that says how bad they are. *Zero the gradients:* PyTorch adds new
# gradients to old ones, so the old ones must go. *Backward:* fill in every parameter's gradient.
# *Step:* the optimizer moves each parameter a little against its gradient.


# %%
def train_logistic(X, y, lr, steps):
    """Full-batch logistic regression from zero weights: returns a trained nn.Linear."""
    model = nn.Linear(X.shape[1], 1, dtype=X.dtype)
    nn.init.zeros_(model.weight)
    nn.init.zeros_(model.bias)
    criterion = nn.BCEWithLogitsLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    for _ in range(steps):
        logits = model(X).squeeze(1)  # (N, 1) -> (N,)
        loss = criterion(logits, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model


# %% [markdown]
# This loop is often presented as "the perceptron learning algorithm". It is not: it uses no step,
# it looks at all points at once, and it never stops. The AND gate shows what that means.

# %%
X, y = data.gate("AND")
for steps in [100, 1000, 10_000]:
    model = train_logistic(X, y, lr=0.1, steps=steps)
    right = int(((model(X).squeeze(1) > 0).float() == y).sum())
    norm = model.weight.norm().item()
    print(f"{steps:6} steps: {right} of 4 right, |w| ≈{norm:.1f}")

# %%
early, late = train_logistic(X, y, 0.1, 1000), train_logistic(X, y, 0.1, 10_000)
*_, mistakes = train_perceptron(X, y)
verify("Rosenblatt's rule learns AND in fewer than 12 passes and stops", len(mistakes) < 12)
verify("the logistic weights keep growing", late.weight.norm() > 1.5 * early.weight.norm())

# %% [markdown]
# With the often-printed settings, a rate of 0.1 and 100 steps, one of the four cases is still
# wrong; ten times as many steps do it. After that nothing is wrong any more, and yet the weights
# go on growing: a longer **w** makes the sigmoid steeper and the loss a little smaller, for ever.
# The length that meant nothing to the step now means certainty.

# %% [markdown]
# ### What the probability adds
#
# Certainty is worth something only if it is honest. On data that overlap, no line is perfect, and
# Rosenblatt's rule would never settle. Logistic regression does. Train on 2,000 points of two
# overlapping classes, draw 2,000 new ones, and ask whether the neuron's probabilities mean what
# they say: of all points to which it gives about 70 %, do 70 % belong to class 1?

# %%
X, y = data.blobs(n=2000, separation=1.5, noise=1.0, seed=1)
model = train_logistic(X, y, lr=0.5, steps=500)
X_new, y_new = data.blobs(n=2000, separation=1.5, noise=1.0, seed=2)  # not seen in training
with torch.no_grad():
    p = torch.sigmoid(model(X_new).squeeze(1))  # (2000,)
bins = (p * 5).long().clamp(max=4)  # five bins of width 0.2
said = torch.stack([p[bins == k].mean() for k in range(5)])
happened = torch.stack([y_new[bins == k].mean() for k in range(5)])

# %% [markdown]
# The first cell sorted the new points into five groups by their probability, 0 to 0.2, 0.2 to 0.4
# and so on. For each group it noted the mean probability, what the neuron *said*, and the share
# of class 1, what *happened*. If the two agree, the probabilities are called *calibrated*.

# %%
fig, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.9))
limits = (-4, 4)
plotting.decision_regions(left, lambda P: model(P).squeeze(1), limits, limits)
plotting.scatter_classes(left, X[:300], y[:300])
left.set(xlabel="x₁", ylabel="x₂", title="300 of the points, and the line p = ½")
right.plot([0, 1], [0, 1], "--", color="black", label="said = happened")
right.plot(said, happened, "o-", label="logistic regression")
right.set(xlabel="probability the neuron gave", ylabel="share of class 1 among them")
right.legend()
plt.show()

# %% [markdown]
# On the left two overlapping clouds and the line where the neuron is undecided; on the right, for
# five groups of points, the probability that the neuron gave against the share that really was
# class 1. The points lie close to the diagonal, so on these data a "70 %" can be believed. A step
# could only say 0 or 1.

# %%
verify("in each bin the promise is within 0.08 of the truth", (said - happened).abs().max() < 0.08)

# %% [markdown]
# The same weights come out of scikit-learn's `LogisticRegression` when its regularization is
# switched off. That is a strong check of our loop: two programs, two algorithms, one answer.

# %%
from sklearn.linear_model import LogisticRegression

reference = LogisticRegression(C=1e9, max_iter=1000).fit(X.numpy(), y.numpy())
theirs = torch.tensor([*reference.coef_[0], reference.intercept_[0]], dtype=torch.float32)
ours = torch.cat([model.weight.detach()[0], model.bias.detach()])
print("ours ", "  ".join(f"≈{value:.2f}" for value in ours.tolist()))
print("sklearn", "  ".join(f"≈{value:.2f}" for value in theirs.tolist()))
verify("both agree to 0.02", (ours - theirs).abs().max() < 0.02)

# %% [markdown]
# ### Exercise 01.5: two ways to learn
#
# Set `answer` to a letter. Which statement is true of training with `BCEWithLogitsLoss` and false
# of Rosenblatt's rule?
#
# - **a** It changes the weights only when a point is on the wrong side.
# - **b** It keeps changing the weights when every point is already on the right side.
# - **c** It needs targets of −1 and +1.
# - **d** It cannot be used on data that no line separates.

# %% tags=["exercise"]
answer = ...  # "a", "b", "c" or "d"

exercises.two_rules.check(answer)

# %% [markdown]
# ## 7. From one neuron to a network
#
# **How do several neurons do what one cannot?** Put two of them side by side, so that both see
# the inputs, and let a third look at *their* answers. With h₁ = OR and h₂ = NAND, XOR is simply
# h₁ AND h₂: "at least one, but not both".

# %%
fig, ax = plt.subplots(figsize=(5.5, 3))
layers = [["$x_1$", "$x_2$"], ["OR", "NAND"], ["AND"]]
drawings.layered_network(ax, layers, ["inputs", "hidden layer", "output"])
plt.show()

# %% [markdown]
# A network of three step neurons: two inputs feed a hidden layer with an OR and a NAND neuron,
# which feed an AND neuron.

# %%
X, xor = data.gate("XOR")
hidden_or = set_weights(Perceptron(2), *gate_weights["OR"])
hidden_nand = set_weights(Perceptron(2), *gate_weights["NAND"])
output_and = set_weights(Perceptron(2), *gate_weights["AND"])
H = torch.stack([hidden_or(X), hidden_nand(X)], dim=1)  # (4, 2): the hidden layer's answers
verify("three step neurons compute XOR", torch.equal(output_and(H), xor))

# %%
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8))
limits = (-0.4, 1.4)
for ax, points in [(left, X), (right, H)]:
    ax.set(xlim=limits, ylim=limits, aspect="equal", xticks=[0, 1], yticks=[0, 1])
    plotting.scatter_classes(ax, points, xor, size=90, legend=False)
plotting.boundary_line(left, *gate_weights["OR"])
plotting.boundary_line(left, *gate_weights["NAND"])
plotting.boundary_line(right, *gate_weights["AND"])
left.set(xlabel="x₁", ylabel="x₂", title="inputs: OR and NAND draw two lines")
right.set(xlabel="h₁ = OR", ylabel="h₂ = NAND", title="hidden layer: one line is enough")
fig.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=2)
plt.show()

# %% [markdown]
# On the left the four inputs with the lines of OR and NAND: class 1 lies in the strip between
# them. On the right the same four cases in the *hidden space*, whose axes are the answers of the
# two hidden neurons: both cases of class 1 have moved to the corner (1, 1), and a single line
# cuts them off. This is what hidden layers are for: they move the data until a line is enough.

# %% [markdown]
# ### Let it learn
#
# Wiring gates by hand is a fine puzzle for two inputs; nobody can do it for the 784 pixels of a
# digit. Hand-made weights do not scale, and a step cannot be trained. So we give the hidden
# neurons an activation with a slope, and call the result a **multi-layer perceptron** (MLP). Note
# the last line of `forward`: the model returns logits, and the loss applies the sigmoid.


# %%
class MLP(nn.Module):
    """D inputs, one hidden layer, one logit: (N, D) -> (N,)."""

    def __init__(self, in_features, hidden, activation):
        super().__init__()
        self.hidden = nn.Linear(in_features, hidden)
        self.activation = activation
        self.output = nn.Linear(hidden, 1)

    def forward(self, x):
        h = self.activation(self.hidden(x))  # (N, hidden)
        return self.output(h).squeeze(1)  # (N, 1) -> (N,)


# %% [markdown]
# A 2-4-1 network has two inputs, four hidden neurons and one output. The loop is the one that you
# already know; only the model has changed. That is the point of the five lines: they do not care
# what is between the input and the logit, because `backward` finds the way through.

# %%
torch.manual_seed(1)
model = MLP(2, 4, nn.Tanh())  # 2-4-1
criterion = nn.BCEWithLogitsLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
for _ in range(2000):
    loss = criterion(model(X), xor)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

# %%
with torch.no_grad():
    p = torch.sigmoid(model(X))
print("p =", [f"≈{value:.2f}" for value in p.tolist()])
verify("the 2-4-1 network has learned XOR", torch.equal((p > 0.5).float(), xor))
verify("and is sure of it", ((p - xor).abs() < 0.1).all())

# %%
fig, ax = plt.subplots(figsize=(4.6, 4.2))
limits = (-0.6, 1.6)
plotting.decision_regions(ax, model, limits, limits)
plotting.scatter_classes(ax, X, xor, size=90)
ax.set(xlabel="x₁", ylabel="x₂", title="a 2-4-1 network, trained", xticks=[0, 1], yticks=[0, 1])
plt.show()

# %% [markdown]
# The plane cut by the trained network: class 0 lies in a band between two curved boundaries, and
# class 1 on both sides of it, which no single line could do.

# %% [markdown]
# ### Does it always work?
#
# That was one lucky seed, or was it? Two hidden neurons *can* represent XOR; you wired them
# yourself. *Predict first:* start a 2-2-1 network with ReLU (a hidden answer of max(0, z)) from
# 200 random initial weights. How many will learn XOR?

# %%
guess = ...  # "a": all 200, "b": about 190, "c": about 140, "d": fewer than 100
exercises.hidden_guess.commit(guess)

# %% [markdown]
# Training 200 networks one after the other would be slow. Instead, train them side by side: one
# more dimension in front, S copies, and `@` multiplies matrix by matrix. The loss of each copy
# depends only on its own weights, so the gradient of the *sum* of all losses is each copy's own
# gradient, and one optimizer moves them all without mixing them. The initial weights are what
# `nn.Linear` would draw, uniform within ±1/√fan_in, where *fan_in* is the number of inputs of a
# neuron.


# %%
class ManyNetworks(nn.Module):
    """S independent 2-H-1 networks side by side: (N, 2) -> (S, N)."""

    def __init__(self, copies, hidden, activation):
        super().__init__()
        self.activation = activation
        self.w1 = self._uniform(copies, 2, hidden, fan_in=2)
        self.b1 = self._uniform(copies, 1, hidden, fan_in=2)
        self.w2 = self._uniform(copies, hidden, 1, fan_in=hidden)
        self.b2 = self._uniform(copies, 1, 1, fan_in=hidden)

    def _uniform(self, *shape, fan_in):
        return nn.Parameter((torch.rand(shape) * 2 - 1) / fan_in**0.5)

    def forward(self, x):
        h = self.activation(x @ self.w1 + self.b1)  # (N, 2) @ (S, 2, H) -> (S, N, H)
        return (h @ self.w2 + self.b2).squeeze(2)  # (S, N, 1) -> (S, N)


# %%
def learn_xor(hidden, activation, copies=200, steps=2000):
    """Train many networks on XOR: final losses (S,), which are all right (S,), the networks."""
    torch.manual_seed(0)
    networks = ManyNetworks(copies, hidden, activation)
    optimizer = torch.optim.SGD(networks.parameters(), lr=0.5)
    targets = xor.expand(copies, 4)
    for _ in range(steps):
        logits = networks(X)
        losses = nn.functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
        optimizer.zero_grad()
        losses.mean(dim=1).sum().backward()  # a sum: each copy gets its own gradient
        optimizer.step()
    solved = ((logits > 0).float() == targets).all(dim=1)
    return losses.mean(dim=1).detach(), solved, networks


# %% [markdown]
# Five widths, two activations, 200 networks each: two thousand networks in a few seconds.

# %%
widths = [2, 3, 4, 8, 16]
results = {
    (name, width): learn_xor(width, activation)
    for name, activation in {"ReLU": torch.relu, "tanh": torch.tanh}.items()
    for width in widths
}
share = {key: 100 * solved.float().mean().item() for key, (_, solved, _) in results.items()}

# %%
exercises.hidden_guess.reveal("d", "Most of them get stuck.")
print(f"2-2-1 with ReLU: ≈{2 * share['ReLU', 2]:.0f} of 200")
verify("2-2-1 with ReLU: 10 to 35 % of the starts succeed", 10 < share["ReLU", 2] < 35)
verify("2-4-1 with ReLU: 50 to 85 %", 50 < share["ReLU", 4] < 85)
verify("2-16-1 with ReLU: at least 95 %", share["ReLU", 16] >= 95)
verify("2-2-1 with tanh: 45 to 85 %", 45 < share["tanh", 2] < 85)
verify("2-4-1 with tanh: at least 95 %", share["tanh", 4] >= 95)

# %%
fig, ax = plt.subplots(figsize=(6.5, 3.8))
by_width = {name: [share[name, width] for width in widths] for name in ["ReLU", "tanh"]}
plotting.curves(ax, range(5), by_width, marker="o")
ax.set(xlabel="hidden neurons", ylabel="networks that learn XOR (%)", ylim=(0, 105))
ax.set_xticks(range(5), widths)
plt.show()

# %% [markdown]
# The share of 200 networks that learn XOR, against the number of hidden neurons: with two ReLU
# neurons about one in five succeeds, with sixteen nearly all do. With tanh four are enough. The
# extra neurons are not needed to *represent* XOR; they are spare tickets in a lottery of initial
# weights.

# %% [markdown]
# **Where do the others end?** Look at the final loss of each of the 200 networks with two ReLU
# neurons.

# %%
losses, solved, networks = results["ReLU", 2]
ln2 = torch.tensor(2.0).log().item()
one_third = torch.tensor([1 / 3, 2 / 3])
plateaus = {
    "solved: 0": 0.0,
    "two cases merged: ½ ln 2": 0.5 * ln2,
    "three merged": -0.75 * (one_third * one_third.log()).sum().item(),
    "all four merged: ln 2": ln2,
}

# %%
fig, ax = plt.subplots(figsize=(7.5, 3.6))
ax.hist(losses, bins=torch.linspace(0, 0.75, 76))
for (name, value), style in zip(plateaus.items(), ["-", "--", "-.", ":"], strict=True):
    ax.axvline(value, linestyle=style, color="black", linewidth=1, label=f"{name} ≈ {value:.3f}")
ax.set(xlabel="final loss of a network", ylabel="networks (of 200)")
ax.legend()
plt.show()

# %% [markdown]
# The final losses form four spikes and almost nothing between: zero, and three values that can be
# computed on paper. A ReLU neuron that answers 0 for some of the inputs *merges* them: the output
# then gives them all one and the same probability. Merge one case of each class and the best
# guess for them is ½, at a loss of ln 2 each; merge three and it is ⅓ or ⅔.
#
# The spike at ln 2 has two causes. A neuron can be *silent*: 0 for all four cases, with slope
# zero, so that nothing pulls it back. Or it can be active for all four; then it never bends, and
# is only *linear*. You know from section 5 what a linear function can do for XOR: its best answer
# is ½, everywhere. Count them.

# %%
h = torch.relu(X @ networks.w1 + networks.b1).detach()  # (200, 4, 2)
silent, linear = (h == 0).all(dim=1), (h > 0).all(dim=1)  # (200, 2) each
flat = (losses - ln2).abs() < 0.02
both_silent = int((silent.all(dim=1) & flat).sum())
print(f"≈{flat.sum()} networks end at ln 2; in ≈{both_silent} of them both neurons are silent")
useless = (silent | linear)[flat].all(dim=1).float().mean()
verify("at ln 2 at least 90 % have nothing but silent and linear neurons", useless >= 0.9)

# %% [markdown]
# So much of the bad luck is not death but straightness: a ReLU helps only if its bend lies among
# the data. Lesson 3.2 looks at silent units, there called *dead*, and 3.4 chooses better initial
# weights.

# %%
final = torch.tensor(list(plateaus.values()))
off = (losses[:, None] - final).abs().min(dim=1).values  # (200,)
verify("at least 90 % of the networks end within 0.02 of a plateau", (off < 0.02).sum() >= 180)
verify("no unsolved network is below ½ ln 2", losses[~solved].min() > 0.5 * ln2 - 0.01)

# %% [markdown]
# ## 8. Real digits: odd or even?
#
# **Does the limit matter outside of puzzles?** "Odd or even" is the XOR of handwriting: 3 and 8
# look alike but belong to different classes; 0 and 4 look different but belong together. The
# course ships 5,000 real digits from MNIST: 3,500 to train on, 500 for validation, 1,000 for the
# test.

# %%
digits = data.mnist_5k()
odd = digits.train.labels % 2 == 1
picked = torch.arange(20)
names = ["odd" if flag else "even" for flag in odd[picked]]
plotting.show_images(digits.train.images[picked], titles=names, columns=10)
plt.show()

# %% [markdown]
# Twenty of the training digits, each with its class, odd or even. Every image has 28 × 28 pixels
# with values from 0 (black) to 1 (white); `flat()` lays the rows end to end, 784 numbers for each
# digit. To the neuron, the order of the pixels means nothing. *Predict first:* a single neuron
# sees the 784 pixels as 784 inputs. How often will it be right on digits that it has never seen?

# %%
guess = ...  # "a": about 50 %, "b": about 70 %, "c": about 87 %, "d": about 99 %
exercises.parity_guess.commit(guess)

# %% [markdown]
# Both models get the same treatment: the same five lines, *mini-batches* of 50 digits in random
# order, 15 passes over the data and the learning rate 0.1. Nothing was tuned for either of them.
# `data.batches` cuts shuffled tensors into batches; here is all it does:

# %%
order = torch.randperm(10, generator=torch.Generator().manual_seed(0))
shuffled = torch.arange(10)[order].split(4)
batches = data.batches(torch.arange(10), batch_size=4, generator=torch.Generator().manual_seed(0))
same = all(torch.equal(a, b) for a, (b,) in zip(shuffled, batches, strict=True))
verify("data.batches is a permutation, split", same)


# %%
def test_accuracy_by_epoch(model, seed, epochs=15, lr=0.1):
    """Train on odd or even, and return the test accuracy after each epoch: (epochs,)."""
    X_train, y_train = digits.train.flat(), (digits.train.labels % 2).float()
    X_test, y_test = digits.test.flat(), digits.test.labels % 2
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    generator = torch.Generator().manual_seed(seed)
    accuracies = []
    for _ in range(epochs):
        for X_batch, y_batch in data.batches(X_train, y_train, batch_size=50, generator=generator):
            loss = criterion(model(X_batch).squeeze(-1), y_batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            right = (model(X_test).squeeze(-1) > 0) == y_test
        accuracies.append(right.float().mean().item())
    return torch.tensor(accuracies)


# %% [markdown]
# One run proves little, because another seed draws other initial weights and another order of the
# batches. So each model is trained five times, with five seeds, and the figure shows the median
# as a line inside the band of all five.

# %%
runs = {"one neuron": [], "64 hidden neurons": []}
for seed in range(5):
    torch.manual_seed(seed)
    runs["one neuron"].append(test_accuracy_by_epoch(nn.Linear(784, 1), seed))
    runs["64 hidden neurons"].append(test_accuracy_by_epoch(MLP(784, 64, nn.ReLU()), seed))
runs = {name: 100 * torch.stack(accuracies) for name, accuracies in runs.items()}  # (5, 15)

# %%
fig, ax = plt.subplots(figsize=(7, 4))
epochs = range(1, 16)
styles = {"one neuron": ("blue", "--"), "64 hidden neurons": ("vermillion", "-")}
for name, (color, linestyle) in styles.items():
    color = plotting.OKABE_ITO[color]
    plotting.band(ax, epochs, runs[name], label=name, color=color, linestyle=linestyle)
ax.set(xlabel="epochs", ylabel="test accuracy (%)", title="odd or even, 5 seeds")
ax.legend()
plt.show()

# %% [markdown]
# Test accuracy after each pass, median and full range over five seeds: the single neuron levels
# off at about 87 %, the network climbs to about 95 %. One neuron does far better than chance; the
# rest needs the hidden layer.

# %%
one, many = (accuracies[:, -1] for accuracies in runs.values())  # (5,), (5,)
exercises.parity_guess.reveal("c", f"Measured: ≈{one.median():.0f} %.")
print(f"median of 5 seeds: one neuron ≈{one.median():.1f} %, network ≈{many.median():.1f} %")
verify("one neuron reaches 84 to 90 %", 84 < one.median() < 90)
verify("the network reaches at least 92 %", many.median() > 92)
verify("the worst network beats the best neuron by 3 points", many.min() - one.max() > 3)

# %% [markdown]
# ### What did the neuron look for?
#
# With a hidden layer it is hard to say what a network attends to. With one neuron it is easy: it
# has one weight for each pixel, so its weights are a picture.

# %%
torch.manual_seed(0)
linear = nn.Linear(784, 1)
test_accuracy_by_epoch(linear, seed=0)
picture = linear.weight.detach().reshape(28, 28)
fig, ax = plt.subplots(figsize=(4.6, 3.8))
limit = picture.abs().max()
shown = ax.imshow(picture, cmap="RdBu_r", vmin=-limit, vmax=limit)
fig.colorbar(shown, label="weight of the pixel")
ax.set(xticks=[], yticks=[], title="ink on red says odd, on blue even")
plt.show()

# %% [markdown]
# The 784 weights of the neuron in the places of their pixels: ink on red pixels speaks for odd,
# ink on blue ones for even. This one picture must serve 1, 3, 5, 7 and 9 all at once, and its
# negative the even digits: that is the limit of a single neuron.

# %% [markdown]
# ## Common mistakes
#
# Each of these happens to everyone once. Here they happen on purpose.
#
# ### Whole numbers as inputs
#
# **Symptom:** *mat1 and mat2 must have the same dtype*. `torch.tensor([[0, 1]])` holds integers
# (`int64`), and `nn.Linear` holds floats. PyTorch does not convert silently; it refuses.

# %%
integers = torch.tensor([[0, 0], [0, 1]])
try:
    Perceptron(2)(integers)
    refused = False
except RuntimeError:
    refused = True
verify("nn.Linear refuses integer inputs", refused)
verify("floats cure it", Perceptron(2)(integers.float()).shape == (2,))

# %% [markdown]
# ### Setting weights through `.data`
#
# **Symptom:** an error about shapes when the model is called, far from the line that caused it.
# `.data = …` replaces the tensor without any check. The module below still says that it takes two
# inputs, but it now has three weights. `copy_` inside `no_grad`, as in `set_weights`, refuses the
# wrong shape.

# %%
neuron = Perceptron(2)
neuron.linear.weight.data = torch.ones(1, 3)
verify("the module claims 2 inputs", neuron.linear.in_features == 2)
verify("but now holds 3 weights", neuron.linear.weight.shape == (1, 3))
try:
    set_weights(Perceptron(2), [1.0, 1.0, 1.0], 0.0)
    refused = False
except RuntimeError:
    refused = True
verify("copy_ refuses three weights for two inputs", refused)

# %% [markdown]
# ### A column of logits against a row of targets
#
# **Symptom:** *target size must be the same as input size*, or worse, no error at all. A model
# that ends in `nn.Linear(…, 1)` gives (N, 1). The targets are (N,). `BCEWithLogitsLoss` refuses,
# which is kind: other losses broadcast the two to (N, N) and train on nonsense (lesson 3.5).
# `squeeze(1)` makes them agree; integer targets need `.float()`.

# %%
column = torch.zeros(4, 1)
try:
    criterion(column, xor)
    refused = False
except ValueError:
    refused = True
verify("(4, 1) against (4,) is refused", refused)
verify("squeeze(1) cures it", criterion(column.squeeze(1), xor).shape == ())

# %% [markdown]
# ### A lambda inside a module
#
# A step written as `self.step = lambda z: …` works, until you save the whole module: Python
# cannot pickle a lambda. Write a method or a named function, and save the `state_dict()` anyway.

# %%
import pickle

neuron = Perceptron(2)
neuron.step = lambda z: (z > 0).float()
try:
    pickle.dumps(neuron)
    refused = False
except (AttributeError, pickle.PicklingError):
    refused = True
verify("a module with a lambda cannot be pickled", refused)
verify("its parameters can", len(pickle.dumps(neuron.state_dict())) > 0)

# %% [markdown]
# ### The sigmoid twice
#
# **Symptom:** the loss stops falling early, whatever the learning rate. If the model already ends
# in a sigmoid and the loss applies another, nothing fails. But a probability between 0 and 1,
# read as a logit, can never be surer than σ(1) ≈ 0.73 or less sure than σ(0) = 0.5, so the loss
# cannot fall below a floor. For XOR, with as many zeros as ones:

# %%
best = torch.tensor([0.0, 1.0, 1.0, 0.0])  # perfect probabilities, taken for logits
floor = criterion(best, xor).item()
print(f"the lowest loss that a double sigmoid can reach: {floor:.3f}")
verify("it is far from 0, although every answer is perfect", floor > 0.5)
verify("the same answers as logits of ±20 cost nothing", criterion(40 * best - 20, xor) < 1e-6)

# %% [markdown]
# ## Key takeaways
#
# - A perceptron is a **linear binary classifier**: a weighted sum, a bias and a step
#   ([section 2](#2.-The-formula-and-the-module)).
# - Its boundary is a line or hyperplane; **w** is its normal, and z/‖w‖ the signed distance
#   ([section 3](#3.-The-decision-boundary)).
# - Rosenblatt's rule stops after at most (R/γ)² mistakes **if** a line separates the data
#   ([How many mistakes](#How-many-mistakes-can-it-make?)).
# - XOR and XNOR are the only two of the 16 gates beyond one neuron; on XOR the rule runs in a
#   cycle ([section 5](#5.-XOR:-what-one-line-cannot-do)).
# - A step has no useful gradient. Logistic regression replaces it by a sigmoid, gives
#   probabilities, and never quite stops ([section 6](#6.-Why-the-step-must-go)).
# - A hidden layer moves the data until one line is enough; spare hidden neurons make training
#   reliable ([section 7](#7.-From-one-neuron-to-a-network)).
# - On real digits, odd or even, 64 hidden neurons gain several points over one
#   ([section 8](#8.-Real-digits:-odd-or-even?)).
#
# ## Further exercises
#
# 1. Draw the two lines of the *hidden* neurons of the trained 2-4-1 network over the XOR inputs.
#    Which of the four neurons could you remove?
# 2. The *averaged* perceptron predicts with the mean of all weights it ever had. Try it on
#    overlapping blobs: is it steadier than the last weights?
# 3. Replace "odd or even" by "contains a closed loop" (0, 6, 8, 9). Predict the gap between one
#    neuron and the network, then measure it.
# 4. Find a data set of ten points on which the rule (Hint: points of equal length, nearly at
#    right angles to each other.)
#
# **Reading.** F. Rosenblatt, "The perceptron", *Psychological Review* 65 (1958). A. Novikoff, "On
# convergence proofs for perceptrons" (1962). M. Minsky and S. Papert, *Perceptrons* (MIT Press,
# 1969). Chapter 4 of C. Bishop, *Pattern Recognition and Machine Learning* (Springer, 2006).
#
# ## Your progress

# %%
from course_utils.exercises import progress

progress("01")

# %% [markdown]
# ## Next
#
# The hidden neurons of this lesson used a step, a tanh and a ReLU, and it made a difference.
# [Lesson 3.2](02_activations.ipynb) takes activation functions one by one: what their slopes do
# to learning, why some neurons die, and how to choose.
