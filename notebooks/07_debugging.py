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
# # 3.7 Debugging neural networks
#
# A broken program usually says so. A broken training runs to the end, prints a loss, and is
# merely bad. Nothing in it is red. This lesson gives you a way to look: a protocol of eight
# questions, an instrument for each of them, and the readings of a healthy network to compare
# with. Then every common symptom is produced on purpose, diagnosed and cured, and in the clinic
# you do it alone.
#
# ## You will be able to
#
# - **follow** a protocol from the data to the learning rate, and know what each step rules out;
# - **build** the instruments: hooks, gradient norms, update ratios, a learning rate range test;
# - **check** a derivative numerically, and say why the check needs float64;
# - **tell apart** faults that look alike in the loss curve;
# - **log** a training with TensorBoard, and read the log back as data.
#
# ## Before you start
#
# You need the training loop ([lesson 3.6](06_training_loop.ipynb)), the losses
# ([lesson 3.5](05_losses.ipynb)) and initial weights ([lesson 3.4](04_initialization.ipynb)).
# Shape comments such as `# (N, D)` count the samples (N) and inputs (D).
#
# **Time:** about 110 minutes for sections 1 to 11 with all exercises; 50 if you only read, slide
# and run. The clinic takes as long as you like: about 10 minutes for each patient.

# %% [markdown]
# <!-- launch:start -->
# Open this lesson with `make lab LESSON=07`.
# <!-- launch:end -->

# %%
from course_utils import setup

setup()

# %%
import copy
import inspect
import io
import math
import tempfile
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from torch import nn

from course_utils import clinic, data, inspection, plotting, training, verify
from course_utils.exercises import debugging as exercises
from course_utils.explore import debugging as explorers

# %% [markdown]
# `inspection` holds the instruments of the course; this lesson shows what is inside before it
# uses them. `verify` prints a ✓ with a claim if the claim holds in your kernel, right now, and
# raises an error if it does not.

# %% [markdown]
# ## 1. A protocol
#
# **Where do you begin?** Not with the learning rate, although most people do. A fault early in
# the chain (wrong labels) makes every later reading meaningless, and early checks are cheap. So
# go from the data to the optimizer, and stop at the first reading that is wrong:
#
# | step | question | instrument | section |
# |---|---|---|---|
# | 1 data | are inputs and labels what you believe? | look, count, compare | 2 |
# | 2 one batch | can the program learn ten samples by heart? | overfit test | 3 |
# | 3 shapes | does each layer put out what it should? | shapes, dependency test | 4 |
# | 4 start | is the first loss that of guessing, ln C for C classes? | one forward pass | 5 |
# | 5 gradients | does a gradient reach every layer, of what size? | norms, hooks | 6 |
# | 6 updates | do the weights move, and how far? | update ratio | 7 |
# | 7 rate | where does the loss fall fastest, where does it break? | range test | 8 |
# | 8 generalization | does it also work on new data? | two losses | 10 |
#
# Two habits matter as much as the order. *Change one thing at a time*: with two changes you
# cannot know which one helped. And *predict the reading before you look*: an instrument tells you
# something only if it could have surprised you. Regularization comes last, because a network that
# cannot even fit its training data has nothing to regularize.
#
# Why not simply try things? Because each try costs a training, its result is noisy, and a wrong
# change may hide the symptom while the fault stays. An instrument costs one forward or backward
# pass, and its reading is nearly free of noise. The whole protocol takes a minute on a small
# network, and it is the same minute on a large one if you feed it with few samples.
#
# To know a wrong reading you must have seen a right one. Here is the patient of this lesson in
# good health: a 784-64-10 network on the course's digits.

# %%
digits = data.mnist_5k()
X_train, y_train = digits.train.flat(), digits.train.labels  # (3500, 784), (3500,)
X_valid, y_valid = digits.validation.flat(), digits.validation.labels  # (500, 784), (500,)

# %% [markdown]
# The network is made by a function of a seed: every experiment gets fresh weights, three
# experiments get three different sets of them, and a run can be repeated exactly. The width and
# the number of outputs can be changed, because some experiments below need another size.


# %%
def small_network(seed, hidden=64, outputs=10):
    """Return a 784-hidden-outputs network with weights drawn from the seed."""
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(784, hidden), nn.ReLU(), nn.Linear(hidden, outputs))


# %% [markdown]
# All experiments share one loop, the five steps of lesson 3.6. It takes a number of steps, not of
# epochs, and it ends at once when the loss is no longer a number, because nothing that happens
# afterwards is worth knowing.


# %%
def train_for(steps, model, optimizer, X=X_train, y=y_train, loss_fn=F.cross_entropy, clip=None):
    """Train for so many steps; return the losses, the last of which may not be finite."""
    generator, losses = torch.Generator().manual_seed(0), []
    while True:
        for X_batch, y_batch in data.batches(X, y, generator=generator):
            loss = loss_fn(model(X_batch), y_batch)
            optimizer.zero_grad()
            loss.backward()
            if clip is not None:
                nn.utils.clip_grad_norm_(model.parameters(), clip)
            optimizer.step()
            losses.append(loss.item())
            if len(losses) == steps or not math.isfinite(losses[-1]):
                return losses


# %% [markdown]
# The measure is the share of right answers on the 500 validation digits, by `training.accuracy`,
# which takes the largest logit of each row as the answer.


# %%
@torch.no_grad()
def valid_share(model):
    """Share of the validation digits that the model gets right."""
    return training.accuracy(model(X_valid), y_valid)


# %% [markdown]
# Two hundred steps of plain gradient descent with the rate 0.1. All accuracies in this lesson are
# measured on the validation digits. The test digits stay in their box, because debugging is one
# long series of choices, and a set that is used for choices is no test any more.

# %%
healthy = small_network(0)
losses = train_for(200, healthy, torch.optim.SGD(healthy.parameters(), lr=0.1))
print(f"loss ≈{losses[0]:.2f} → ≈{losses[-1]:.2f}, validation accuracy ≈{valid_share(healthy):.2f}")
verify("the first loss is near ln 10, the loss of guessing", abs(losses[0] - math.log(10)) < 0.15)
verify("200 steps suffice for 80 % of the unseen digits", valid_share(healthy) > 0.8)

# %% [markdown]
# Keep these two numbers in mind: a start near 2.3, and over 80 % after 200 steps. Everything
# below is a deviation from them.

# %% [markdown]
# ## 2. First the data
#
# **Are the data what you believe they are?** Look at some: samples *with their labels*, taken at
# the last moment before they enter the model, after all loading, scaling and shuffling. Then
# count. The common check for bad numbers is a line with `isnan`. *Predict first:*

# %%
guess = ...  # one pixel is infinite; does torch.isnan find it? "a": yes, "b": no
exercises.isnan_guess.commit(guess)

# %% [markdown]
# A single pixel of 2.7 million is set to infinity. Both checks look at all of them.

# %%
spoiled = X_train.clone()
spoiled[5, 300] = float("inf")
print("isnan:", spoiled.isnan().any().item(), "| isfinite:", spoiled.isfinite().all().item())
exercises.isnan_guess.reveal("b", "Infinity is a number of its own; isfinite rejects both kinds.")
verify("isnan misses infinity", not spoiled.isnan().any())
verify("isfinite finds it", not spoiled.isfinite().all())

# %% [markdown]
# So ask `isfinite`. Infinity becomes NaN soon enough, in ∞ − ∞ or 0 · ∞, but then far from its
# source.
#
# The second check is the *range of the labels*. For C classes they must be whole numbers from 0
# to C − 1. A label that is too large raises an error, if you are lucky enough to run on a CPU. A
# label that is merely off by one raises nothing, as long as it stays in range.

# %%
logits = small_network(0)(X_train[:4])
try:
    F.cross_entropy(logits, torch.tensor([0, 3, 7, 10]))
    refused = False
except IndexError:
    refused = True

# %% [markdown]
# The error was raised at the line of the loss, which is where you want it. On a GPU, where
# operations run later than the lines that start them, the same mistake is often reported at an
# innocent line further down. Then move the failing batch to the CPU and read the message there.

# %%
verify("class 10 of 10 is refused", refused)
verify("class 9 for an 8 is not", F.cross_entropy(logits, torch.tensor([1, 4, 8, 9])).isfinite())

# %% [markdown]
# `inspection.data_problems` collects such checks: finite values, a sensible scale, repeated
# samples, labels of the right type, range and number. Each is one line with a sentence. It is
# meant to be run on every set, once, before anything else. A clean set gives an empty list:

# %%
print("as they come:", inspection.data_problems(X_train, y_train, classes=10))

# %% [markdown]
# Now spoil the data in four ways that all happen in practice. Pixels come as whole numbers up to
# 255, or somebody divides by 255 what another function has already divided. Labels count from 1,
# as in many tables. A sensor returns infinity.

# %%
for name, X, y in (
    ("pixels 0..255", X_train * 255, y_train),
    ("scaled twice", X_train / 255, y_train),
    ("labels from 1", X_train, y_train + 1),
    ("one infinite", spoiled, y_train),
):
    print(f"{name}:", *inspection.data_problems(X, y, classes=10))
verify("the course's digits pass", inspection.data_problems(X_train, y_train, classes=10) == [])

# %% [markdown]
# ### Leakage
#
# A validation score that is too good is a symptom too. If samples of the validation set also
# stand in the training set, the score measures memory. Copies are easy to find, because equal
# samples have equal bytes. Plant five and look for them:

# %%
leaky = torch.cat([X_train, X_valid[[3, 50, 99, 200, 421]]])
print("before:", inspection.shared_rows(X_valid, X_train))
print("after: ", inspection.shared_rows(X_valid, leaky))
found = [row for row, _ in inspection.shared_rows(X_valid, leaky)]
verify("no copies in the course's splits", inspection.shared_rows(X_valid, X_train) == [])
verify("all five planted copies are found", found == [3, 50, 99, 200, 421])

# %% [markdown]
# A copy that was saved again, or photographed twice, differs in some bits. Then compare
# *distances*: the nearest training neighbor of a validation digit is normally far away. Here are
# the five copies with a little noise on each pixel.

# %%
noise = 0.01 * torch.rand(5, 784, generator=torch.Generator().manual_seed(0))
noisy_copies = torch.cat([X_train, X_valid[[3, 50, 99, 200, 421]] + noise])

# %% [markdown]
# `torch.cdist` gives the distances between all rows of two sets at once, here 500 × 3,505 of
# them. The smallest one in each row is the distance from a validation digit to its nearest
# training digit.

# %%
nearest = torch.cdist(X_valid, noisy_copies).amin(dim=1)  # (500,)
closest = nearest.topk(6, largest=False)
print("nearest:", " ".join(f"≈{value:.2f}" for value in closest.values))
verify("none is an exact copy", inspection.shared_rows(X_valid, noisy_copies[3500:]) == [])
first_five = sorted(closest.indices[:5].tolist())
verify("the five are the closest", first_five == [3, 50, 99, 200, 421])
verify("by a factor of 3", closest.values[5] > 3 * closest.values[4])

# %% [markdown]
# The second kind of leak is a *feature that knows the answer*: a file number, a stamp in the
# corner, a column that was filled in after the fact. Ask each feature alone how well it predicts
# the label. For pixels: cut the gray values into ten levels, and let each level vote for its most
# frequent class.


# %%
def each_alone(X, y, classes=10, levels=10):
    """Accuracy of the best rule that sees one feature only, for each feature: (D,)."""
    level = (X * (levels - 1e-4)).long()  # (N, D), values in 0..levels-1
    hits = torch.zeros(X.shape[1])
    for value in range(levels):
        counts = F.one_hot(y, classes).T.float() @ (level == value).float()  # (C, D)
        hits += counts.amax(dim=0)
    return hits / len(y)


# %% [markdown]
# On honest digits no pixel alone tells much: a digit is a pattern, and a pattern needs many
# pixels. Then write the label into the corner pixel, as a machine might that marks every page it
# has read.

# %%
stamped = X_train.clone()
stamped[:, 0] = y_train / 9  # a corner pixel that knows the label
honest, leaking = each_alone(X_train, y_train), each_alone(stamped, y_train)
print(f"best pixel alone: {honest.max():.2f}")
print(f"with the stamp:   {leaking.max():.2f}, pixel {leaking.argmax()}")

# %% [markdown]
# Such a feature is hard to see by eye, in 784 columns or in a table of 300. The scan finds it in
# a line. It does not find two columns that know the answer only together; a score that is too
# good to be true remains a reason to search.

# %%
verify("an honest pixel alone gets less than 30 %", honest.max() < 0.3)
verify("the stamp alone gets everything", leaking[0] == 1)

# %% [markdown]
# ### Wrong labels
#
# Every large data set has some. They cannot be found by the training loss, because a network that
# has learned them by heart is content with them. But a model that has *not seen* a sample will
# disagree with a wrong label, and pay a high loss for it. So cut the data in two, train a network
# on each half, and let it judge the other half. To see whether it works, plant 105 wrong labels,
# three in a hundred.

# %%
generator = torch.Generator().manual_seed(0)
planted = torch.randperm(3500, generator=generator)[:105]
y_noisy = y_train.clone()
y_noisy[planted] = (y_noisy[planted] + torch.randint(1, 10, (105,), generator=generator)) % 10
halves = torch.randperm(3500, generator=generator).chunk(2)

# %% [markdown]
# The network is trained for 140 steps, about five passes over its half, in float64 so that the
# ranking below is the same on every machine.

