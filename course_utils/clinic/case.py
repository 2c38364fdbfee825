"""A patient: a sick program, its examination, and the check-up of the repaired one."""

from __future__ import annotations

import inspect
import math
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils import training
from course_utils.clinic import monitor, reach, trace
from course_utils.clinic.faults import FAULTS
from course_utils.clinic.monitor import Monitor, Program, Stopped
from course_utils.clinic.programs import CONTEXT, edited, text_of
from course_utils.clinic.samples import Sample
from course_utils.exercises.engine import text
from course_utils.exercises.engine.behavior import Misconception
from course_utils.exercises.engine.choice import letters_of
from course_utils.exercises.engine.function import FunctionExercise
from course_utils.exercises.engine.inputs import Probe
from course_utils.exercises.engine.outcome import Outcome
from course_utils.exercises.engine.state import Capture
from course_utils.exercises.engine.verdict import AnswerError, Status, Verdict

CHECK_SEEDS = (1001, 1002, 1003)
_LIMIT = 30.0  # seconds; a process's first optimizer imports a lot
Findings = dict[str, Any]
Ill = Callable[[Findings, Findings], str]
Predictor = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Treatment:
    """A plausible treatment that does not cure.

    Attributes:
        old: text of the sick program.
        new: what the treatment writes instead.
        message: what to tell a learner who tries it.
    """

    old: str
    new: str
    message: str


@dataclass(frozen=True)
class Sign:
    """A mistaken repair that is recognized by what it does.

    Attributes:
        name: a few words.
        answer: a program that was repaired in this way.
        message: what to tell the learner.
        shows: whether the findings are those of this repair, given those of a healthy program;
            without it only a program that does the same as ``answer`` is recognized.
    """

    name: str
    answer: Program
    message: str
    shows: Callable[[Findings, Findings], bool] | None = None


@dataclass(frozen=True)
class Complaint:
    """What is wrong with a program.

    Attributes:
        name: a few words.
        words: what to tell the learner.
        treatment: what was treated beside the fault, if anything.
    """

    name: str
    words: str
    treatment: str = ""


RATE, EPOCHS, OPTIMIZER = "a smaller learning rate", "more epochs", "another optimizer"
OUTSIDE = ("trained on the check-up", "no training")  # complaints that no catalogue lists
UNCHANGED = "the unchanged program"


