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
# # 3.6 The training loop
#
# A model, a loss and an optimizer are parts. The training loop is the engine that they are parts
# of: a few lines that run thousands of times. Each line is simple, and each can be left out or
# misplaced without any error message. In this lesson you take the engine apart line by line,
# measure what each line is for, and put it together again so that it survives a crash, runs on
# two processes and still gives the same numbers.
#
# ## You will be able to
#
# - **write** the five steps from memory, and say what breaks without each of them;
# - **feed** a model by `Dataset` and `DataLoader`, and know when a plain batcher is better;
# - **measure** a loss honestly: by sample, in the right mode, on the right split;
# - **use** clipping, accumulation, schedules, mixed precision and early stopping, and check them;
# - **resume** a stopped training to the last bit, and train on several processes.
#
# ## Before you start
#
# You need gradients, logits and cross-entropy ([lesson 3.5](05_losses.ipynb)), and the idea of
# weights that start at random ([lesson 3.4](04_initialization.ipynb)). Initialization sets where
# learning starts, the loss says what is good, the optimizer decides how to move, and the loop
# turns the three into learning. Shape comments such as `# (B, D)` count the samples of a batch
# (B) and inputs (D).
#
# **Time:** about 110 minutes with all exercises; 55 if you only read, slide and run.
#
# All experiments run on one processor core. Where the text says *measured*, the number stands
# under the cell that measures it; where it says that something was not measured, take our word
# for nothing, and try it on your machine.

# %% [markdown]
# <!-- launch:start -->
# Open this lesson with `make lab LESSON=06`.
# <!-- launch:end -->

# %%
from course_utils import setup

setup()

# %%
import contextlib
import copy
import inspect
import io
import os
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, Dataset

from course_utils import data, play, plotting, training, verify
from course_utils.exercises import training_loop as exercises
from course_utils.explore import training_loop as explorers

# %% [markdown]
# `training` holds `fit`, the loop of this course; section 10 shows its source, after you have
# written all of its parts yourself. `verify` prints a ✓ with a claim if the claim holds in your
# kernel, right now, and raises an error if it does not.

# %% [markdown]
# ## 1. Two loops and five steps
#
# **What happens between two looks at the loss?** The outer loop counts *epochs*: passes over all
# training data. The inner loop takes the data in *batches*. For each batch there are five steps:
#
# | step | code | what it does |
# |---|---|---|
# | 1 forward | `output = model(X)` | computes predictions $\hat y$ |
# | 2 loss | `loss = criterion(output, y)` | says how wrong they are, in one number $L$ |
# | 3 clear | `optimizer.zero_grad()` | throws the old gradients away |
# | 4 backward | `loss.backward()` | computes every $\partial L / \partial w$ by the chain rule |
# | 5 update | `optimizer.step()` | moves the weights a little against their gradients |
#
# Some texts count four steps, because they take clearing for granted; others count the two loops
# as well and arrive at six or seven. The order is what matters, not the number. For plain
# gradient descent the update is
#
# $$
# \mathbf{w} \leftarrow \mathbf{w} - \eta\, \frac{\partial L}{\partial \mathbf{w}},
# $$
#
# with the *learning rate* η. One small step is not enough, so the loop repeats: many epochs,
# until the validation loss no longer falls. The experiments of this lesson use the course's 3,500
# training digits.

# %%
digits = data.mnist_5k()
X_train, y_train = digits.train.flat(), digits.train.labels  # (3500, 784), (3500,)
X_valid, y_valid = digits.validation.flat(), digits.validation.labels
X_test, y_test = digits.test.flat(), digits.test.labels


def digit_network(seed, hidden=64):
    """Return a 784-hidden-10 network with weights drawn from the seed."""
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(784, hidden), nn.ReLU(), nn.Linear(hidden, 10))


# %% [markdown]
# To take the engine apart we need one whose lines can be moved. This one reads the order of its
# steps from a text, so that a step can be left out or put elsewhere. Forward and loss count as
# one step here, `loss`. `data.batches` shuffles the samples and cuts them into batches of 64, as
# in lesson 3.1.
#
# Read the inner part once: it is a tiny interpreter for orders such as
# `loss clear backward update`. The generator is seeded by the same number as the weights, so that
# two runs with the same seed see the same batches, and can differ only by the order of their
# steps.


# %%
def train_in_order(order, seed, lr=0.1, epochs=3):
    """Train a fresh digit network with the steps in the given order, and return it."""
    model = digit_network(seed)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(epochs):
        for X, y in data.batches(X_train, y_train, generator=generator):
            for step in order.split():
                if step == "loss":
                    loss = F.cross_entropy(model(X), y)  # (64, 784) -> (64, 10) -> ()
                elif step == "clear":
                    optimizer.zero_grad()
                elif step == "backward":
                    loss.backward()
                elif step == "update":
                    optimizer.step()
    return model


# %% [markdown]
# First the right order. The accuracy is measured on the test digits: the model has never seen
# them, and nothing here is chosen by them.


# %%
@torch.no_grad()
def right_share(model, X=X_test, y=y_test):
    """Share of the images that the model gets right."""
    return (model(X).argmax(dim=1) == y).float().mean().item()


# %%
whole = [train_in_order("loss clear backward update", seed) for seed in range(3)]
reference = [right_share(model) for model in whole]
print("five steps in order:", " ".join(f"≈{share:.2f}" for share in reference))
verify("three epochs reach at least 80 %, for each of three seeds", min(reference) > 0.8)

# %% [markdown]
# *Predict first.* Leave out one line, the clearing. No error tells you. What will it do?

# %%
guess = ...  # "a": an error, "b": still 87 %, "c": learns clearly less, "d": stays at 10 %
exercises.zero_guess.commit(guess)

# %%
orders = {
    "no clear": "loss backward update",
    "no backward": "loss clear update",
    "no update": "loss clear backward",
    "clear before update": "loss backward clear update",
    "update before backward": "loss clear update backward",
}
broken = {}
for name, order in orders.items():
    broken[name] = [right_share(train_in_order(order, seed)) for seed in range(3)]
    print(f"{name:23}", " ".join(f"≈{share:.2f}" for share in broken[name]))

# %%
exercises.zero_guess.reveal("c", "Each step uses the sum of all gradients since the start.")
verify("without clearing it learns something", min(broken["no clear"]) > 0.2)
verify("but less than in the right order", max(broken["no clear"]) < min(reference))
for name in list(orders)[1:]:
    verify(f"{name}: guessing, for every seed", max(broken[name]) < 0.25)

# %% [markdown]
# Read the table row by row. Four of the five mutilated loops never change a weight: what you see
# is the accuracy of random weights. The first one is the treacherous one. `backward()` *adds* to
# the gradients that are there, so without clearing each step follows the sum of all gradients
# since the start: momentum without any brake. It learns, and you would blame the learning rate.
#
# Why momentum without a brake? After k batches the update uses g₁ + g₂ + … + gₖ. Real momentum
# multiplies the old sum by 0.9 or so before it adds the new gradient, so that old ones fade out.
# Without fading, the gradients of the first batches, from weights that no longer exist, push for
# ever, and the network overshoots, comes back, and overshoots again. A smaller learning rate
# hides the damage for a while, which is why this bug can live in a program for months.
#
# And one order that does raise an error. Let the update come between the loss and its backward
# pass, with last time's gradients still there:

# %%
try:
    train_in_order("loss update clear backward", seed=0)
    stopped = False
except RuntimeError:
    stopped = True
verify("an update between loss and backward is refused", stopped)

# %% [markdown]
# Backward needs the weights that the forward pass has used. The update has overwritten them in
# place, PyTorch counts such changes, and refuses to compute a gradient from the wrong numbers.
# (In the table above the same slip went unnoticed, because clearing had left no gradient, and the
# update changed nothing.)
#
# So *where* must the clearing stand? "Always before `backward`" is the usual advice. Precisely:
# anywhere except between `backward` and `update`.

# %%
for order in ("clear loss backward update", "loss backward update clear"):
    model = train_in_order(order, seed=0)
    pairs = zip(model.parameters(), whole[0].parameters(), strict=True)
    verify(f"{order}: the same weights to the last bit", all(torch.equal(a, b) for a, b in pairs))

# %% [markdown]
# ### What each line really does
#
# Short comments in code often say a little less than the truth. Four of them, made precise.
# `zero_grad` does not write zeros by default: it sets `.grad` to None. And it clears only what
# *its* optimizer holds; if the optimizer got only part of the model, `model.zero_grad()` clears
# more.