# %%
suspicion = torch.zeros(3500, dtype=torch.float64)
for seen, unseen in (halves, halves[::-1]):
    judge = small_network(0).double()
    optimizer = torch.optim.Adam(judge.parameters(), lr=3e-3)
    train_for(140, judge, optimizer, X_train[seen].double(), y_noisy[seen])
    with torch.no_grad():
        logits = judge(X_train[unseen].double())
    suspicion[unseen] = F.cross_entropy(logits, y_noisy[unseen], reduction="none")
ranking = suspicion.argsort(descending=True)

# %% [markdown]
# We know which labels were planted, so we can count how many of them stand at the top of the
# ranking. A random ranking would have 3 percent of them in any part.

# %%
is_planted = torch.zeros(3500, dtype=torch.bool)
is_planted[planted] = True
for first in (50, 105, 350):
    print(f"first {first:3}: ≈{is_planted[ranking[:first]].sum()} of the 105 wrong labels")
verify("4 of 5 among the first 50 are wrong", is_planted[ranking[:50]].float().mean() > 0.8)
verify("the first tenth holds 95 % of them", is_planted[ranking[:350]].sum() > 0.95 * 105)

# %% [markdown]
# Numbers are no substitute for looking. Show the twenty digits at the top with the labels that
# they carry:

# %%
top = ranking[:20]
fig = plotting.show_images(
    digits.train.images[top], y_noisy[top].tolist(), correct=(~is_planted[top]).tolist()
)

# %% [markdown]
# The twenty most suspicious digits with the labels that they carry: the labels with a ✗ were
# planted by us, and are plainly wrong. A ✓ marks a digit with its original label; look at
# those, too, since they are odd writings or possibly mistakes of the original set. Instead of all
# 3,500 labels you need to look at 350 to find nearly every planted error. The idea is called
# *confident learning* (Northcutt et al., 2021).

# %% [markdown]
# ## 3. Overfit one batch
#
# **Can the program learn at all?** Take ten samples and train on them until they are known by
# heart. A network with 50,890 parameters can do that in seconds, whatever the ten are. If yours
# cannot, something between the input and the update is broken, and you have found out with ten
# samples rather than with a night of training. The code needs nothing new:

# %%
ten = [(y_train == digit).nonzero()[0].item() for digit in range(10)]  # one of each class
X_ten, y_ten = X_train[ten], y_train[ten]

# %% [markdown]
# The function trains a fresh network on these ten for a hundred steps. Its options are what the
# next experiment will change: the rate, the optimizer, the labels, the loss.


# %%
def by_heart(seed, lr=0.1, optimizer=torch.optim.SGD, labels=y_ten, loss_fn=F.cross_entropy):
    """Train on the ten digits for 100 steps; return the share that is known and the last loss."""
    model = small_network(seed)
    losses = train_for(100, model, optimizer(model.parameters(), lr), X_ten, labels, loss_fn)
    with torch.no_grad():
        return training.accuracy(model(X_ten), labels), losses[-1]


# %% [markdown]
# If your data are a `Dataset`, do not cut them like a list: `dataset[:10]` is not a dataset of
# ten samples. For a `TensorDataset` it is a pair of two tensors, and a `DataLoader` made from it
# believes in two samples. `Subset` is what you want.

# %%
dataset = torch.utils.data.TensorDataset(X_train, y_train)
small = torch.utils.data.Subset(dataset, range(10))
print("dataset[:10] has the length", len(dataset[:10]), "| Subset:", len(small))
verify("a slice is a pair, not a dataset", isinstance(dataset[:10], tuple))
verify("Subset holds ten samples", len(small) == 10 and small[0][0].shape == (784,))

# %% [markdown]
# Now five programs, three seeds each. Two have a learning rate that is far off, one applies
# softmax before a loss that contains it, and one gets *random labels*. *Predict first:*

# %%
guess = ...  # ten digits with random labels: "a": no, "b": yes, "c": some of them
exercises.memorize_guess.commit(guess)


# %%
def softmax_twice(out, y):
    """Cross-entropy, which contains a softmax, of a softmax."""
    return F.cross_entropy(out.softmax(dim=1), y)


# %% [markdown]
# The random labels are the ten labels themselves in another order, so the classes stay balanced.
# The softmax program gets Adam, because its gradients are small.

# %%
shuffled = y_ten[torch.randperm(10, generator=torch.Generator().manual_seed(1))]
programs = {
    "healthy": {},
    "rate 1e-5": {"lr": 1e-5},
    "rate 20": {"lr": 20.0},
    "softmax twice": {"lr": 0.01, "optimizer": torch.optim.Adam, "loss_fn": softmax_twice},
    "random labels": {"labels": shuffled},
}

# %% [markdown]
# Every program gets the same budget. The table shows, for each seed, the share of the ten digits
# that is known in the end, and the last loss.

# %%
known = {}
for name, options in programs.items():
    known[name] = [by_heart(seed, **options) for seed in range(3)]
    told = "  ".join(f"≈{share:.1f} (loss ≈{loss:.2g})" for share, loss in known[name])
    print(f"{name:14}", told)

# %% [markdown]
# Compare each row with the first. Which of the faults does the test find, and which does it let
# pass?

# %%
exercises.memorize_guess.reveal("b", "Ten arbitrary labels are ten facts to learn by heart.")
shares = {name: [share for share, _ in rows] for name, rows in known.items()}
verify("the healthy program knows all ten", min(shares["healthy"]) == 1)
verify("with a rate far off it does not", max(shares["rate 1e-5"] + shares["rate 20"]) < 0.9)
verify("random labels pass the test", min(shares["random labels"]) == 1)
verify("so does the softmax fault", min(shares["softmax twice"]) == 1)
softmax_losses = [loss for _, loss in known["softmax twice"]]
verify("but its loss stays above 1.4", min(softmax_losses) > 1.4)

# %% [markdown]
# Read the table carefully, because the test is often oversold. *It fails* does not mean "wrong
# architecture": here the architecture was fine and the rate was not. *It passes* does not mean
# "no bug": wrong labels pass, and so does a second softmax. But look at the last column: with
# softmax twice the loss cannot fall below 1.46, even when all ten are right. So demand two
# things: all samples right, **and** a loss near zero.
#
# How many samples? So few that the network can surely hold them, and more than one class, or a
# constant answer would pass. Five to twenty are usual. If the test fails, shrink the problem
# further: one sample of each of two classes, no augmentation, no dropout, no schedule, plain SGD
# at a moderate rate. At some point it will pass, and the last thing that you have taken away is
# the suspect.
#
# ### Exercise 07.1: the overfit test
#
# Write `can_overfit(model, X, y, steps=100, lr=0.01)`: train with Adam and cross-entropy on this
# one batch; return True if in the end, in evaluation mode, every sample is right. The model
# itself must stay as it was.


# %% tags=["exercise"]
def can_overfit(model, X, y, steps=100, lr=0.01):
    # your code here
    ...


exercises.overfit_one_batch.check(can_overfit)

# %% [markdown]
# ## 4. Shapes
#
# **Does each layer put out what you think?** Send a dummy batch through, random numbers of the
# right shape, and list the shapes. Choose a batch size that occurs nowhere else, such as 7: in a
# network with 10 classes, a batch of 10 hides every mix-up of rows and columns.

# %%
conv = nn.Sequential(
    nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(1568, 10)
)
for name, kind, shape in inspection.layer_shapes(conv, torch.rand(7, 1, 28, 28)):
    print(f"{name} {kind:10} {shape}")

# %% [markdown]
# The first number must be 7 in every row, and the last row must be what the loss expects. This
# check finds what would raise an error anyway, only earlier. The dangerous shape bugs are silent.
# Here the network puts out (N, 1) and the targets are (N,): the difference is broadcast to
# (N, N), every sample is compared with every target, and the mean of it is a perfectly good loss.

# %%
output, target = torch.arange(7.0).unsqueeze(1), torch.arange(7.0)  # (7, 1), (7,): all right
silent = (output - target).square()
print("difference", tuple(silent.shape), f"loss {silent.mean():.1f}")
verify("perfect predictions have the loss 8", silent.mean() == 8)
verify("with equal shapes it is 0", (output.squeeze(1) - target).square().mean() == 0)

# %% [markdown]
# `assert output.shape == target.shape` in your loss function costs nothing. (`nn.MSELoss` warns
# about this case, once; a loss of your own does not.)
#
# The next silent bug mixes *samples*. A forward pass must treat each row by itself. So let a
# single output depend on the inputs by autograd: the gradient of sample 3's output must be zero
# for the input of every other sample. No loss curve shows this fault as clearly.


# %%
def samples_mixed(model, x, row=3):
    """Rows of x, besides `row`, on which the output of `row` depends."""
    x = x.clone().requires_grad_()
    model(x)[row].sum().backward()
    touched = x.grad.flatten(1).abs().sum(dim=1) > 0  # (N,)
    return [k for k in touched.nonzero().flatten().tolist() if k != row]


# %% [markdown]
# And a layer with a classic slip. Somebody wanted another layout of the batch and wrote `reshape`
# where `transpose` was needed. The shape that comes out is right, so nothing complains. But the
# pixels were dealt out anew, like cards, and each row now holds pieces of several digits.


# %%
class Reshaped(nn.Module):
    def forward(self, x):
        return x.reshape(x.shape[1], x.shape[0]).T  # meant: the same numbers, another layout


# %% [markdown]
# Test three models: the healthy network, the one with the reshape, and one with batch
# normalization in front, which looks at the whole batch by design.

# %%
x = torch.rand(7, 784, generator=torch.Generator().manual_seed(0))
print("healthy:", samples_mixed(small_network(0), x))
scrambled = nn.Sequential(Reshaped(), small_network(0))
print("reshape in place of transpose:", samples_mixed(scrambled, x))
norm = nn.Sequential(nn.BatchNorm1d(784), small_network(0))
print("BatchNorm, training:", samples_mixed(norm, x), "evaluation:", samples_mixed(norm.eval(), x))
verify("a healthy network keeps samples apart", samples_mixed(small_network(0), x) == [])

# %% [markdown]
# `reshape` keeps the order of the numbers in memory and only cuts them into other rows; it is
# never a substitute for `transpose` or `permute`. The last line is no bug: batch normalization in
# training mode *is* a dependency between samples, which is why it behaves otherwise in evaluation
# mode.

# %% [markdown]
# ## 5. The loss at the start
#
# **Is the first loss that of guessing?** A fresh classifier knows nothing, so it should give each
# of C classes the probability 1/C, and the cross-entropy of that is
#
# $$
# L_0 = -\ln \frac{1}{C} = \ln C, \qquad \ln 10 \approx 2.303 .
# $$
#
# One forward pass, no training. A higher value means that the network is sure of something, and
# wrong. Four programs, five seeds each:


# %%
def loud_head(seed):
    """Return a network whose last layer has weights 30 times too large."""
    model = small_network(seed)
    with torch.no_grad():
        model[2].weight.mul_(30)
    return model


# %% [markdown]
# The other faults are one expression each: pixels that nobody has divided by 255, and a softmax
# before a loss that applies softmax itself. Only the first loss is computed, on all training
# digits, for five random networks of each kind.

# %%
starts = {
    "healthy": [F.cross_entropy(small_network(s)(X_train), y_train).item() for s in range(5)],
    "loud head": [F.cross_entropy(loud_head(s)(X_train), y_train).item() for s in range(5)],
    "pixels 0..255": [
        F.cross_entropy(small_network(s)(X_train * 255), y_train).item() for s in range(5)
    ],
    "softmax twice": [
        F.cross_entropy(small_network(s)(X_train).softmax(dim=1), y_train).item() for s in range(5)
    ],
}

# %% [markdown]
# Before you look: which of the four will differ from 2.30, and by how much?

# %%
guessing = math.log(10)
for name, values in starts.items():
    print(f"{name:14}", " ".join(f"≈{value:.2f}" for value in values))
verify("healthy: within 0.1 of ln 10", max(abs(v - guessing) for v in starts["healthy"]) < 0.1)
verify("a loud head: at least one more", min(starts["loud head"]) > guessing + 1)
verify("pixels up to 255: five times ln 10 or more", min(starts["pixels 0..255"]) > 5 * guessing)
verify("softmax twice is invisible", all(abs(v - guessing) < 0.01 for v in starts["softmax twice"]))

# %% [markdown]
# The value finds a wrong scale at once, whether it sits in the inputs or in the weights. And it
# shows why one instrument is not enough: a second softmax gives exactly the right start. The rule
# holds for balanced classes. With shares $p_c$, the best constant answer is $p_c$ itself, and the
# loss that a trained bias can reach without any input is the entropy $-\sum_c p_c \ln p_c$. For
# a regression with targets of variance σ², the loss of the best constant is σ². Write down that
# number for your task before you start: a network that does not beat it has learned nothing from
# its inputs.

# %%
p = torch.tensor([0.9, 0.1], dtype=torch.float64)
entropy = -(p * p.log()).sum()
print(f"two classes, 90 and 10 percent: guessing ln 2 = {math.log(2):.3f}, constant {entropy:.3f}")
verify("a constant answer already halves the loss", entropy < 0.5 * math.log(2))

# %% [markdown]
# ## 6. Gradients
#
# **Does a gradient reach every layer, and of what size?** After `backward()` each parameter holds
# its gradient in `.grad`. Many texts print its mean and its standard deviation. Try it on the
# healthy network, and add the norm:

# %%
model = small_network(0).double()
F.cross_entropy(model(X_train[:64].double()), y_train[:64]).backward()
for name, p in model.named_parameters():
    print(f"{name:9} |mean| {p.grad.mean().abs():.4f}  norm {p.grad.norm():.4f}")