class Case(FunctionExercise):
    """A sick program as an exercise: the answer is the repaired program.

    Args:
        id: Lesson and number, as in ``"07.7"``.
        number: The patient's number.
        complaint: What is wrong, in the owner's words.
        sick: The program with one fault.
        solution: The repaired program.
        sample: ``sample(seed)`` gives the labeled data that the program may use.
        new: ``new(seed)`` gives data for the check-up, which the program never sees.
        train_rows: How many of its samples the sick program trains on.
        fault: Letter of the fault.
        evidence: Said after the right diagnosis.
        tempting: Letter of a wrong diagnosis to what tells the two apart.
        ill: ``ill(findings, healthy)`` says what is still wrong, or "".
        treatments: The name of a treatment that does not cure (``RATE``, ``EPOCHS``,
            ``OPTIMIZER``) to the treatment.
        first_look: What a doctor would have looked at first.
        unchanged: Said of the program as it came in.
        alternatives: Other right repairs.
        signs: Mistaken repairs.
        hints: From gentle to nearly there.
        reasoning: Why the repair works.
        score_name: ``"accuracy"``, or ``"squared error"`` for numbers as targets.
        shuffled: Whether the program is also run on shuffled labels, where nothing can be learned.
        one_by_one: Whether the check-up gives the inputs to the predictor one at a time.
        wrong_report: Whether the report is at fault and the model is not.
        free: What the repair may change: ``RATE`` if that is the fault.
        keeps: How many hidden features the owner wants to find again, if any.
        aside: ``aside(findings)`` says what is not perfect in a right repair, or "".

    Raises:
        ValueError: If the parts do not fit together.
    """

    def __init__(
        self,
        id: str,
        number: int,
        complaint: str,
        *,
        sick: Program,
        solution: Program,
        sample: Callable[[int], Sample],
        new: Callable[[int], Sample],
        train_rows: int,
        fault: str,
        evidence: str,
        tempting: Mapping[str, str],
        ill: Ill,
        treatments: Mapping[str, Treatment],
        first_look: str,
        unchanged: str,
        alternatives: Sequence[Program],
        hints: Sequence[str],
        reasoning: str,
        signs: Sequence[Sign] = (),
        score_name: str = "accuracy",
        shuffled: bool = False,
        one_by_one: bool = False,
        wrong_report: bool = False,
        free: Sequence[str] = (),
        keeps: int | None = None,
        aside: Callable[[Findings], str] | None = None,
    ) -> None:
        if fault not in FAULTS or fault in tempting or not set(tempting) <= set(FAULTS):
            raise ValueError(f"{id}: the letters of the faults do not fit")
        self.number, self.complaint, self.sick = number, complaint, sick
        self.sample, self.new, self.train_rows = sample, new, train_rows
        self.fault, self.evidence, self.tempting = fault, evidence, dict(tempting)
        self.ill, self.first_look, self.signs = ill, first_look, tuple(signs)
        self.treatments, self.free = dict(treatments), tuple(free)
        self.wrong_report = wrong_report
        self.score_name, self.shuffled, self.one_by_one = score_name, shuffled, one_by_one
        self.keeps, self.aside = keeps, aside
        self._sick_outcomes: list[Outcome] | None = None
        self._last: list[Outcome] = []
        self.diagnosed = False
        name = f"program_{number}"
        super().__init__(
            id,
            f"Patient {number}",
            f"{complaint} Write {name}(X, y, seed): the program without its fault. Change nothing "
            "else. It returns what predicts and the report of each epoch.",
            solution=solution,
            name=name,
            probes=[Probe(f"seed {seed}", lambda seed=seed: (seed,)) for seed in CHECK_SEEDS],
            observe=self._examine,
            alternatives=alternatives,
            misconceptions=[
                Misconception(UNCHANGED, sick, unchanged),
                *(
                    Misconception(name, self.treated(name), treatment.message)
                    for name, treatment in self.treatments.items()
                ),
                *(Misconception(sign.name, sign.answer, sign.message) for sign in self.signs),
            ],
            hints=hints,
            reasoning=reasoning,
            remark=f"A doctor would have looked first at this: {first_look}",
            time_limit=_LIMIT,
            may_change_inputs=True,
            context=CONTEXT,
        )
        self._known = self._catalogue()

    def _catalogue(self) -> dict[int, list[Outcome] | None]:
        """What the catalogue's own answers did, by their identity, once they have run."""
        mistakes = [known.answer for known in self.misconceptions]
        return {id(answer): None for answer in (*self.alternatives, *mistakes)}

    # What the learner can do before the repair

    def run(
        self, seed: int = 0, *, samples: int | None = None, program: Program | None = None
    ) -> trace.Trace:
        """Train a program and record what it shows.

        Args:
            seed: of the data, the weights and the order of the batches.
            samples: give the program only this many samples, repeated to the usual number; a
                healthy program learns a few samples by heart.
            program: the program to run instead of the sick one.

        Returns:
            The record.
        """
        program = self.sick if program is None else program
        X, y = self._given(seed, samples)
        with torch.random.fork_rng(devices=[]):
            with Monitor(program=inspect.unwrap(program).__code__) as seen:
                predict, history = _result(program(X.clone(), y.clone(), seed))
            known, fresh = (X[: self.train_rows], y[: self.train_rows]), self._fresh(seed)
            scores = [self._score(predict, *sample) for sample in (known, fresh)]
        title = f"patient {self.number}, seed {seed}"
        title += "" if samples is None else f", {samples} samples"
        return trace.Trace(
            title, self.score_name, seen.losses, seen.gradient_norms, history, *scores, seen.moved()
        )

    def chart(
        self, seed: int = 0, *, samples: int | None = None, program: Program | None = None
    ) -> None:
        """Train a program and draw its loss, its scores and its gradient norm.

        Args:
            seed: of the data, the weights and the order of the batches.
            samples: give the program only this many samples, repeated to the usual number.
            program: the program to run instead of the sick one.
        """
        import matplotlib.pyplot as plt

        record = self.run(seed, samples=samples, program=program)
        figure, axes = plt.subplots(1, 3, figsize=(9, 2.6), layout="constrained")
        trace.draw(axes, record)
        figure.legend(*axes[1].get_legend_handles_labels(), loc="outside lower center", ncols=3)
        plt.show()

    def parts(self, seed: int = 0, after: int = 0) -> types.SimpleNamespace:
        """Stop the sick program just before an update, as a breakpoint does.

        Args:
            seed: of the data, the weights and the order of the batches.
            after: how many updates it may make first.

        Returns:
            The program's variables by their names: ``model``, ``criterion``, ``optimizer``,
            ``X_train``, ``y_train``, ``X_valid``, ``y_valid``, ``X_batch``, ``y_batch``, ``loss``;
            the gradients are there, and the update is not made yet.

        Raises:
            ValueError: If the program ends before that update.
        """
        with torch.random.fork_rng(devices=[]):
            code = self.sick.__code__  # type: ignore[attr-defined]
            with Monitor(program=code, stop_before=after) as seen:
                try:
                    self.sick(*self._given(seed, None), seed)
                except Stopped:
                    return types.SimpleNamespace(**(seen.variables or {}))
        raise ValueError(f"The program makes {seen.updates} updates; after={after} is too late.")

    def diagnose(self, answer: Any) -> None:
        """Say what to think of a diagnosis.

        Args:
            answer: One of the letters of ``clinic.faults()``, or the ``...`` of the notebook.
        """
        head = f"{self._heading}:"
        if answer is ... or answer is None:
            print(f"○ {head} no diagnosis yet. Replace the ... by a letter of clinic.faults().")
            return
        try:
            (letter,) = letters_of(answer, FAULTS, most=1)
        except Exception as error:  # anything may be given, also objects that cannot be shown
            words = str(error) if isinstance(error, AnswerError) else "that is not a choice."
            print(text.screen(text.wrap(f"✗ {head} {words}", hang="  ")))
            return
        print(text.screen(text.wrap(self._opinion(letter), hang="  ")))

    def _opinion(self, letter: str) -> str:
        fault = FAULTS[letter]
        if letter == self.fault:
            self.diagnosed = True
            return f"✓ {self._heading}: yes, {fault.name}. {self.evidence}"
        head = f"✗ {self._heading}: not this: {fault.name}."
        return f"{head} {self.tempting.get(letter) or f'It would show: {fault.shows}.'}"

    def source(self) -> None:
        """Print the sick program, to be repaired."""
        if not self.diagnosed:
            print("# No diagnosis yet. A doctor names the fault before the first cut.")
        print(text_of(self.sick, self.name))

    def treated(self, name: str) -> Program:
        """The sick program after one of the treatments that do not cure.

        Args:
            name: ``RATE``, ``EPOCHS`` or ``OPTIMIZER``.
        """
        return edited(self.sick, (self.treatments[name].old, self.treatments[name].new))

    def answer_source(self) -> str:
        """Source code that answers the exercise when it stands in the notebook's cell."""
        return text_of(self.reference, self.name)

    # How a program is examined

    def _given(self, seed: int, samples: int | None) -> Sample:
        X, y = self.sample(seed)
        if samples is None:
            return X, y
        rows = torch.arange(len(X)) % samples
        return X[rows], y[rows]

    def _examine(self, program: Program, seed: int) -> Findings:
        """Train a program and measure what it did."""
        X, y = self.sample(seed)
        X_new, y_new = self._fresh(seed)
        state = torch.get_rng_state()
        with Monitor() as seen:
            returned = program(X, y, seed)
        predict, history = _result(returned)
        outputs = self._outputs(predict, X_new)
        score = self._compare(outputs, y_new)
        X, y = self.sample(seed)  # the program may have changed its own
        known, others = slice(self.train_rows), slice(self.train_rows, None)
        trained, valid = (self._score(predict, X[part], y[part]) for part in (known, others))
        found = {
            "score": score,
            "report": history[-1],
            "history": history,
            "trained": trained,
            "valid": valid,
            "steps": seen.steps,
            "optimizer": seen.optimizer,
            "rate": seen.rate,
            "size": seen.size,
            "moved": max(seen.moved().values(), default=0.0),
            "stale": seen.share(seen.stale),
            "asleep": seen.share(seen.asleep),
            "modal": seen.share(seen.modal),
            "dropout": seen.dropout,
            "judged awake": seen.judged_awake,
            "passes for an update": seen.passes / seen.updates if seen.updates else 1.0,
            "clipped": seen.clipped,
            "likeness": seen.likeness,
            "seen before": monitor.trained_on(seen.inputs(), X_new),
            "shares": outputs.ndim == 2 and monitor.is_shares(outputs),
            "surprise": _surprise(outputs, y_new),
            "range": (float(outputs.min()), float(outputs.max())),
            "bend": self._bend(predict, X_new),
            "listed": _listed(predict),
        }
        if self.keeps is not None:
            found["kept"] = self._kept(predict, X_new[:4])
        if self.shuffled:
            found["on shuffled labels"] = self._on_shuffled_labels(program, seed)
            outsiders = self._outsiders(X, *seen.looked_at())
            found |= self._votes(program, seed, state, outsiders, outputs)
        return found

    def _fresh(self, seed: int) -> Sample:
        X, y = self.new(seed)
        return (X[:300], y[:300]) if self.one_by_one else (X, y)

    def _on_shuffled_labels(self, program: Program, seed: int) -> float:
        """Mean report on two data sets in which there is nothing to learn."""
        reports = []
        for k in range(2):
            X, y = self.sample(seed + 7 * (k + 1))
            order = torch.randperm(len(y), generator=torch.Generator().manual_seed(seed + k))
            reports.append(_result(program(X, y[order], seed))[1][-1])
        return sum(reports) / len(reports)

    def _kept(self, predict: Predictor, X: Tensor) -> str:
        """What can be found of the hidden features; see ``reach.kept``."""
        before = reach.kept(predict, self.keeps)
        with torch.enable_grad():
            predict(X)
        return reach.kept(predict, self.keeps) or before

    def _outsiders(self, X: Tensor, learned: Tensor | None, others: Tensor | None) -> Tensor:
        """Mark the samples (N,) that were evaluated and not trained on.

        They are recognized by one of their values, of which no two are alike; a program that
        changes the values is taken to divide the samples as the sick one does.
        """
        rows = torch.arange(len(X))
        if learned is None or others is None:
            return rows >= self.train_rows
        column = torch.isin(X, torch.cat([learned, others])).sum(dim=0).argmax()
        known, asked = (torch.isin(X[:, column], values) for values in (learned, others))
        outsiders = asked & ~known
        return outsiders if bool(known.any() & outsiders.any()) else rows >= self.train_rows

    def _votes(
        self, program: Program, seed: int, state: Tensor, outsiders: Tensor, before: Tensor
    ) -> Findings:
        """Whether other labels, or other values, of those samples give another model.

        Args:
            program: the program.
            seed: its seed.
            state: of the generator, before the first run.
            outsiders: (N,) which samples must not matter.
            before: what the model says when all is as it was.
        """
        X, y = self.sample(seed)
        strangers = self.sample(seed + 99)[0]
        other = torch.Generator().manual_seed(seed + 98)
        drawn = torch.randint(0, 2, y.shape, generator=other)
        changes = {
            "labels vote": (X, torch.where(outsiders, drawn, y)),
            "values vote": (torch.where(outsiders[:, None], strangers, X), y),
        }
        votes = {}
        for name, changed in {"": (X, y), **changes}.items():
            torch.set_rng_state(state)
            predict, _ = _result(program(*(part.clone() for part in changed), seed))
            again = self._outputs(predict, self._fresh(seed)[0])
            votes[name] = again.shape != before.shape or not torch.allclose(again, before)
        unsteady = votes.pop("")  # not even the same twice: nothing is known
        return {name: vote and not unsteady for name, vote in votes.items()}

    def _score(self, predict: Predictor, X: Tensor, y: Tensor) -> float:
        return self._compare(self._outputs(predict, X), y)

    def _outputs(self, predict: Predictor, X: Tensor) -> Tensor:
        """What the predictor says about inputs; a model is used in evaluation mode.

        Raises:
            AnswerError: If it cannot be used, or says something else than a number per class.
        """
        inside = predict.modules() if isinstance(predict, nn.Module) else ()
        modes = [(part, part.training) for part in inside]
        for part, _ in modes:
            part.training = False
        try:
            with torch.no_grad():
                given = X.split(1) if self.one_by_one else (X,)
                outputs = torch.cat([predict(x) for x in given])
        except Exception as error:
            raise AnswerError(
                f"what your program returns cannot predict new data of shape {text.shape(X)}: "
                f"{type(error).__name__}: {text.error_text(error)}"
            ) from None
        finally:
            for part, mode in modes:
                part.training = mode
        return outputs

    def _bend(self, predict: Predictor, X: Tensor) -> float:
        """How far a predictor is from a linear one, for which this is 0.

        The prediction in the middle between two inputs is compared with the mean of the two
        predictions, in units of their spread. For classes the predictions are the logits, up to a
        number for each sample. NaN for a constant, and where only the class is told.
        """
        a, b = X[0::2], X[1::2]
        ends, middles = (
            self._numbers(self._outputs(predict, given))
            for given in (torch.cat([a, b]), (a + b) / 2)
        )
        straight = (ends[: len(a)] + ends[len(a) :]) / 2
        spread = float(ends.std(dim=0).mean())
        return float((middles - straight).abs().mean()) / spread if spread > 1e-6 else float("nan")

    def _numbers(self, outputs: Tensor) -> Tensor:
        """What would be linear in a linear model: (N, C) logits without their mean, or (N, 1)."""
        outputs = outputs.double()
        if self.score_name != "accuracy":
            return outputs.reshape(-1, 1)
        if outputs.ndim != 2:
            return torch.zeros(len(outputs), 1)
        logits = outputs.clamp_min(1e-300).log() if monitor.is_shares(outputs) else outputs
        return logits - logits.mean(dim=1, keepdim=True)

    def _compare(self, outputs: Tensor, y: Tensor) -> float:
        if self.score_name == "accuracy":
            if outputs.shape == y.shape:
                return float((outputs == y).double().mean())
            if outputs.ndim == 2 and len(outputs) == len(y) and outputs.shape[1] > 1:
                return training.accuracy(outputs, y)
        elif outputs.numel() == y.numel():
            return float(F.mse_loss(outputs.double().reshape(-1), y.double().reshape(-1)))
        raise AnswerError(
            f"the check-up gave {len(y)} inputs to what you return and got the shape "
            f"{text.shape(outputs)}. It must map inputs to outputs, one row for each input."
        )

    # How the findings are judged

    def _reference_outcomes(self, capture: Capture) -> list[Outcome]:
        expected = super()._reference_outcomes(capture)
        if self._sick_outcomes is None:
            self._sick_outcomes = self._outcomes(self.sick, capture)
        return expected

    def _outcomes(self, answer: Any, capture: Capture) -> list[Outcome]:
        """Run an answer; those of the catalogue are run once."""
        if id(answer) not in self._known:
            return self._run_on_all(answer, capture)
        if self._known[id(answer)] is None:
            self._known[id(answer)] = self._run_on_all(answer, capture)
        return self._known[id(answer)] or []

    def _run_on_all(self, answer: Any, capture: Capture) -> list[Outcome]:
        try:
            return super()._outcomes(answer, capture)
        finally:
            monitor.close_all()  # time may have been up while one was closing

    def _settles(self, answer: Any, probe: Probe, outcome: Outcome) -> bool:
        """One seed on which a program is ill is enough."""
        if answer is self.reference or answer is self.sick:
            return False
        return outcome.error is not None or self._complaint(outcome, probe) is not None

    def _problem(self, got: Outcome, right: Outcome, probe: Probe) -> Status | None:
        if got.timed_out or got.error is not None:
            return super()._problem(got, right, probe)
        return None if self._complaint(got, probe) is None else Status.WRONG_VALUE

    def _complaint(self, outcome: Outcome, probe: Probe) -> Complaint | None:
        """The first thing that is wrong with a program that ran."""
        index = self.probes.index(probe)
        assert self._sick_outcomes is not None and self._expected is not None
        got, sick = outcome.value, self._sick_outcomes[index].value
        healthy = self._expected[index].value
        if got["seen before"] > 0.02:
            return Complaint(
                "trained on the check-up",
                f"About {got['seen before']:.0%} of the check-up's images are among those that "
                "your program trains on. A check-up means something only on images that it has "
                "never seen: use the X and y that it is given.",
            )
        if got["steps"] == 0:
            words = "No update was seen. The program must still train its model."
            return Complaint("no training", words)
        if same(got, sick):
            return Complaint(UNCHANGED, self._message(UNCHANGED))
        ill = self.ill(got, healthy)
        changed = self._dose(got, sick, healthy)
        if changed is not None:
            return self._on_the_dose(*changed, ill)
        for sign in self.signs:
            if sign.shows is not None and sign.shows(got, healthy):
                return Complaint(sign.name, sign.message)
        if ill:
            words = f"The symptom is still there: {ill} Look first at this: {self.first_look}"
            return Complaint("still ill", words)
        return self._side_effect(got, healthy)

    def _message(self, name: str) -> str:
        return next(known.message for known in self.misconceptions if known.name == name)

    def _dose(
        self, got: Findings, sick: Findings, healthy: Findings
    ) -> tuple[str, str, str] | None:
        """What was changed beside the fault, if anything: its name, before, after."""
        if got["optimizer"] and got["optimizer"] != sick["optimizer"]:
            return OPTIMIZER, sick["optimizer"], got["optimizer"]
        if got["steps"] > 1.1 * healthy["steps"]:
            return EPOCHS, f"{healthy['steps']} updates", f"{got['steps']} updates"
        ratio = 1.0 if RATE in self.free else got["rate"] / sick["rate"]
        if ratio < 0.95 or ratio > 1.05:
            name = RATE if ratio < 1 else "a larger learning rate"
            return name, f"{sick['rate']:g}", f"{got['rate']:.3g}"
        if got["size"] > 1.15 * healthy["size"]:
            return "a larger model", f"{healthy['size']:,} weights", f"{got['size']:,} weights"
        return None

    def _on_the_dose(self, name: str, before: str, after: str, ill: str) -> Complaint:
        change = f"({before} before, {after} now)"
        if not ill:
            words = (
                f"The patient looks well, but something else is new as well: {name} {change}. "
                "Change one thing at a time: put this back, and see whether the repair alone cures."
            )
            return Complaint("two changes", words, treatment=name)
        treatment = self.treatments.get(name)
        if treatment and (name != OPTIMIZER or f".{after}(" in treatment.new):
            return Complaint(name, treatment.message, treatment=name)
        words = f"This is {name} {change}, and the symptom stays: {ill}"
        return Complaint("still ill", words, treatment=name)

    def _side_effect(self, got: Findings, healthy: Findings) -> Complaint | None:
        """What else a repair has broken, if anything."""
        if healthy["bend"] > 0.01 and got["bend"] < 1e-3 * healthy["bend"]:
            words = (
                "The symptom is gone, but what comes back is linear: it has no ReLU any more, and "
                "layers without one are no more than a single layer. The network was sound; put "
                "the ReLU back."
            )
            return Complaint("no ReLU", words)
        if 0 < got["size"] < 0.85 * healthy["size"]:
            words = (
                "The symptom is gone, but the model is smaller now "
                f"({healthy['size']:,} weights before, {got['size']:,} now). Nothing was wrong "
                "with its size: put it back, and see whether the repair alone cures."
            )
            return Complaint("a smaller model", words)
        if _close(got["report"], got["trained"]) and abs(got["report"] - got["valid"]) > 0.02:
            words = (
                "The symptom is gone, but your history reports the samples that the program has "
                f"trained on ({about(got['report'])}). On the validation samples it is "
                f"{about(got['valid'])}, and that is what the owner wants to know."
            )
            return Complaint("reports the training", words)
        allowed = 0.25 if self.shuffled else 0.15  # there, few persons validate
        if self.score_name != "accuracy":
            allowed = 0.1 + 0.5 * healthy["score"]
        if abs(got["report"] - got["score"]) <= allowed:
            return None
        words = (
            f"The symptom is gone, but the report is wrong now: your history ends with "
            f"{about(got['report'])} ({self.score_name}), on new data it is {about(got['score'])}."
        )
        return Complaint("wrong report", words)

    def _recognize(self, outcomes: list[Outcome], capture: Capture) -> Misconception | None:
        found = self._found(outcomes)
        if found is None:
            return None
        named = [known for known in self.misconceptions if known.name == found.name]
        if named or found.name in OUTSIDE:
            return next(iter(named), None)
        same = (
            known
            for known in self.misconceptions
            if self._alike(outcomes, self._mistake_outcomes(known, capture))
        )
        return next(same, None)

    def _found(self, outcomes: list[Outcome]) -> Complaint | None:
        last, probe = outcomes[-1], self.probes[len(outcomes) - 1]
        if last.timed_out or last.error is not None:
            return None
        return self._complaint(last, probe)

    def _explain(self, answer: Any, outcomes: list[Outcome], expected: list[Outcome]) -> Verdict:
        found = self._found(outcomes)
        if found is None:
            return super()._explain(answer, outcomes, expected)
        return self._verdict(Status.WRONG_VALUE, "not yet.", text.wrap(found.words))

    def _all_right(self, outcomes: list[Outcome], expected: list[Outcome]) -> bool:
        self._last = outcomes
        return super()._all_right(outcomes, expected)

    def _correct(self, answer: Any, *details: str) -> Verdict:
        sick, healthy = (
            {key: [outcome.value[key] for outcome in outcomes or ()] for key in ("score", "report")}
            for outcomes in (self._sick_outcomes, self._expected)
        )
        measured = (
            f"{self.score_name} on new data: sick {_span(sick['score'])}, "
            f"healthy {_span(healthy['score'])}"
        )
        if self.wrong_report:
            measured = ", ".join(
                f"{name} {_mean(found['report'])} and {_mean(found['score'])}"
                for name, found in (("sick", sick), ("healthy", healthy))
            )
            measured = f"{self.score_name} reported and on new data: {measured}"
        measured = f"({measured}; {len(sick['score'])} seeds)"
        aside = self.aside(self._last[-1].value) if self.aside else ""
        said = (text.wrap(f"The symptom is gone, but {aside}"),) if aside else ()
        return super()._correct(answer, measured, *said, *details)


