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
# # 3.9 Optimizers
#
# Backpropagation tells you which way is down. An optimizer decides how far to go, and what to
# remember from the steps before. In this lesson you write eleven well-known optimizers by hand,
# each in a few lines, and check that each of the ten that PyTorch has too takes the same steps.
# Then you find out what each is good for. The most important number will turn out not to be the
# name of the optimizer, but its learning rate.
#
# ## You will be able to
#
# - **predict** when gradient descent diverges, from the curvature of the loss;
# - **write** SGD, momentum, Adam and AdamW from memory, and explain each term;
# - **measure** what momentum, adaptive rates and noise do, and what they do not do;
# - **compare** optimizers fairly, each with its own learning rate;
# - **choose** an optimizer and a schedule for a task, with evidence.
#
# ## Before you start
#
# You need gradients and the training loop of [lesson 3.1](01_perceptron.ipynb). Eigenvalues
# appear in section 2; if you only remember that they say how strongly a matrix stretches, that is
# enough.
#
# **Time:** about 120 minutes with all exercises; 60 if you only read, slide and run.

# %% [markdown]
# <!-- launch:start -->
# Open this lesson with `make lab LESSON=09`.
# <!-- launch:end -->

# %%
from course_utils import setup

setup()

# %% [markdown]
# The imports bring nothing new but the last one: `surfaces` holds four losses of two weights that
# can be drawn, each a formula with a starting point.

# %%
import math

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from torch import nn

from course_utils import data, plotting, verify
from course_utils.exercises import optimizers as exercises
from course_utils.explore import optimizers as explorers
from course_utils.surfaces import SURFACES, contours

# %% [markdown]
# ## 1. One form for all
#
# **What is an optimizer?** A function. It gets the weights $\mathbf{w}$, the gradient
# $\mathbf{g} = \nabla L(\mathbf{w})$ and whatever it has remembered, and returns new weights and
# a new memory:
#
# $$
# (\mathbf{w}, \text{state}) \leftarrow \text{update}(\mathbf{w}, \mathbf{g}, \text{state}, \eta).
# $$
#
# The *learning rate* η (eta) is the length of the step, or at least its unit. The state is a
# dictionary, empty at the start. Every optimizer of this lesson has this form, so you can put one
# beside the other and see where they differ. The shapes of $\mathbf{w}$ and $\mathbf{g}$ are
# equal, and all operations go element by element, but for one in section 5 (LAMB's norms).
#
# The simplest optimizer remembers nothing. It is called *stochastic gradient descent*, SGD,
# although nothing in it is stochastic: the randomness comes from the mini-batch on which you
# computed the gradient.


# %%
def sgd(w, g, state, lr):
    return w - lr * g, state


# %% [markdown]
# PyTorch keeps the same three things in another way: `optimizer.step()` reads each weight's
# `.grad`, changes the weight in place, and hides the memory in `optimizer.state`. To compare the
# two, the next function walks 100 steps with both, in float64, on a loss that is curved
# differently in each of 12 directions, and returns how far apart they ever get.


# %%
def furthest_apart(rule, optimizer_class, lr, torch_options=None, **options):
    """Largest difference between a rule and torch.optim over 100 steps, in float64."""
    generator = torch.Generator().manual_seed(0)
    w = torch.randn(4, 3, generator=generator, dtype=torch.float64)
    scale = torch.logspace(-1, 1, 12, dtype=torch.float64).reshape(4, 3)
    theirs, state, worst = nn.Parameter(w.clone()), {}, 0.0
    optimizer = optimizer_class([theirs], lr=lr, **(torch_options or {}))
    for _ in range(100):
        theirs.grad = torch.tanh(scale * theirs.detach()) + theirs.detach()
        optimizer.step()
        w, state = rule(w, torch.tanh(scale * w) + w, state, lr, **options)
        worst = max(worst, (w - theirs.detach()).abs().max().item())
    return worst


# %% [markdown]
# The loop looks unusual, because it has no loss: an optimizer never sees one. It sees gradients
# only, so we hand it the gradient of a loss that we need not write down. The largest difference
# over all steps must be rounding:

# %%
verify("SGD: equal for 100 steps", furthest_apart(sgd, torch.optim.SGD, lr=0.1) < 1e-12)

# %% [markdown]
# The tolerance, 10⁻¹², leaves room for rounding and for nothing else. In your own code you write
# `optimizer = torch.optim.SGD(model.parameters(), lr=0.01)` and never see the update. But to
# choose an optimizer, you should know it.

# %% [markdown]
# ## 2. The learning rate
#
# **How long may a step be?** Near a minimum every smooth loss looks like a bowl. Take the
# simplest one, with one weight and *curvature* λ (lambda), the second derivative:
# $L = \tfrac12 \lambda w^2$ has the gradient $\lambda w$, so a step of gradient descent is
#
# $$
# w \leftarrow w - \eta \lambda w = (1 - \eta\lambda)\, w .
# $$
#
# Each step multiplies the weight by the same factor. If it is between −1 and 1, the weight
# shrinks; otherwise it does not. So there are four regimes, and the last border is η = 2/λ:

# %%
curvature = 4.0
for lr in (0.05, 0.25, 0.45, 0.55):
    w, state, track = torch.tensor(1.0, dtype=torch.float64), {}, []
    for _ in range(4):
        w, state = sgd(w, curvature * w, state, lr)
        track.append(round(w.item(), 4))
    print(f"lr {lr}: {track}")

# %% [markdown]
# Too small, it crawls; at 1/λ it arrives in one step; above, it jumps to the other side and back;
# above 2/λ = 0.5 each jump is longer than the one before. Here is the same with many weights. The
# curvatures are then the eigenvalues of the matrix of second derivatives, the *Hessian* H, and
# each direction follows its own factor $1 - \eta\lambda_i$. All must shrink, so the *largest*
# eigenvalue sets the limit:
#
# $$
# \eta < \frac{2}{\lambda_{\max}} .
# $$


# %%
def descend(rule, gradient, start, lr, steps, **options):
    """The points of a descent: (steps + 1, *start.shape)."""
    points, state = [start], {}
    for _ in range(steps):
        w, state = rule(points[-1], gradient(points[-1]), state, lr, **options)
        points.append(w)
    return torch.stack(points)


# %% [markdown]
# `descend` applies a rule again and again and keeps all points; you will use it through the whole
# lesson. Now a random bowl in ten dimensions, with the gradient $H\mathbf{w}$, and two rates that
# differ by two per cent:

# %%
generator = torch.Generator().manual_seed(1)
A = torch.randn(10, 10, generator=generator, dtype=torch.float64)
H = A @ A.T / 10 + 0.1 * torch.eye(10, dtype=torch.float64)  # a random bowl in 10 dimensions
limit = 2 / torch.linalg.eigvalsh(H).max()
start = torch.ones(10, dtype=torch.float64)

# %% [markdown]
# `eigvalsh` gives the eigenvalues of a symmetric matrix; the largest is the curvature in the
# steepest direction. Two thousand steps on each side of the border:

# %%
below = descend(sgd, lambda w: H @ w, start, 0.99 * limit, 2000)[-1].norm()
above = descend(sgd, lambda w: H @ w, start, 1.01 * limit, 2000)[-1].norm()
verify("1 % below 2/λmax the weights shrink to nothing", below < 1e-6)
verify("1 % above they explode", above > 1e6)

# %% [markdown]
# Now move it yourself. This is the explorer to come back to whenever a training does not work.
# Start on the ravine with SGD: its curvatures are 1 and 20, so the limit is 2/20 = 0.1. Slide the
# rate through it. Then try to leave the diverging zone with other optimizers, and with momentum;
# for Adam, which section 4 explains, that slider is β₁. You need no formula to use it: it was
# computed beforehand for all 2,880 positions, by exactly the rules that this lesson derives.

# %%
explorers.learning_rate()

# %% [markdown]
# For each position the path on the surface, the loss curve, and the loss after 150 steps for all
# learning rates with the diverging zone shaded: a rate that is too small crawls, a good one
# arrives, a large one explodes. The dotted line is the theory for SGD on the ravine. Look for
# three things. The best rate lies *close* to the border: on the ravine it is the last position
# below. The border depends on the surface: on Rosenbrock's valley it is far lower. And Adam has
# no sharp border at all, because its steps have a length of about η whatever the gradient: with a
# large rate it dances around the minimum instead of exploding.
#
# ### The condition number
#
# If the steepest direction limits the rate, the flattest one pays: its factor is
# $1 - \eta\lambda_{\min}$. The best compromise is $\eta = 2/(\lambda_{\min} + \lambda_{\max})$,
# and then both factors have the size
#
# $$
# \rho = \frac{\kappa - 1}{\kappa + 1}, \qquad \kappa = \frac{\lambda_{\max}}{\lambda_{\min}} .
# $$
#
# κ (kappa) is the *condition number*: how much steeper the ravine's walls are than its floor. For
# large κ, ρ is about 1 − 2/κ, so the number of steps grows in proportion to κ. *Predict first:*
# the next section adds momentum. Both get their best possible rate. By what factor will momentum
# reduce the number of steps at κ = 1000?

# %%
guess = ...  # "a": about 2, "b": about 10, "c": about 30, "d": about 1000
exercises.kappa_guess.commit(guess)

# %% [markdown]
# ### Exercise 09.1: the largest stable learning rate
#
# Write `largest_stable_rate(H)`: `H` is the symmetric Hessian, (D, D), with at least one positive
# eigenvalue. Return the rate below which plain gradient descent does not explode along any
# direction that curves upward, as a scalar tensor.