# %%
model = digit_network(0)
F.cross_entropy(model(X_train[:8]), y_train[:8]).backward()
head_only = torch.optim.SGD(model[2].parameters(), lr=0.1)
head_only.zero_grad()
verify("the head's gradients are None", model[2].weight.grad is None)
verify("the first layer's are still there", model[0].weight.grad is not None)
model.zero_grad()
verify("model.zero_grad() clears all", all(p.grad is None for p in model.parameters()))

# %% [markdown]
# `backward` fills `.grad` of *leaves* that require gradients: parameters, and no intermediate
# result. `model(x)` is more than `model.forward(x)`: it also runs the hooks that later lessons
# use to look inside:

# %%
calls = []
layer = nn.Linear(2, 1)
layer.register_forward_hook(lambda *args: calls.append("hook"))
layer(torch.ones(1, 2)), layer.forward(torch.ones(1, 2))
verify("the hook ran once in two calls", calls == ["hook"])

# %% [markdown]
# The hook was called by `layer(x)` and not by `layer.forward(x)`, so write the first form always.
#
# The fourth: `step` is "w minus lr times gradient" for plain SGD only. Two optimizers get the
# same three gradients, 1, 0.01 and −5, put in by hand. Adam's first step has the length lr in
# each component, whatever the gradient; only the sign remains.

# %%
for kind in (torch.optim.SGD, torch.optim.Adam):
    w = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    w.grad = torch.tensor([1.0, 0.01, -5.0], dtype=torch.float64)
    kind([w], lr=0.1).step()
    print(f"{kind.__name__:5}", [round(value, 4) for value in w.tolist()])
    if kind is torch.optim.SGD:
        verify("SGD: w - lr · gradient", torch.allclose(w, -0.1 * w.grad))

# %% [markdown]
# ### Exercise 06.1: six lines in order
#
# a) `optimizer.step()`, b) `loss.backward()`, c) `for X, y in loader:`, d)
# `loss = criterion(model(X), y)`, e) `optimizer.zero_grad()`, f) `for epoch in range(epochs):`.
# Write the letters in an order that trains, as one text. More than one order is right.

# %% tags=["exercise"]
order = ...  # for example "abcdef"

exercises.six_lines.check(order)

# %% [markdown]
# ### Modes and graphs
#
# Two more lines belong to every loop. `model.train()` and `model.eval()` switch layers such as
# dropout and batch normalization between their two behaviors. `torch.no_grad()` says that no
# graph is wanted. They are independent: you need `eval()` *and* `no_grad()` to evaluate.

# %%
noisy = nn.Sequential(nn.Dropout(0.5), *copy.deepcopy(whole[0]))
noisy.train()
torch.manual_seed(0)
in_training_mode = [right_share(noisy) for _ in range(5)]
noisy.eval()
verify("training mode: another answer each time", len(set(in_training_mode)) > 1)
verify("evaluation mode: always the same", right_share(noisy) == right_share(noisy))
verify("and better than any of the five", right_share(noisy) > max(in_training_mode))

# %% [markdown]
# Dropout sets half of the pixels to zero in training mode, which is its purpose there and ruins a
# test. The reverse mistake is quieter: evaluate once, forget `model.train()`, and the rest of the
# training runs without dropout.
#
# The graph is a question of memory. Each loss is the end of a graph that holds the activations of
# its forward pass; `backward` frees them. Add up the loss *tensor* for a report, as in
# `total += loss`, and the sums chain all these graphs together.
#
# To see the chain, count the operations that can be reached from the sum. Each tensor knows the
# function that made it, `grad_fn`, and each function knows the functions before it. Walk along
# these links and count every node once. You do not need this helper in your own programs; it only
# makes visible what is otherwise noticed as a slow growth of memory that ends, after hours, with
# the program being killed.


# %%
def graph_nodes(tensor):
    """Count the operations that hang on a tensor's graph."""
    seen, waiting = set(), [tensor.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is not None and node not in seen:
            seen.add(node)
            waiting += [following for following, _ in node.next_functions]
    return len(seen)


# %%
total, nodes = 0.0, []
for X, y in list(data.batches(X_train, y_train, shuffle=False))[:20]:
    total = total + F.cross_entropy(digit_network(0)(X), y)  # a tensor with its graph
    nodes.append(graph_nodes(total))
print("operations kept after 1, 10 and 20 batches:", nodes[0], nodes[9], nodes[19])
verify("the graph grows with every batch", nodes[19] > 15 * nodes[0])
verify("a plain number has none", not isinstance(total.item(), torch.Tensor))

# %% [markdown]
# `loss.item()`, or `loss.detach()`, cuts the number loose. In an evaluation, where `backward`
# never frees anything, forgetting `no_grad` costs all activations of the whole set.
#
# ### Exercise 06.2: four bugs in one loop
#
# The function below runs without complaint and trains badly. Find the four bugs and write it
# anew:
#
# ```python
# def train_one_epoch(model, X, y, optimizer, batch_size=64):
#     total, count = 0.0, 0
#     for start in range(0, len(X), batch_size):
#         X_batch, y_batch = X[start : start + batch_size], y[start : start + batch_size]
#         loss = nn.functional.cross_entropy(model(X_batch), y_batch)
#         loss.backward()
#         optimizer.step()
#         total, count = total + loss, count + 1
#     return total / count
# ```
#
# The model may come in evaluation mode, and the mean is asked for *per sample*.


# %% tags=["exercise"]
def train_one_epoch(model, X, y, optimizer, batch_size=64):
    # your code here
    ...


exercises.four_bugs.check(train_one_epoch)

# %% [markdown]
# ## 2. Feeding the loop
#
# **Where do the batches come from?** PyTorch divides the work. A `Dataset` answers two questions:
# how many samples are there, and what is number i? A `DataLoader` asks it for the samples of a
# batch in shuffled order and stacks them. So it is the loader that picks the random subset;
# `torch.optim.SGD` knows nothing about data. Ready-made datasets come with torchvision, and your
# own takes two methods:
#
# The class below stores its images as bytes and converts one at a time, as a dataset that reads
# files would do. `__getitem__` returns a pair, and the loader stacks 64 such pairs into two
# tensors. Anything random that you do to an image, such as shifting it a little, would also
# stand there, so that each epoch sees another version.


# %%
class DigitDataset(Dataset):
    """Digits stored as whole numbers 0..255, as in an image file; converted one by one."""

    def __init__(self, split):
        self.pixels, self.labels = (split.images * 255).to(torch.uint8), split.labels

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, i):
        image = self.pixels[i].float().div(255).unsqueeze(0)  # (28, 28) -> (1, 28, 28)
        return image, self.labels[i]


# %%
dataset = DigitDataset(digits.train)
generator = torch.Generator().manual_seed(0)
loader = DataLoader(dataset, batch_size=64, shuffle=True, generator=generator, num_workers=0)
shapes = [tuple(images.shape) for images, labels in loader]
print(len(dataset), "samples,", len(loader), "batches; first", shapes[0], "last", shapes[-1])
verify("an epoch shows every sample once", sum(shape[0] for shape in shapes) == len(dataset))
verify("the last batch is smaller", shapes[-1][0] == 3500 % 64)

# %% [markdown]
# A batch of images has the shape (batch, channels, height, width). With `drop_last=True` the
# last, smaller batch is left out: sometimes wanted for batch normalization, and then an epoch is
# not quite all the data. The loader shuffles anew in every epoch; without shuffling, digits
# sorted by class would teach the network one class after the other.
#
# Shuffling is no decoration. The theory of stochastic gradient descent assumes that a batch is a
# fair sample of all data, so that its gradient points, on average, in the right direction. The
# next cells show what happens when it is not.


# %%
def one_pass(model, optimizer, X, y, **how):
    """Go once through the data in batches; `how` goes to data.batches."""
    for X_batch, y_batch in data.batches(X, y, **how):
        optimizer.zero_grad()
        F.cross_entropy(model(X_batch), y_batch).backward()
        optimizer.step()


# %% [markdown]
# This is section 1's loop over the batches as a function, because several experiments need it.
# Use it for one epoch in which the digits come sorted by class, first all zeros, then all ones,
# and one in which they come mixed. Model, rate and data are the same in both; only the order
# differs. What do you expect of a network whose last 350 lessons were all about the digit 9?