def _result(returned: Any) -> tuple[Predictor, list[float]]:
    """Take a program's result apart.

    Raises:
        AnswerError: If it is not a predictor and a list of numbers.
    """
    wanted = "It must end like the sick one: return model, history."
    if not isinstance(returned, (tuple, list)) or len(returned) != 2:
        raise AnswerError(f"your program returned {text.kind(returned)}. {wanted}")
    predict, history = returned
    if not callable(predict):
        raise AnswerError(
            f"the first result is {text.kind(predict)}, which cannot predict. {wanted}"
        )
    try:
        numbers = [float(value) for value in history]
    except (TypeError, ValueError, RuntimeError):
        numbers = []
    if not numbers:
        raise AnswerError(
            "the second result must be the history: a list with one number for each epoch."
        )
    return predict, numbers


def _listed(predict: Predictor) -> float:
    """How many values the parameters of a predictor have; NaN if it is not a module."""
    if not isinstance(predict, nn.Module):
        return float("nan")
    return float(sum(parameter.numel() for parameter in predict.parameters()))


def _surprise(outputs: Tensor, y: Tensor) -> float:
    """Cross-entropy of outputs, read as logits or as probabilities; NaN if there are no classes."""
    if outputs.ndim != 2 or outputs.shape[1] < 2 or y.ndim != 1 or len(y) != len(outputs):
        return float("nan")
    logits = outputs.double()
    known = F.cross_entropy(logits, y) if int(y.max()) < logits.shape[1] else logits.new_tensor(9.0)
    return float(known)