# %% tags=["exercise"]
def largest_stable_rate(H):
    # your code here
    ...


exercises.stable_rate.check(largest_stable_rate)

# %% [markdown]
# ## 3. Momentum: a heavy ball
#
# **Can the steps remember where they were going?** In a ravine the gradient points mostly across,
# now left, now right; the little that points along the floor is always the same way. Add the
# gradients up, and the sides cancel while the floor accumulates. The sum is called the *velocity*
# v; each step it keeps the share μ (mu), usually 0.9:
#
# $$
# \mathbf{v} \leftarrow \mu \mathbf{v} + \mathbf{g}, \qquad
# \mathbf{w} \leftarrow \mathbf{w} - \eta \mathbf{v} .
# $$
#
# This is how PyTorch has it. Many books multiply the gradient by η *before* it enters v, and some
# by 1 − μ; with a constant rate all are the same up to the meaning of η, but with a schedule they
# are not. *Nesterov* momentum steps with the velocity as it will be after one more step: it adds
# $\mu \mathbf{v}$ to the fresh gradient.


# %%
def momentum(w, g, state, lr, mu=0.9):
    v = mu * state.get("v", 0) + g
    return w - lr * v, {"v": v}


def nesterov(w, g, state, lr, mu=0.9):
    v = mu * state.get("v", 0) + g
    return w - lr * (g + mu * v), {"v": v}


# %% [markdown]
# `state.get("v", 0)` is the trick that lets the memory start empty: before the first step the
# velocity is 0.

# %%
options = {"momentum": 0.9}
apart = furthest_apart(momentum, torch.optim.SGD, 0.05, options)
verify("momentum equals torch's", apart < 1e-12)
apart = furthest_apart(nesterov, torch.optim.SGD, 0.05, options | {"nesterov": True})
verify("Nesterov equals torch's", apart < 1e-12)

# %% [markdown]
# If the gradient never changes, the velocity grows to $g(1 + \mu + \mu^2 + \dots) = g/(1-\mu)$.
# So momentum 0.9 multiplies the *effective* learning rate by 10. Whoever switches it on and keeps
# η has really changed two things at once:

# %%
one = torch.ones(1, dtype=torch.float64)
points = descend(momentum, lambda w: one, 0 * one, 0.01, 200)
last_step = (points[-2] - points[-1]).item()
verify("with μ = 0.9 a constant gradient moves 10 η per step", abs(last_step - 10 * 0.01) < 1e-9)

# %% [markdown]
# Now the race from the prediction. For quadratics the best settings of both methods are known
# (Polyak, 1964): momentum's are
#
# $$
# \eta = \Bigl(\frac{2}{\sqrt{\lambda_{\max}} + \sqrt{\lambda_{\min}}}\Bigr)^{2}, \qquad
# \mu = \Bigl(\frac{\sqrt\kappa - 1}{\sqrt\kappa + 1}\Bigr)^{2},
# $$
#
# and its factor per step is $(\sqrt\kappa - 1)/(\sqrt\kappa + 1)$: the square root of κ in place
# of κ. We count the steps until the distance from the minimum is a millionth of what it was.


# %%
def steps_needed(rule, kappa, lr, **options):
    """Steps until a bowl with curvatures 1 and kappa is a millionth of the way from its minimum."""
    curvatures = torch.tensor([1.0, kappa], dtype=torch.float64)
    w, state, steps = torch.ones(2, dtype=torch.float64), {}, 0
    while w.norm() > 1e-6 * 2**0.5:
        w, state = rule(w, curvatures * w, state, lr, **options)
        steps += 1
    return steps


# %% [markdown]
# Five condition numbers, each with the best rate and momentum that theory knows for it. Nothing
# is left to luck, so one run for each is enough.

# %%
kappas, plain, heavy = [10, 30, 100, 300, 1000], [], []
for kappa in kappas:
    root = math.sqrt(kappa)
    plain.append(steps_needed(sgd, kappa, lr=2 / (1 + kappa)))
    best_mu = ((root - 1) / (root + 1)) ** 2
    heavy.append(steps_needed(momentum, kappa, lr=(2 / (1 + root)) ** 2, mu=best_mu))
print("condition:", kappas, "\nplain:    ", plain, "\nmomentum: ", heavy)

# %% [markdown]
# From here on each optimizer keeps its color and its line style in all figures of this lesson.

# %%
shown = ("sgd", "momentum", "adagrad", "rmsprop", "adadelta", "adam", "lamb")
hues = ("black", "vermillion", "orange", "sky", "purple", "green", "blue")
looks = zip(shown, hues, plotting.linestyles, strict=True)
styles = {name: {"color": plotting.OKABE_ITO[hue], "linestyle": line} for name, hue, line in looks}

# %%
fig, ax = plt.subplots(figsize=(6.5, 3.8))
ax.plot(kappas, plain, marker="o", label="gradient descent", **styles["sgd"])
ax.plot(kappas, heavy, marker="o", label="with momentum", **styles["momentum"])
ax.set(xscale="log", yscale="log", xlabel="condition number κ", ylabel="steps")
ax.legend()
plt.show()

# %% [markdown]
# Steps to shrink the distance a millionfold, against the condition number, both axes logarithmic:
# gradient descent rises with slope 1, momentum with about half of it. At κ = 1000 momentum needs
# about 30 times fewer steps; at κ = 10 it hardly helps. That is what "momentum accelerates"
# means: it helps where the loss is badly conditioned, and with the right settings.


# %%
def growth(steps):
    """Slope on log-log axes between kappa 100 and 1000."""
    return math.log10(steps[4] / steps[2])


# %%
exercises.kappa_guess.reveal("c", "The ratio is about √κ, and √1000 is about 32.")
verify("gradient descent: steps grow like κ", abs(growth(plain) - 1) < 0.05)
verify("momentum: steps grow like the square root of κ", abs(growth(heavy) - 0.5) < 0.1)
verify("at κ = 1000 momentum saves a factor of 20 to 40", 20 < plain[4] / heavy[4] < 40)

# %% [markdown]
# And if you only switch momentum on, at the rate that was best without it? Steps at κ = 100 for
# three values of μ:

# %%
by_mu = {mu: steps_needed(momentum, 100, lr=2 / 101, mu=mu) for mu in (0.0, 0.9, 0.99)}
print("steps at the same rate:", by_mu)
verify("μ = 0.9 at the same rate: 2 to 4 times faster", 2 < by_mu[0.0] / by_mu[0.9] < 4)
verify("μ = 0.99: slower than none at all", by_mu[0.99] > by_mu[0.0])

# %% [markdown]
# More is not better. With μ = 0.99 the ball is so heavy that it rolls up and down the other side
# for a long time. In the explorer set the momentum to 0.99 and look at the loss curve: it
# oscillates.
#
# ### Exercise 09.2: a momentum step
#
# Write `momentum_step(w, g, v, lr, mu)` as PyTorch has it, and return the new `(w, v)`. Do not
# change the tensors that you are given.


# %% tags=["exercise"]
def momentum_step(w, g, v, lr, mu):
    # your code here
    ...


exercises.momentum_exercise.check(momentum_step)

# %% [markdown]
# ## 4. A rate for each weight
#
# **What if the weights need different rates?** A weight behind a pixel that is almost always
# black gets a gradient once in a while; a bias gets one every step. The idea of the *adaptive*
# methods is to divide each gradient by its own typical size. They differ in how they remember
# that size.
#
# *Adagrad* (Duchi et al., 2011) adds up all squared gradients, h, and divides by the root. The
# sum only grows, so the steps only shrink. *RMSprop* (Hinton, 2012) replaces the sum by a
# decaying average, so that old gradients are forgotten. Mind the root: RMSprop does not divide by
# the average of squared gradients, as you may read, but by its *square root*, so that the step
# does not depend on the units of the loss. *Adadelta* (Zeiler, 2012) cures Adagrad's shrinking in
# another way: it multiplies by the typical size of its own recent *steps*, so that even the units
# of the weights come out right; its learning rate is 1 by default.


# %%
def adagrad(w, g, state, lr, eps=1e-10):
    h = state.get("h", 0) + g**2
    return w - lr * g / (h.sqrt() + eps), {"h": h}


def rmsprop(w, g, state, lr, alpha=0.99, eps=1e-8):
    h = alpha * state.get("h", 0) + (1 - alpha) * g**2
    return w - lr * g / (h.sqrt() + eps), {"h": h}


# %% [markdown]
# Adadelta needs a second memory, the average of its squared steps. It starts at 0, so that only ε
# lets the first step move at all.


# %%
def adadelta(w, g, state, lr=1.0, rho=0.9, eps=1e-6):
    moved = state.get("moved", torch.zeros_like(w))  # average of squared steps
    h = rho * state.get("h", 0) + (1 - rho) * g**2
    step = (moved + eps).sqrt() / (h + eps).sqrt() * g
    return w - lr * step, {"h": h, "moved": rho * moved + (1 - rho) * step**2}


# %% [markdown]
# The small ε (epsilon) keeps the quotient finite where a weight has not had a gradient yet.

# %%
verify("Adagrad equals torch's", furthest_apart(adagrad, torch.optim.Adagrad, 0.1) < 1e-12)
verify("RMSprop equals torch's", furthest_apart(rmsprop, torch.optim.RMSprop, 0.01) < 1e-12)
verify("Adadelta equals torch's", furthest_apart(adadelta, torch.optim.Adadelta, 1.0) < 1e-12)