last_bias = model[2].bias.grad
verify("the last bias's gradient has the mean 0", last_bias.mean().abs() < 1e-12)
verify("and is not zero", last_bias.norm() > 0.01)

# %% [markdown]
# "All means are about 0, so the gradients vanish"? No: entries of both signs cancel. For the last
# bias the mean is *always* 0, because cross-entropy's gradient is $p - y$, and both sum to 1. The
# norm $\lVert g \rVert = \sqrt{\sum g_i^2}$ cannot cancel. Judge it in two ways: layer against
# layer, and against the size of the weights that it is to change.
#
# ### A gradient flow plot
#
# Twelve layers of 64 units, three ways to build them: sigmoids and ReLUs with PyTorch's default
# weights, and ReLUs with Kaiming's ([lesson 3.4](04_initialization.ipynb)). One backward pass
# each is enough; no training.


# %%
def deep_network(seed, activation, kaiming=False, depth=12, width=64):
    """Return a network with so many hidden layers of equal width."""
    torch.manual_seed(seed)
    layers = []
    for k in range(depth):
        layers += [nn.Linear(784 if k == 0 else width, width), activation()]
    model = nn.Sequential(*layers, nn.Linear(width, 10))
    if kaiming:
        for layer in model[::2]:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
    return model


# %%
def weight_gradients(model, count=256):
    """Norm of each weight matrix's gradient, divided by the norm of the matrix."""
    model.double()
    F.cross_entropy(model(X_train[:count].double()), y_train[:count]).backward()
    weights = [p for name, p in model.named_parameters() if name.endswith("weight")]
    return [(w.grad.norm() / w.norm()).item() for w in weights]


# %% [markdown]
# The number is relative, gradient norm over weight norm, because a gradient of 0.01 means one
# thing for weights of size 10 and another for weights of size 0.01. Float64 keeps the smallest of
# these gradients from being rounded to zero. The band over five seeds shows that the picture is a
# property of the design and not of one lucky draw.

# %%
builds = {
    "sigmoid, default": lambda seed: deep_network(seed, nn.Sigmoid),
    "ReLU, default": lambda seed: deep_network(seed, nn.ReLU),
    "ReLU, Kaiming": lambda seed: deep_network(seed, nn.ReLU, kaiming=True),
}
flows = {
    name: [weight_gradients(build(seed)) for seed in range(5)] for name, build in builds.items()
}

# %% [markdown]
# Thirteen weight matrices in a row, counted from the input. The gradient travels from right to
# left in this picture: it starts at the loss, at layer 13.

# %%
fig, ax = plt.subplots(figsize=(7.5, 3.6))
styles = (("vermillion", ":"), ("orange", "--"), ("blue", "-"))
for (name, runs), (color, line) in zip(flows.items(), styles, strict=True):
    plotting.band(ax, range(1, 14), runs, label=name, color=color, linestyle=line)
ax.set(xlabel="layer, from the input", ylabel="gradient norm / weight norm", yscale="log")
ax.legend()
plt.show()

# %% [markdown]
# The gradient of each layer relative to its weights, on a log axis, with bands over five seeds:
# with Kaiming's weights all layers lie within a factor of about five, with the default weights
# the first layers get about a ten-thousandth of the last, with sigmoids a ten-billionth. This
# picture is worth making for any network that is deeper than three layers. A straight slope means
# that each layer multiplies the gradient by the same factor.

# %% [markdown]
# The same in one number for each network: the largest of the thirteen ratios over the smallest.

# %%
spread = {name: [max(run) / min(run) for run in runs] for name, runs in flows.items()}
for name, values in spread.items():
    print(f"{name:17} largest / smallest ≈{min(values):.1g} to ≈{max(values):.1g}")
verify("Kaiming: all layers within a factor of 30", max(spread["ReLU, Kaiming"]) < 30)
verify("default ReLU: a factor of 300 or more", min(spread["ReLU, default"]) > 300)
verify("sigmoid: a hundred million or more", min(spread["sigmoid, default"]) > 1e8)

# %% [markdown]
# Is there a size that is *too large*? "Values above 1000 mean that gradients explode" is another
# rule to forget, because the size of a gradient depends on the units of the loss. Two trainings,
# and the rule is wrong about both: a regression with targets in the thousands, and a classifier
# with a learning rate of 3.


# %%
def norms_while_training(model, lr, X, y, loss_fn, steps=60):
    """Norm of the whole gradient at each step, and the losses."""
    optimizer, norms, losses = torch.optim.SGD(model.parameters(), lr=lr), [], []
    for _ in range(steps):
        loss = loss_fn(model(X), y)
        optimizer.zero_grad()
        loss.backward()
        norms.append(math.hypot(*(p.grad.norm().item() for p in model.parameters())))
        optimizer.step()
        losses.append(loss.item())
    return norms, losses


# %% [markdown]
# The regression has targets in the thousands, as prices or distances in meters would be. Nothing
# is wrong with it. The classifier is the network of section 1 with thirty times its good rate.
# All 256 samples are used at each step, so there is no noise.

# %%
generator = torch.Generator().manual_seed(0)
X = torch.randn(256, 5, generator=generator)
y = X @ torch.tensor([[900.0], [-2000.0], [500.0], [1500.0], [-700.0]])  # (256, 1)
fine = norms_while_training(nn.Linear(5, 1), 0.1, X, y, F.mse_loss)
ill = norms_while_training(small_network(0), 3.0, X_train[:256], y_train[:256], F.cross_entropy)
for name, (norms, losses) in {"regression": fine, "classifier": ill}.items():
    told = f"loss ≈{losses[0]:.2g} → ≈{losses[-1]:.2g}"
    print(f"{name}: largest gradient ≈{max(norms):.0f}, {told}")
verify("gradients of thousands, and it converges", max(fine[0]) > 1000 and fine[1][-1] < 100)
verify("gradients below 1000, and it does not learn", max(ill[0]) < 1000 and ill[1][-1] > 2)

# %% [markdown]
# So compare a gradient with its own past and with the weights, not with a fixed number. A norm
# that grows by a factor from step to step is exploding, at any size.
#
# ### None is not zero
#
# Two findings look alike in a careless report and have different causes. **None**: no gradient
# ever arrived. The parameter is frozen, the graph was cut by `.detach()`, `.item()` or NumPy, or
# the layer is not used. **Zero**: a gradient arrived, and it was multiplied by zero on its way, by
# a dead unit or a saturated one. "Zero gradients? Check `requires_grad`" is a common advice, and
# it mixes them up. Four networks, one report:


# %%
def sick_network(fault):
    """Return a small network with one fault that keeps gradients from its first layer."""
    model = small_network(0)
    if fault == "frozen":
        model[0].requires_grad_(False)
    elif fault == "detached":
        model[0].register_forward_hook(lambda module, inputs, output: output.detach())
    elif fault == "dead":
        nn.init.constant_(model[0].bias, -100.0)
    elif fault == "saturated":
        model = nn.Sequential(model[0], nn.Sigmoid(), model[2])
        nn.init.constant_(model[0].bias, 200.0)
    return model


# %% [markdown]
# Freezing sets `requires_grad` to False. In the second network a hook returns a detached output,
# which cuts the graph just as a stray `.detach()` in `forward` would. A bias of −100 keeps every
# unit below zero, for every input. A bias of 200 pushes a sigmoid so far to the right that its
# slope σ(1 − σ) is exactly zero in float32.

# %%
for fault in ("frozen", "detached", "dead", "saturated"):
    model = sick_network(fault)
    F.cross_entropy(model(X_train[:64]), y_train[:64]).backward()
    first, *_, last = inspection.gradient_statistics(model)
    told = None if first.norm is None else round(first.norm, 4)
    print(f"{fault:10} first layer {told}, requires_grad {first.trainable}; last ≈{last.norm:.2f}")
    verify(f"{fault}: {first.norm}", (first.norm is None) == (fault in ("frozen", "detached")))

# %% [markdown]
# Only the first row is a matter of `requires_grad`. The second has `requires_grad=True` and still
# gets nothing. Note also that the last layer looks healthy in all four, so a look at one layer, or
# at the total norm, would have missed them.
#
# ### Exercise 07.2: a table of gradient norms
#
# Write `gradient_norms(model)`: a dictionary from each parameter's name to the norm of its
# gradient, and None where there is no gradient.


# %% tags=["exercise"]
def gradient_norms(model):
    # your code here
    ...


exercises.gradient_table.check(gradient_norms)

# %% [markdown]
# ### Hooks: watching without touching
#
# The gradient report looks at parameters. To look at *activations* you would have to change
# `forward`, unless you use a **hook**: a function that PyTorch calls whenever a module has run. It
# gets the module, its inputs and its output. What it returns replaces the output, so a mere
# observer returns nothing. `register_forward_hook` gives you a handle; keep it, to remove the
# hook when you are done.

# %%
seen = []


def note_mean(module, inputs, output):
    seen.append((tuple(output.shape), round(output.mean().item(), 3)))


# %% [markdown]
# Hang this observer on the ReLU of a fresh network, send seven digits through, remove it, and
# send them through again. If the list has one entry at the end, the handle has done its work.

# %%
model = small_network(0)
handle = model[1].register_forward_hook(note_mean)
model(X_train[:7])
handle.remove()
model(X_train[:7])
print(seen)
verify("one call while the hook was there, none afterwards", len(seen) == 1)

# %% [markdown]
# The classic recipe stores `output.detach()` in a dictionary and throws the handle away. It has
# two traps. Run such a cell twice, and two hooks are at work. And `detach()` shares its memory
# with the live tensor: let an in-place operation follow, such as `nn.ReLU(inplace=True)`, and it
# rewrites your record. `clone()` protects you.

# %%
model = nn.Sequential(nn.Linear(784, 64), nn.ReLU(inplace=True))
kept = {}
for name, keep in {
    "detached": lambda o: o.detach(),
    "cloned": lambda o: o.detach().clone(),
}.items():
    handle = model[0].register_forward_hook(
        lambda module, inputs, output, name=name, keep=keep: kept.update({name: keep(output)})
    )
    model(X_train[:64])
    handle.remove()

# %% [markdown]
# Both hooks saw the same output of the linear layer, about half of it negative. What is left of
# that in the two records, after the ReLU has worked in place?

# %%
print({name: f"≈{value.min():.2f}" for name, value in kept.items()})
verify("the linear layer has negative outputs", kept["cloned"].min() < 0)
verify("the record without a clone has lost them", kept["detached"].min() == 0)

# %% [markdown]
# The course's recorder does it right: `inspection.record` is a `with` block that clones, watches
# the layers that you name, and removes its hooks at the end, even after an error. With
# `gradients=True` it also notes the gradient with respect to each output, by a hook on the
# *tensor*: `tensor.register_hook(f)` calls f with the gradient once backward reaches it.
# (`module.register_full_backward_hook` does that for a whole module.)
#
# Use it to compare a healthy network with two sick ones: one that gets raw pixels from 0 to 255,
# and one whose first bias was set to −8 by accident.

# %%
patients = {
    "healthy": small_network(1),
    "raw pixels": small_network(1),
    "bias -8": small_network(1),
}
nn.init.constant_(patients["bias -8"][0].bias, -8.0)

# %% [markdown]
# One forward and one backward pass for each of the three, inside of a `record` block.
# `statistics()` gives one entry for each layer: mean, standard deviation, the share of zeros and
# of dead units, and whether anything is not finite.

# %%
records = {}
for name, model in patients.items():
    x = X_train[:256] * (255 if name == "raw pixels" else 1)
    with inspection.record(model, gradients=True) as recording:
        F.cross_entropy(model(x), y_train[:256]).backward()
    records[name] = recording
    _, relu, out = recording.statistics()
    print(f"{name:10} outputs of std ≈{out.std:.2g}, dead units {relu.share_dead:.0%}")

# %% [markdown]
# The three lines differ so much that a verification is almost too easy, but it keeps the numbers
# honest:

# %%
dead = {name: recording.statistics()[1].share_dead for name, recording in records.items()}
verify("all units are dead with a bias of -8", dead["bias -8"] == 1)
verify("healthy: fewer than a tenth", dead["healthy"] < 0.1)
stds = {name: recording.statistics()[2].std for name, recording in records.items()}
verify("raw pixels: outputs 100 times too large", stds["raw pixels"] > 100 * stds["healthy"])

# %% [markdown]
# A mean and a standard deviation hide shapes: two peaks, a spike at zero, a long tail. So draw
# the values themselves. `plotting.layer_histograms` puts the layers of a network below each
# other.

# %%
fig, axes = plt.subplots(1, 3, figsize=(11, 3))
for ax, (name, recording) in zip(axes, records.items(), strict=True):
    plotting.layer_histograms(ax, recording.outputs, names=["linear", "ReLU", "output"])
    ax.set_title(name)
plt.show()

# %% [markdown]
# Histograms of what the three layers put out, for three networks, with the standard deviation at
# the right of each: in the healthy one all are of a similar width below 1, with raw pixels they
# are more than a hundred times wider, and with the bias at −8 the linear layer lies entirely below
# zero, so that the ReLU puts out nothing at all (zeros are left out of the histogram). A *dead
# unit* is zero for every sample; a unit that is zero for most samples is merely selective, and
# healthy.
#
# ### Exercise 07.3: dead units by hooks
#
# Write `dead_units(model, x)`: one forward pass with a hook on every `nn.ReLU`; return a
# dictionary from the layer's name to the number of its dead units. Leave no hook behind.