# %%
by_class = y_train.argsort(stable=True)
accuracies_of = {}
for name, rows in {"sorted": by_class, "shuffled once": torch.arange(3500)}.items():
    model = digit_network(0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    one_pass(model, optimizer, X_train[rows], y_train[rows], shuffle=False)
    accuracies_of[name] = right_share(model)
verify("sorted by class: below 40 %", accuracies_of["sorted"] < 0.4)
verify("shuffled: over 60 %", accuracies_of["shuffled once"] > 0.6)

# %% [markdown]
# ### What a sample costs
#
# The loader calls `__getitem__` in Python for every sample and stacks the results. For images on
# a disk that is the right design, and `num_workers` spreads the decoding over processes. Here it
# is all overhead: the digits are already in memory, as one tensor, and an index with 64 rows
# fetches a whole batch in one operation. That is all that `data.batches` does. This cell measures
# processor time for one pass over the data, without any training; its numbers differ from machine
# to machine.

# %% tags=["nbval-ignore-output"]
seconds = {}
for name, source in {
    "DataLoader": loader,
    "data.batches": data.batches(digits.train.images, digits.train.labels),
}.items():
    start = time.process_time()
    for _ in source:
        pass
    seconds[name] = time.process_time() - start
print(f"the loader takes about {seconds['DataLoader'] / seconds['data.batches']:.0f} times as long")
verify("at least 4 times", seconds["DataLoader"] > 4 * seconds["data.batches"])

# %% [markdown]
# This is the cost of *fetching*. How much of it you notice depends on how long the model takes
# for a batch: the smaller the model, the more. The course keeps `num_workers=0`, because each
# worker is a new process that must start and receive its data, and (in a notebook, where new
# processes are started afresh) needs the dataset's class in an importable file. For data that fit
# in memory, use tensors; for files, use `Dataset` and `DataLoader`. The loop looks the same.

# %% [markdown]
# ### A start for later
#
# Processes can share more than the decoding: in section 6 two of them train together. A new
# process must import PyTorch first, which takes several seconds. So start the two now, and let
# them work while you read on. You need not understand the script yet; section 6 takes it apart.

# %%
SCRIPT = """
import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

dist.init_process_group("gloo")  # new: find the others; "nccl" on GPUs
rank, world = dist.get_rank(), dist.get_world_size()
batch = torch.load("batch.pt", weights_only=True)
model = nn.Linear(784, 10).double()
model.load_state_dict(batch["model"])
parallel = DistributedDataParallel(model)  # new: averages the gradients in backward
X, y = batch["X"].chunk(world)[rank], batch["y"].chunk(world)[rank]  # new: my part only
nn.functional.cross_entropy(parallel(X), y).backward()
torch.save({"gradient": model.weight.grad, "samples": len(y)}, f"result_{rank}.pt")
dist.barrier()  # leave together: whoever hangs up first must not surprise the other
dist.destroy_process_group()
"""

# %% [markdown]
# Write it to a file beside a batch of 128 digits. The folder is a temporary one, which the lesson
# deletes at its end.

# %%
folder = tempfile.TemporaryDirectory()
single = nn.Linear(784, 10).double()
batch = {"model": single.state_dict(), "X": X_train[:128].double(), "y": y_train[:128]}
torch.save(batch, Path(folder.name) / "batch.pt")
(Path(folder.name) / "train.py").write_text(SCRIPT)

# %% [markdown]
# `torch.distributed.run` is the module behind the command `torchrun`; started through
# `sys.executable` it surely uses this environment's Python. `--standalone` says that all processes
# run on this machine: the launcher lets them meet at a port that is free, and `--local-addr` keeps
# the meeting on the machine's own loopback address. `OMP_NUM_THREADS` keeps each process to one
# thread, or the two would fight for the processor's cores. The cell does not wait for them.

# %%
command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
command += ["--local-addr=127.0.0.1", "--nproc-per-node=2", "train.py"]
options = {"cwd": folder.name, "env": os.environ | {"OMP_NUM_THREADS": "1"}}
processes = subprocess.Popen(
    command, **options, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
)

# %% [markdown]
# ## 3. How large a batch?
#
# **Why not use all data for each step?** The gradient of a batch is an estimate of the gradient
# of all data. For independent samples, a mean over B of them has an error that shrinks like
# $1/\sqrt{B}$, while its cost grows like B.
#
# *Predict first.*

# %%
guess = ...  # 16 times the batch. The error: "a": /16, "b": /4, "c": /2
exercises.noise_guess.commit(guess)


# %%
def flat_gradient(model, X, y):
    """All gradients of the mean loss on one batch, end to end: (P,)."""
    gradients = torch.autograd.grad(F.cross_entropy(model(X), y), list(model.parameters()))
    return torch.cat([gradient.flatten() for gradient in gradients])


# %% [markdown]
# The gradient of all 3,500 digits serves as the truth. For each batch size, draw 60 random
# batches, *with replacement* so that the samples are independent, and compare. The error is a
# vector with 50,890 components, one for each parameter; we take the root of its mean squared
# length, relative to the length of the true gradient.

# %%
model, generator = digit_network(0), torch.Generator().manual_seed(0)
exact = flat_gradient(model, X_train, y_train)
sizes, errors = (4, 16, 64, 256), []
for size in sizes:
    picks = torch.randint(3500, (60, size), generator=generator)  # with replacement
    each = [flat_gradient(model, X_train[rows], y_train[rows]) - exact for rows in picks]
    errors.append((torch.stack(each).norm(dim=1).square().mean().sqrt() / exact.norm()).item())

# %%
exercises.noise_guess.reveal("b", "The error goes with one over the square root.")
print("relative error:", {s: f"≈{e:.2f}" for s, e in zip(sizes, errors, strict=True)})
verify("16 times the batch, about a quarter of the error", 3 < errors[0] / errors[2] < 5.3)

# %%
fig, ax = plt.subplots(figsize=(6, 3.4))
law = [errors[0] * (4 / size) ** 0.5 for size in sizes]
lines = {"measured": errors, "one over the square root": law}
plotting.curves(ax, sizes, lines, xlabel="batch size", ylabel="error / norm of the gradient")
ax.set(xscale="log", yscale="log", xticks=sizes, xticklabels=sizes)
plt.show()

# %% [markdown]
# The error of the gradient against the batch size, both on log axes: the measured points follow
# the line of one over the square root. At 4 samples the error is over four times the gradient
# itself, and even at 64 the two are about equal. Such noisy steps still work, because the errors
# of many steps cancel while the gradients add up.
#
# So a large batch buys precision at a bad price. With the same rate and the same number of
# *epochs*, small batches take more steps. An epoch is a measure of data, and a *step* a measure of
# work on the weights; always say which of the two you have kept equal. In the next experiment all
# runs see each digit exactly three times:

# %%
for size in (16, 64, 3500):
    shares = []
    for seed in range(3):
        model = digit_network(seed)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(3):
            one_pass(model, optimizer, X_train, y_train, batch_size=size)
        shares.append(right_share(model))
    accuracies_of[size] = shares
    print(f"batches of {size:4}:", " ".join(f"≈{share:.2f}" for share in shares))

# %% [markdown]
# Batches of 16 make 219 steps in an epoch, batches of 64 make 55, and a batch of everything makes
# one. After three epochs the last network has taken three steps in all, and no precision of the
# gradient makes up for that.

# %%
verify("3 epochs: 16 beats 64, 64 beats all", min(accuracies_of[16]) > max(accuracies_of[64]))
verify("all data at once: below 60 %", max(accuracies_of[3500]) < 0.6)

# %% [markdown]
# Is that fair? No: the rate was the same for all, and a more precise gradient allows longer
# steps. Give each batch size the rate that suits it:

# %%
explorers.batch_and_rate()

# %% [markdown]
# Loss of a small digit network over eight epochs for a batch size and a learning rate, and on the
# right the final loss of four batch sizes against the rate. Find the best rate for batches of 16
# and for all 1,024 at once: it is larger for larger batches, but at the same number of epochs the
# largest ones do not catch up. They cost less time per sample on hardware that works in parallel,
# which is why they are used; and a batch needs memory for its activations, which is why they end
# somewhere. Do noisy steps help to escape local minima, as is often said? Lesson 3.9 tests it.

# %% [markdown]
# ## 4. Measuring honestly
#
# **Which number do you trust?** Three splits, three jobs. On the *training* set the weights are
# fitted. On the *validation* set you choose everything else: rate, size, when to stop. The *test*
# set is for one look at the end. Validation data do not prevent overfitting; they make it
# visible, so that you can act (section 8). After many choices the validation score itself is a
# little too good, which is why the third split exists.
#
# One look sounds strict, and it is broken easily: pick the best of twenty models by their test
# scores, and the winner's score is partly luck. Nobody notices until the model meets new data. In
# this lesson the test digits serve as a yardstick for whole experiments, whose settings were
# fixed beforehand; the one place that chooses something, section 11, chooses by the validation
# digits.
#
# Second, the *mean*. Many loops report `running_loss / len(loader)`, a mean of batch means.
# Predict: 65 samples, batches of 64, and the last sample is a hard one.

# %%
guess = ...  # "a": equal to the true mean, "b": within 5 %, "c": wrong by 10 times or more
exercises.mean_guess.commit(guess)

# %%
each = torch.full((65,), 0.01, dtype=torch.float64)
each[-1] = 4.0  # one hard sample, alone in the last batch
of_batches = torch.stack([part.mean() for part in each.split(64)]).mean()
weighted = sum(part.mean() * len(part) for part in each.split(64)) / len(each)
print(f"mean of batch means {of_batches:.4f}, weighted {weighted:.4f}, true {each.mean():.4f}")
exercises.mean_guess.reveal("c", "One sample of 65 got half of the weight.")
verify("weighting by the batch size gives the true mean", torch.isclose(weighted, each.mean()))

# %% [markdown]
# An extreme case, but a cheap cure: multiply each batch's loss by its number of samples, divide
# by the number of all. For a metric that is no mean over samples, such as the F1 score, collect
# all outputs first and compute it once.
#
# ### Exercise 06.4: an evaluation that changes nothing
#
# Write `evaluate_classifier(model, X, y, batch_size=256)`: mean cross-entropy per sample and
# accuracy, as two plain numbers. Evaluation mode, no graph, and the model afterwards in the mode
# in which it came. (06.3 comes in the next section.)


# %% tags=["exercise"]
def evaluate_classifier(model, X, y, batch_size=256):
    # your code here
    ...


exercises.evaluation.check(evaluate_classifier)

# %% [markdown]
# ## 5. Steadier steps
#
# ### Clipping
#
# **What if one gradient is enormous?** A recurrent network multiplies by the same matrix at each
# time step (lesson 3.3), so its gradient can grow exponentially with the length.
# `clip_grad_norm_` looks at all gradients together: if their norm is larger than a limit, it
# scales them down, direction unchanged, and it returns the norm that it found. The task below is
# to average a sequence of 30 numbers; the recurrent weights start twice as large as they should.


# %%
def train_averager(limit, seed, steps=100):
    """Loss at each step, and the norm of the first gradient; stops at a loss that is no number."""
    torch.manual_seed(seed)
    rnn, head = nn.RNN(1, 32, nonlinearity="relu", batch_first=True), nn.Linear(32, 1)
    with torch.no_grad():
        nn.init.orthogonal_(rnn.weight_hh_l0).mul_(2.0)
    parameters = [*rnn.parameters(), *head.parameters()]
    optimizer, losses, norms = torch.optim.SGD(parameters, lr=0.1), [], []
    while len(losses) < steps and (not losses or losses[-1] < 1e30):
        x = torch.rand(32, 30, 1)  # (B, T, 1)
        loss = F.mse_loss(head(rnn(x)[0][:, -1]).squeeze(1), x.mean(dim=(1, 2)))
        optimizer.zero_grad()
        loss.backward()
        norms.append(nn.utils.clip_grad_norm_(parameters, limit).item())
        optimizer.step()
        losses.append(loss.item())
    return losses, norms[0]


# %%
runs = {limit: [train_averager(limit, seed) for seed in range(5)] for limit in (float("inf"), 1.0)}
for limit, name in ((float("inf"), "no limit"), (1.0, "limit 1")):
    told = [f"≈{losses[-1]:.2g} after {len(losses)}" for losses, _ in runs[limit]]
    print(f"{name:8}", ", ".join(told))

# %%
ended = [len(losses) for losses, _ in runs[float("inf")]]
kept = [losses for losses, _ in runs[1.0]]
verify("without a limit every run explodes within ten steps", max(ended) < 10)
verify("no clipped run does", all(len(losses) == 100 for losses in kept))
verify("each loses 98 % or more", all(min(losses[-10:]) < 0.02 * losses[0] for losses in kept))
smallest = min(norm for _, norm in runs[1.0])
verify("although each first gradient was 30 times the limit or more", smallest > 30)

# %% [markdown]
# Clipping saved all five runs, whose first gradients have norms from some hundreds to billions.
# But read it right: it bounds the *update*. The
# forward pass can still explode, an infinite gradient stays infinite after scaling (it becomes
# NaN), and where gradients are tame a limit that is too small only slows learning down. Write
# down the returned norm for a while, then choose a limit somewhat above its usual size. Clipping
# belongs between `backward` and `step`.
#
# The first gradient of a network tells you little about the usual size, so note the norm over
# some hundred steps first. In `fit` the option is `clip_norm`. There is also `clip_grad_value_`,
# which cuts each component by itself; that changes the direction of the step too, so the norm is
# the usual choice.
#
# ### Accumulation
#
# **What if the batch does not fit into memory?** `backward` adds to the gradients that are there:
# the cause of trouble in section 1, and here the solution. Take the large batch in parts, weight
# each part's loss by its share of the samples, call `backward` for each, and update once. In
# float64, 100 digits at once against parts of 32, 32, 32 and 4:

# %%
model = digit_network(0).double()
X, y = X_train[:100].double(), y_train[:100]
F.cross_entropy(model(X), y).backward()
large = [parameter.grad.clone() for parameter in model.parameters()]
model.zero_grad()
for X_part, y_part in zip(X.split(32), y.split(32), strict=True):
    (F.cross_entropy(model(X_part), y_part) * len(y_part) / len(y)).backward()
pairs = zip(large, model.parameters(), strict=True)
verify("the same gradients", all(torch.allclose(a, p.grad, atol=1e-14) for a, p in pairs))

# %% [markdown]
# Equal but for rounding. One exception: batch normalization looks at each part by itself, so
# there the two differ.
#
# ### Exercise 06.3: a large batch in small parts
#
# Write `accumulated_step(model, parts, optimizer)`: one step with the mean squared error, as if
# the pairs (X, y) in the list `parts` were a single batch. The parts may differ in size.


# %% tags=["exercise"]
def accumulated_step(model, parts, optimizer):
    # your code here
    ...


exercises.accumulation.check(accumulated_step)

# %% [markdown]
# ### Schedules
#
# **Should the learning rate stay the same?** Long steps travel fast, short steps settle: near a
# minimum, the noise of section 3 keeps the weights jumping about at a distance that grows with
# the rate. A *schedule* begins long and ends short. Some start with a *warm-up*, because the
# first gradients of a random network are the least reliable. All schedulers have the same
# interface: make it from the optimizer, call `scheduler.step()` after `optimizer.step()`.


# %%
def rates_of(make_scheduler, steps=100):
    """The learning rate that each step uses."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler, rates = make_scheduler(optimizer), []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


# %%
S = torch.optim.lr_scheduler
drawn = {
    "StepLR": rates_of(lambda o: S.StepLR(o, step_size=30, gamma=0.3)),
    "CosineAnnealingLR": rates_of(lambda o: S.CosineAnnealingLR(o, T_max=100)),
    "OneCycleLR": rates_of(lambda o: S.OneCycleLR(o, max_lr=1.0, total_steps=100)),
    "warm-up, then linear": rates_of(
        lambda o: S.SequentialLR(
            o, [S.LinearLR(o, 0.05, 1.0, 10), S.LinearLR(o, 1.0, 0.0, 90)], milestones=[10]
        )
    ),
}

# %% [markdown]
# `SequentialLR` chains two schedules at a milestone: ten calls of warm-up from a twentieth of the
# rate, then ninety calls down to zero. Look at the numbers at three moments before you look at
# the picture, and check the staircase against powers of gamma.

# %%
print({name: [round(rates[k], 4) for k in (0, 30, 60)] for name, rates in drawn.items()})
steps_of_3 = [1.0] * 30 + [0.3] * 30 + [0.09] * 30 + [0.027] * 10
verify(
    "StepLR multiplies by gamma every 30",
    torch.allclose(*map(torch.tensor, (drawn["StepLR"], steps_of_3))),
)

# %%
fig, ax = plt.subplots(figsize=(7.5, 3.6))
plotting.curves(ax, range(100), drawn, xlabel="call of scheduler.step()", ylabel="learning rate")
plt.show()

# %% [markdown]
# Four schedules over a hundred calls: a staircase, half a cosine, a rise and long fall, and a
# short warm-up followed by a straight line. Whether a call comes after every *step* or every
# *epoch* is your choice, but the schedule must know it: `T_max` and `total_steps` count calls.
# `ReduceLROnPlateau` is of another kind: it gets the validation loss, and multiplies the rate by
# `factor` when that has not improved for more than `patience` epochs.

# %%
optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
plateau = S.ReduceLROnPlateau(optimizer, factor=0.1, patience=2)
rates = []
for loss in (5.0, 4.0, 3.0, 3.0, 3.0, 3.0, 2.0):
    optimizer.step()
    plateau.step(loss)
    rates.append(round(optimizer.param_groups[0]["lr"], 4))
print(rates)
verify("after more than two epochs without progress the rate falls", rates[4:6] == [1.0, 0.1])

# %% [markdown]
# The order of the two steps matters. Call the scheduler first, and the first value of the
# schedule is skipped; PyTorch notices and warns:

# %%
optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
scheduler = S.StepLR(optimizer, step_size=5, gamma=0.1)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    scheduler.step()
    optimizer.step()
verify(
    "scheduler before optimizer: a warning", any("lr_scheduler" in str(w.message) for w in caught)
)

# %%
explorers.schedules()

# %% [markdown]
# A schedule that you design, and the expected loss of noisy descent on a bowl that is steep in
# one direction and flat in the other. A constant rate falls fast and then stays on a floor made
# of noise; any schedule that ends low gets below it. Try the step schedule with a highest rate of
# 2.2, in the unstable zone: the loss first grows, and yet the run ends well. A real network does
# not always come back.
#
# Two things to try. First, with a cosine, move the highest rate from 0.2 to 1.8: too low a rate
# has not arrived when it ends. Second, give it a warm-up of 40 %: on this bowl, whose gradients
# are reliable from the start, a warm-up only wastes steps. It pays where the first steps are
# dangerous, and this bowl does not show that.

# %% [markdown]
# ## 6. More than one process
#
# **How do many machines train one model?** *Data parallel*: each process holds a copy of the
# model and gets its own part of the batch. After `backward` they average their gradients (an
# *all-reduce*), so all copies take the same step and stay equal. It is accumulation again, in
# space instead of time. `DistributedDataParallel` (DDP) does the averaging; `torchrun` starts the
# processes and tells each its number, its *rank*. Here is the script that you started in section
# 2: forward and backward of one batch, with three new lines. Nothing else in the loop changes:
# each process has its own optimizer, and since all of them start from the same weights and see
# the same averaged gradients, they take the same steps without ever exchanging a weight.

# %%
print(SCRIPT)

# %% [markdown]
# `init_process_group` lets the processes find each other, over the loopback address of this one
# machine. Each then knows its rank and how many there are. Both load the same weights and the
# same 128 digits, and `chunk` takes the part that belongs to the rank. The wrapper around the
# model does the averaging, inside of `backward`. At the end each process writes down what it
# got, and `barrier` waits for the others, so that nobody hangs up too early.
#
# Meanwhile, the prediction by hand. Each process computes the mean gradient of its 64 samples.
# The mean of two means of equal parts is the mean of all 128. So the gradients must equal those
# of a single process with the large batch:

# %%
X, y = batch["X"], batch["y"]
halves = []
for rank in range(2):
    loss = F.cross_entropy(single(X.chunk(2)[rank]), y.chunk(2)[rank])
    halves.append(torch.autograd.grad(loss, single.weight)[0])
F.cross_entropy(single(X), y).backward()
average = torch.stack(halves).mean(dim=0)
verify("the average of the halves is the large batch", torch.allclose(average, single.weight.grad))

# %% [markdown]
# The next sections do not need the result, so the check comes after them, in section 12. What
# changes on a cluster? `torchrun` is started once on each machine, with `--nnodes` and the
# address of the first; the backend is `nccl`; each process uses the GPU with its local rank; a
# `DistributedSampler` gives each rank its own part of every epoch (call its `set_epoch`, or all
# epochs have the same order); and only rank 0 writes checkpoints (section 9). The effective batch
# is the batch of one process times their number, and with parts of unequal size the mean of means
# goes wrong as in section 4. We have not measured the speed: two processes on one small machine
# would prove nothing.

# %% [markdown]
# ## 7. Half the bits
#
# **Must every number have 32 bits?** `bfloat16` keeps the range of float32 and only 8 of its 24
# bits of precision. *Mixed precision* uses it where that is enough, in matrix products, and keeps
# float32 for the weights, the updates and delicate functions such as the loss. `torch.autocast`
# chooses for each operation.
#
# The weights stay in float32 for a reason: an update is often a thousandth of a weight or less,
# and with 8 bits of precision adding so little changes nothing at all. Put only the forward pass
# and the loss inside of the context; the backward pass then uses for each operation the type that
# its forward pass had. On the CPU:

# %%
model = digit_network(0, hidden=256)
with torch.autocast("cpu", dtype=torch.bfloat16):
    output = model(X_train[:256])
    loss = F.cross_entropy(output, y_train[:256])
loss.backward()  # outside of autocast
print("output", output.dtype, "| loss", loss.dtype, "| gradient", model[0].weight.grad.dtype)
verify("products in bfloat16", output.dtype == torch.bfloat16)
one = torch.tensor(1.0, dtype=torch.bfloat16)
verify("in bfloat16, 1 plus a thousandth is 1", one + 0.001 == 1)
verify("loss and gradients in float32", loss.dtype == model[0].weight.grad.dtype == torch.float32)

# %% [markdown]
# What does it save? The activations that wait for the backward pass need half of the bytes. The
# next cell counts what a forward pass saves; `saved_tensors_hooks` sees each tensor that is put
# aside. Weights are left out, since they are there anyway.


# %%
def activation_bytes(X, dtype):
    """Bytes of the hidden activations that one forward pass puts aside for backward."""
    model, kept = digit_network(0, hidden=256), {}

    def pack(tensor):
        if tensor.shape == (len(X), 256):
            kept[tensor.data_ptr()] = tensor.nbytes
        return tensor

    autocast = torch.autocast("cpu", dtype=dtype, enabled=dtype != torch.float32)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor), autocast:
        output = model(X)
    assert output.dtype == dtype
    return sum(kept.values())


# %%
full = activation_bytes(X_train[:256], torch.float32)
half = activation_bytes(X_train[:256], torch.bfloat16)
one_quarter = activation_bytes(X_train[:64], torch.float32)
print("hidden activations:", full, "bytes in float32,", half, "in bfloat16")
verify("half the bytes", full == 2 * half)
verify("and a quarter of the batch needs a quarter", full == 4 * one_quarter)

# %% [markdown]
# Is it faster? That depends on the processor: only those with instructions for bfloat16 gain.
# This cell compares processor time, for training steps of a 784-256-10 network; on the machine
# that made this page the gain is real, on yours it may be a loss. We have not measured a GPU
# here, where mixed precision is mostly used.

# %% tags=["nbval-ignore-output"]
seconds = {}
for dtype in (torch.float32, torch.bfloat16, torch.float32, torch.bfloat16):
    model, start = digit_network(0, hidden=256), time.process_time()
    for _ in range(20):
        with torch.autocast("cpu", dtype=dtype, enabled=dtype != torch.float32):
            loss = F.cross_entropy(model(X_train[:512]), y_train[:512])
        loss.backward()
    seconds[dtype] = time.process_time() - start
ratio = seconds[torch.float32] / seconds[torch.bfloat16]
print(f"float32 takes {ratio:.1f} times as long as bfloat16")

# %% [markdown]
# With `float16`, which older GPUs prefer, there is one more part. Its smallest positive number is
# about 6·10⁻⁸, so small gradients become zero. `torch.amp.GradScaler` multiplies the loss by a
# large factor before `backward` and divides the gradients before the step. (In older code you
# will see `torch.cuda.amp.GradScaler()`, which is deprecated.)
#
# The first two checks show the problem and its cure on a single number. 1e-8 is below half of
# the smallest positive float16, so it is rounded to zero; multiplied by 2¹⁶ it lies well within
# the range. Dividing again must happen in float32, where there is room for small numbers.

# %%
small = torch.tensor(1e-8, dtype=torch.float64)
verify("1e-8 is zero in float16", small.half() == 0)
verify("scaled by 2¹⁶ it survives", ((small * 2**16).half().double() / 2**16 - small).abs() < 1e-11)

# %% [markdown]
# In the loop, three calls change. The scaler multiplies the loss, so all gradients come out
# larger by the same factor; before clipping they must be divided again, or the limit would be
# compared with scaled gradients. If one of them is infinite, the scaler skips the step and halves
# its factor, and if all goes well for a while, it tries a larger one.

# %%
w = nn.Parameter(torch.tensor([2.0]))
optimizer, scaler = torch.optim.SGD([w], lr=0.1), torch.amp.GradScaler("cpu")
scaler.scale(w.square().sum()).backward()  # instead of loss.backward()
scaler.unscale_(optimizer)  # only needed before clipping
scaler.step(optimizer)  # instead of optimizer.step(); skipped if a gradient is infinite
scaler.update()
verify("the same step as without it: 2 - 0.1 · 4", torch.isclose(w, torch.tensor(1.6)))

# %% [markdown]
# The other accelerator is two lines long: `torch.compile` turns a model into fused machine code
# at its first call. It needs a C++ compiler, and that first call takes long compared with
# everything on this page, so the cell leaves it switched off and we make no claim about its gain.
# Set the flag if you have a compiler, and time it yourself: first call and tenth call separately.

# %%
try_compile = False
if try_compile:
    fast = torch.compile(model)
    fast(X_train[:64])

# %% [markdown]
# ## 8. Stopping in time
#
# **When is training done?** "Until the loss converges" is a poor answer, because the *training*
# loss may fall for ever. With only 300 digits, a network learns them by heart. Watch both losses,
# keep a copy of the weights whenever the validation loss is the lowest so far, and stop after
# `patience` epochs without progress.
#
# The function below is the whole method. `copy.deepcopy` matters (the common mistakes show why),
# and so does the strict `<`: an equal loss is no progress. At the end the best weights go back
# into the model, whichever way the loop ended. `patience` is a bargain: too small, and a random
# bump ends the training; too large, and you pay for epochs that you throw away.


# %%
def train_until_patience_ends(model, X, y, patience, epochs=60):
    """Adam, early stopping, best weights in the end. Returns both losses and the accuracy."""
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    generator, losses = torch.Generator().manual_seed(0), []
    best, best_epoch, best_weights = float("inf"), 0, None
    for epoch in range(1, epochs + 1):
        one_pass(model, optimizer, X, y, batch_size=32, generator=generator)
        with torch.no_grad():
            parts = ((X, y), (X_valid, y_valid))
            losses.append([F.cross_entropy(model(A), b).item() for A, b in parts])
        losses[-1].append(right_share(model, X_valid, y_valid))
        if losses[-1][1] < best:
            best, best_epoch = losses[-1][1], epoch
            best_weights = copy.deepcopy(model.state_dict())
        elif epoch - best_epoch >= patience:
            break
    model.load_state_dict(best_weights)
    return torch.tensor(losses), best_epoch


# %%
long_model, early_model = digit_network(0), digit_network(0)
long, best_epoch = train_until_patience_ends(long_model, X_train[:300], y_train[:300], patience=60)
early, found = train_until_patience_ends(early_model, X_train[:300], y_train[:300], patience=5)
print(f"lowest validation loss ≈{long[:, 1].min():.2f}, last of 60 epochs ≈{long[-1, 1]:.2f}")
verify("the training loss still falls in the end", long[-1, 0] < 0.1 * long[best_epoch - 1, 0])
verify("the validation loss has risen by a tenth or more", long[-1, 1] > 1.1 * long[:, 1].min())
best_share, last_share = long[best_epoch - 1, 2], long[-1, 2]
print(f"validation accuracy: lowest loss ≈{best_share:.2f}, last epoch ≈{last_share:.2f}")
verify("but the accuracies are within 3 points", abs(best_share - last_share) < 0.03)
verify("with patience 5 far fewer epochs are run", len(early) < 40)

# %%
fig, ax = plt.subplots(figsize=(7, 3.6))
plotting.curves(ax, range(1, 61), {"training": long[:, 0], "validation": long[:, 1]})
ax.axvline(best_epoch, color="gray", linestyle=":", label="best weights")
ax.axvline(len(early), color="gray", linestyle="--", label="patience 5 ends")
ax.set(xlabel="epoch", ylabel="loss", yscale="log")
ax.legend()
plt.show()

# %% [markdown]
# Training and validation loss over 60 epochs on 300 digits, on a log axis: the training loss
# falls all the way, the validation loss turns up after about ten epochs. A dotted line marks the
# lowest point, whose weights are kept, a dashed one the end of the patience. Note what has *not*
# happened: the accuracy, printed above, hardly suffers from the extra epochs. The network only
# becomes too sure of its mistakes.

# %%
with torch.no_grad():
    kept = F.cross_entropy(early_model(X_valid), y_valid).item()
verify("the best weights are back in the model", abs(kept - early[found - 1, 1].item()) < 1e-6)

# %% [markdown]
# ### Exercise 06.5: when to stop, and what to keep
#
# Write `stop_early(losses, patience)`. Given the validation losses that training would produce,
# return how many epochs are run, and which epoch was the best among them, both counted from 1. An
# equal loss is no progress.


# %% tags=["exercise"]
def stop_early(losses, patience):
    # your code here
    ...


exercises.early_stopping.check(stop_early)

# %% [markdown]
# ## 9. Stopped and resumed
#
# **What must a checkpoint hold?** Everything that the next step depends on: the weights, the
# optimizer's memory (momentum, Adam's averages), the schedule's position, the order of the
# batches, and the random numbers of dropout. Miss one, and the run goes on, but it is another
# run. Here is a run with all of them.
#
# Why bother with *bit for bit*? Because it can be tested. If a resumed run is only similar to the
# uninterrupted one, nobody can say whether the difference is harmless noise or a forgotten state.
# If it must be equal, one line of test settles the matter, and the four runs further down show
# that each forgotten state is caught.


# %%
def make_run(seed=0):
    """A dictionary with the parts of a training that have a state."""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(784, 32), nn.ReLU(), nn.Dropout(0.3), nn.Linear(32, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=4)
    return {"model": model, "optimizer": optimizer, "scheduler": scheduler}


# %% [markdown]
# The three parts travel together in a dictionary, so that saving and loading can be a loop over
# its items. Note that the scheduler is made from the optimizer, and the optimizer from the
# model's parameters: build them in this order, and only then load their states.


# %%
def run_for(run, generator, epochs):
    """Train the parts of a run for some epochs on 1,000 digits."""
    for _ in range(epochs):
        parts = run["model"], run["optimizer"], X_train[:1000], y_train[:1000]
        one_pass(*parts, generator=generator)
        run["scheduler"].step()


# %% [markdown]
# Train four epochs without a break. Then two epochs, a file, and *fresh* objects with other
# random weights that read the file and go on. `weights_only=True` reads tensors and plain values
# and refuses everything else; a file from a stranger could otherwise run code while it is loaded.

# %%
file = Path(folder.name) / "checkpoint.pt"
unbroken, generator = make_run(), torch.Generator().manual_seed(0)
run_for(unbroken, generator, epochs=4)


# %% [markdown]
# Now the same run, stopped after two epochs. Every part with a state has a `state_dict`; the
# random generators have `get_state`. All of it goes into one dictionary with a number that says
# how many epochs are done, and the dictionary into one file.

# %%
first_half, generator = make_run(), torch.Generator().manual_seed(0)
run_for(first_half, generator, epochs=2)
state = {name: part.state_dict() for name, part in first_half.items()}
state |= {"generator": generator.get_state(), "torch": torch.get_rng_state(), "epochs": 2}
torch.save(state, file)

# %%
state, generator = torch.load(file, weights_only=True), torch.Generator()
second_half = make_run(seed=99)
for name, part in second_half.items():
    part.load_state_dict(state[name])
generator.set_state(state["generator"])
torch.set_rng_state(state["torch"])
run_for(second_half, generator, epochs=4 - state["epochs"])
pairs = zip(unbroken["model"].parameters(), second_half["model"].parameters(), strict=True)
verify("resumed equals uninterrupted, bit for bit", all(torch.equal(a, b) for a, b in pairs))

# %% [markdown]
# Bit for bit: not similar, the same. And if you leave one of the states out? Each of the next four
# runs restores everything but one.
#
# Without the optimizer's state, Adam begins its averages anew. Without the scheduler's, the
# rate jumps back up. Without the generator's, the digits come in another order, and without
# torch's, other units are dropped. None of these runs fails. They only are other runs than the
# one you believe to continue, and a comparison with them is a comparison with something that
# you have not described.

# %%
for missing in ("optimizer", "scheduler", "generator", "torch"):
    run, generator = make_run(seed=99), torch.Generator().manual_seed(5)
    for name in set(run) - {missing}:
        run[name].load_state_dict(state[name])
    if missing != "generator":
        generator.set_state(state["generator"])
    if missing != "torch":
        torch.set_rng_state(state["torch"])
    run_for(run, generator, epochs=2)
    pairs = zip(unbroken["model"].parameters(), run["model"].parameters(), strict=True)
    verify(f"without {missing}: another run", not all(torch.equal(a, b) for a, b in pairs))

# %% [markdown]
# One trap remains. If the program is killed *while* it writes, half a file takes the place of the
# good one. The cure is old: write to a second file, then rename it. Renaming within a folder
# happens in one stroke, so there is always a whole checkpoint, the old one or the new one.
# `training.save_checkpoint` does just that:

# %%
print(inspect.getsource(training.save_checkpoint).split('"""')[2])

# %% [markdown]
# ### Exercise 06.6: resume
#
# Write `restore(state, model, optimizer, generator)`. The dictionary holds "model", "optimizer",
# "generator", "torch" and "epochs". Restore all, and return the number of epochs that are done.


# %% tags=["exercise"]
def restore(state, model, optimizer, generator):
    # your code here
    ...


exercises.resume.check(restore)

# %% [markdown]
# ### What a seed promises
#
# The same seed, program, PyTorch release and kind of machine give the same numbers here. The seed
# does not promise more. PyTorch's documentation says that results may differ between releases,
# platforms, and CPU and GPU, even with equal seeds; sums in another order round differently, and
# training amplifies that. Nor does one lucky seed prove that a method is good. So the course
# verifies claims with a margin, and compares methods over several seeds.

# %%
same = right_share(train_in_order("loss clear backward update", seed=0))
verify("the same seed: the same accuracy", same == reference[0])
large, small, opposite = torch.tensor([1e8, 1.0, -1e8])
one_way, other_way = (large + small) + opposite, (large + opposite) + small
print("the same three numbers add up to", one_way.item(), "or", other_way.item())
verify("the order of a sum matters in float32", one_way != other_way)

# %% [markdown]
# ## 10. The template, and what it grew into
#
# **What does the complete loop look like?** All that you cannot do without, in one function: it
# is told the device, sets the modes, weights the mean by samples, and validates after every
# epoch.
#
# Read it as a summary: for each line you can now say which section it comes from, and what
# happened when it was missing. The mean is weighted by samples, the modes are set on both sides
# of the evaluation, and `loss.item()` keeps no graph. If you learn one cell of this lesson by
# heart, take this one.


# %%
def train_template(model, train, valid, criterion, optimizer, epochs, device="cpu"):
    """Train, and return the mean training and validation loss of each epoch."""
    model.to(device)
    (X, y), (X_val, y_val) = ([part.to(device) for part in pair] for pair in (train, valid))
    generator, history = torch.Generator().manual_seed(0), []
    for _ in range(epochs):
        model.train()
        total = 0.0
        for X_batch, y_batch in data.batches(X, y, batch_size=64, generator=generator):
            loss = criterion(model(X_batch), y_batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(y_batch)
        model.eval()
        with torch.no_grad():
            validation_loss = criterion(model(X_val), y_val).item()
        history.append((total / len(y), validation_loss))
    return history


# %% [markdown]
# `training.fit` is this template grown up. It adds what sections 4, 5 and 7 to 9 were about, a
# progress bar that disappears when it is done, and checks that say in plain words what does not
# fit. Its heart is `train_epoch`; you know every line of it. `run` holds the parts, the settings
# and the position.

# %%
print(inspect.getsource(training.train_epoch).split('"""')[2])

# %% [markdown]
# And around it, `fit` without its signature and documentation:

# %%
print(inspect.getsource(training.fit).split('"""')[2])

# %% [markdown]
# The one who interrupts it from the keyboard keeps the history so far, and with `keep_best` the
# best weights too. Is it the same algorithm as the template? The weights say so:

# %%
by_template, by_fit = digit_network(3), digit_network(3)
criterion, pair, valid = nn.CrossEntropyLoss(), (X_train, y_train), (X_valid, y_valid)
optimizer = torch.optim.SGD(by_template.parameters(), lr=0.1)
losses = train_template(by_template, pair, valid, criterion, optimizer, epochs=3)

# %% [markdown]
# Both networks start from the same seed, both shuffle with a generator of seed 0, and both take
# batches of 64. If `fit` did anything else than the template in between, a different rounding or
# one step more, the bits would tell.

# %%
optimizer = torch.optim.SGD(by_fit.parameters(), lr=0.1)
history = training.fit(by_fit, pair, valid, criterion=criterion, optimizer=optimizer, epochs=3)
pairs = zip(by_template.parameters(), by_fit.parameters(), strict=True)
verify("template and fit end with the same bits", all(torch.equal(a, b) for a, b in pairs))
gap = torch.tensor(losses).T - torch.tensor([history.train_loss, history.validation_loss])
verify("and report the same losses", gap.abs().max() < 1e-5)

# %% [markdown]
# ### The loop, live
#
# You know every line now, so it is time to watch them run. The board below holds a network with
# two inputs, four hidden units and one output, and points of two classes: a ring and what lies
# inside it. Press *Play*: your kernel trains, with the five steps of section 1, and the board draws
# what the network thinks many times a second. *Step* makes a single update, *Reset* goes back to
# the same initial weights.

# %%
board = play.playground(data="circles", hidden=(4,), lr=0.3, title="The loop, live")
board

# %% [markdown]
# Four moments of the training above: the background is what the network answers for each point of
# the plane, and by step 1,200 it has closed a border around the inner class. Below is the network
# at the end, each box showing where in the plane its unit answers high or low, each line a weight
# (thick is large, dashed is negative); beside it both losses. Without a kernel this is a recording.
#
# Things to find out, each in a minute. Guess first.
#
# 1. Raise the learning rate while it runs: the training goes on from where it is. When does the
#    border begin to jump?
# 2. One hidden unit, two, three: how many does a closed border need? (Changing the structure
#    starts the training anew, and the board says so.)
# 3. Batch size 1 against all points: which loss curve is rough, and which is slow?
# 4. The spirals are hard. Which helps more: a second layer, or the inputs sin x₁ and sin x₂?
#
# The board is no film and no other algorithm. It writes down the program that makes the same
# steps. A second board made from the first one's `state`, a string that you can send to somebody,
# begins with the same weights; let it train without any display, and read its loop:

# %%
twin = play.playground(state=board.state)
twin.session.train_steps(300)
twin.session.evaluate()
program = twin.program()
print(program[program.index("while") : program.index("train_loss")].rstrip())

# %% [markdown]
# Line by line this is your template: the order of the points from a generator of its own, training
# mode, loss, clear, backward, update. To be sure, run the whole program by itself and compare. It
# prints its losses; the cell keeps that line back and looks at the variable.

# %%
variables = {}
with contextlib.redirect_stdout(io.StringIO()):
    exec(program, variables)
gap = abs(variables["test_loss"] - twin.session.test_loss)
verify("the program ends at the loss of the board", gap < 1e-6)

# %% [markdown]
# The board also takes what is yours: any `nn.Module` for points of shape (B, 2), your own points,
# your own optimizer. Here is a module with two parameters, which measures the distance from the
# middle and nothing else.


# %%
class RingDetector(nn.Module):
    """Answer by the squared distance from the origin."""

    def __init__(self):
        super().__init__()
        self.scale, self.shift = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))

    def forward(self, X):  # (B, 2) -> (B,)
        return self.scale * X.square().sum(dim=1) + self.shift