# %% [markdown]
# Three claims about them, each tested with a gradient that is 1 at every step, for 1000 steps.
# Adagrad's step after t gradients must be η/√t; RMSprop's settles at η; Adadelta's starts tiny
# and grows.

# %%
walks = {
    "Adagrad": descend(adagrad, lambda w: one, 0 * one, 0.01, 1000),
    "RMSprop": descend(rmsprop, lambda w: one, 0 * one, 0.01, 1000),
    "Adadelta": descend(adadelta, lambda w: one, 0 * one, 1.0, 1000),
}

# %% [markdown]
# The length of each step is the difference of neighboring points:

# %%
sizes = {name: (walk[:-1] - walk[1:])[:, 0] for name, walk in walks.items()}
for name, size in sizes.items():
    print(f"{name:9} step 1: {size[0]:.4f}   step 1000: {size[-1]:.4f}")
verify("Adagrad's step shrinks like 1/√t", abs(sizes["Adagrad"][-1] - 0.01 / 1000**0.5) < 1e-6)
verify("RMSprop's settles at η", abs(sizes["RMSprop"][-1] - 0.01) < 1e-5)
verify("Adadelta's grows", bool((sizes["Adadelta"].diff() > 0).all()))

# %% [markdown]
# ### Adam
#
# Look at RMSprop's first step above: ten times too long. Its average h starts at 0, and after one
# gradient it holds only 1 % of $g^2$, so it is far too small. *Adam* (Kingma and Ba, 2015)
# corrects this. It keeps two decaying averages, m of the gradients (that is momentum) and h of
# their squares (that is RMSprop), and divides each by the weight that it has collected so far,
# $1 - \beta^t$:
#
# $$
# \begin{aligned}
# \mathbf{m} &\leftarrow \beta_1 \mathbf{m} + (1-\beta_1)\,\mathbf{g}, &
# \hat{\mathbf{m}} &= \mathbf{m} / (1 - \beta_1^t), \\
# \mathbf{h} &\leftarrow \beta_2 \mathbf{h} + (1-\beta_2)\,\mathbf{g}^2, &
# \hat{\mathbf{h}} &= \mathbf{h} / (1 - \beta_2^t), \\
# \mathbf{w} &\leftarrow
# \mathbf{w} - \eta\, \hat{\mathbf{m}} / (\sqrt{\hat{\mathbf{h}}} + \varepsilon).
# \end{aligned}
# $$


# %%
def averages(g, state, betas):
    """Advance Adam's memory by one gradient: the step t, m and h."""
    m = betas[0] * state.get("m", 0) + (1 - betas[0]) * g
    h = betas[1] * state.get("h", 0) + (1 - betas[1]) * g**2
    return {"t": state.get("t", 0) + 1, "m": m, "h": h}


def adam(w, g, state, lr, betas=(0.9, 0.999), eps=1e-8):
    state = averages(g, state, betas)
    m = state["m"] / (1 - betas[0] ** state["t"])
    h = state["h"] / (1 - betas[1] ** state["t"])
    return w - lr * m / (h.sqrt() + eps), state


# %% [markdown]
# Six lines for the memory and the step. `averages` stands alone because NAdam, RAdam and LAMB
# keep the same memory.

# %%
verify("Adam equals torch's", furthest_apart(adam, torch.optim.Adam, 0.01) < 1e-12)

# %% [markdown]
# You will sometimes see Adam written as $w \leftarrow w - \eta\, \partial L/\partial w$. That is
# gradient descent, and it is not even close. In the first step m̂ is g and ĥ is g², so Adam moves
# by η · g/|g|: the *sign* of the gradient. Its size plays no role:

# %%
g = torch.tensor([1e-4, -1.0, 1000.0], dtype=torch.float64)
w, _ = adam(torch.zeros(3, dtype=torch.float64), g, {}, lr=0.001)
print([round(value, 4) for value in w.tolist()])
verify("Adam's first step is η in each weight", torch.allclose(w, -0.001 * g.sign(), rtol=1e-3))


# %% [markdown]
# ### Exercise 09.3: an Adam step
#
# Write `adam_step(w, g, m, h, t, lr, beta1, beta2, eps)`: `t` is the number of this step, 1 for
# the first, and `m` and `h` are zeros before it. Return the new `(w, m, h)`, where m and h are
# the averages *before* the correction, as they go into the next step.


# %% tags=["exercise"]
def adam_step(w, g, m, h, t, lr, beta1, beta2, eps):
    # your code here
    ...


exercises.adam_exercise.check(adam_step)

# %% [markdown]
# ### Two refinements
#
# *NAdam* (Dozat, 2016) is Adam with Nesterov's look ahead; its β₁ warms up a little, from 0.45
# towards 0.9. *RAdam* (Liu et al., 2020) notices that h is a poor estimate in the first steps. It
# computes from t how many gradients the average effectively holds, and takes plain momentum steps
# until there are enough; then it scales the step by a factor that grows to 1. For the default β₂
# that begins at the sixth step. (PyTorch keeps NAdam's product of rates in float32, so there the
# two agree to 10⁻⁶ only.)


# %%
def nadam(w, g, state, lr, betas=(0.9, 0.999), eps=1e-8, psi=4e-3):
    mu_product = state.get("mu_product", 1.0)
    state = averages(g, state, betas)
    t = state["t"]
    now, ahead = (betas[0] * (1 - 0.5 * 0.96 ** (k * psi)) for k in (t, t + 1))
    mu_product = mu_product * now
    m = (1 - now) / (1 - mu_product) * g + ahead / (1 - mu_product * ahead) * state["m"]
    h = state["h"] / (1 - betas[1] ** t)
    return w - lr * m / (h.sqrt() + eps), state | {"mu_product": mu_product}


# %% [markdown]
# RAdam in full. `held` is the number of gradients that the average effectively holds; the
# fraction under the root is its correction.


# %%
def radam(w, g, state, lr, betas=(0.9, 0.999), eps=1e-8):
    state = averages(g, state, betas)
    t, decay = state["t"], betas[1] ** state["t"]
    most = 2 / (1 - betas[1]) - 1
    held = most - 2 * t * decay / (1 - decay)  # how many gradients h effectively holds
    m = state["m"] / (1 - betas[0] ** t)
    if held <= 5:
        return w - lr * m, state
    share = (held - 4) * (held - 2) * most / ((most - 4) * (most - 2) * held)
    return w - lr * share**0.5 * m * (1 - decay) ** 0.5 / (state["h"].sqrt() + eps), state


# %% [markdown]
# Both against torch, for 100 steps, so that RAdam passes from its first phase to the second:

# %%
verify("NAdam equals torch's to 1e-6", furthest_apart(nadam, torch.optim.NAdam, 0.01) < 1e-6)
verify("RAdam equals torch's", furthest_apart(radam, torch.optim.RAdam, 0.01) < 1e-12)

# %% [markdown]
# ### Badly scaled features
#
# **When does a rate for each weight pay?** Predict house prices from the area in square meters
# and the number of rooms, and one weight needs far smaller steps than the other. Here is a linear
# model with ten features whose scales run from 0.1 to 10, so that κ is about 10⁴, and a target to
# which every feature contributes equally. The gradients are exact, without mini-batches. Each
# optimizer tries 25 learning rates side by side, with one more dimension in front as in lesson
# 3.1: the same rules work on weights of shape (R, D) if the rate has the shape (R, 1).

# %%
generator = torch.Generator().manual_seed(2)
scales = torch.logspace(-1, 1, 10, dtype=torch.float64)
X = torch.randn(200, 10, generator=generator, dtype=torch.float64) * scales  # (N=200, D=10)
y = (X / X.std(dim=0)).sum(dim=1)  # (N,)
Q = torch.linalg.qr(torch.randn(10, 10, generator=generator, dtype=torch.float64))[0]
features = {"scaled": X, "standardized": X / X.std(dim=0), "rotated": X @ Q}
rates = torch.logspace(-4, 2, 25, dtype=torch.float64)[:, None]  # (R=25, 1)


# %% [markdown]
# `Q` is a random rotation. The next function descends with all 25 rates at once, and reports what
# the best of them has left of the loss. Values below 10⁻¹² count as 10⁻¹², since there rounding
# decides.


# %%
def loss_left(rule, X, steps=300):
    """Share of the loss that is left after the steps, at the best of the rates."""
    start = torch.zeros(len(rates), X.shape[1], dtype=torch.float64)  # (R, D)
    w = descend(rule, lambda w: (w @ X.T - y) @ X / len(X), start, rates, steps)[-1]
    loss = ((w @ X.T - y) ** 2).mean(dim=1) / (y**2).mean()  # (R,)
    return max(loss.nan_to_num(nan=torch.inf).min().item(), 1e-12)


# %% [markdown]
# Three kinds of features, three rules, 25 rates, 300 steps:

# %%
left = {}
for kind, inputs in features.items():
    for rule in (sgd, momentum, adam):
        left[kind, rule.__name__] = loss_left(rule, inputs)
    print(kind, ", ".join(f"{r} ≈{left[kind, r]:.0e}" for r in ("sgd", "momentum", "adam")))