def same(a: Findings, b: Findings) -> bool:
    """Whether two programs did the same, as far as it was measured."""
    keys = ("score", "report", "steps", "rate")
    if any(not _close(a[key], b[key]) for key in keys) or a["optimizer"] != b["optimizer"]:
        return False
    pairs = zip(a["history"], b["history"], strict=False)
    return len(a["history"]) == len(b["history"]) and all(_close(x, y) for x, y in pairs)


def _close(a: float, b: float) -> bool:
    return (math.isnan(a) and math.isnan(b)) or math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-9)


def about(value: float) -> str:
    """A measured number in words."""
    return f"≈{value:.2f}" if math.isfinite(value) else "not finite"


def _mean(values: Sequence[float]) -> str:
    return about(sum(values) / len(values))


def _span(values: Sequence[float]) -> str:
    low, high = about(min(values)), about(max(values))
    return low if low == high else f"{low} to {high}"


def low_score(got: Findings, healthy: Findings, margin: float = 0.06) -> str:
    """Words if a program does clearly worse on new data than a healthy one, else "".

    Args:
        got: findings of the program.
        healthy: findings of the reference repair on the same seed.
        margin: accuracy that it may lose.
    """
    if got["score"] >= healthy["score"] - margin:
        return ""
    return (
        f"on new data it gets {about(got['score'])} right, a healthy run {about(healthy['score'])}."
    )


def large_error(got: Findings, healthy: Findings, factor: float = 2.0) -> str:
    """Words if a program's squared error on new data is clearly above a healthy one's, else "".

    Args:
        got: findings of the program.
        healthy: findings of the reference repair on the same seed.
        factor: by which it may be larger.
    """
    if got["score"] <= factor * healthy["score"]:
        return ""
    return (
        f"its squared error on new data is {about(got['score'])}, a healthy run's "
        f"{about(healthy['score'])}."
    )