# %%
play.playground(
    RingDetector(),
    "circles",
    lambda parameters: torch.optim.SGD(parameters, lr=0.3),
    title="A module of your own",
)

# %% [markdown]
# From the first step on the colors form rings, because the module can draw nothing else: two
# numbers that fit the question do the work of a whole layer. Put a mistake into `forward`, such as
# `dim=2`, run both cells again, and the board shows the error with your line.

# %% [markdown]
# ## 11. Digits from end to end
#
# **Now all of it together.** Prepare the data, build the model, define loss and optimizer, train,
# evaluate: `fit` with a one-cycle schedule called after every step, a clipping limit, the best
# weights by validation loss, and a checkpoint. Rate, limit and size were not tuned beyond a first
# guess. Three seeds, each with the same budget of eight epochs.
#
# `history` holds one entry for each epoch: both losses, both accuracies and the learning rate.
# With `keep_best` the model ends with the weights of its lowest validation loss, and the
# checkpoint would let you go on after a crash by adding `resume=True` to the same call.

# %%
epochs, steps = 8, -(-3500 // 64)  # 55 steps in an epoch
results = []
for seed in range(3):
    model = digit_network(seed, hidden=128)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    cycle = S.OneCycleLR(optimizer, max_lr=5e-3, total_steps=epochs * steps)
    history = training.fit(
        model, pair, valid, criterion=criterion, optimizer=optimizer, epochs=epochs, seed=seed,
        scheduler=cycle, schedule="step", clip_norm=1.0, keep_best=True,
        checkpoint=Path(folder.name) / f"digits_{seed}.pt",
    )  # fmt: skip
    results.append((model, history))

# %%
fig, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6))
curves = {"training": "train_loss", "validation": "validation_loss"}
for (name, attribute), style in zip(
    curves.items(), (("blue", "-"), ("vermillion", "--")), strict=True
):
    values = torch.tensor([getattr(history, attribute) for _, history in results])  # (3, 8)
    color = plotting.OKABE_ITO[style[0]]
    plotting.band(left, range(1, epochs + 1), values, label=name, color=color, linestyle=style[1])