# %%
verify("scaled features: SGD keeps over 10 % of the loss", left["scaled", "sgd"] > 0.1)
verify("Adam solves it", left["scaled", "adam"] < 1e-6)
solved = max(left["standardized", r] for r in ("sgd", "momentum", "adam")) < 1e-6
verify("after standardizing, all three do", solved)
verify("rotated, Adam keeps over 1 %", left["rotated", "adam"] > 0.01)

# %% [markdown]
# Three findings. Adam copes with badly scaled features, where SGD at its best rate keeps a fifth
# of the loss. The better cure is to *standardize* the features, which is free and works for all.
# And the last row takes the same data and turns the axes: κ is as bad as before, but no longer
# lies along single weights, and Adam's advantage over momentum is gone. An adaptive method gives
# a rate to each *weight*, not to each direction of the ravine.

# %% [markdown]
# ## 5. Decay, and a step for each layer
#
# **Is weight decay a part of the gradient?** A penalty
# $\tfrac{\lambda}{2}\lVert\mathbf{w}\rVert^2$ adds $\lambda\mathbf{w}$ to the gradient, and SGD
# then shrinks each weight by the share ηλ per step. Adam divides by the root of h *whatever* is
# in the gradient, so a weight with large gradients is hardly decayed at all. That is what
# `torch.optim.Adam(weight_decay=…)` does. *AdamW* (Loshchilov and Hutter, 2019) takes the decay
# out of the gradient and shrinks the weights directly.


# %%
def adam_l2(w, g, state, lr, decay=0.01):
    return adam(w, g + decay * w, state, lr)


def adamw(w, g, state, lr, decay=0.01):
    return adam(w * (1 - lr * decay), g, state, lr)


# %% [markdown]
# One line each, and the only difference is *where* the decay enters. Both exist in torch, under
# names that are easily confused:

# %%
strong = {"weight_decay": 0.5}
apart = furthest_apart(adam_l2, torch.optim.Adam, 0.01, strong, decay=0.5)
verify("L2 in the gradient equals torch's Adam", apart < 1e-12)
apart = furthest_apart(adamw, torch.optim.AdamW, 0.01, strong, decay=0.5)
verify("decoupled decay equals torch's AdamW", apart < 1e-12)

# %% [markdown]
# Now give three weights gradients that are pure noise, of the sizes 0.01, 1 and 100, and decay
# them with ηλ = 0.001 for 100 steps. Decay alone would take away $1 - 0.999^{100} = 9.5$ % of
# each. Two thousand copies average the noise out.

# %%
noise_size = torch.tensor([0.01, 1.0, 100.0], dtype=torch.float64)
lost = {}
for rule in (adam_l2, adamw):
    generator = torch.Generator().manual_seed(0)
    w, state = torch.ones(2000, 3, dtype=torch.float64), {}
    for _ in range(100):
        g = noise_size * torch.randn(2000, 3, generator=generator, dtype=torch.float64)
        w, state = rule(w, g, state, lr=1e-3, decay=1.0)
    lost[rule.__name__] = 1 - w.mean(dim=0)
    print(f"{rule.__name__:8} lost:", [f"≈{100 * x:.1f} %" for x in lost[rule.__name__].tolist()])

# %% [markdown]
# Read the columns: gradients of the size 0.01, 1 and 100. With L2 the weight with large gradients
# keeps nearly everything, and the first one moves by η in each step, because there the decay *is*
# the gradient and Adam normalizes it.

# %%
verify("AdamW: 9 to 10 % of each", bool((lost["adamw"] - 0.095).abs().max() < 0.005))
verify("L2 in Adam: under 10 % of that at size 100", lost["adam_l2"][2] < 0.0095)
verify("and 50 times as much at size 0.01", lost["adam_l2"][0] > 50 * lost["adam_l2"][2])

# %% [markdown]
# So decoupled decay is what its name promises: the same share of every weight. Whether decay
# *helps* is another question, the subject of lesson 3.8: it depends on the data and the amount,
# and AdamW's default of 0.01 is so weak that it rarely changes anything in short trainings.
#
# ### LAMB
#
# *LAMB* (You et al., 2020) was made for training with very large batches. It takes AdamW's
# direction and rescales it, layer by layer, so that the step is as long as η times the layer's
# weights: no layer is changed by a larger share than another. PyTorch does not have it, and there
# is nothing to compare with, so we check what defines it. The norm runs over the last two
# dimensions, one layer.


# %%
def lamb(w, g, state, lr, betas=(0.9, 0.999), eps=1e-6, decay=0.01):
    state = averages(g, state, betas)
    m = state["m"] / (1 - betas[0] ** state["t"])
    h = state["h"] / (1 - betas[1] ** state["t"])
    direction = m / (h.sqrt() + eps) + decay * w
    lengths = [x.norm(dim=(-2, -1), keepdim=True) for x in (w, direction)]
    trust = torch.where(lengths[0] * lengths[1] > 0, lengths[0] / lengths[1], 1.0)
    return w - lr * trust * direction, state


# %% [markdown]
# If a layer or its direction is all zeros, as biases are at the start, the quotient makes no
# sense, and LAMB uses 1. Two checks, the second with a gradient that is 1000 times as large:

# %%
w, g = torch.full((4, 3), 2.0), torch.linspace(-1, 1, 12).reshape(4, 3)
moved = (lamb(w, g, {}, lr=0.01)[0] - w).norm() / w.norm()
verify("LAMB moves a layer by the share η of its length", abs(moved - 0.01) < 1e-6)
moved_too = (lamb(w, 1000 * g, {}, lr=0.01)[0] - w).norm() / w.norm()
verify("whatever the gradient's size", abs(moved_too - 0.01) < 1e-6)
verify("torch.optim has no LAMB", not hasattr(torch.optim, "LAMB"))

# %% [markdown]
# Two younger methods, as pointers. *Lion* (Chen et al., 2023) steps by the sign of a mixture of
# momentum and gradient, and keeps one tensor of state where Adam keeps two. *Muon* (Jordan et
# al., 2024) takes the momentum of a whole weight matrix and replaces it by the nearest orthogonal
# one, so that all its directions move equally far; in section 4's language, it treats directions,
# not weights. We have not measured either here.
#
# ### In PyTorch
#
# You now know what these lines do. The rates are the ones that you will meet most often as
# defaults or in tutorials; section 8 shows what they are worth.
#
# | line | section |
# |---|---|
# | `torch.optim.SGD(model.parameters(), lr=0.01)` | 1 |
# | `torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)` | 3 |
# | `torch.optim.Adagrad(model.parameters(), lr=0.01)` | 4 |
# | `torch.optim.RMSprop(model.parameters(), lr=0.001)` | 4 |
# | `torch.optim.Adadelta(model.parameters(), lr=1.0)` | 4 |
# | `torch.optim.Adam(model.parameters(), lr=0.001)` | 4 |
# | `torch.optim.AdamW(model.parameters(), lr=0.001)` | 5 |
#
# The paper calls Adam a combination of the advantages of AdaGrad and RMSProp, and the code
# agrees: momentum, a normalized step, and a correction for the start. That it "works well on
# large data" you have to take from the literature, since our data are small. That it is
# "computationally efficient" depends on what you compare: per step it does more arithmetic than
# SGD and keeps two numbers per weight, as section 10 counts.
#
# ### Exercise 09.4: decoupled weight decay
#
# Adam has computed its direction `step`. Write `decoupled_step(w, step, lr, decay)` that shrinks
# the weights as AdamW does, and then steps.


# %% tags=["exercise"]
def decoupled_step(w, step, lr, decay):
    # your code here
    ...


exercises.decay_exercise.check(decoupled_step)

# %% [markdown]
# ## 6. Four landscapes
#
# **What do the differences look like?** Four losses of two weights, each with its own difficulty:
# a *ravine*, steep across and flat along; a *saddle*, where the gradient vanishes although it is
# no minimum; *Rosenbrock's* curved valley; and *Beale's*, with a steep wall and a long flat
# plain. Let six optimizers race from one start. To be fair, each has the best of 25 rates for
# each surface. Move the step.

# %%
explorers.race()

# %% [markdown]
# The paths of six optimizers on four surfaces and their losses: none of them wins everywhere. On
# the ravine, which lies along the axes, Adagrad walks down without overshooting. RMSprop's first
# step is ten times too long, as you saw in section 4, and throws it off the map before it comes
# back. In Rosenbrock's curved valley momentum leads. Look at how its ball overshoots, and at the
# saddle: the start is a thousandth off the ridge.

# %%
end = explorers.race().at(surface="Rosenbrock", step=120).status
verify("Rosenbrock's valley, 120 steps: momentum leads", "momentum 0.9 (rate" in end)

# %% [markdown]
# ### Off the ridge
#
# How long does it take to leave a saddle? Near it the gradient is tiny, so plain SGD is slow.
# Adam divides by the gradient's size, so it should not care. At the same rate, 0.05, count the
# steps until b has left the ridge:


# %%
def slope_of(name):
    """The gradient of a surface as a function, by autograd."""

    def gradient(w):
        w = w.detach().requires_grad_()
        return torch.autograd.grad(SURFACES[name].loss(w).sum(), w)[0]

    return gradient


# %% [markdown]
# The gradient of any surface comes from autograd, so you can add surfaces of your own. Four rules
# start a thousandth beside the ridge:

# %%
start = torch.tensor(SURFACES["saddle"].start, dtype=torch.float64)
paths = {
    rule.__name__: descend(rule, slope_of("saddle"), start, 0.05, 400)
    for rule in (sgd, momentum, rmsprop, adam)
}