# %% tags=["exercise"]
def dead_units(model, x):
    # your code here
    ...


exercises.dead_hook.check(dead_units)

# %% [markdown]
# ## 7. Updates
#
# **Do the weights move, and how far?** Gradients are what the loss wants. What the weights get
# also depends on the learning rate and the optimizer. So compare the weights before and after a
# step. The obvious code has an obvious trap, which everybody falls into once:

# %%
model = small_network(0)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
kept, cloned = model[0].weight.data, model[0].weight.detach().clone()
F.cross_entropy(model(X_train[:64]), y_train[:64]).backward()
optimizer.step()
print(f"change without clone {(model[0].weight - kept).norm():.3f}, "
      f"with clone ≈{(model[0].weight - cloned).norm():.3f}")  # fmt: skip
verify("without a clone nothing seems to move", torch.equal(model[0].weight, kept))
verify("with a clone you see the step", not torch.equal(model[0].weight, cloned))

# %% [markdown]
# A length by itself says little. The **update ratio** puts it in relation:
#
# $$
# r = \frac{\lVert \Delta W \rVert}{\lVert W \rVert} .
# $$
#
# A ratio of 1 replaces the weights in a single step; a ratio of 10⁻⁶ needs a million steps to
# change them. Somewhere between lies a good training, and "about 10⁻³" is a common rule.
# `inspection.update_ratios` measures it: put the step into its block. Here is what it does, without
# its signature and documentation; `yield` is the place where your block runs.

# %%
print(inspect.getsource(inspection.update_ratios).split('"""')[2])

# %% [markdown]
# The norms are taken in float64, so that a tiny change is not lost in rounding. Now a training that
# notes the ratio at every step, for three learning rates.


# %%
def noisy_steps(seed, rates):
    """SGD with one rate for each step: losses, and update ratios of the first weight matrix."""
    model, losses, ratios = small_network(seed).double(), [], []
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    generator = torch.Generator().manual_seed(seed)
    for optimizer.param_groups[0]["lr"] in rates:
        rows = torch.randint(3500, (64,), generator=generator)
        loss = F.cross_entropy(model(X_train[rows].double()), y_train[rows])
        optimizer.zero_grad()
        loss.backward()
        with inspection.update_ratios(model) as ratio:
            optimizer.step()
        losses.append(loss.item())
        ratios.append(ratio["0.weight"])
    return losses, ratios


# %% [markdown]
# The function takes one rate for each step, because the next section will change the rate from
# step to step; here it stays the same for 40 steps. Everything runs in float64: a training that
# breaks is chaotic, and the figure must be the same on your machine.

# %%
measured = {lr: [noisy_steps(seed, [lr] * 40) for seed in range(3)] for lr in (0.001, 0.1, 100.0)}
for lr, runs in measured.items():
    told = ", ".join(f"≈{r[0]:.0e} (loss ≈{sum(loss[-10:]) / 10:.2f})" for loss, r in runs)
    print(f"rate {lr:5}: first ratio {told}")

# %% [markdown]
# The first step is only one step. Follow the ratio through the whole run, with the range of good
# values in gray:

# %%
fig, ax = plt.subplots(figsize=(7, 3.4))
for (lr, runs), (color, line) in zip(measured.items(), reversed(styles), strict=True):
    values = torch.tensor([ratios for _, ratios in runs]).clamp(min=1e-6)  # (3, 40)
    plotting.band(ax, range(40), values, label=f"rate {lr}", color=color, linestyle=line)
ax.axhspan(1e-3, 3e-2, color="gray", alpha=0.15, label="0.001 to 0.03")
ax.set(xlabel="step", ylabel="‖ΔW‖ / ‖W‖, first layer", yscale="log")
ax.legend(loc="upper right")
plt.show()

# %% [markdown]
# The update ratio of the first layer over 40 steps for three learning rates, with bands over
# three seeds, on a log axis: the good rate of 0.1 stays near 10⁻², the small one near 10⁻⁴, and
# the large one begins above 1 and then falls to zero (drawn at 10⁻⁶), as the units die and their
# gradients with them.

# %% [markdown]
# In numbers, for every seed. The loss of the last ten steps says which of the three runs has
# learned anything:

# %%
first = {lr: [ratios[0] for _, ratios in runs] for lr, runs in measured.items()}
ends = {lr: [sum(losses[-10:]) / 10 for losses, _ in runs] for lr, runs in measured.items()}
verify("rate 0.1: between 0.003 and 0.05", all(0.003 < r < 0.05 for r in first[0.1]))
verify("rate 0.001: below 0.0005", max(first[0.001]) < 5e-4)
verify("rate 100: the first step is longer than the weights", min(first[100.0]) > 1)
verify("and only the middle one learns", max(ends[0.1]) < 1.9 < min(ends[0.001] + ends[100.0]))

# %% [markdown]
# So take the rule as an order of magnitude. Here, with only some hundred steps to go, the good
# ratio is nearer to 10⁻² than to 10⁻³; over a training of a million steps it will be smaller. What
# never depends on taste: a ratio of exactly 0 in one layer (it is frozen, or the optimizer does
# not know it), a ratio that differs between layers by a factor of a thousand, and a ratio near 1.
#
# ### Exercise 07.5: the update ratio
#
# Write `update_ratio(model, optimizer, loss)`: clear the gradients, do the backward pass and one
# step, and return a dictionary from each parameter's name to its ratio. (07.4 comes in section
# 9.)


# %% tags=["exercise"]
def update_ratio(model, optimizer, loss):
    # your code here
    ...


exercises.ratio.check(update_ratio)

# %% [markdown]
# ## 8. The learning rate
#
# **Which rate?** A *range test* (Smith, 2017) answers it in one short run: begin with a rate that
# is far too small, multiply it by the same factor after every step, and watch the loss. First
# nothing happens, then it falls, then it breaks away. Three seeds, 120 steps each, from 10⁻⁴ to
# 10. The steps are noisy, so a running mean over nine of them is drawn.

# %%
rates = torch.logspace(-4, 1, 120).tolist()
swept = torch.tensor([noisy_steps(seed, rates)[0] for seed in range(3)], dtype=torch.float64)
smooth = F.avg_pool1d(swept.unsqueeze(1), 9, stride=1).squeeze(1)  # (3, 112)
centers = rates[4:-4]
lowest = [centers[k] for k in smooth.argmin(dim=1).tolist()]
print("rate of the lowest loss:", " ".join(f"≈{rate:.2g}" for rate in lowest))

# %%
fig, ax = plt.subplots(figsize=(7, 3.4))
plotting.band(ax, centers, smooth.clamp(max=6.0), label="running mean of the loss")
ax.axvline(min(lowest) / 10, color="gray", linestyle="--", label="a tenth of the lowest point")
ax.axhline(math.log(10), color="gray", linestyle=":", label="guessing")
ax.set(xlabel="learning rate", ylabel="loss", xscale="log", ylim=(1, 6))
ax.legend()
plt.show()

# %% [markdown]
# The loss while the learning rate grows, with a band over three seeds: it stays at ln 10 below
# 0.01, falls fastest between 0.1 and 0.5, and breaks away above 1. The usual reading is a tenth
# of the rate at the lowest point, the dashed line. Is that a good choice? Train with it, and with
# rates on either side, for 100 steps:

# %%
trial_rates = (0.005, 0.05, 0.5, 5.0)
trials = {}
for lr in trial_rates:
    trials[lr] = []
    for seed in range(3):
        model = small_network(seed)
        train_for(100, model, torch.optim.SGD(model.parameters(), lr=lr))
        trials[lr].append(valid_share(model))
    print(f"rate {lr:5}:", " ".join(f"≈{share:.2f}" for share in trials[lr]))

# %% [markdown]
# A warning before the verdict: a range test changes the rate *and* the weights at the same time,
# so the loss at some rate also depends on all the steps before it. It is a quick look, not a
# measurement of the best rate.
#
# Two more details matter in practice. Let the rate grow geometrically, so that each decade gets
# the same number of steps. And restore the weights afterwards, or begin the real training with a
# fresh network, because the test ends by wrecking the one it used.

# %%
verify("each lowest point lies between 0.2 and 1", all(0.2 < rate < 1 for rate in lowest))
verify("a tenth of it beats a hundredth", min(trials[0.05]) > max(trials[0.005]))
verify("ten times the lowest point is the end", max(trials[5.0]) < 0.5)
verify("the lowest point itself does better still", min(trials[0.5]) > max(trials[0.05]) + 0.02)

# %% [markdown]
# The tenth is safe rather than best: in so short a training the rate near the lowest point does
# better, but it stands at the cliff. Search on a *log* scale, and wide: "try 10⁻⁴ to 10⁻²"
# is a range for Adam and would have missed the good rates of SGD here. If the best value lies at
# the edge of your range, move the range. [Lesson 3.9](09_optimizers.ipynb) compares whole
# trainings.
#
# ### Exercise 07.6: read a range test
#
# Write `suggest_rate(rates, losses)` for two lists. Read from the left, and stop at the first
# loss that is not finite or more than twice the lowest before it. Return a tenth of the rate with
# the lowest loss so far.


# %% tags=["exercise"]
def suggest_rate(rates, losses):
    # your code here
    ...


exercises.range_test.check(suggest_rate)

# %% [markdown]
# ## 9. Is the derivative right?
#
# **How do you check a derivative that you have written yourself?** Without calculus: move the
# input a little to both sides and look how the value changes.
#
# $$
# f'(x) \approx \frac{f(x + h) - f(x - h)}{2h}
# $$
#
# The error of the formula shrinks like h². So make h as small as you can? *Predict first:*

# %%
guess = ...  # in float32: which h is best? "a": 1e-2, "b": 1e-4, "c": 1e-7, "d": the smallest
exercises.step_guess.commit(guess)

# %%
steps = [10.0**-k for k in range(1, 13)]

# %% [markdown]
# The function is x³, because it needs nothing but multiplications, and these round in the same
# way on every machine. Its slope is 3x². Twelve steps, from 0.1 down to 10⁻¹², in both
# precisions; the error is relative to the true slope.

# %%
errors = {}
for dtype in (torch.float32, torch.float64):
    x = torch.tensor(1.3, dtype=dtype)
    estimates = [
        ((x + h) * (x + h) * (x + h) - (x - h) * (x - h) * (x - h)) / (2 * h) for h in steps
    ]
    errors[dtype] = [abs(e.item() / (3 * 1.3**2) - 1) for e in estimates]  # x³ has the slope 3x²

# %%
fig, ax = plt.subplots(figsize=(7, 3.4))
lines = {"float32": errors[torch.float32], "float64": errors[torch.float64]}
plotting.curves(ax, steps, lines, xlabel="step h", ylabel="relative error", marker="o")
ax.set(xscale="log", yscale="log")
plt.show()

# %% [markdown]
# The relative error of the central difference of x³ against the step, on log axes: in float64 it
# falls below 10⁻¹⁰ near h = 10⁻⁵ and rises again, in float32 it never gets below 10⁻⁵, and from
# h = 10⁻⁸ on it is 100 percent. From right to left the formula gets better; then the difference
# of two nearly equal numbers loses its digits, and dividing by a tiny h magnifies the rest. The
# best compromise lies at about the cube root of the precision: near 10⁻² in float32, near 10⁻⁵ in
# float64.

# %% [markdown]
# Count the digits: an error of 10⁻⁵ means five right ones. A wrong factor in a derivative would
# show at once, in either precision. A small mistake, of the size of a missing term near 10⁻⁴, can
# only be told from rounding in float64.

# %%
exercises.step_guess.reveal("a", "1e-7 is below float32's resolution at 1.3: nothing changes.")
best = {dtype: min(values) for dtype, values in errors.items()}
verify("float64 reaches nine digits", best[torch.float64] < 1e-9)
verify("float32 never reaches six", best[torch.float32] > 1e-6)
verify("its best step is 0.01", errors[torch.float32].index(best[torch.float32]) == 1)
verify("at h = 1e-8 float32 sees no change at all", errors[torch.float32][7] == 1)

# %% [markdown]
# ### gradcheck
#
# `torch.autograd.gradcheck(f, inputs)` compares these differences with the backward pass for every
# input that requires a gradient. Its defaults, a step of 10⁻⁶ and a tolerance of 10⁻³, are made
# for float64. Here are four uses; three of them fail, and none of the three finds a bug.