rates = results[0][1].learning_rate
plotting.curves(right, range(1, epochs + 1), {"last rate of the epoch": rates}, xlabel="epoch")
left.set(xlabel="epoch", ylabel="loss", yscale="log")
left.legend()
plt.show()

# %% [markdown]
# Loss by epoch on the left, the median of three seeds inside the band of all; on the right the
# learning rate at the end of each epoch. From the fifth epoch on the validation loss hardly moves,
# while the training loss goes on falling until the rate has run out: the gap between the two is
# the subject of lesson 3.8. Reading these two curves is the first thing to do with any training: a
# loss that rises, stands still or becomes NaN tells you what to look for, as lesson 3.7 shows.
#
# The choices are made. Now, and only now, the test digits:

# %%
scores = [training.evaluate(model, (X_test, y_test))["accuracy"] for model, _ in results]
print("test accuracy:", " ".join(f"≈{score:.3f}" for score in scores))
verify("at least 91 % of the unseen digits, for every seed", min(scores) > 0.91)
verify("better than three epochs of plain SGD", min(scores) > max(reference))
verify("the schedule ended near zero", rates[-1] < 1e-5)

# %% [markdown]
# ## 12. Back to the two processes
#
# By now they have probably finished; `wait` makes sure of it. Each has left a file.