# %% [markdown]
# `argmax` of a row of zeros and ones finds the first one, the step at which b has passed ½:

# %%
left_at = {name: int((path[:, 1].abs() > 0.5).int().argmax()) for name, path in paths.items()}
print(left_at)
verify("SGD needs over 100 steps", left_at["sgd"] > 100)
verify("momentum less than half of that", 2 * left_at["momentum"] < left_at["sgd"])
verify("Adam and RMSprop under 20", max(left_at["adam"], left_at["rmsprop"]) < 20)

# %%
fig, (left_ax, right_ax) = plt.subplots(1, 2, figsize=(10, 3.8))
contours(left_ax, SURFACES["saddle"])
for name, path in paths.items():
    left_ax.plot(*path.T, **styles[name])
    right_ax.plot(path[:, 1].abs(), label=name, **styles[name])
right_ax.set(yscale="log", xlim=(0, 200), ylim=(5e-4, 3))
right_ax.set(xlabel="step", ylabel="distance from the ridge")
right_ax.legend()
plt.show()

# %% [markdown]
# Four paths from the left to one of the minima, and their distance from the ridge: SGD and
# momentum grow it along straight lines on the log axis, Adam and RMSprop leave at once. Equal
# rates are not a fair comparison of *speed*, as section 8 will insist; the point here is the
# shape. A factor per step against a fixed step length.

# %% [markdown]
# ## 7. Noise
#
# **What does the S in SGD do?** A gradient from a mini-batch of B examples is the true gradient
# plus noise, whose variance is that of one example divided by B. Near a minimum the true gradient
# is nearly zero and the noise is all that is left: the weight does not arrive, it *jitters*. For
# a bowl of curvature λ and noise σ² per example, the variance of the weight settles at
#
# $$
# \operatorname{Var}(w) = \frac{\eta\,\sigma^2}{B\,\lambda\,(2 - \eta\lambda)}
# \approx \frac{\eta}{B} \cdot \frac{\sigma^2}{2\lambda} .
# $$
#
# For small rates only the *quotient* η/B matters: doubling the batch calms the noise as much as
# halving the rate. Nine settings, 4,000 copies of each, λ = σ = 1:

# %%
etas = torch.tensor([0.02, 0.1, 0.5], dtype=torch.float64)[:, None, None]  # (3, 1, 1)
sizes = torch.tensor([1.0, 8.0, 64.0], dtype=torch.float64)[:, None]  # (3, 1)
generator = torch.Generator().manual_seed(0)
w, variances = torch.zeros(3, 3, 4000, dtype=torch.float64), []
for _ in range(500):
    noise = torch.randn(3, 3, 4000, generator=generator, dtype=torch.float64) / sizes.sqrt()
    w = w - etas * (w + noise)
    variances.append(w.var(dim=-1))
measured = torch.stack(variances[300:]).mean(dim=0)  # (3, 3)

# %% [markdown]
# The weights have the shape (3, 3, 4000): rates, batch sizes, copies. The variance is taken over
# the copies, and averaged over the last 200 steps.

# %%
theory = (etas / (sizes * (2 - etas)))[..., 0]
print("measured / theory:", [[f"≈{x:.2f}" for x in row] for row in (measured / theory).tolist()])
verify("the formula holds within 10 %", bool((measured / theory - 1).abs().max() < 0.1))

# %% [markdown]
# This is why the rate must fall towards the end of a training: with a constant one, the loss
# stays at the height where noise and slope balance.
#
# ### Does noise escape from local minima?
#
# "Noisy updates help to escape local minima" is said of SGD in many texts. Here is the simplest
# test: a loss of one weight with two wells, the left one deeper. Noise starts 2,000 runs in the
# *worse* well and 2,000 in the *better* one, lets them run 1,000 steps with noise of strength σ,
# and then 200 without, so that each settles in a well.
#
# *Predict first:* take the noise that frees most runs from the worse well. What does it do to
# those in the better one?

# %%
guess = ...  # "a": they all stay, "b": a few per cent leave, "c": more than a tenth leave
exercises.noise_guess.commit(guess)


# %%
def escaped(start, noise, fade=False):
    """Share of 2,000 runs on the double well that end on the other side of 0."""
    generator = torch.Generator().manual_seed(0)
    w = torch.full((2000,), start, dtype=torch.float64)
    for step in range(1200):
        strength = noise * (1 - step / 1000 if fade else 1.0) * (step < 1000)
        jolt = strength * torch.randn(2000, generator=generator, dtype=torch.float64)
        w = (w - 0.05 * (w**3 - w + 0.1 + jolt)).clamp(-4, 4)
    return ((w > 0) != (start > 0)).double().mean().item()


# %% [markdown]
# The gradient of the loss $w^4/4 - w^2/2 + w/10$ is $w^3 - w + 0.1$. `clamp` is a fence far
# outside of both wells, so that no run is thrown to infinity.

# %%
noises = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0]
freed = [100 * escaped(0.95, noise) for noise in noises]
lost = [100 * escaped(-1.05, noise) for noise in noises]

# %% [markdown]
# Eight strengths of noise from each side:

# %%
fig, (left_ax, right_ax) = plt.subplots(1, 2, figsize=(10, 3.6))
w = torch.linspace(-1.7, 1.7, 200)
left_ax.plot(w, w**4 / 4 - w**2 / 2 + 0.1 * w)
left_ax.set(xlabel="weight", ylabel="loss", title="two wells")
both = {"from the worse well": freed, "from the better well": lost}
plotting.curves(right_ax, noises, both, xlabel="noise σ", ylabel="runs that leave (%)", marker="o")
plt.show()

# %% [markdown]
# The loss with its two wells, and the share of runs that leave each of them against the strength
# of the noise: up to σ = 1 almost none does, at σ = 2 most leave the worse well, but some leave
# the better one too, and with more noise the two shares approach each other. Noise does not know
# which well is better; it only finds the deeper one harder to leave.

# %%
exercises.noise_guess.reveal("c", f"At σ = 2: ≈{freed[4]:.0f} % freed, ≈{lost[4]:.0f} % lost.")
verify("σ ≤ 0.5: nobody escapes", freed[0] == freed[1] == 0)
verify("σ = 2: more than 60 % are freed", freed[4] > 60)
verify("no other of the eight strengths frees more", freed[4] == max(freed))
verify("and more than a tenth leave the better well", lost[4] > 10)
verify(
    "σ = 6: nearly a coin flip, 50 to 65 % against 35 to 50 %", 50 < freed[7] < 65 > 35 < lost[7]
)

# %% [markdown]
# And if the noise starts strong and fades to nothing?

# %%
faded = 100 * escaped(0.95, 4.0, fade=True)
print(f"σ = 4 that fades to 0: ≈{faded:.0f} % end in the better well")
verify("fading noise does better than constant noise of that size", faded > freed[6] + 5)

# %% [markdown]
# So the sentence is true under conditions: the noise must be strong enough for the barrier, weak
# enough to tell the wells apart, and it should fade, which is what a falling learning rate does.
# Does it matter for networks? Train three networks on 500 digits with batches of 8 and of 500,
# the whole set, for the same number of steps and at the same rate. If local minima were the
# problem and noise the cure, the noisy runs should reach the lower training loss. For that we
# need the training loop.

# %% [markdown]
# ## 8. A fair comparison on real digits
#
# **Which optimizer is best?** "SGD is simple but slow", "Adam is the best default": such
# sentences compare *pairs* of optimizer and learning rate. To compare optimizers, each needs its
# own rate. We try eleven rates from 0.0003 to 30 for every one of eleven optimizers, with three
# seeds each: 363 networks 196-16-10, trained three epochs on the 3,500 digits with batches of 100.
# The images are shrunk to 14 × 14 pixels, and all numbers are float64, so that rounding,
# which differs between machines, does not decide a close race. Side by side this takes seconds:
# the weights have the shape (S·R, in, out), the rates (S·R, 1, 1), and the update rules of this
# lesson need no change.

# %%
digits = data.mnist_5k()


def shrunk(split):
    """Images at half the size, in float64: (N, 28, 28) -> (N, 14, 14)."""
    return F.avg_pool2d(split.images[:, None], 2)[:, 0].double()


X_train, y_train = shrunk(digits.train).flatten(1), digits.train.labels  # (3500, 196), (3500,)


def draw_weights(seeds, rates, first_seed=0):
    """Weights of 196-16-10 networks, the same for all rates: W1, b1, W2, b2, (S * R, in, out)."""
    generator = torch.Generator().manual_seed(first_seed)
    weights = []
    for n_in, n_out in ((196, 16), (16, 10)):
        W = (2 * torch.rand(seeds, 1, n_in, n_out, generator=generator) - 1) / n_in**0.5
        weights.append(W.expand(seeds, rates, n_in, n_out).flatten(0, 1).double())
        weights.append(torch.zeros(seeds * rates, 1, n_out).double())
    return weights


# %%
def logits_of(weights, x):
    W1, b1, W2, b2 = weights
    return torch.relu(x @ W1 + b1) @ W2 + b2  # (N, 196) -> (S * R, N, 10)


# %% [markdown]
# The loop is the one you know. Each network's loss is the mean over its batch, and the sum over
# networks gives each of them its own gradient, because no weight belongs to two. A *schedule* may
# scale the rates; it gets the share of the training that is done, from 0 to 1, and by default
# returns 1.