# %%
def passes(f, *inputs):
    """Whether gradcheck accepts f at these inputs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns about float32, which is the point here
        return torch.autograd.gradcheck(f, inputs, raise_exception=False)


# %% [markdown]
# With `raise_exception=False` it answers True or False. Without, it raises an error that shows
# the numerical and the analytical derivatives side by side, and that is what you want to read
# when you search. The network has tanh units, which have no kinks.

# %%
torch.manual_seed(0)
smooth_net = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2))
x = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
verify("float64: passes", passes(copy.deepcopy(smooth_net).double(), x))
verify("float32: fails", not passes(smooth_net, x.detach().float().requires_grad_()))

# %% [markdown]
# The two calls differ in nothing but the precision, so the failure says nothing about the
# derivative. Next, a layer that is random: the two function values of a difference use two
# different masks. And a function that has no slope at the point in question.

# %%
dropped = nn.Sequential(copy.deepcopy(smooth_net).double(), nn.Dropout(0.5))
verify("dropout in training mode: fails", not passes(dropped, x))
kink = torch.zeros(1, dtype=torch.float64, requires_grad=True)
verify("ReLU at its kink: fails", not passes(torch.relu, kink))

# %% [markdown]
# So: float64, no randomness, and inputs away from kinks. (At 0 the difference quotient of ReLU is
# ½; autograd says 0. Both are defensible, and they differ.) One more thing to know:
# `gradcheck(model, x)` checks the gradient for *x* only. The parameters, which are what you train,
# are not inputs of that call. `functional_call` makes them so:

# %%
model = copy.deepcopy(smooth_net).double()
names = [name for name, _ in model.named_parameters()]


def with_parameters(*values):
    return torch.func.functional_call(model, dict(zip(names, values, strict=True)), (x.detach(),))


verify("the parameters' gradients pass too", passes(with_parameters, *model.parameters()))

# %% [markdown]
# When do you need all this? When you write a backward pass yourself. Here is one for
# y = scale · tanh(x), with one scale for each column. The forward pass is right.


# %%
def faulty_backward(grad_output, t, scale):
    """Gradients for x (N, D) and scale (D,): not right yet."""
    return grad_output * (1 - t**2), t.sum(dim=0)


# %% [markdown]
# A custom function is a class with two static methods. `forward` saves in `ctx` what the backward
# pass will need. `backward` gets the gradient for the output and returns one gradient for each
# input, in the order of the inputs. The rule itself is kept outside of the class, so that you can
# exchange it.


# %%
class ScaledTanh(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, scale):
        t = torch.tanh(x)
        ctx.save_for_backward(t, scale)
        return scale * t

    @staticmethod
    def backward(ctx, grad_output):
        return ScaledTanh.rule(grad_output, *ctx.saved_tensors)


ScaledTanh.rule = faulty_backward

# %% [markdown]
# Ask gradcheck, in float64, at four rows of random inputs and three scales:

# %%
scale = torch.tensor([0.5, -2.0, 3.0], dtype=torch.float64, requires_grad=True)
verify("gradcheck refuses it", not passes(ScaledTanh.apply, x, scale))

# %% [markdown]
# ### Exercise 07.4: a wrong backward
#
# Repair it: write `scaled_tanh_backward(grad_output, t, scale)`. It gets the gradient for y, of
# shape (N, D), and t = tanh(x); it returns the gradients for x, (N, D), and for scale, (D,). When
# you are done, set `ScaledTanh.rule = scaled_tanh_backward` in a new cell and ask `passes` again.


# %% tags=["exercise"]
def scaled_tanh_backward(grad_output, t, scale):
    # your code here
    ...


exercises.wrong_backward.check(scaled_tanh_backward)

# %% [markdown]
# ### Where did the NaN come from?
#
# Some backward passes of PyTorch itself give NaN, although the forward pass is fine: the slope of
# a square root at 0 is infinite, and 0 · ∞ is NaN. A length of a zero vector is enough. `where`
# does not help, because it picks among *values*, while backward runs through both branches.

# %%
v = torch.zeros(3, requires_grad=True)
length = v.square().sum().sqrt()
torch.where(length > 0, length, torch.zeros(())).backward()
print("length", length.item(), "| gradient", v.grad.tolist())
verify("a finite value with a gradient of NaN", length == 0 and v.grad.isnan().all())

# %% [markdown]
# In a large program you would see NaN weights one step later, and no hint where they began. Turn
# on *anomaly detection*: each operation then remembers where it was called, and backward stops at
# the first NaN with the name of the operation. It also prints the line of the forward pass, which
# is caught here to keep the page clean. It slows everything down, so use it to search, not to
# train.

# %%
v = torch.zeros(3, requires_grad=True)
with warnings.catch_warnings(record=True) as caught, torch.autograd.detect_anomaly():
    warnings.simplefilter("always")
    try:
        squares = v.square()
        squares.sum().sqrt().backward()
        stopped = ""
    except RuntimeError as error:
        stopped = str(error)
verify("it names the operation", "PowBackward0" in stopped)
verify("and shows the line", any("squares = v.square()" in str(w.message) for w in caught))

# %% [markdown]
# It names the square, not the root: the root's slope was infinite, which is not yet NaN, and the
# square multiplied it by its own slope, 0. So look also at what comes *after* the named operation
# in the forward pass. The cure is to keep the forward pass away from the point where the slope is
# infinite: `(v.square().sum() + 1e-12).sqrt()`.
#
# For a NaN in the *forward* pass you need no anomaly detection; walk through the layers and stop
# at the first that is not finite. `inspection.first_bad_layer` does that with the recorder of
# section 6:

# %%
print(inspect.getsource(inspection.first_bad_layer).split('"""')[2])

# %% [markdown]
# Input first, then the weights, then the layers in the order in which they run: whoever asks in
# this order finds the source, and not one of its many victims.


# %%
class Log(nn.Module):
    def forward(self, x):
        return x.log()


# %% [markdown]
# Say somebody wanted the logarithm of the hidden activations as features. A ReLU puts out many
# zeros, and the logarithm of zero is minus infinity.

# %%
model = nn.Sequential(nn.Linear(784, 64), nn.ReLU(), Log(), nn.Linear(64, 10))
place = inspection.first_bad_layer(model, X_train[:8])
print("first bad place:", place)
verify("the logarithm of a ReLU's zeros", place == "the output of 2 (Log)")
verify("healthy network: none", inspection.first_bad_layer(small_network(0), X_train[:8]) is None)

# %% [markdown]
# ## 10. Six symptoms
#
# **What do you do with a symptom?** Tables that map each symptom to one cure are popular, and
# they are mostly half right, because a symptom has several possible causes. In this section each
# symptom is produced in more than one way, and each popular cure is tried on all of them.
#
# First play. Pick a fault, raise its severity, and watch which instrument moves first.

# %%
explorers.symptoms()

# %% [markdown]
# Loss, gradient norms and spread of the activations over 60 steps of a small network, for a fault
# that you choose, beside the healthy program in gray. Compare the three faults of the
# picture at severity 4: weights too small, biases very negative, inputs scaled twice. Their loss
# curves cannot be told apart, a flat line at ln 10. Their gradients and activations can: small in
# every layer; exactly zero; small from the first layer on. Then look for a fault that makes the
# *training* loss look better than healthy, and at what its validation loss does. And set
# "gradients not cleared" to 1 and to 5: a little of the old gradients is momentum, all of them is
# a disaster.
#
# ### NaN loss
#
# "Loss is NaN? Clip the gradients", says one table, "check the data, reduce the learning rate",
# another. *Predict first:*

# %%
guess = ...  # one NaN pixel. Cure: "a": smaller rate, "b": clipping, "c": either, "d": neither
exercises.clip_guess.commit(guess)

# %% [markdown]
# Three programs whose loss ends at NaN or infinity: one of the 3,500 images has a NaN pixel; a
# linear model is to predict the amount of ink, with far too large a rate; and the logarithm of a
# probability is taken, on raw pixels, where the probability underflows to 0. Each is a tuple of
# model, inputs, targets, loss, and a loss that a learning program gets below.


# %%
def minus_log_softmax(out, y):
    """Cross-entropy as in the formula: right on paper, unstable in float32."""
    return -out.softmax(dim=1).log()[torch.arange(len(y)), y].mean()


nan_pixel = X_train.clone()
nan_pixel[1234, 300] = float("nan")
ink = X_train.sum(dim=1, keepdim=True)  # (3500, 1), about 100
nan_programs = {
    "NaN pixel": (small_network, nan_pixel, y_train, F.cross_entropy, 2.0),
    "rate too large": (lambda s: nn.Linear(784, 1), X_train, ink, F.mse_loss, 7000.0),
    "log of zero": (small_network, X_train * 255, y_train, minus_log_softmax, 2.0),
}

# %% [markdown]
# And six treatments, from doing nothing to a stable loss. A treatment counts as a cure only if
# all of three seeds learn; a run that merely stays finite does not count.


# %%
def treated(program, treatment, seed, steps=80):
    """Train a program with a treatment: "NaN", "stuck" or "learns"."""
    make, X, y, loss_fn, enough = nan_programs[program]
    lr = 0.1 / 1000 if treatment == "rate / 1000" else 0.1
    if treatment == "drop bad rows":
        rows = X.isfinite().all(dim=1)
        X, y = X[rows], y[rows]
    elif treatment == "standardize":
        X = (X - X.mean()) / X.std()
    elif treatment == "stable loss" and loss_fn is minus_log_softmax:
        loss_fn = F.cross_entropy
    torch.manual_seed(seed)
    model = make(seed)
    clip = 1.0 if treatment == "clip" else None
    losses = train_for(steps, model, torch.optim.SGD(model.parameters(), lr), X, y, loss_fn, clip)
    if not math.isfinite(losses[-1]):
        return "NaN"
    return "learns" if sum(losses[-10:]) / 10 < enough else "stuck"


# %% [markdown]
# Six treatments for three programs and three seeds make 54 runs, most of them short, since a run
# ends at its first NaN.

# %%
treatments = ("nothing", "drop bad rows", "rate / 1000", "clip", "standardize", "stable loss")
cured = {}
print(" " * 14, *(f"{program:15}" for program in nan_programs))
for treatment in treatments:
    for program in nan_programs:
        ends = [treated(program, treatment, seed) for seed in range(3)]
        cured[program, treatment] = all(end == "learns" for end in ends)
    row = ["✓" if cured[program, treatment] else "✗" for program in nan_programs]
    print(f"{treatment:14}", *(f"{mark:15}" for mark in row))

# %% [markdown]
# Read the table by columns: what helps *this* program?

# %%
exercises.clip_guess.reveal("d", "The norm of such a gradient is NaN: nothing to scale.")
for program, cures in {
    "NaN pixel": {"drop bad rows"},
    "rate too large": {"rate / 1000", "clip"},
    "log of zero": {"standardize"},
}.items():
    worked = {treatment for treatment in treatments if cured[program, treatment]}
    verify(f"{program}: cured by {' or '.join(sorted(cures))} and nothing else", worked == cures)

# %% [markdown]
# Each cause has its own cure, and the popular ones help in one column of three. Standardizing
# even makes the first case worse, since the mean of data with one NaN is NaN, and the second too,
# as it raises the curvature. The stable loss keeps the third program finite, but stuck: its
# inputs are still 255 times too large, and the first steps kill its units. So diagnose before you
# treat, in this order: are the inputs finite (`data_problems`)? Is it the forward pass
# (`first_bad_layer`)? Is it the backward pass (anomaly detection)? Did the gradient norm grow
# from step to step (rate)? Only the last one calls for clipping, which [lesson
# 3.6](06_training_loop.ipynb#Clipping) shows on a recurrent network.
#
# ### Zero accuracy
#
# "Accuracy near zero: you have the wrong loss function", says the table. *Predict first:*

# %%
guess = ...  # lowest accuracy: "a": MSE, "b": softmax twice, "c": labels off by one, "d": NLLLoss
exercises.wrong_loss_guess.commit(guess)


# %%
def one_hot(y):
    return F.one_hot(y, 10).float()


wrong_losses = {
    "cross-entropy": F.cross_entropy,
    "MSE, one-hot": lambda out, y: F.mse_loss(out, one_hot(y)),
    "softmax twice": softmax_twice,
    "NLL of raw outputs": F.nll_loss,
    "labels off by one": lambda out, y: F.cross_entropy(out, (y + 1) % 10),
}

# %% [markdown]
# Each network gets 110 steps of Adam with one of these losses, and is then judged in the same
# way: the largest output is the answer.

# %%
reached = {}
for name, loss_fn in wrong_losses.items():
    reached[name] = []
    for seed in range(2):
        model = small_network(seed)
        train_for(110, model, torch.optim.Adam(model.parameters(), 2e-3), loss_fn=loss_fn)
        reached[name].append(valid_share(model))
    print(f"{name:19}", " ".join(f"≈{share:.2f}" for share in reached[name]))

# %% [markdown]
# Ten percent is what guessing gives. Which rows lie near it, and which lie below?

# %%
exercises.wrong_loss_guess.reveal("c", "It has learned well, and always gives the next digit.")
tolerable = reached["MSE, one-hot"] + reached["softmax twice"]
verify("MSE and a second softmax: over 75 %", min(tolerable) > 0.75)
verify("NLL of raw outputs: no better than 40 %", max(reached["NLL of raw outputs"]) < 0.4)
verify("labels off by one: below 5 %", max(reached["labels off by one"]) < 0.05)

# %% [markdown]
# Chance is 10 percent here. An accuracy *far below chance* takes knowledge: the network knows the
# digits and is marked wrong, so look at the labels, at their order, and at how the predictions
# are decoded. A wrong loss function costs accuracy, or stays near chance; it rarely goes below.
#
# The two that work tolerably well are the more dangerous ones, because nobody looks for a bug in
# a network that is right four times in five.
#
# ### A plateau
#
# "The loss does not move: poor initialization." That is one cause. Here are five programs whose
# loss stands at 2.3.


# %%
def stuck_program(fault, seed):
    """Return model, optimizer and inputs of a program that does not learn."""
    model, X = small_network(seed), X_train
    if fault == "20 sigmoid layers":
        model = deep_network(seed, nn.Sigmoid, depth=20, width=32)
    rate = {"rate 1e-5": 1e-5, "rate 10": 10.0}.get(fault, 0.1)
    optimizer = torch.optim.SGD(model.parameters(), lr=rate)
    if fault == "optimizer of another model":
        optimizer = torch.optim.SGD(small_network(seed).parameters(), lr=rate)
    if fault == "inputs scaled twice":
        X = X / 255
    return model, optimizer, X