# %%
processes.wait(timeout=120)
parts = [torch.load(Path(folder.name) / f"result_{r}.pt", weights_only=True) for r in range(2)]
print("samples of each process:", [part["samples"] for part in parts])
verify("both ranks hold the same gradient", torch.equal(parts[0]["gradient"], parts[1]["gradient"]))
close = torch.allclose(parts[0]["gradient"], single.weight.grad, atol=1e-14)
verify("it is that of the single process with the large batch", close)

# %% [markdown]
# ## Common mistakes
#
# Several stood in the sections above: no clearing (1), the wrong mode (1), the loss kept with its
# graph (1), the mean of batch means (4), the scheduler before the optimizer (5). Two more, and a
# table to search in.
#
# ### A copy that is no copy
#
# **Symptom:** the "best" weights are the last ones. `model.state_dict()` holds references to the
# live weights. The next step changes them in your "copy" as well. Use `copy.deepcopy`, or clone
# each tensor.

# %%
model = digit_network(0)
reference_only, deep = model.state_dict(), copy.deepcopy(model.state_dict())
with torch.no_grad():
    model[0].weight.add_(1.0)
verify("the state_dict has moved along", torch.equal(reference_only["0.weight"], model[0].weight))
verify("the deep copy has not", not torch.equal(deep["0.weight"], model[0].weight))