# %%
def losses_and_gradients(weights, x, y, forward=logits_of):
    """The loss of each of K networks on a batch, (K,), and the gradients for their weights."""
    weights = [w.detach().requires_grad_() for w in weights]
    z = forward(weights, x)  # (K, N, 10)
    each = F.cross_entropy(z.flatten(0, 1), y.repeat(len(z)), reduction="none")  # (K * N,)
    loss = each.view(len(z), -1).mean(dim=1)
    return loss.detach(), torch.autograd.grad(loss.sum(), weights)


# %% [markdown]
# One batch for K networks: logits of the shape (K, N, 10), one loss for each network. Around it
# stands the loop over epochs and batches, which also keeps the mean training loss of each epoch:


# %%
def train_grid(rule, rates, seeds=3, epochs=3, batch_size=100, size=3500, schedule=None, first=0):
    """Train seeds x rates networks side by side: weights, and loss by epoch (epochs, S, R)."""
    weights, states = draw_weights(seeds, len(rates), first), [{}, {}, {}, {}]
    lr, steps, curve = rates.repeat(seeds).double()[:, None, None], 0, []
    generator = torch.Generator().manual_seed(first)
    total, known = epochs * math.ceil(size / batch_size), (X_train[:size], y_train[:size])
    for _ in range(epochs):
        curve.append(torch.zeros(len(lr)).double())
        for x, y in data.batches(*known, batch_size=batch_size, generator=generator):
            loss, gradients = losses_and_gradients(weights, x, y)
            now = lr * (schedule(steps / total) if schedule else 1.0)
            updated = [rule(*args, now) for args in zip(weights, gradients, states, strict=True)]
            weights, states = zip(*updated, strict=True)
            curve[-1], steps = curve[-1] + loss * len(x) / size, steps + 1
    return weights, torch.stack(curve).view(epochs, seeds, -1)


@torch.no_grad()
def grid_accuracy(weights, split, seeds=3):
    """Accuracy in percent of each network: (S, R)."""
    right = logits_of(weights, shrunk(split).flatten(1)).argmax(dim=-1) == split.labels
    return 100 * right.float().mean(dim=-1).view(seeds, -1)


# %% [markdown]
# First the question of section 7: batches of 8 digits or all 500 at once, at the rate 0.1, for
# 252 steps each.

# %%
tenth, last_loss = torch.tensor([0.1]), {}
for batch_size, epochs in ((8, 4), (500, 252)):
    weights, _ = train_grid(sgd, tenth, epochs=epochs, batch_size=batch_size, size=500)
    with torch.no_grad():
        z = logits_of(weights, X_train[:500])
    last_loss[batch_size] = torch.stack([F.cross_entropy(each, y_train[:500]) for each in z])
    print(f"batch {batch_size}: training loss ≈{last_loss[batch_size].median():.2f}")

# %%
lower = last_loss[500].max() < last_loss[8].median()
verify("every run without noise ends below the median of the noisy ones", lower)

# %% [markdown]
# Here noise gives no help in getting down. The small batches have another advantage: each of
# their steps needed a sixtieth of the computation. That, not an escape from minima, is reason
# enough to use them.
#
# ### The race
#
# The protocol, before anybody looks at a result. Each optimizer's rate is chosen by the median
# *validation* accuracy over three seeds. Then five new seeds train with that rate and are judged
# once on the *test* digits. All other settings are PyTorch's defaults, momentum is 0.9, and no
# weight decay but AdamW's and LAMB's 0.01. *Predict first:* how far apart will best and worst be?

# %%
guess = ...  # "a": less than 6 points, "b": 6 to 20 points, "c": more than 20 points
exercises.fair_guess.commit(guess)

# %%
rules = [sgd, momentum, nesterov, adagrad, rmsprop, adadelta, adam, adamw, nadam, radam, lamb]
rates = torch.logspace(-3.5, 1.5, 11)  # half a decade from one to the next
tuning = {}  # name -> validation accuracy (S, R)
for rule in rules:
    weights, _ = train_grid(rule, rates)
    tuning[rule.__name__] = grid_accuracy(weights, digits.validation)

# %% [markdown]
# That was the tuning. Now the judgment: new initial weights, a new order of the batches, and the
# test digits, which nobody has looked at so far.

# %%
chosen, final = {}, {}
for rule in rules:
    best = tuning[rule.__name__].median(dim=0).values.argmax()
    weights, _ = train_grid(rule, rates[best : best + 1], seeds=5, first=1)
    chosen[rule.__name__] = rates[best].item()
    final[rule.__name__] = grid_accuracy(weights, digits.test, seeds=5)[:, 0]  # (5,)
for name, runs in final.items():
    print(f"{name:9} rate ≈{chosen[name]:.4f}   median of 5 ≈{runs.median():.1f} %")

# %%
fig, (left_ax, right_ax) = plt.subplots(1, 2, figsize=(10.5, 4.4))
for name in shown:
    plotting.band(left_ax, rates, tuning[name].clamp(min=10), label=name, **styles[name])
left_ax.set(xscale="log", xlim=(3e-4, 4), ylim=(0, 100))
left_ax.set(xlabel="learning rate", ylabel="validation accuracy (%)")
fig.legend(loc="outside upper center", ncols=7)
for row, runs in enumerate(final.values()):
    right_ax.plot([runs.min(), runs.max()], [row, row], "-", color="gray", linewidth=6, alpha=0.5)
    right_ax.plot(runs.median(), row, "o", color="black")
right_ax.set(xlabel="test accuracy (%) at the own best rate, 5 new seeds", xlim=(80, 95))
right_ax.set_yticks(range(len(final)), final)
right_ax.invert_yaxis()
plt.show()

# %% [markdown]
# On the left the median validation accuracy of seven optimizers against the learning rate: each
# has a hill of its own, and the tops lie up to two and a half decades apart. On the right the test
# accuracy at each one's own best rate, with a bar over five new seeds: most bars overlap, and all
# medians lie within a few points.

# %%
tops = torch.stack([runs.median() for runs in final.values()])
spread = tops.max() - tops.min()
at_one_rate = torch.stack([runs.median(dim=0).values for runs in tuning.values()])  # (11, R)
same_rate = at_one_rate.amax(dim=0) - at_one_rate.amin(dim=0)  # (R,) spread at each rate
exercises.fair_guess.reveal("a", f"Measured: ≈{spread:.1f} points.")
verify("own best rates: less than 6 points apart", spread < 6)
span = max(chosen.values()) / min(chosen.values())
verify("the best rates span over two decades", span > 100)
verify("any one rate up to 3 for all: over 15 points apart", same_rate[:9].min() > 15)

# %%
within = [(runs.amax(1) - runs.amin(1)).min() for runs in tuning.values()]
verify("within each optimizer the rate moves over 60 points", min(within) > 60)

# %% [markdown]
# This is the main result of the lesson. A popular sentence says that "the optimizer determines
# how efficiently you descend the loss landscape". With these networks it should say: the
# optimizer *together with its rate*, and mostly the rate. Whoever gives all of them the same rate
# decides by it who wins: at 0.3 SGD looks excellent and Adam broken, at 0.003 it is the other way
# round. Four sentences that you will read, against the table:


# %%
def median_at(name, rate):
    """Median validation accuracy at the rate nearest to the given one."""
    return at_one_rate[[r.__name__ for r in rules].index(name), (rates - rate).abs().argmin()]


# %%
print(f"SGD at 0.01 ≈{median_at('sgd', 0.01):.0f} %, at 0.3 ≈{median_at('sgd', 0.3):.0f} %")
print(f"Adam at 0.0003 ≈{median_at('adam', 3e-4):.0f} %, at 0.003 ≈{median_at('adam', 3e-3):.0f} %")
slow = median_at("sgd", 0.3) - median_at("sgd", 0.01) > 15
verify("SGD is slow: at 0.01, yes; at 0.3 it gains over 15 points", slow)
better = median_at("adam", 3e-3) - median_at("adam", 3e-4) > 5
verify("use Adam with 3e-4: here 3e-3 is better by over 5 points", better)
verify("search from 1e-4 to 1e-2: that misses SGD's best rate", chosen["sgd"] > 0.03)

# %% [markdown]
# And a fifth: "Adam adapts the rate for each parameter, so it is more robust". Robust can be
# counted, as the number of rates that lead above 80 %:

# %%
good = {name: int((runs.median(0).values > 80).sum()) for name, runs in tuning.items()}
print("rates above 80 %:", good)
verify("Adam is more robust: more good rates than SGD", good["adam"] > good["sgd"])

# %% [markdown]
# One sentence has to stay open. "Adam is the most common optimizer": we know of no count. And
# what is true here, with 3,500 digits, three epochs and small networks, need not be true for a
# language model. But the method carries over: *tune each, count seeds, spend equal budgets.*
#
# ### A recurrent network
#
# "RMSprop is good for RNNs", says many a table of optimizers. Good compared with what, and at
# which rates? Let us read the digits row by row. A *recurrent* network keeps a hidden state
# $\mathbf{h}$ of 32 units; each row of pixels changes it by the same weights, and after the last
# row a linear layer reads off the class:
#
# $$
# \mathbf{h} \leftarrow \tanh(\mathbf{x}_{\text{row}} W_x + \mathbf{h} W_h + \mathbf{b}) .
# $$
#
# To keep it cheap, the first 2,000 digits are used, for three epochs with batches of 50. Four
# optimizers, five rates for each around the hill where it lives, three seeds.