# %% [markdown]
# One function takes all readings at once, with the instruments of sections 6 and 7: how far the
# inputs are spread; the gradient of the first weight matrix relative to the matrix; the update
# ratio of that matrix in one more step; and the share of dead units in the first hidden layer.


# %%
def readings(model, optimizer, X):
    """Spread of the inputs, relative gradient and update of the first layer, dead units."""
    first = inspection.activation_statistics(model, X[:500], (nn.ReLU, nn.Sigmoid))[0]
    optimizer.zero_grad()
    model.zero_grad()
    F.cross_entropy(model(X[:500]), y_train[:500]).backward()
    weight = model[0].weight
    relative = (weight.grad.norm() / weight.norm()).item()
    with inspection.update_ratios(model) as ratio:
        optimizer.step()
    return X.std().item(), relative, ratio["0.weight"], first.share_dead


# %% [markdown]
# Sixty steps for each, with seed 0, and then the readings. The loss is the mean of the last ten
# steps. Cover the first column with your hand: could you name the fault by the numbers?

# %%
faults = ("healthy", "20 sigmoid layers", "rate 1e-5", "rate 10",
          "optimizer of another model", "inputs scaled twice")  # fmt: skip
found = {}
print(f"{'':26}  loss   inputs  gradient   update  dead")
for fault in faults:
    model, optimizer, X = stuck_program(fault, seed=0)
    loss = sum(train_for(60, model, optimizer, X)[-10:]) / 10
    spread, gradient, update, dead = found[fault] = readings(model, optimizer, X)
    print(f"{fault:26} ≈{loss:5.2f}  ≈{spread:.0e}  ≈{gradient:.0e}  ≈{update:.0e}  ≈{dead:.1f}")
    verify("it learns" if fault == "healthy" else "it stands", (loss > 2.2) == (fault != "healthy"))

# %% [markdown]
# One column gives each of them away. Read it from left to right, in the order of the protocol:

# %%
gradients = {fault: row[1] for fault, row in found.items()}
updates = {fault: row[2] for fault, row in found.items()}
verify("inputs scaled twice: their spread", found["inputs scaled twice"][0] < 0.01)
verify("sigmoids: a gradient of nearly nothing", gradients["20 sigmoid layers"] < 1e-9)
verify("rate 10: all units are dead", found["rate 10"][3] > 0.9)
verify("rate 1e-5: a healthy gradient", gradients["rate 1e-5"] > 0.1 * gradients["healthy"])
verify("with a tiny update", updates["rate 1e-5"] < 1e-3 * updates["healthy"])
verify("another model's optimizer: no update at all", updates["optimizer of another model"] == 0)
verify("nor with 20 sigmoids, in effect", updates["20 sigmoid layers"] < 1e-9)

# %% [markdown]
# And the proof of a diagnosis is the cure. For the deep network: ReLUs with Kaiming's weights
# instead of sigmoids, and Adam. For the other four: the rate, the optimizer's parameters, the
# inputs set right, which is the healthy program of section 1.
#
# A cure that works without a diagnosis should make you suspicious. If a smaller rate and another
# seed both help, you have probably moved the fault out of sight rather than removed it. Ask for
# the reading that was wrong, and look whether it is right now.

# %%
rescued = []
for seed in range(2):
    model = deep_network(seed, nn.ReLU, kaiming=True, depth=20, width=32)
    train_for(110, model, torch.optim.Adam(model.parameters(), lr=1e-3))
    rescued.append(valid_share(model))
print("20 layers, ReLU and Kaiming:", " ".join(f"≈{share:.2f}" for share in rescued))
verify("20 layers can learn: over 40 % after 110 steps", min(rescued) > 0.4)

# %% [markdown]
# ### Overfitting, and its opposite
#
# *Overfitting* is a gap: nearly all training samples right, clearly fewer of the unseen ones.
# *Underfitting* is no gap, and both bad. The readings decide what to do next, and they need the
# training accuracy as well, so print both. "Overfitting? Add dropout" is the usual advice. On 300
# digits, with 120 steps each:


# %%
def gap(model, samples, lr=3e-3):
    """Train on the first so many mixed digits; accuracy on them and on the validation digits."""
    order = torch.randperm(3500, generator=torch.Generator().manual_seed(1))[:samples]
    optimizer = torch.optim.Adam(model.train().parameters(), lr=lr)
    train_for(120, model, optimizer, X_train[order], y_train[order])
    with torch.no_grad():
        on_training = training.accuracy(model.eval()(X_train[order]), y_train[order])
    return on_training, valid_share(model)


# %% [markdown]
# The function returns both accuracies, because one alone says nothing: 83 percent on new digits
# may be the best that this network can do, or the sign of a large gap. The second version of the
# network drops half of the hidden units in every training step, and none in an evaluation.


# %%
def with_dropout(seed):
    first, relu, last = small_network(seed)
    return nn.Sequential(first, relu, nn.Dropout(0.5), last)


# %%
gaps = {
    "300 digits": [gap(small_network(seed), 300) for seed in range(3)],
    "300, dropout ½": [gap(with_dropout(seed), 300) for seed in range(3)],
    "3,500 digits": [gap(small_network(seed), 3500) for seed in range(3)],
    "2 hidden units": [gap(small_network(seed, hidden=2), 3500) for seed in range(3)],
}
for name, runs in gaps.items():
    print(f"{name:15}", "  ".join(f"≈{train:.2f} / ≈{new:.2f}" for train, new in runs))

# %%
unseen = {name: [new for _, new in runs] for name, runs in gaps.items()}
verify("300 digits: all known by heart", min(train for train, _ in gaps["300 digits"]) > 0.99)
verify("and 10 points fewer on new ones", max(unseen["300 digits"]) < 0.9)

# %% [markdown]
# Does dropout close the gap? Compare the means over the three seeds. Then compare the same small
# network with ten times as many digits, and the narrow one with everybody:

# %%
change = sum(unseen["300, dropout ½"]) / 3 - sum(unseen["300 digits"]) / 3
verify("dropout moves the mean by less than 3 points", abs(change) < 0.03)
verify("more data: better for every seed", min(unseen["3,500 digits"]) > max(unseen["300 digits"]))
verify("2 units: both below 75 %", max(max(pair) for pair in gaps["2 hidden units"]) < 0.75)

# %% [markdown]
# The pairs are training and validation accuracy. Dropout hardly moves the validation accuracy
# here, and more data does, in the same number of steps. The last row underfits: more data or
# dropout would do nothing for it, it needs units. (More *layers* would not be the cure: each would
# still have to pass its message through two numbers.) Which regularizer helps how much is the
# subject of [lesson 3.8](08_regularization.ipynb).
#
# ### Slow training
#
# "Slow? Use Adam with 3e-4, larger batches, a GPU." *Slow* means two things: few steps in a
# second, or little progress in a step. For the first, [lesson 3.6](06_training_loop.ipynb) times
# the parts of a step, and a GPU may help; none was measured here. For the second, the rate decides
# much more than the name of the optimizer. A hundred steps each, three seeds:

# %%
contenders = {
    "SGD 0.001": (torch.optim.SGD, 0.001),
    "SGD 0.2": (torch.optim.SGD, 0.2),
    "Adam 0.0003": (torch.optim.Adam, 3e-4),
    "Adam 0.003": (torch.optim.Adam, 3e-3),
}

# %% [markdown]
# The rates were not tuned: one cautious and one usual value for each. The accuracy after a hundred
# steps stands for the speed of learning; nothing is timed.

# %%
speed = {}
for name, (kind, lr) in contenders.items():
    speed[name] = []
    for seed in range(3):
        model = small_network(seed)
        train_for(100, model, kind(model.parameters(), lr=lr))
        speed[name].append(valid_share(model))
    print(f"{name:12}", " ".join(f"≈{share:.2f}" for share in speed[name]))

# %%
verify("SGD at a good rate beats Adam 3e-4", min(speed["SGD 0.2"]) > max(speed["Adam 0.0003"]))
verify("and so does Adam at a larger one", min(speed["Adam 0.003"]) > max(speed["Adam 0.0003"]))
verify("a rate 200 times too small: below half", max(speed["SGD 0.001"]) < 0.5)

# %% [markdown]
# 3e-4 is a cautious rate for Adam, no law. A range test takes 120 steps and tells you more. As for
# larger batches: each step costs more and there are fewer of them in an epoch, so without a larger
# rate the training becomes slower by the number of epochs
# ([lesson 3.6](06_training_loop.ipynb#3.-How-large-a-batch?) measures it).
#
# ### Zero gradients
#
# You have met all of its causes: None by freezing or cutting the graph, zero by dead or saturated
# units ([None is not zero](#None-is-not-zero)), and so small that float32 updates do nothing, in
# the deep sigmoid network above. Cures, in this order: find the *first* layer, counted from the
# output, that gets nothing; look at the activation just behind it; then change its bias, its
# initialization, its input scale, or the activation. Lesson 3.2 cures dead units, lesson 3.4 depth.
#
# The order matters, because a gradient that dies at one layer is missing in all layers before it.
# In a list of forty layers with thirty zeros there is usually one fault, and it sits at the
# border between the zeros and the rest.

# %% [markdown]
# ## 11. TensorBoard
#
# **How do you watch a training that runs for hours?** You let it write a log, and look at the log
# in another window while it runs. TensorBoard is such a log and its viewer. The training side is a
# `SummaryWriter`, which appends *events* to a file. Its default is to make a folder `runs` beside
# your notebook; here a temporary folder is used. One subfolder for each run:

# %%
from torch.utils.tensorboard import SummaryWriter

folder = tempfile.TemporaryDirectory()
logs = Path(folder.name)

# %% [markdown]
# What goes into a log? Numbers for each step (`add_scalar`), with a name such as `loss/train`: the
# part before the slash groups the charts. From time to time the distribution of weights and
# gradients (`add_histogram`). A loss tensor would do, but `loss.item()` says clearly that no graph
# is kept. The `with` block closes the file at the end; without it the last events may be missing.


# %%
def logged_training(lr, steps=120):
    """Train, and write a log of it into a subfolder; return the model."""
    model = small_network(0)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    generator = torch.Generator().manual_seed(0)
    with SummaryWriter(logs / f"rate {lr}") as writer:
        for step in range(steps):
            rows = torch.randint(3500, (64,), generator=generator)
            loss = F.cross_entropy(model(X_train[rows]), y_train[rows])
            optimizer.zero_grad()
            loss.backward()
            writer.add_scalar("loss/train", loss.item(), step)
            if step % 30 == 0:
                writer.add_scalar("accuracy/validation", valid_share(model), step)
                writer.add_histogram("weights/first", model[0].weight, step, bins=40)
                writer.add_histogram("gradients/first", model[0].weight.grad, step, bins=40)
            optimizer.step()
    return model


# %% [markdown]
# Two runs, which differ in the rate only. Both begin with the same weights and see the same
# batches, so that the curves can be compared.

# %%
runs = {lr: logged_training(lr) for lr in (0.1, 0.01)}
for path in sorted(logs.iterdir()):
    kinds = {file.name.split(".")[2] for file in path.iterdir()}
    print(path.name, "|", len(list(path.iterdir())), "file of the kind", *kinds)

# %% [markdown]
# Three more things can be logged. *Images*, for example what the model gets wrong. The *graph* of
# the model, recorded from one forward pass. (The writer traces the model with an older tool of
# PyTorch, which warns that it is deprecated, so the warning is turned off for this line.) And an
# *embedding*: vectors with labels and small pictures, which the viewer's projector shows as a
# cloud of points that you can turn.

# %%
model = runs[0.1]
with torch.no_grad():
    hidden = model[:2](X_valid[:300])  # (300, 64)
    wrong = (model(X_valid).argmax(dim=1) != y_valid).nonzero().flatten()

# %% [markdown]
# `hidden` is what the first layer and its ReLU make of 300 validation digits: 64 numbers for
# each. `wrong` holds the rows of the misread ones. A second writer on the same folder appends a
# second file; for the same run that is just what you want.

# %%
with SummaryWriter(logs / "rate 0.1") as writer:
    writer.add_images("wrong", digits.validation.images[wrong[:8]].unsqueeze(1))  # (8, 1, 28, 28)
    pictures = digits.validation.images[:300].unsqueeze(1)
    writer.add_embedding(hidden, metadata=y_valid[:300].tolist(), label_img=pictures)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        writer.add_graph(model, X_train[:1])

# %% [markdown]
# ### Reading the log back
#
# A log is data, and TensorBoard's own reader gives it back. `Reload` reads all event files of a
# folder. One trap: to save memory the reader keeps only a *sample* of the events, a single
# histogram for example, unless you ask for all of them by the size 0.

# %%
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

everything = {"scalars": 0, "histograms": 0, "images": 0}
readers = {
    lr: EventAccumulator(str(logs / f"rate {lr}"), size_guidance=everything).Reload() for lr in runs
}

# %% [markdown]
# `Tags` lists what the reader has found, by kind. If your chart is missing in the viewer, this is
# the quickest way to see whether it was ever written.

# %%
reader = readers[0.1]
for kind in ("scalars", "histograms", "images"):
    print(f"{kind:10}", *sorted(reader.Tags()[kind]))

# %%
logged = {lr: [event.value for event in r.Scalars("loss/train")] for lr, r in readers.items()}
verify("one loss for each of the 120 steps", all(len(values) == 120 for values in logged.values()))
verify("the first is that of guessing", abs(logged[0.1][0] - math.log(10)) < 0.2)
steps_of = [event.step for event in reader.Histograms("weights/first")]
verify("histograms every 30 steps", steps_of == [0, 30, 60, 90])
nodes = [node.name for node in reader.Graph().node]
verify("the graph knows both linear layers", sum("/weight" in name for name in nodes) == 2)