# %% [markdown]
# ### One bad pixel
#
# **Symptom:** the loss becomes NaN, at any learning rate. A smaller rate cures a loss that
# *grows* to infinity. It does not cure NaN in the data: check the inputs first. Clipping does not
# help either, because the norm of such a gradient is NaN.

# %%
spoiled = X_train[:64].clone()
spoiled[7, 300] = float("nan")
model = digit_network(0)
F.cross_entropy(model(spoiled), y_train[:64]).backward()
norm = nn.utils.clip_grad_norm_(model.parameters(), 1.0)
verify("one NaN pixel of 50,176 spoils the gradient", norm.isnan())
verify("isfinite finds it in one line", not spoiled.isfinite().all())

# %% [markdown]
# ### A table to search in
#
# | symptom | look for | where |
# |---|---|---|
# | NaN loss | bad input values; then a smaller rate, clipping | above, section 5 |
# | gradient is None | `requires_grad=False`, a detached graph, an unused layer | below |
# | gradient is zero | dead or saturated units: another disease than None | lesson 3.2 |
# | slow training | fetching, batch size; a GPU, if there is one | sections 2, 3 |
# | overfitting | early stopping, more data; regularization may also cost accuracy | section 8 |
#
# The second row is often told wrongly: a parameter with `requires_grad=False` has no gradient at
# all, not a zero one.