# %%
def recurrent_logits(weights, x):
    """Read images row by row with K networks side by side: (N, 14, 14) -> (K, N, 10)."""
    W_in, W_hidden, b, W_out, b_out = weights
    hidden = torch.zeros(len(W_in), len(x), 32).double()
    for row in x.unbind(dim=1):  # (N, 14)
        hidden = torch.tanh(row @ W_in + hidden @ W_hidden + b)
    return hidden @ W_out + b_out


# %% [markdown]
# Initial weights are drawn as `nn.RNN` draws them, uniform within ±1/√32; biases start at 0. The
# loop is the old one without a schedule, and the function returns the validation accuracy.


# %%
def train_recurrent(rule, rates, seeds=3):
    """Validation accuracy in percent of seeds x rates recurrent networks: (S, R)."""
    generator, K = torch.Generator().manual_seed(0), seeds * len(rates)
    weights, states, lr = [], [{}] * 5, rates.repeat(seeds).double()[:, None, None]
    for n_in, n_out in ((14, 32), (32, 32), (1, 32), (32, 10), (1, 10)):
        W = (2 * torch.rand(seeds, 1, n_in, n_out, generator=generator) - 1) / 32**0.5
        W = W * (n_in > 1)  # biases start at 0
        weights.append(W.expand(seeds, len(rates), n_in, n_out).reshape(K, n_in, n_out).double())
    known = shrunk(digits.train)[:2000], y_train[:2000]
    for _ in range(3):
        for x, y in data.batches(*known, batch_size=50, generator=generator):
            _, gradients = losses_and_gradients(weights, x, y, recurrent_logits)
            parts = zip(weights, gradients, states, strict=True)
            weights, states = zip(*[rule(*part, lr) for part in parts], strict=True)
    right = (
        recurrent_logits(weights, shrunk(digits.validation)).argmax(-1) == digits.validation.labels
    )
    return 100 * right.float().mean(dim=-1).view(seeds, -1)


# %% [markdown]
# The windows begin at 0.01 for SGD, 0.001 for momentum and Adam, and 0.0003 for RMSprop, and
# reach two decades up, in half decades; each hill lies inside.

# %%
lowest_rates = {sgd: -2, momentum: -3, rmsprop: -3.5, adam: -3}
recurrent = {}
for rule, low in lowest_rates.items():
    runs = train_recurrent(rule, torch.logspace(low, low + 2, 5))  # (S, R)
    recurrent[rule.__name__] = runs.median(dim=0).values
    best = recurrent[rule.__name__]
    print(f"{rule.__name__:9} best of five rates ≈{best.max():.0f} %")

# %%
best = {name: runs.max() for name, runs in recurrent.items()}
verify("RMSprop beats SGD by over 8 points here", best["rmsprop"] > best["sgd"] + 8)
verify("and momentum by over 5", best["rmsprop"] > best["momentum"] + 5)
verify("but Adam is within 8 points of it", abs(best["rmsprop"] - best["adam"]) < 8)
inside = all(0 < runs.argmax() < 4 for runs in recurrent.values())
verify("no best rate lies at the edge of its window", inside)

# %% [markdown]
# So the table is half right: on this recurrent network, in this short training, RMSprop is
# clearly better than SGD, with or without momentum, each at its own rate. But so is Adam. Here,
# for once, the *kind* of optimizer matters. A likely reason, which we have not tested: gradients
# that travel back through many rows differ widely in size from one batch to the next, and the
# adaptive methods normalize them.
#
# ### The hills, one by one
#
# In this explorer a smaller network is trained for one epoch at eleven rates with three seeds.
# Look for the widest hill.

# %%
explorers.digits()

# %% [markdown]
# The training loss of one epoch at the chosen rate, and the accuracy of the chosen optimizer at
# all rates above the gray curves of the others: below its hill an optimizer has hardly begun,
# above it the training is destroyed. Move the rate to the edge of a hill and watch the loss curve
# become rough before it breaks.

# %% [markdown]
# ### Exercise 09.7: diagnose three curves
#
# The same network, SGD, three rates. Which is which?

# %%
_, three = train_grid(sgd, torch.tensor([10.0, 0.5, 0.05]), seeds=1, epochs=8)
fig, ax = plt.subplots(figsize=(6.5, 3.4))
by_letter = dict(zip("ABC", three[:, 0].T, strict=True))
plotting.curves(ax, None, by_letter, xlabel="epochs", ylabel="training loss", marker="o")
ax.set(yscale="log")
plt.show()

# %% [markdown]
# Three loss curves over eight epochs on a log axis: A starts highest and then stays flat at about
# 2.3, B falls fast and ends lowest, C falls slowly and smoothly. Remember that guessing among ten
# classes costs ln 10 = 2.3.
#
# - **a)** A is too small, B is good, C is too large
# - **b)** A is good, B is too small, C is too large
# - **c)** A is too large, B is good, C is too small
# - **d)** A is too small, B is too large, C is good

# %% tags=["exercise"]
diagnosis = ...  # "a", "b", "c" or "d"

exercises.three_curves.check(diagnosis)

# %% [markdown]
# ## 9. Schedules and warm-up
#
# **Should the rate stay the same?** Section 7 says that it should fall at the end, to calm the
# noise. Experience says that it should also rise at the start: a *warm-up* of some hundred steps.
# Four schedules, each a factor for the rate at the share p of the training:


# %%
def cosine(p):
    return 0.5 * (1 + math.cos(math.pi * p))


schedules = {
    "constant": lambda p: 1.0,
    "cosine": cosine,
    "warm-up": lambda p: min(1.0, 5 * p + 0.01),
    "both": lambda p: min(1.0, 5 * p + 0.01) * cosine(p),
}

# %%
window, scheduled = rates[3:8], {}  # from 0.01 to 1
for rule in (sgd, adam):
    scheduled[rule.__name__, "constant"] = tuning[rule.__name__][:, 3:8]
    for name in ("cosine", "warm-up", "both"):
        weights, _ = train_grid(rule, window, schedule=schedules[name])
        scheduled[rule.__name__, name] = grid_accuracy(weights, digits.validation)

# %%
fig, axes = plt.subplots(1, 3, figsize=(11, 3.6))
shares = torch.linspace(0, 1, 101)
shapes = {name: [f(p.item()) for p in shares] for name, f in schedules.items()}
plotting.curves(axes[0], shares, shapes, xlabel="share of the training", ylabel="factor")
for ax, rule in zip(axes[1:], ("sgd", "adam"), strict=True):
    middle = {name: scheduled[rule, name].median(dim=0).values for name in schedules}
    plotting.curves(ax, window, middle, xlabel="learning rate", title=rule, legend=False)
    ax.set(xscale="log", ylim=(0, 100))
axes[1].set(ylabel="validation accuracy (%)")
plt.show()

# %% [markdown]
# The four schedules, and the validation accuracy of SGD and Adam with each of them against the
# rate: with a warm-up Adam's cliff lies about half a decade further right, and with the cosine
# SGD wants a larger rate. The cosine halves the average rate, so at small rates it only slows SGD
# down; at the best rates of each, the four schedules end close together.

# %%
at_high = {key: runs[:, 3].median() for key, runs in scheduled.items()}  # the rate 0.3
for name in schedules:
    print(f"Adam at 0.3, {name:8} ≈{at_high['adam', name]:.0f} %")
gain = at_high["adam", "both"] - at_high["adam", "constant"]
verify("Adam at 0.3: warm-up and cosine gain over 15 points", gain > 15)

# %% [markdown]
# The same question for SGD, and for RAdam without any schedule:

# %%
best_sgd = [scheduled["sgd", name].median(dim=0).values.max() for name in schedules]
verify("SGD's best: all within 5 points", max(best_sgd) - min(best_sgd) < 5)
ahead = median_at("radam", 0.3) - median_at("adam", 0.3)
verify("RAdam at 0.3, constant: over 15 points ahead of Adam", ahead > 15)

# %% [markdown]
# Why does Adam need it? In the first steps h holds a handful of gradients, and each weight moves
# by almost η, whatever its gradient says. A large η then throws all weights far away at once,
# before anything is known. RAdam builds the warm-up in, and at this rate it is far ahead of Adam
# without any schedule. SGD's first steps are not normalized, and with these networks the warm-up
# alone changes little. The cosine is no free gift either: with so short a budget, the time spent
# at small rates is missing elsewhere.
#
# In PyTorch a schedule is an object that changes the optimizer's rate. `LambdaLR` takes any
# function of the step. Call it *after* `optimizer.step()`, and decide whether a step is a batch
# or an epoch.

# %%
optimizer = torch.optim.Adam([nn.Parameter(torch.zeros(2))], lr=0.1)
scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: cosine(step / 50))
seen = []
for _ in range(50):
    seen.append(optimizer.param_groups[0]["lr"])
    optimizer.step()  # in a real loop: after loss.backward()
    scheduler.step()
wanted = [0.1 * cosine(step / 50) for step in range(50)]
verify(
    "LambdaLR follows our function",
    max(abs(a - b) for a, b in zip(seen, wanted, strict=True)) < 1e-12,
)

# %% [markdown]
# ### Exercise 09.5: warm-up and cosine
#
# Write `warmup_cosine(step, warmup, total)` for `LambdaLR`, in whole steps: (step + 1)/warmup in
# the first `warmup` steps, then half a cosine from 1 at step `warmup` to 0 at step `total`.


# %% tags=["exercise"]
def warmup_cosine(step, warmup, total):
    # your code here
    ...


