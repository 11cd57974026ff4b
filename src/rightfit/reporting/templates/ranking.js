// The ranking in the browser: the same formulas as rightfit.ranking, on the profiles of the report.
// Utilities on fixed bounds, limits, the choice of the serving configuration, the order.
"use strict";

const Ranking = (() => {
  const known = (value) => value !== null && value !== undefined && !Number.isNaN(value);

  function scoreMetric(value, { worst, best, scale }) {
    if (!known(value)) return NaN;
    const place = scale === "log"
      ? (Math.log(value) - Math.log(worst)) / (Math.log(best) - Math.log(worst))
      : (value - worst) / (best - worst);
    return Math.min(1, Math.max(0, place));
  }

  function utilityOf(values, application) {
    const goals = application.objectives.filter((goal) => goal.weight > 0);
    const total = goals.reduce((sum, goal) => sum + goal.weight, 0);
    const geometric = application.aggregation === "geometric";
    const sum = goals.reduce((partial, goal) => {
      const score = scoreMetric(values[goal.metric], goal);
      return partial + (goal.weight / total) * (geometric ? Math.log(score) : score);
    }, 0);
    return total > 0 ? Math.min(1, geometric ? Math.exp(sum) : sum) : NaN;
  }

  function boundOf(limit, profiles) {
    if (limit.kind !== "max_degradation") return limit.value;
    const measured = profiles.map((profile) => profile.values[limit.metric]).filter(known);
    return Math.max(...measured) - limit.value * (1 + 1e-9); // as in Python, against rounding
  }

  // By how much each limit is broken, as a share of the limit.
  function excessesOf(values, limits, bounds) {
    return limits.map((limit, i) => {
      const value = values[limit.metric];
      const beyond = limit.kind === "max" ? value - bounds[i] : bounds[i] - value;
      return known(value) ? Math.max(0, beyond) / (Math.abs(bounds[i]) || 1) : Infinity;
    });
  }

  function preference(profile, { by, prefer }) {
    const value = profile.values[by];
    return known(value) ? (prefer === "higher" ? value : -value) : -Infinity;
  }

  // Compare two judged profiles by the first key in which they differ; the higher one comes first.
  function compareBy(keys) {
    return (a, b) => {
      for (const key of keys) {
        if (key(a) !== key(b)) return key(a) > key(b) ? -1 : 1;
      }
      return a.position - b.position;
    };
  }

  // A candidate is the same model in each configuration: what an export rounds decides nothing.
  const isNoQuality = ({ by }) => by !== "quality" && by !== "quality_raw";

  function standsLike(a, b) {
    return a.feasible === b.feasible && a.undecided === b.undecided && a.excess === b.excess
      && known(a.utility) === known(b.utility);
  }

  const isClose = (utility, highest, { prefer_within }) => utility === highest || utility > highest - prefer_within;

  function standing({ utility, feasible }) {
    if (Number.isNaN(utility)) return -4;
    return feasible ? utility : utility - 2;
  }

  /**
   * Rank the candidates of one dataset by utility, best first, each in its best configuration; a
   * winner that qualifies in the one it won with keeps that.
   */
  function rank(profiles, application, { winner, serving } = {}) {
    const bounds = application.limits.map((limit) => boundOf(limit, profiles));
    const judged = profiles.map((profile, position) => {
      const utility = utilityOf(profile.values, application);
      const excesses = excessesOf(profile.values, application.limits, bounds);
      const excess = excesses.reduce((sum, one) => sum + one, 0);
      // limits that only timings break which other work on the machine may have slowed so much
      const quiet = (limit) => profile.values[limit.metric] * (limit.kind === "max" ? 1 / limit.slowdown : limit.slowdown);
      const undecided = profile.disturbed && excess > 0 && excess < Infinity && known(utility)
        && application.limits.every((limit, i) => limit.kind === "max" ? quiet(limit) <= bounds[i] : quiet(limit) >= bounds[i]);
      return { ...profile, position, utility, excess, undecided, bounds, feasible: excess === 0 && known(utility) };
    });
    const unit = 10 ** application.utility_digits;
    const rounded = (p) => (known(p.utility) ? Math.round(p.utility * unit) : -unit);
    const key = (tie) => (tie.by === "utility" ? rounded : (profile) => preference(profile, tie));
    const isNear = (p, best) => standsLike(p, best) && (rounded(best) === rounded(p) || rounded(best) - rounded(p) < application.prefer_within * unit);
    const byStanding = compareBy([
      (p) => (p.feasible ? 2 : Number(p.undecided)),
      (p) => Number(known(p.utility)),
      (p) => -p.excess,
      rounded,
    ]);
    const byRule = compareBy([...application.ties.filter(isNoQuality).map(key), rounded]);
    const configurations = new Map(); // of each candidate, those practically equal to the best
    for (const profile of judged.sort(byStanding)) {
      const near = configurations.get(profile.candidate) || [];
      if (!near.length || isNear(profile, near[0])) near.push(profile);
      configurations.set(profile.candidate, near);
    }
    const best = [...configurations.values()].map((near) => near.sort(byRule)[0]);
    const highest = Math.max(...best.filter((p) => p.feasible).map((p) => p.utility));
    const kept = application.keep_winner && judged.find((p) => (
      p.candidate === winner && p.serving === serving && p.feasible && isClose(p.utility, highest, application)
    ));
    const chosen = best.map((p) => (kept && p.candidate === winner ? kept : p));
    const ties = application.ties.filter((tie) => tie.by !== "utility").map(key);
    return chosen.sort(compareBy([standing, ...ties]));
  }

  /** Choose among the candidates that are practically equal to the best: the earlier winner, else by the tie rule. */
  function choose(ranked, application, { winner, serving } = {}) {
    const feasible = ranked.filter((one) => one.feasible);
    const near = feasible.filter(({ utility }) => isClose(utility, feasible[0].utility, application));
    const kept = application.keep_winner && near.find((one) => one.candidate === winner && one.serving === serving);
    const key = (tie) => (tie.by === "utility" ? (one) => one.utility : (one) => preference(one, tie));
    const better = (a, b) => application.ties.map(key).map((of) => of(b) - of(a)).find((gap) => gap !== 0) ?? 0;
    return kept || near.sort(better)[0];
  }

  return { rank, choose, scoreMetric, utilityOf };
})();