# %%
model = digit_network(0)
model[0].weight.requires_grad_(False)
F.cross_entropy(model(X_train[:8]), y_train[:8]).backward()
verify("a frozen parameter has the gradient None", model[0].weight.grad is None)
folder.cleanup()

# %% [markdown]
# ## Key takeaways
#
# - Forward, loss, clear, backward, update: clearing may stand anywhere except between backward
#   and update ([section 1](#1.-Two-loops-and-five-steps)).
# - `eval()` and `no_grad()` are two things, and an evaluation needs both
#   ([Modes and graphs](#Modes-and-graphs)).
# - For data in memory, index tensors; a `DataLoader` pays Python for each sample
#   ([What a sample costs](#What-a-sample-costs)).
# - Batches make each step cheap; the gradient's noise falls with the square root of their size
#   ([section 3](#3.-How-large-a-batch?)).
# - Average by sample, choose on validation data, and look at the test set once
#   ([section 4](#4.-Measuring-honestly)).
# - Clipping bounds the update and schedules lower the floor of noise; neither is always a gain
#   ([section 5](#5.-Steadier-steps)).
# - Watch two losses; stop by the validation loss, and keep the best weights
#   ([section 8](#8.-Stopping-in-time)).
# - A checkpoint with all states resumes bit for bit; write it beside the old one and rename
#   ([section 9](#9.-Stopped-and-resumed)).
# - Two processes that average their gradients are one process with the large batch
#   ([section 12](#12.-Back-to-the-two-processes)).
#
# ## Further exercises
#
# 1. Interrupt `training.fit` from the keyboard in a long training, then start it again with
#    `resume=True`. Compare with an uninterrupted run.
# 2. Add a `num_workers` comparison to section 2: when do two workers pay? Make `__getitem__`
#    slower until they do.
# 3. Write the running mean of the weights over the last epochs (`torch.optim.swa_utils`), and
#    compare it with early stopping on 300 digits, five seeds each.
# 4. Run section 11 on the full MNIST, `data.mnist_full()`, and find out which of its settings you
#    would change.
#
# **Reading.** L. Bottou, F. Curtis and J. Nocedal, "Optimization methods for large-scale machine
# learning", *SIAM Review* 60 (2018). R. Pascanu, T. Mikolov and Y. Bengio, "On the difficulty of
# training recurrent neural networks" (2013), for clipping. P. Micikevicius et al., "Mixed
# precision training" (2018). P. Goyal et al., "Accurate, large minibatch SGD" (2017), for
# warm-up. S. Li et al., "PyTorch Distributed: experiences on accelerating data parallel training"
# (2020). PyTorch documentation, "Reproducibility".
#
# ## Your progress

# %%
from course_utils.exercises import progress

progress("06")

# %% [markdown]
# ## Next
#
# The engine runs. [Lesson 3.7, Debugging](07_debugging.ipynb), is about the days when it does not:
# a protocol to find the fault, and a clinic of sick training programs to practice on.