# %%
smoothed = {f"rate {lr}": torch.tensor(v).unfold(0, 10, 1).mean(dim=1) for lr, v in logged.items()}

# %% [markdown]
# TensorBoard smooths a noisy curve before it draws it, and a mean over ten steps does the same
# here. A histogram event holds the right edges of its bins and the counts; each is drawn at the
# height of its step, so that time runs upward.

# %%
fig, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6))
plotting.curves(left, range(9, 120), smoothed, xlabel="step", ylabel="loss, mean of 10 steps")
for event in reader.Histograms("gradients/first"):
    edges = torch.tensor(event.histogram_value.bucket_limit)
    counts = torch.tensor(event.histogram_value.bucket)
    height = 25 * counts.sqrt() / counts.max().sqrt()
    right.fill_between(edges, event.step, event.step + height, color="#0072B2", alpha=0.5)
right.set(xlabel="gradient of a weight", ylabel="step", xlim=(-0.03, 0.03))
plt.show()

# %% [markdown]
# Drawn from the log: on the left the loss of both runs, smoothed as TensorBoard does it, the
# faster one clearly below; on the right the histograms of the first layer's gradient at four
# steps (the height is the square root of the count), which stay centered at zero and change their
# width as the network learns. A distribution that collapses to a spike at zero, or widens by
# orders of magnitude, is what to look for.

# %% [markdown]
# An image event holds a PNG file, byte for byte. `add_images` has put the eight digits of the
# batch side by side.

# %%
picture = reader.Images("wrong")[0].encoded_image_string  # the bytes of a PNG file
fig, ax = plt.subplots(figsize=(9, 1.5))
ax.imshow(plt.imread(io.BytesIO(picture)))
ax.set(xticks=[14 + 28 * k for k in range(8)], xticklabels=y_valid[wrong[:8]].tolist(), yticks=[])
ax.grid(False)
plt.show()

# %% [markdown]
# Eight misread digits with their labels below, as they come back from the log: a few strange
# writings, and some that you would read without trouble. A look at the mistakes is one of the
# cheapest instruments there is.
#
# The embedding is not in the event file. It is stored beside it, one folder for each step, as
# three plain files: the vectors (`tensors.tsv`), their labels (`metadata.tsv`) and all the small
# pictures in one (`sprite.png`). The viewer's projector starts with the two directions of largest
# variance, the *principal components*. They are the first right singular vectors of the centered
# data.

# %%
files = logs / "rate 0.1" / "00000" / "default"
rows = [line.split("\t") for line in (files / "tensors.tsv").read_text().splitlines()]
vectors = torch.tensor([[float(value) for value in row] for row in rows], dtype=torch.float64)
tags = torch.tensor([int(line) for line in (files / "metadata.tsv").read_text().split()])
verify("300 vectors with 64 numbers each", vectors.shape == (300, 64))
verify("they are what was logged", torch.allclose(vectors, hidden.double(), atol=1e-5))
verify("with their labels", torch.equal(tags, y_valid[:300]))

# %%
centered = vectors - vectors.mean(dim=0)
axes_2 = torch.linalg.svd(centered, full_matrices=False).Vh[:2]  # (2, 64)
signs = axes_2.gather(1, axes_2.abs().argmax(dim=1, keepdim=True)).sign()  # free: fix it
points = centered @ (axes_2 * signs).T  # (300, 2)

# %% [markdown]
# The direction of a principal component is free: v and −v are equally good, and which one comes
# out depends on the machine. So the sign is fixed here by making the largest entry of each
# direction positive.

# %%
fig, ax = plt.subplots(figsize=(6, 4.4))
for digit in range(10):
    mine = points[tags == digit]
    ax.scatter(*mine.T, s=14, alpha=0.35, color=f"C{digit % 7}")
    ax.text(*mine.mean(dim=0), str(digit), fontsize=15, weight="bold", ha="center", va="center")
ax.set(xlabel="first principal component", ylabel="second")
plt.show()

# %% [markdown]
# The hidden layer's view of 300 unseen digits in two of its 64 dimensions, with each class's
# number at its center: after 120 steps zeros and ones already lie far apart, while 4, 7 and 9
# overlap. The projector shows the same cloud in three dimensions, lets you turn it, and shows
# each point's picture.
#
# ### Opening the viewer
#
# - **On your own machine**, in a terminal in the folder of the logs: `tensorboard --logdir runs`,
#   then open the address that it prints, usually `http://localhost:6006`. It follows the file
#   while the training runs.
# - **In JupyterLab**: the two lines `%load_ext tensorboard` and `%tensorboard --logdir runs` in a
#   cell start the same server and show it below the cell. They are commands of the notebook, no
#   Python, so they stand here in the text only.
# - **In Colab**: the same two lines; Colab passes the viewer's port on to your browser.
# - **On a remote machine**: the server listens on *that* machine. Open a tunnel first,
#   `ssh -L 6006:localhost:6006 name@machine`, then the same address at home.
# - **On Binder**: its machines pass on Jupyter's port and no other, so the viewer stays
#   invisible. Read the log in the notebook as above, or download the folder and open it at home.
#
# The course's tests open such a log in a real browser and look for every kind of data in its tab.
# What the viewer adds to your own figures: it is live, it compares many runs, and it costs two
# lines in the loop. What it does not do: say which curve is sick.
#
# How often should you log? A scalar for each step costs little. A histogram reads every weight,
# so once in some hundred steps is enough, and images and embeddings once in an epoch. Name the
# tags as you would name variables, and put into the folder's name what distinguishes the run:
# `rate 0.1` tells you something in a month, `run 7` does not.

# %%
folder.cleanup()

# %% [markdown]
# ## 12. The clinic
#
# **Can you find one fault in a program that you have not written?** So far you knew what was
# broken, because you broke it. In the clinic you meet thirteen training programs that run without
# any error message and are ill all the same. Each has exactly one fault. You first see only how
# the program behaves, as its owner does; the code comes last.
#
# A doctor works in six steps, and so do we:
#
# | step | question | in the clinic |
# |---|---|---|
# | 1 complaint | what does the owner see? | `clinic.ward()` |
# | 2 chart | what do loss, report and gradients look like? | `patient.chart()`, `patient.run()` |
# | 3 tests | which explanations can be ruled out? | `patient.parts()` and this lesson's tools |
# | 4 diagnosis | which one fault explains everything? | `patient.diagnose("a")` |
# | 5 treatment | what is the smallest repair? | `patient.source()` |
# | 6 check-up | is it well on new data, and did nothing else break? | `.check(program)` |
#
# The order matters. Whoever treats first, with a smaller learning rate, more epochs, another
# optimizer, often makes the numbers look better and leaves the fault where it was. The check-up
# knows these three treatments and refuses them.

# %% [markdown]
# ### An open case
#
# We work through the first patient together; the other twelve are yours.

# %%
patient = clinic.open_case
print(patient.complaint)
patient.chart()

# %% [markdown]
# The chart of the open case: a falling loss on the left, a good report in the middle, and two
# marks near 10 % under it. The blue line is what the owner measures; the marks are the clinic's
# own check-up, which gives images to the model one at a time, as the owner's app does. Gradients
# of ordinary size, on the right, speak against a broken loop.
#
# So the owner is right twice: it learns, and it fails in use. Even *training* images fail. That
# rules out overfitting and a leak, in one look. Two tests remain to be made. The first costs one
# line: what is the loss before any update? `parts` runs the program up to its first update and
# hands you its variables at this moment, as a breakpoint would.

# %%
parts = patient.parts()
print("batch:", tuple(parts.X_batch.shape), "loss:", f"≈{parts.loss.item():.2f}")
print(f"ln(10) = {math.log(10):.2f}, ln(25) = {math.log(25):.2f}")
verify("not the loss of guessing among ten", parts.loss.item() > math.log(10) + 0.5)
verify("but that of guessing among 25", abs(parts.loss.item() - math.log(25)) < 0.15)

# %% [markdown]
# Guessing among ten classes costs ln(10). This model starts as if there were 25 classes, and 25 is
# the number of images in a batch. A suspicion: something is normalized over the images. Then an
# answer must depend on the company that an image keeps, which is the second test. Take the model
# just before its last update, and ask it about the same images in one batch, and one by one.

# %%
parts = patient.parts(after=119)
images, model = parts.X_valid, parts.model.eval()
with torch.no_grad():
    together = model(images).argmax(dim=1)
    alone = torch.cat([model(image).argmax(dim=1) for image in images.split(1)])
print("different answers together:", together.unique().numel())
verify("alone, every image becomes a 0", not alone.any())
verify("together, every digit occurs", together.unique().numel() == 10)

# %% [markdown]
# The same weights, the same images, other answers: no data and no learning rate can do that. The
# diagnosis is e), a softmax along the wrong dimension. `diagnose` says what speaks for it; a wrong
# letter is answered by the test that would have told the two apart. Try one of those, too.

# %%
patient.diagnose("t")
patient.diagnose("e")
patient.source()

# %% [markdown]
# Now, and not earlier, the code. `LogSoftmax(dim=0)` makes the *columns* of the (25, 10) output
# sum to one: the images compete for a class. A single image wins all ten competitions, all its
# log-probabilities are 0, and `argmax` returns the first. The treatment is one character.