exercises.schedule_exercise.check(warmup_cosine)

# %% [markdown]
# ## 10. What does it cost, and which one?
#
# **Memory.** The state lives beside the weights, on the same device, for the whole training.
# Count it: give each optimizer the same network, take one step, and add up the bytes of every
# tensor that it has stored.


# %%
def state_bytes(optimizer_class, **options):
    """Bytes that an optimizer keeps for a 784-256-10 network, and the bytes of the weights."""
    model = nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10))
    optimizer = optimizer_class(model.parameters(), lr=0.01, **options)
    model(torch.zeros(2, 784)).sum().backward()
    optimizer.step()
    kept = [v for s in optimizer.state.values() for v in s.values() if torch.is_tensor(v)]
    return sum(v.nbytes for v in kept), sum(p.nbytes for p in model.parameters())


# %%
ratios = {}
for name in ("SGD", "Adagrad", "RMSprop", "Adadelta", "Adam", "AdamW", "NAdam", "RAdam"):
    kept, weights = state_bytes(getattr(torch.optim, name))
    ratios[name] = kept / weights

# %%
kept, weights = state_bytes(torch.optim.SGD, momentum=0.9)
ratios["SGD, momentum"] = kept / weights
print({name: round(ratio, 2) for name, ratio in ratios.items()})
verify("plain SGD keeps nothing", ratios["SGD"] == 0)
verify("momentum keeps one number per weight, Adam two", ratios["SGD, momentum"] == 1)
verify("Adam keeps two (and a step counter)", abs(ratios["Adam"] - 2) < 0.01)

# %% [markdown]
# So a model that is trained with Adam needs four times the memory of its weights: weights,
# gradients, m and h, and on top of that the saved activations. LAMB's state is that of Adam. For
# a network of this size nobody cares; for one that barely fits on a device, the choice of the
# optimizer decides whether it can be trained there at all.
#
# ### Exercise 09.6: what AdamW remembers
#
# A model has 10 million parameters in float32. How many bytes of state does AdamW keep, the step
# counters aside?

# %% tags=["exercise"]
state_size = ...  # a number of bytes

exercises.state_bytes.check(state_size)

# %% [markdown]
# ### Choosing
#
# Every row points to the evidence in this lesson, or says that there is none here. The state is
# counted in numbers per weight. "Level" means that the medians in the race differ by less than
# the verified six points; do not read a ranking into smaller differences, because the seeds alone
# move an accuracy by several points.
#
# | optimizer | state | take it when | evidence |
# |---|---|---|---|
# | SGD | 0 | memory is short, the rate can be searched | level in [the race](#The-race) |
# | + momentum | 1 | the loss is badly conditioned | [√κ](#3.-Momentum:-a-heavy-ball) |
# | Nesterov | 1 | as momentum | level in [the race](#The-race) |
# | Adagrad | 1 | gradients are sparse | Duchi et al.; not measured here |
# | RMSprop | 1 | a rate per weight at half of Adam's state | [RNN](#A-recurrent-network) |
# | Adadelta | 2 | rarely; its best rate is about 3 | [the race](#The-race) |
# | Adam | 2 | few trials must do: many good rates | [the race](#The-race) |
# | AdamW | 2 | Adam with weight decay | [equal shares](#5.-Decay,-and-a-step-for-each-layer) |
# | NAdam | 2 | as Adam | level in [the race](#The-race) |
# | RAdam | 2 | as Adam, warm-up built in | [section 9](#9.-Schedules-and-warm-up) |
# | LAMB | 2 | batches are very large | You et al.; not measured here |
#
# A default that these measurements support: start with AdamW, search its rate on a log scale over
# at least three decades in half decades, add a short warm-up and a falling schedule, and look at
# the curve next to the best rate. If the best rate lies at the edge of your search, the search
# was too narrow: move it and go on. If it matters, give SGD with momentum the same search. Judge
# on validation data, never on the test set, and repeat the winner with a few new seeds before you
# believe it. And if a training is slow, ask first whether its rate is near the edge of the
# diverging zone; a different optimizer at a timid rate is no faster.

# %% [markdown]
# ## Common mistakes
#
# ### A layer that the optimizer does not know
#
# **Symptom:** the loss falls, but the new head stays as it was. The optimizer holds the
# parameters that the model had when it was *created*. Replace a layer afterwards, and nobody
# updates the new one.

# %%
model = nn.Sequential(nn.Linear(196, 16), nn.ReLU(), nn.Linear(16, 10))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
model[2] = nn.Linear(16, 10)  # a new head, after the optimizer
before = model[2].weight.detach().clone()
F.cross_entropy(model(X_train[:100].float()), y_train[:100]).backward()
optimizer.step()
verify("the new head has a gradient", bool(model[2].weight.grad.abs().sum() > 0))
verify("and does not move", torch.equal(before, model[2].weight))

# %% [markdown]
# Make the optimizer after the model is complete, or hand it the new parameters with
# `add_param_group`.
#
# ### A schedule that counts the wrong steps
#
# **Symptom:** the loss jumps up in the middle of the training. `CosineAnnealingLR(T_max=10)` was
# meant for ten epochs, but `scheduler.step()` stands inside the loop over batches. The cosine
# reaches 0 after ten batches and climbs again.

# %%
optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(2))], lr=0.1)
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=10)
seen = []
for _ in range(20):
    seen.append(round(optimizer.param_groups[0]["lr"], 4))
    optimizer.step()
    scheduler.step()
print(seen)
verify("after 10 batches the rate is 0, and then it rises", seen[10] == 0 and seen[19] > 0.09)

# %% [markdown]
# Print the rates of a whole training before you start it, as this cell does; it costs a line, and
# it would have saved many a training.
#
# ### Momentum on top of a tuned rate
#
# **Symptom:** SGD trains well, you add `momentum=0.9`, and it breaks. The effective rate is ten
# times as large (section 3). Divide η by 10 when you add momentum, and tune it again. At SGD's
# best rate and the one above:

# %%
for rate in (0.3, 1.0):
    pair = median_at("sgd", rate), median_at("momentum", rate)
    print(f"rate {rate}: without ≈{pair[0]:.0f} %, with momentum ≈{pair[1]:.0f} %")
verify("at 1.0 momentum costs over 15 points", pair[0] - pair[1] > 15)

# %% [markdown]
# At 0.3 nothing breaks: three epochs are short, and the tenfold effective rate is still below the
# border. One position further, where SGD alone is nearly as good, the same change ruins the
# training. So a rate that was tuned without momentum is only a first guess for the rate with it.
#
# ### Seen before in this lesson
#
# - All optimizers at one rate: [the race](#The-race).
# - `weight_decay` in Adam, where AdamW was meant:
#   [section 5](#5.-Decay,-and-a-step-for-each-layer).
# - Adam as "w minus η times gradient": [Adam](#Adam).
# - Features that were not standardized: [section 4](#Badly-scaled-features).

# %% [markdown]
# ## Key takeaways
#
# - Every optimizer is one function of weights, gradient, memory and rate
#   ([section 1](#1.-One-form-for-all)).
# - Gradient descent diverges above 2/λmax, and the condition number κ sets its speed
#   ([section 2](#2.-The-learning-rate)).
# - Momentum needs about √κ steps where gradient descent needs κ, if both are tuned
#   ([section 3](#3.-Momentum:-a-heavy-ball)).
# - Adaptive methods give each *weight* a rate; that cures bad scales, not tilted ravines
#   ([Badly scaled features](#Badly-scaled-features)).
# - AdamW decays every weight by the same share; L2 in Adam does not
#   ([section 5](#5.-Decay,-and-a-step-for-each-layer)).
# - Noise leaves bad minima and good ones; it settles at a height of about η/B
#   ([section 7](#7.-Noise)).
# - With its own best rate every optimizer came within a few points; the rate moves far more
#   ([The race](#The-race)).
# - A warm-up protects Adam from a large rate; a schedule must count the right steps
#   ([section 9](#9.-Schedules-and-warm-up)).
# - Adam's state is twice the size of the weights
#   ([section 10](#10.-What-does-it-cost,-and-which-one?)).
#
# ## Further exercises
#
# 1. Write Lion in the lesson's form from its paper, add it to `rules`, and run the race again.
# 2. Does the advantage of RMSprop and Adam on the recurrent network survive gradient clipping
#    (lesson 3.6)? Clip in `losses_and_gradients` and tune every rate again.
# 3. Search β₁ and β₂ of Adam at its best rate. Does any pair beat the defaults by more than the
#    seeds differ?
# 4. Give the race ten times the budget. Which of its conclusions survive?
#
# **Reading.** B. Polyak, "Some methods of speeding up the convergence of iteration methods"
# (1964). J. Duchi, E. Hazan and Y. Singer, "Adaptive subgradient methods" (2011). D. Kingma and
# J. Ba, "Adam" (2015). I. Loshchilov and F. Hutter, "Decoupled weight decay regularization"
# (2019). G. Goh, "Why momentum really works", *Distill* (2017). R. Schmidt, F. Schneider and P.
# Hennig, "Descending through a crowded valley" (2021), the race on a large scale.
#
# ## Your progress

# %%
from course_utils.exercises import progress

progress("09")

# %% [markdown]
# ## Next
#
# You have all parts now: neurons, activations, architectures, initial weights, losses, the loop,
# its diagnosis, regularization and optimizers. [Lesson 3.10, the capstone](10_capstone.ipynb), puts
# them together into a classifier that is tested, saved and used.