# %%
def program_0(X, y, seed):
    X_train, y_train, X_valid, y_valid = X[:500], y[:500], X[500:], y[500:]
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(784, 32), nn.ReLU(), nn.Linear(32, 10), nn.LogSoftmax(dim=1))
    criterion = nn.NLLLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    history = []
    for _ in range(6):
        for X_batch, y_batch in data.batches(X_train, y_train, batch_size=25):
            loss = criterion(model(X_batch), y_batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        history.append(training.evaluate(model, (X_valid, y_valid))["accuracy"])
    return model, history


# %% [markdown]
# The check-up trains your program on seeds that you have not seen, watches it from outside, and
# judges the model on new data. It counts updates, notes optimizer and learning rate, and compares
# your report with its own measurement. Treat the symptom instead, here with three times as many
# epochs, and it tells you so.

# %%
cured = patient.check(program_0)
more_epochs = patient.check(patient.treated("more epochs"))
verify("the repair passes", cured.passed)
verify("more epochs do not", not more_epochs.passed)

# %% [markdown]
# Three habits from this case. A good question rules out many faults at once, so ask the cheapest
# good question first: loss at the start, one batch, one image. Measure in the way in which the
# model will be used. And change one thing at a time: a repair that comes together with a new
# learning rate proves nothing, which is why the check-up refuses it even if the patient looks well.
#
# ### The ward
#
# Twelve patients wait, in no order of difficulty. `chart` and `run` take `samples=8`: the whole
# program is then fed with eight samples, again and again, which is the overfit-one-batch test of
# this lesson on the program as it is. `run(program=your_function)` records your own repair. Give
# each patient five minutes; if you are stuck, `exercises.patient_1.hint()` has three hints.

# %%
clinic.ward()

# %% [markdown]
# And this is what may be wrong with them. There are more faults than patients, so you cannot go by
# exclusion alone; no fault occurs twice in the ward.

# %%
clinic.faults()

# %% [markdown]
# ### Exercise 07.7: patient 1
#
# Look at the chart. Then take the parts and train them in a loop of your own, at the same learning
# rate. Parts that are healthy in your loop and ill in the owner's leave one suspect.

# %%
record = clinic.patient_1.run()
norms = record.gradient_norms
print("gradient norms:", " ".join(f"≈{norm:.0f}" for norm in norms[::30]))
verify("the last is more than eight times the first", norms[-1] > 8 * norms[0])

diagnosis = ...  # a letter of clinic.faults()
clinic.patient_1.diagnose(diagnosis)

# %% [markdown]
# When you are sure, `clinic.patient_1.source()` prints the program. Copy it into the next cell,
# repair it, and change nothing else. It keeps its name and its arguments: labeled data and a seed.
# It returns what predicts, here the model, and the history of reports.


# %% tags=["exercise"]
def program_1(X, y, seed):
    # your code here
    ...


exercises.patient_1.check(program_1)

# %% [markdown]
# ### Exercise 07.8: patient 2
#
# A regression: prices of houses, in units of 100,000, from three standardized numbers. The report
# is the squared error on validation houses. A question for the chart: what error would you get by
# answering the mean price to everybody?

# %%
clinic.patient_2.chart()

diagnosis = ...
clinic.patient_2.diagnose(diagnosis)

# %% [markdown]
# The chart of patient 2: the loss falls within a few updates and then stays at the variance of the
# prices, and so does the report. Such a plateau says: the inputs do not matter to the answer. Ask
# next whether eight houses can be learned by heart, and print the shapes of whatever meets in the
# loss.


# %% tags=["exercise"]
def program_2(X, y, seed):
    # your code here
    ...


exercises.patient_2.check(program_2)

# %% [markdown]
# ### Exercise 07.9: patient 3
#
# Here the first number is the most telling one. Compare it with the loss of guessing among ten
# classes before you suspect anything that happens later. What has not happened yet at the first
# update cannot be the cause.

# %%
first_loss = clinic.patient_3.parts().loss.item()
verify("the first loss is more than five times ln(10)", first_loss > 5 * math.log(10))

diagnosis = ...
clinic.patient_3.diagnose(diagnosis)

# %% [markdown]
# Once you have found it, mind the place of the repair: the program hands back a function that
# answers questions about *new* scans, as they come from the archive. What training does to its
# images must happen to these too.


# %% tags=["exercise"]
def program_3(X, y, seed):
    # your code here
    ...


exercises.patient_3.check(program_3)

# %% [markdown]
# ### Exercise 07.10: patient 4
#
# The owner's log and the owner's users contradict each other. One of them measures wrongly. The
# chart shows both: the line is the log, the marks are the check-up.

# %%
clinic.patient_4.chart()

diagnosis = ...
clinic.patient_4.diagnose(diagnosis)

# %% [markdown]
# The chart of patient 4: both marks, on training data and on new data, lie far above the end of
# the owner's line. Weights cannot be better than themselves, so the difference is in the
# measurement. Evaluate `parts(after=100).model` twice on the same images, as it comes.


# %% tags=["exercise"]
def program_4(X, y, seed):
    # your code here
    ...


exercises.patient_4.check(program_4)

# %% [markdown]
# ### Exercise 07.11: patient 5
#
# It crawls. Several faults make a training slow, and only some of them put a floor under the loss.
# The test with eight samples separates them, because a healthy program learns eight samples by
# heart in no time.

# %%
eight = clinic.patient_5.run(samples=8)
print("loss on eight samples at the end:", f"≈{eight.losses[-1]:.1f}")
verify("the floor is above 1.4", min(eight.losses) > 1.4)

diagnosis = ...
clinic.patient_5.diagnose(diagnosis)

# %% [markdown]
# A floor is a property of the loss and of the range of the outputs. Which outputs would be perfect
# here, and what would they cost? The number can be found with a pencil.


# %% tags=["exercise"]
def program_5(X, y, seed):
    # your code here
    ...


exercises.patient_5.check(program_5)

# %% [markdown]
# ### Exercise 07.12: patient 6
#
# "With no hidden layer at all it was better" is a precious complaint: more layers cannot hurt this
# much if they learn. So ask which weights move at all.

# %%
moved = clinic.patient_6.run().changes
print("parameters that are listed:", ", ".join(moved))
verify("each of them moves by more than a tenth", min(moved.values()) > 0.1)

diagnosis = ...
clinic.patient_6.diagnose(diagnosis)

# %% [markdown]
# Everything in this list moves. Then read the list once more. A model has a forward pass and a list
# of parameters, and the two are made by different mechanisms: what computes need not be what
# learns.


# %% tags=["exercise"]
def program_6(X, y, seed):
    # your code here
    ...


exercises.patient_6.check(program_6)

# %% [markdown]
# ### Exercise 07.13: patient 7
#
# An accuracy far below guessing is the most interesting number in this ward. A model that knows
# nothing gets ten percent. To be wrong nearly always, one has to know a lot.

# %%
clinic.patient_7.chart()

diagnosis = ...
clinic.patient_7.diagnose(diagnosis)

# %% [markdown]
# The chart of patient 7: a loss that falls as it should, and an accuracy on the floor, for the
# owner's data, for new data, and for the training data themselves. Print the predictions for ten
# training images beside their labels; `parts(after=119)` has all you need.


# %% tags=["exercise"]
def program_7(X, y, seed):
    # your code here
    ...


exercises.patient_7.check(program_7)

# %% [markdown]
# ### Exercise 07.14: patient 8
#
# Compare with patient 3: there the first loss was wrong, here it is right. What happens to it in
# the first two updates? Later the patient is calm. That is no recovery: count the ReLUs that are
# 0 for every image.

# %%
losses = clinic.patient_8.run().losses
verify("the first loss is that of guessing", abs(losses[0] - math.log(10)) < 0.3)
verify("two updates later it is ten times larger", losses[2] > 10 * losses[0])
parts = clinic.patient_8.parts(after=119)
dead = (parts.model[:2](parts.X_train) == 0).all(dim=0)  # (32,)
verify("in the end most of its ReLUs are dead", dead.float().mean() > 0.5)

diagnosis = ...
clinic.patient_8.diagnose(diagnosis)

# %% [markdown]
# The range test of this lesson turns this diagnosis into a number. Run it on the parts, choose, and
# repair. Halving is no method: how many times would you have to halve?


# %% tags=["exercise"]
def program_8(X, y, seed):
    # your code here
    ...


exercises.patient_8.check(program_8)

# %% [markdown]
# ### Exercise 07.15: patient 9
#
# The owner has a theory, batch normalization, and it is a good one: with it, pixels from 0 to 255
# should do no harm. So do not ask what is wrong with the pixels. Ask whether the layer does what it
# is there for.

# %%
norm = clinic.patient_9.parts(after=3).model[1]
verify("after three updates its statistics are still 0 and 1", not norm.running_mean.any())

diagnosis = ...
clinic.patient_9.diagnose(diagnosis)

# %% [markdown]
# The running statistics of a normalization layer change at every batch that it sees in training.
# These have not moved. The repair is one line, and scaling the pixels is not it: that would make
# the layer superfluous and leave it asleep.


# %% tags=["exercise"]
def program_9(X, y, seed):
    # your code here
    ...


exercises.patient_9.check(program_9)

# %% [markdown]
# ### Exercise 07.16: patient 10
#
# It looks like patient 6, and it is another illness. There the list of parameters was too short.
# Here it is complete, and the optimizer holds all of it. Go one step further back: what does the
# optimizer use?

# %%
moved = clinic.patient_10.run().changes
verify("the body has not moved at all", moved["body.0.weight"] == 0.0)
verify("the head has", moved["head.weight"] > 0.1)

diagnosis = ...
clinic.patient_10.diagnose(diagnosis)

# %% [markdown]
# Three faults freeze a layer: it is not in the optimizer, it asks for no gradient, or no gradient
# arrives. `requires_grad` and `.grad` of each parameter, looked at after one `backward()`, tell
# which. The gradients are there in `clinic.patient_10.parts()`.


# %% tags=["exercise"]
def program_10(X, y, seed):
    # your code here
    ...


exercises.patient_10.check(program_10)

# %% [markdown]
# ### Exercise 07.17: patient 11
#
# Temperatures in units of 10 °C, from season and hour. A model that is right in summer has learned
# something. Compare what it *can* say with what it *should* say.

# %%
parts = clinic.patient_11.parts(after=199)
outputs = parts.model(parts.X_valid)
coldest = parts.y_valid.min().item()
print("smallest output:", outputs.min().item(), f"smallest target: ≈{coldest:.1f}")
verify("the smallest output is exactly 0", outputs.min() == 0)
verify("some targets are below -0.5", coldest < -0.5)

diagnosis = ...
clinic.patient_11.diagnose(diagnosis)

# %% [markdown]
# A range that is cut off exactly at a round number is never chance. And where the output is cut
# off the gradient is zero, so no training can repair it from inside.


# %% tags=["exercise"]
def program_11(X, y, seed):
    # your code here
    ...


exercises.patient_11.check(program_11)

# %% [markdown]
# ### Exercise 07.18: patient 12
#
# The last patient is the most dangerous one, for its owner is happy. The report is excellent, and
# only somebody else's data contradict it.

# %%
clinic.patient_12.chart()

diagnosis = ...
clinic.patient_12.diagnose(diagnosis)

# %% [markdown]
# The chart of patient 12: a healthy loss, a report near 90 %, and a check-up on new persons that
# is little better than a coin. One test needs no theory at all: shuffle the labels, so that there
# is nothing to learn, and run the *whole* program, from the raw data on. An honest one then reports
# 50 %. The raw data are `X` and `y` of `clinic.patient_12.parts()`; with the code in the cell
# below, `program_12(X, y[torch.randperm(len(y))], 0)` is the test.


# %% tags=["exercise"]
def program_12(X, y, seed):
    # your code here
    ...


exercises.patient_12.check(program_12)

# %% [markdown]
# If you have cured all twelve, look back at how you found them. The tests that decided were few:
# the first loss, eight samples, one image, the list of parameters and their gradients, the range
# of the outputs, two evaluations, shuffled labels. They are the protocol of this lesson. Run them
# on your own programs *before* these are ill.

# %% [markdown]
# ## Common mistakes
#
# Met on the way: a mean in place of a norm ([section 6](#6.-Gradients)), a copy that moves along
# ([section 7](#7.-Updates)), a hook that stays ([Hooks](#Hooks:-watching-without-touching)),
# gradcheck in float32 ([gradcheck](#gradcheck)). Three more.
#
# ### A fault that you cannot repeat
#
# **Symptom:** the loss becomes NaN in one run of five, and never while you look. Make the run
# repeatable before you search: seed the weights, the order of the batches and everything else that
# is random. Then a failure at step 37 is a failure at step 37 again, and you can stop at step 36
# and look around.


# %%
def unstable(seed):
    torch.manual_seed(seed)
    program, X = small_network(seed), X_train * 255
    optimizer = torch.optim.SGD(program.parameters(), lr=0.1)
    return train_for(10, program, optimizer, X, loss_fn=minus_log_softmax)


lengths = [len(unstable(seed)) for seed in range(3)]
verify("every run ends within a few steps", max(lengths) < 10)
verify("and the same seed ends at the same step", [len(unstable(s)) for s in range(3)] == lengths)

# %% [markdown]
# ### Silencing the NaN
#
# **Symptom:** no NaN anywhere, and no learning either. `nan_to_num` on the loss, or skipping
# "bad" batches without counting them, removes the alarm and not the fire. Here is the program
# with the NaN pixel again. One step with that image makes the weights NaN, from then on every
# loss would be NaN, and the hidden ones are reported as 0.

# %%
model = small_network(0)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
losses = train_for(
    80, model, optimizer, nan_pixel, loss_fn=lambda out, y: F.cross_entropy(out, y).nan_to_num()
)
print(f"last loss: {losses[-1]:.1f}, accuracy ≈{valid_share(model):.2f}")
verify("the loss looks perfect", losses[-1] == 0)
verify("the weights are NaN", bool(model[2].weight.isnan().any()))

# %% [markdown]
# ### Two runs in one folder
#
# **Symptom:** the curve in TensorBoard jumps back and forth, or old points have disappeared. Each
# `SummaryWriter` appends a new file, and the reader takes all files of a folder for one run.

# %%
with tempfile.TemporaryDirectory() as shared:
    for first in (1.0, 5.0):
        with SummaryWriter(shared, filename_suffix=f".{first}") as writer:
            for step in range(3):
                writer.add_scalar("loss", first + step, step)
    events = EventAccumulator(shared).Reload().Scalars("loss")
print("steps as read:", *(event.step for event in events))
verify("two runs have become one", [event.step for event in events] == [0, 1, 2, 0, 1, 2])

# %% [markdown]
# Give each run its own folder, named by what is special about it, and delete or move old ones.

# %% [markdown]
# ## Key takeaways
#
# - Go from the data to the rate, change one thing at a time, and stop at the first wrong reading
#   ([section 1](#1.-A-protocol)).
# - `isfinite`, label range, copies and a feature that knows too much: checks of a line each
#   ([section 2](#2.-First-the-data)); a model that has not seen a sample finds its wrong label
#   ([Wrong labels](#Wrong-labels)).
# - Ten samples must be learned by heart, with a loss near zero; passing does not prove the labels
#   right, failing does not prove the architecture wrong ([section 3](#3.-Overfit-one-batch)).
# - Silent shape bugs broadcast or mix samples; let autograd say which rows an output depends on
#   ([section 4](#4.-Shapes)).
# - The first loss of a classifier is ln C ([section 5](#5.-The-loss-at-the-start)).
# - Judge gradients by norms, layer against layer; None and zero are different findings
#   ([None is not zero](#None-is-not-zero)).
# - The update ratio says what the weights really get: exactly 0 and near 1 are both faults
#   ([section 7](#7.-Updates)).
# - A range test finds the usable rates in one short run ([section 8](#8.-The-learning-rate)).
# - Check a derivative in float64, away from kinks and randomness, parameters included
#   ([gradcheck](#gradcheck)).
# - A symptom has several causes, and each cause its own cure ([NaN loss](#NaN-loss),
#   [A plateau](#A-plateau)).
# - A good question rules out many faults at once: one image, eight samples, the first loss
#   ([section 12](#12.-The-clinic)).
# - A TensorBoard log is data: write it in two lines, read it back in two
#   ([section 11](#11.-TensorBoard)).
#
# ## Further exercises
#
# 1. Put the readings of [A plateau](#A-plateau) into a class that is called once for each step of
#    any training, and that warns in a sentence when a reading leaves its healthy range.
# 2. Find the wrong labels of section 2 by the ten nearest neighbors of each digit instead of by a
#    network. Which of the two finds more among the first 105?
# 3. Repeat the range test of section 8 with Adam. Where does its valley lie, and is a tenth still
#    a good reading?
# 4. Log a training of [lesson 3.6](06_training_loop.ipynb) with a graph and histograms of every
#    layer, open the viewer, and describe what the histograms do when you raise the rate to 3.
#
# **Reading.** A. Karpathy, "A recipe for training neural networks" (2019). Stanford's CS231n,
# course notes, "Neural networks part 3", for the update ratio and for gradient checks. L. Smith,
# "Cyclical learning rates for training neural networks" (2017), for the range test. C. Northcutt,
# L. Jiang and I. Chuang, "Confident learning" (2021). PyTorch documentation, "Gradcheck
# mechanics" and "torch.utils.tensorboard".
#
# ## Your progress

# %%
from course_utils.exercises import progress

progress("07")

# %% [markdown]
# ## Next
#
# You can now tell a sick training from a healthy one. A healthy one may still generalize badly:
# lesson 3.8, Regularization, is about the gap between the digits that a network has seen and those
# that it has not.
